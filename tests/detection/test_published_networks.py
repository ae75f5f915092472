"""Published networks and small ones of their forms: found by their outputs, read as they are."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from tests.matching import read_truth, recall_and_precision
from tests.published_forms import write_fastestdet, write_nanodet, write_ssd
from tracker.detection.default_names import COCO_NAMES, COCO_PAPER_NAMES
from tracker.detection.load import load_model
from tracker.detection.yolo_detector import DetectorSettings
from tracker.errors import ModelError
from tracker.frames import Frame, VideoInfo
from tracker.sources.files.video_file import VideoFile
from tracker.util.stopwatch import Stopwatch

pytest.importorskip("onnx", reason="making ONNX files needs the package onnx")
pytest.importorskip("onnxruntime", reason="needs the extra onnx")


@pytest.fixture(scope="module")
def pets(data: Path) -> tuple[VideoInfo, Frame]:
    """Frame 50 of a real video, with six people in it."""
    path = data / "video" / "PETS09-S2L1.mp4"
    if not path.is_file():
        pytest.skip(f"{path.name} is not in shared/data")
    with VideoFile(path) as video:
        return video.info, next(frame for frame in video if frame.index == 50)


@pytest.mark.parametrize(
    ("file", "layout", "least"),
    [
        # Of the six people; measured with all others: 6, 5, 5 and 3.
        ("nanodet/nanodet.onnx", "nanodet", 3),
        ("nanodet/nanodet_m.onnx", "nanodet", 3),
        ("fastestdet/FastestDet.onnx", "fastestdet", 3),
        ("ssd_mobilenet_v1/detect.tflite", "tflite-detection", 1),
    ],
)
def test_published_networks_find_people(
    data: Path, pets: tuple[VideoInfo, Frame], file: str, layout: str, least: int
) -> None:
    path = data / "weights" / file
    if not path.is_file():
        pytest.skip(f"{path.name} is not in shared/data")
    info, frame = pets
    settings = DetectorSettings(classes=("person",), threads=1)
    detector = load_model(path, settings=settings)
    assert detector.layout_name == layout
    detector.start(info)
    (found,) = detector.detect([frame], Stopwatch())
    truth = read_truth(data / "mot15" / "PETS09-S2L1" / "gt" / "gt.txt", scale=0.625)[50]
    recall, _ = recall_and_precision(
        [found.boxes], {0: truth}, width=info.width, height=info.height
    )
    assert len(truth) == 6
    assert round(recall * len(truth)) >= least
    again = load_model(path, settings=settings)
    again.start(info)
    (same,) = again.detect([frame], Stopwatch())
    np.testing.assert_array_equal(same.boxes, found.boxes)
    np.testing.assert_array_equal(same.scores, found.scores)


@pytest.mark.parametrize(
    ("write", "layout", "class_names", "side", "box"),
    [
        # What a cell at (32, 32) finds, see `published_forms`.
        (write_fastestdet, "fastestdet", COCO_NAMES, 16, [28, 24, 52, 56]),
        (write_nanodet, "nanodet", COCO_NAMES, 8, [28, 20, 44, 52]),
        (write_ssd, "tflite-detection", COCO_PAPER_NAMES, 32, [32, 32, 64, 64]),
    ],
)
def test_forms_of_published_networks_are_found_and_read(
    tmp_path: Path,
    write: Callable[[Path], Path],
    layout: str,
    class_names: tuple[str, ...],
    side: int,
    box: list[int],
) -> None:
    is_ssd = layout == "tflite-detection"
    detector = load_model(write(tmp_path / ("net.tflite" if is_ssd else "net.onnx")))
    assert (detector.layout_name, detector.class_names) == (layout, class_names)
    image = np.zeros((96 if is_ssd else 64, 96, 3), np.uint8)
    # Red for the SSD, blue for the others: each finds nothing in another order of colours.
    image[32 : 32 + side, 32 : 32 + side, 0 if is_ssd else 2] = 255
    size = (image.shape[1], image.shape[0])
    detector.start(VideoInfo("test", *size, fps=Fraction(25), time_base=Fraction(1, 25)))
    (found,) = detector.detect([Frame(image, index=0, time_s=0.0, source="test")], Stopwatch())
    assert found.classes.tolist() == [0]
    np.testing.assert_allclose(found.boxes, [box], atol=0.01)
    np.testing.assert_allclose(found.scores, 1 / (1 + np.exp(-5)) if is_ssd else 1, atol=1e-4)


def test_names_of_another_network_beside_one_whose_layout_is_found(tmp_path: Path) -> None:
    path = write_fastestdet(tmp_path / "mine.onnx")
    detector = load_model(path)
    assert (detector.layout_name, detector.class_names) == ("fastestdet", COCO_NAMES)
    (tmp_path / "mine.yaml").write_text("names: [person, car]\n")
    with pytest.raises(ModelError, match="expected 80 as the network has, got 2; name the file"):
        load_model(path)
