"""The models that come with the package: whole, small enough, described, and good for something."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from tracker.cli.main import main
from tracker.cli.train.options import builtin_start
from tracker.config.build import build_embedder, embedder_name
from tracker.config.build_detector import build_detector
from tracker.config.run import Config, load_config
from tracker.detection.yolo_detector import YoloDetector
from tracker.detections import Detections
from tracker.embedding.crop_embedder import CropEmbedder
from tracker.errors import ConfigError
from tracker.models.files.detector_file import parse_detector, read_description
from tracker.models.files.reid_file import parse_reid, read_reid_description
from tracker.models.files.tflite import read_exported
from tracker.pipeline.single import NoEmbedder
from tracker.registry.builtin import DETECTORS, FOLDER, detector_files, embedder_files
from tracker.sources.files.video_file import VideoFile
from tracker.util.stopwatch import Stopwatch

CLASSES = ("person", "bicycle", "car", "motorcycle", "bus", "truck")


@pytest.mark.parametrize("name", DETECTORS)
def test_detector_files_belong_together(name: str) -> None:
    files = detector_files(name)
    description = read_description(files.keras)
    text = read_exported(files.exported, what="detector").text
    assert parse_detector(files.exported, text) == description
    assert description.class_names == CLASSES
    card = FOLDER / f"detector-{name.removesuffix('-int8')}.md"
    assert "## Weaknesses" in card.read_text(encoding="utf-8")


def test_embedder_files_belong_together() -> None:
    files = embedder_files()
    text = read_exported(files.exported, what="embedder").text
    assert parse_reid(files.exported, text) == read_reid_description(files.keras)
    assert "## Weaknesses" in (FOLDER / "reid.md").read_text(encoding="utf-8")


def test_all_files_together_are_under_40_mb() -> None:
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 40_000_000


def test_they_are_what_a_run_takes() -> None:
    config = Config()
    detector, embedder = build_detector(config), build_embedder(config)
    assert detector.class_names == CLASSES
    assert detector.digests.keys() == {"detector-small.tflite"}
    assert isinstance(embedder, CropEmbedder)
    assert embedder.digests.keys() == {"reid.tflite"}


def test_there_is_no_such_detector() -> None:
    with pytest.raises(ConfigError, match="got 'smal'; did you mean 'small'"):
        YoloDetector.load_builtin("smal")


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (["detector.name=motion"], "none"),
        (["detector.name=fcn"], "none"),
        (["detector.detections=x.txt"], "none"),
        (["detector.name=x.cfg"], "builtin"),
        (["embedder.name=none"], "none"),
        (["detector.name=motion", "embedder.name=builtin"], "builtin"),
    ],
)
def test_looks_are_for_objects(words: list[str], name: str) -> None:
    config = load_config(overrides=words)
    assert embedder_name(config) == name
    if name == "none":
        assert isinstance(build_embedder(config), NoEmbedder)


def test_a_training_starts_from_them_by_name() -> None:
    start = builtin_start("small", size=None, backbone=None)
    assert start == {
        "network.weights": str(FOLDER / "detector-small.keras"),
        "network.size": "small",
        "network.backbone": "shufflenet-v2-1x",
    }
    assert builtin_start("nano", size="small", backbone=None)["network.size"] == "small"
    assert builtin_start("mine.keras", size=None, backbone=None) == {}
    assert builtin_start(None, size=None, backbone=None) == {}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_their_weights_go_over_to_other_classes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "labels").mkdir()
    rng = np.random.default_rng(0)
    for number in range(4):
        image = rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)
        cv2.imwrite(str(tmp_path / "images" / f"{number}.png"), image)
        (tmp_path / "labels" / f"{number}.txt").write_text("0 0.5 0.5 0.4 0.4\n")
    (tmp_path / "my.yaml").write_text("train: images\nval: images\nnames: [pallet]\n")
    words = ["--data", str(tmp_path / "my.yaml"), "--weights", "nano", "--epochs", "1"]
    words += ["--imgsz", "64"]
    words += ["--batch", "2", "--out", str(tmp_path / "out"), "--no-progress"]
    with pytest.raises(SystemExit) as done:
        main(["train", "detector", *words])
    assert not done.value.code
    assert "all weights but the last class layers'" in capsys.readouterr().err
    description = read_description(tmp_path / "out" / "best.keras")
    assert description.class_names == ("pallet",)
    assert description.backbone == "shufflenet-v2-1x"


@pytest.mark.parametrize("name", DETECTORS)
def test_they_find_the_people_of_a_real_street(name: str, data: Path) -> None:
    detector = build_detector(
        load_config(overrides=[f"detector.name={name}", "detector.network.threads=1"])
    )
    assert isinstance(detector, YoloDetector)
    truth = np.loadtxt(data / "mot15" / "TUD-Campus" / "gt" / "gt.txt", delimiter=",")
    with VideoFile(data / "video" / "TUD-Campus.mp4") as video:
        detector.start(video.info)
        frame = next(iter(video))
    found = detector.detect([frame], Stopwatch())[0]
    people = found.boxes[found.classes == 0]
    boxes = truth[(truth[:, 0] == 1) & (truth[:, 6] == 1), 2:6]
    boxes[:, 2:] += boxes[:, :2]
    assert len(boxes) == 6
    hits = [max(_iou(box, person) for person in people) > 0.5 for box in boxes]
    assert sum(hits) >= 4


def test_looks_of_one_person_are_near(data: Path) -> None:
    truth = np.loadtxt(data / "mot15" / "TUD-Campus" / "gt" / "gt.txt", delimiter=",")
    embedder = build_embedder(load_config(overrides=["embedder.threads=1"]))
    vectors = {}
    with VideoFile(data / "video" / "TUD-Campus.mp4") as video:
        for frame in video:
            rows = truth[(truth[:, 0] == frame.index + 1) & (truth[:, 6] == 1)]
            if frame.index not in (0, 5):
                continue
            boxes = np.hstack([rows[:, 2:4], rows[:, 2:4] + rows[:, 4:6]])
            detections = Detections.create(boxes, np.ones(len(boxes)))
            vectors[frame.index] = dict(
                zip(rows[:, 1], embedder.embed(frame, detections).embeddings, strict=True)
            )
    same = [float(vectors[0][i] @ vectors[5][i]) for i in vectors[0] if i in vectors[5]]
    other = [float(vectors[0][i] @ vectors[5][j]) for i in vectors[0] for j in vectors[5] if i != j]
    assert np.median(same) > np.median(other) + 0.2


def _iou(first: np.ndarray, second: np.ndarray) -> float:
    size = np.minimum(first[2:], second[2:]) - np.maximum(first[:2], second[:2])
    if np.any(size <= 0):
        return 0.0
    areas = [float(np.prod(box[2:] - box[:2])) for box in (first, second)]
    return float(np.prod(size)) / (sum(areas) - float(np.prod(size)))
