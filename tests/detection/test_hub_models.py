"""SavedModels as TensorFlow Hub has them: from the folder to boxes and masks in the frame."""

import hashlib
import shutil
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from tests.detection.hub_models import SCORES, write_object_detection, write_yolov5
from tracker.detection.load import load_model
from tracker.detection.model_detector import ModelDetector
from tracker.detection.yolo_detector import DetectorSettings
from tracker.detections import Detections
from tracker.errors import ConfigError, ModelError
from tracker.frames import Frame, VideoInfo
from tracker.inference.tensorflow import load_tensorflow
from tracker.masks import decode_mask
from tracker.util.stopwatch import Stopwatch

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

HALF_PIXEL = 0.5
"""Of the network's input: where it takes a border to be that lies between two pixels."""


@pytest.fixture(scope="session", autouse=True)
def tensorflow() -> object:
    """TensorFlow, loaded the way that the package does it: without its lines on stderr."""
    return load_tensorflow()


@pytest.fixture(scope="module")
def ssd(tmp_path_factory: pytest.TempPathFactory) -> ModelDetector:
    folder = tmp_path_factory.mktemp("hub") / "ssd"
    return load_model(write_object_detection(folder, rows=100, raw_rows=1917))


@pytest.fixture(scope="module")
def yolov5(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_yolov5(tmp_path_factory.mktemp("hub") / "yolov5s_saved_model")


def detected(detector: ModelDetector, image: np.ndarray) -> Detections:
    height, width = image.shape[:2]
    detector.start(VideoInfo("test", width, height, fps=Fraction(25), time_base=Fraction(1, 25)))
    (found,) = detector.detect([Frame(image, index=0, time_s=0.0, source="test")], Stopwatch())
    return found


def painted(
    height: int, width: int, *boxes: tuple[int, int, int, int], grey: int = 0
) -> np.ndarray:
    """A frame with boxes xyxy: the first bright in red, then green, then blue."""
    image = np.full((height, width, 3), grey, np.uint8)
    for channel, (x1, y1, x2, y2) in enumerate(boxes):
        image[y1:y2, x1:x2, channel] = 255
    return image


FRAMES = [
    (96, 128, ((10, 20, 50, 30), (64, 40, 100, 90), (0, 0, 20, 60))),
    (120, 50, ((3, 5, 21, 118), (30, 60, 50, 70), (0, 110, 9, 120))),
    (40, 200, ((100, 0, 200, 40), (7, 3, 12, 11), (50, 30, 60, 37))),
]


def check_object_detection(detector: ModelDetector) -> None:
    assert detector.layout_name == "tf-detection"
    assert detector.image_input.dtype == "uint8"
    for height, width, boxes in FRAMES:
        found = detected(detector, painted(height, width, *boxes))
        np.testing.assert_allclose(found.scores, SCORES)
        assert found.classes.tolist() == [0, 1, 2]
        scale = max(height, width) / max(detector.input_size)
        np.testing.assert_allclose(found.boxes, boxes, atol=HALF_PIXEL * max(scale, 1) + 0.1)
    green = painted(60, 80, (0, 0, 0, 0), (20, 10, 60, 50))
    found = detected(detector, green)
    np.testing.assert_allclose(found.boxes, [[20, 10, 60, 50]], atol=0.6)
    assert found.classes.tolist() == [1]
    assert len(detected(detector, painted(60, 80))) == 0


def test_ssd_and_efficientdet(ssd: ModelDetector) -> None:
    check_object_detection(ssd)
    assert ssd.class_names[:3] == ("person", "bicycle", "car")
    assert len(ssd.class_names) == 90
    assert list(ssd.digests) == ["ssd"]


def test_the_frame_keeps_its_aspect_and_the_user_its_say(ssd: ModelDetector) -> None:
    detected(ssd, painted(90, 160))
    assert ssd.input_size == (576, 1024)


@pytest.mark.slow
def test_settings_choose_among_what_it_finds(ssd: ModelDetector, tmp_path: Path) -> None:
    folder = write_object_detection(tmp_path / "ssd", rows=100, raw_rows=8)
    settings = DetectorSettings(classes=("bicycle", "car"), confidence=0.75, input_size=256)
    detector = load_model(folder, settings=settings)
    found = detected(detector, painted(96, 128, *FRAMES[0][2]))
    assert found.classes.tolist() == [1]
    assert detector.input_size == (192, 256)
    # Another name than the network's first class, and fewer names than it has classes.
    with pytest.raises(ModelError, match="expected classes 0 to 1, got 2; do the class names"):
        detected(load_model(folder, names=("a", "b")), painted(96, 128, *FRAMES[0][2]))
    with pytest.raises(ConfigError, match="does not know 'prson'; did you mean 'person'"):
        load_model(folder, settings=DetectorSettings(classes=("prson",)))


@pytest.mark.slow
def test_faster_rcnn(tmp_path: Path) -> None:
    folder = write_object_detection(tmp_path / "faster", rows=300, raw_rows=300)
    check_object_detection(load_model(folder))


def test_yolov5(yolov5: Path) -> None:
    detector = load_model(yolov5)
    assert detector.layout_name == "yolov5-normalised"
    assert detector.image_input.size == (96, 96)
    assert len(detector.class_names) == 80
    # Twice the input's width: pixels in pairs, so that no border is blurred.
    boxes = ((10, 20, 50, 30), (64, 40, 192, 90), (0, 0, 20, 60))
    found = detected(detector, painted(144, 192, *boxes))
    np.testing.assert_allclose(found.boxes, boxes, atol=1e-3)
    np.testing.assert_allclose(found.scores, SCORES)
    assert found.classes.tolist() == [0, 1, 2]
    upright = ((10, 20, 50, 30), (4, 40, 80, 90), (0, 0, 20, 190))
    found = detected(detector, painted(192, 144, *upright))
    np.testing.assert_allclose(found.boxes, upright, atol=1e-3)
    assert len(detected(detector, painted(144, 192, grey=100))) == 0
    with pytest.raises(ConfigError, match="takes 96x96 only; leave --imgsz out"):
        load_model(yolov5, settings=DetectorSettings(input_size=128))


def test_masks_of_mask_rcnn_lie_where_the_objects_are(tmp_path: Path) -> None:
    folder = write_object_detection(tmp_path / "mask", rows=100, raw_rows=100, with_masks=True)
    detector = load_model(folder)
    height, width = 90, 160
    y, x = np.indices((height, width)) + 0.5
    shapes = [
        ((x - 40) / 30) ** 2 + ((y - 50) / 15) ** 2 < 1,  # an ellipse
        (x > 100) & (x < 150) & (y > 10) & (y < 80) & ~((x > 115) & (y < 60)),  # an L
        (y > 70) & (x < y - 60),  # a triangle in the lower left corner
    ]
    image = np.zeros((height, width, 3), np.uint8)
    for channel, shape in enumerate(shapes):
        image[shape, channel] = 255
    found = detected(detector, image)
    assert found.classes.tolist() == [0, 1, 2]
    assert found.masks is not None
    for mask, box, shape in zip(found.masks, found.boxes, shapes, strict=True):
        rows, columns = np.nonzero(shape)
        edges = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        np.testing.assert_allclose(box, edges, atol=0.6)
        pixels = decode_mask(mask)
        assert pixels.shape == (height, width)
        # 33 samples across 60 pixels: what differs is about one pixel along the border.
        overlap = (pixels & shape).sum() / (pixels | shape).sum()
        assert overlap > 0.9
    plain = load_model(folder, settings=DetectorSettings(classes=("car",)))
    (mask,) = detected(plain, image).masks or ()
    assert mask == found.masks[2]


def test_the_folder_at_hand_has_a_name_too(
    yolov5: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(shutil.copytree(yolov5, tmp_path / "net"))
    (tmp_path / "net.yaml").write_text(f"names: [{', '.join(f'n{n}' for n in range(80))}]\n")
    monkeypatch.chdir(folder)
    detector = load_model(".")
    assert detector.class_names[:2] == ("n0", "n1")
    assert list(detector.digests) == ["net"]


def test_a_handle_is_loaded_from_the_cache_without_any_network(
    yolov5: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    handle = "https://tfhub.dev/someone/yolov5/1"
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path))
    with pytest.raises(ModelError, match=r"expected it in the cache .*, got nothing there"):
        load_model(handle, offline=True)
    shutil.copytree(yolov5, tmp_path / hashlib.sha1(handle.encode()).hexdigest())
    detector = load_model(handle, offline=True)
    assert list(detector.digests) == [handle]
    found = detected(detector, painted(144, 192, (10, 20, 50, 30)))
    np.testing.assert_allclose(found.boxes, [[10, 20, 50, 30]], atol=1e-3)


def test_a_saved_model_that_was_cut_short(yolov5: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(yolov5, tmp_path / "cut"))
    graph = folder / "saved_model.pb"
    content = graph.read_bytes()
    graph.write_bytes(content[: len(content) // 2])
    with pytest.raises(ModelError, match="cut: TensorFlow cannot load it: ") as caught:
        load_model(folder)
    assert "\n" not in str(caught.value)
    graph.unlink()
    with pytest.raises(ModelError, match=r"expected .*the folder of a SavedModel.*another folder"):
        load_model(folder)
