"""The models that come with the package: whole, small enough, described, and good for something."""

from fractions import Fraction
from pathlib import Path

import cv2
import keras
import numpy as np
import pytest

from tests.matching import read_truth, recall_and_precision
from tracker.boxes import xywh_to_xyxy
from tracker.cli.main import main
from tracker.cli.train.options import builtin_start, builtin_teacher
from tracker.config.build import build_embedder, embedder_name
from tracker.config.build_detector import build_detector
from tracker.config.run import Config, load_config
from tracker.detection.default_names import COCO_NAMES
from tracker.detection.yolo_detector import DetectorSettings, YoloDetector
from tracker.detections import Detections
from tracker.embedding.crop_embedder import CropEmbedder
from tracker.errors import ConfigError
from tracker.frames import Frame, VideoInfo
from tracker.models.backbones.names import BackboneChoice
from tracker.models.backbones.onnx_file import read_onnx_convolutions
from tracker.models.backbones.shufflenet import shufflenet_features
from tracker.models.backbones.weights import load_backbone
from tracker.models.files.detector_file import DETECTOR_FILE, load_detector, read_description
from tracker.models.files.reid_file import REID_FILE, read_reid_description
from tracker.models.files.segmenter_file import (
    SEGMENTER_FILE,
    SegmenterHead,
    load_segmenter,
    read_segmenter_description,
)
from tracker.models.files.tflite import read_exported
from tracker.models.integral import build_integral
from tracker.models.nanodet_plus import put_published_weights
from tracker.pipeline.single import NoEmbedder
from tracker.registry.builtin import (
    DETECTORS,
    FOLDER,
    SEGMENTER,
    TRAINED,
    detector_files,
    embedder_files,
    segmenter_files,
)
from tracker.registry.measured import BUILT_IN
from tracker.sources.files.video_file import VideoFile
from tracker.util.stopwatch import Stopwatch

SAMPLES = Path(__file__).parents[2] / "samples"
STARTS = {"small": "nanodet-plus-m-1.5x_dynamic.onnx", "nano": "nanodet-plus-m_dynamic.onnx"}
"""The published networks that the detectors were trained from."""


@pytest.mark.parametrize("name", DETECTORS)
def test_the_card_has_the_figures_of_the_list_of_models(name: str) -> None:
    card = (FOLDER / f"detector-{name.removesuffix('-int8')}.md").read_text(encoding="utf-8")
    row = next(line for line in card.splitlines() if line.startswith(f"| **{name} 416** |"))
    person, _, map50, _ = (float(cell) for cell in row.split("|")[2:6])
    assert (BUILT_IN[name].person_ap50, BUILT_IN[name].map50) == (person, map50)


@pytest.mark.parametrize("name", DETECTORS)
def test_detector_files_belong_together(name: str) -> None:
    files = detector_files(name)
    description = read_description(files.keras)
    text = read_exported(files.exported, what="detector").text
    assert DETECTOR_FILE.parse(files.exported, text) == description
    assert description.class_names == COCO_NAMES
    card = FOLDER / f"detector-{name.removesuffix('-int8')}.md"
    assert "## Weaknesses" in card.read_text(encoding="utf-8")


def test_embedder_files_belong_together() -> None:
    files = embedder_files()
    text = read_exported(files.exported, what="embedder").text
    assert REID_FILE.parse(files.exported, text) == read_reid_description(files.keras)
    assert "## Weaknesses" in (FOLDER / "reid.md").read_text(encoding="utf-8")


def test_segmenter_files_belong_together() -> None:
    files = segmenter_files()
    text = read_exported(files.exported, what="segmenter").text
    description = read_segmenter_description(files.keras)
    assert SEGMENTER_FILE.parse(files.exported, text) == description
    assert description.head is SegmenterHead.CROP_UNET
    assert "## Weaknesses" in (FOLDER / f"{SEGMENTER}.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_no_array_of_the_segmenter_is_one_of_the_backbone_that_it_began_with(data: Path) -> None:
    pytest.importorskip("onnx")
    ours = load_segmenter(segmenter_files().keras)
    image = keras.Input((None, None, 3))
    before = keras.Model(image, shufflenet_features(image, "shufflenet-v2-1x"))
    file = data / "weights" / "nanodet" / "nanodet_m.onnx"
    load_backbone(before, BackboneChoice("shufflenet-v2-1x", weights=str(file)))
    shared = [
        layer for layer in ours.layers if layer.name.startswith("shufflenet") and layer.weights
    ]
    assert len(shared) > 30
    for layer in shared:
        pairs = zip(layer.get_weights(), before.get_layer(layer.name).get_weights(), strict=True)
        assert not any(np.array_equal(*pair) for pair in pairs), layer.name


def test_all_files_together_are_under_60_mb() -> None:
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 60_000_000


def test_they_are_what_a_run_takes() -> None:
    config = Config()
    detector, embedder = build_detector(config), build_embedder(config)
    assert detector.class_names == COCO_NAMES
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
        "network.backbone": "shufflenet-v2-1.5x",
        "network.heads": "integral",
    }
    start = builtin_start("nano", size=None, backbone=None)
    assert start["network.heads"] == "integral"
    assert start["network.backbone"] == "shufflenet-v2-1x"
    assert builtin_start("nano", size="small", backbone=None)["network.size"] == "small"
    assert builtin_start("mine.keras", size=None, backbone=None) == {}
    assert builtin_start(None, size=None, backbone=None) == {}
    assert builtin_teacher("small") == str(FOLDER / "detector-small.keras")
    assert [builtin_teacher(word) for word in ("mine.keras", None)] == ["mine.keras", None]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[] if name == "small" else [pytest.mark.long]) for name in TRAINED],
)
def test_their_weights_go_over_to_other_classes(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "labels").mkdir()
    rng = np.random.default_rng(0)
    for number in range(4):
        image = rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)
        cv2.imwrite(str(tmp_path / "images" / f"{number}.png"), image)
        (tmp_path / "labels" / f"{number}.txt").write_text("0 0.5 0.5 0.4 0.4\n")
    (tmp_path / "my.yaml").write_text("train: images\nval: images\nnames: [pallet]\n")
    words = ["--data", str(tmp_path / "my.yaml"), "--weights", name, "--epochs", "1"]
    words += ["--imgsz", "64"]
    words += ["--batch", "2", "--out", str(tmp_path / "out"), "--no-progress"]
    with pytest.raises(SystemExit) as done:
        main(["train", "detector", *words])
    assert not done.value.code
    assert "all but the last class layers" in capsys.readouterr().err
    description = read_description(tmp_path / "out" / "best.keras")
    start = read_description(detector_files(name).keras)
    assert description.class_names == ("pallet",)
    assert (description.backbone, description.style) == (start.backbone, start.style)


@pytest.mark.parametrize(
    ("size", "chosen", "given"),
    [
        ((480, 360), None, (416, 416)),  # stretched by 4/3
        ((768, 432), None, (320, 416)),  # 234 rows, stretched to 312, in multiples of 32
        ((1280, 720), None, (384, 512)),
        ((1280, 720), 416, (320, 416)),
    ],
)
def test_their_input_follows_the_frame_size(
    size: tuple[int, int], chosen: int | None, given: tuple[int, int]
) -> None:
    detector = YoloDetector.load_builtin("nano", settings=DetectorSettings(input_size=chosen))
    detector.start(VideoInfo("made", *size, Fraction(25), Fraction(1, 25)))
    assert detector.input_size == given


def test_the_input_of_a_file_does_not() -> None:
    detector = YoloDetector.load_exported(detector_files("nano").exported)
    detector.start(VideoInfo("made", 1280, 720, Fraction(25), Fraction(1, 25)))
    assert detector.input_size == (320, 416)


@pytest.mark.slow
@pytest.mark.parametrize("name", TRAINED)
def test_no_array_is_a_published_one(name: str, data: Path) -> None:
    pytest.importorskip("onnx")
    size = read_description(detector_files(name).keras).size
    published = build_integral(size, len(COCO_NAMES))
    file = data / "weights" / "nanodet_plus" / STARTS[name]
    put_published_weights(published, size, read_onnx_convolutions(file))
    ours = load_detector(detector_files(name).keras)
    for layer in ours.layers:
        pairs = zip(layer.get_weights(), published.get_layer(layer.name).get_weights(), strict=True)
        assert not any(np.array_equal(*pair) for pair in pairs), layer.name


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


@pytest.fixture(scope="module")
def plaza() -> tuple[VideoInfo, list[Frame]]:
    """Seven frames of the sample, a second apart, with seven to nine people each."""
    with VideoFile(SAMPLES / "plaza.mp4") as video:
        return video.info, [frame for frame in video if frame.index in range(70, 245, 25)]


@pytest.mark.parametrize("name", DETECTORS)
def test_detectors_find_the_drawn_people(name: str, plaza: tuple[VideoInfo, list[Frame]]) -> None:
    info, frames = plaza
    words = [f"detector.name={name}", "detector.network.threads=1"]
    detector = build_detector(load_config(overrides=words))
    detector.start(info)
    found = [detector.detect([frame], Stopwatch())[0] for frame in frames]
    truth = read_truth(SAMPLES / "plaza-truth.txt")
    recall, precision = recall_and_precision(
        [one.boxes[one.classes == 0] for one in found],
        {number: truth[frame.index] for number, frame in enumerate(frames)},
        width=info.width,
        height=info.height,
    )
    # Measured: 0.93 and 1 (small and small-int8), 0.88 and 1 (nano), 0.87 and 0.93 (nano-int8).
    assert recall > 0.8
    assert precision > 0.9


def test_embeddings_of_one_person_are_near(plaza: tuple[VideoInfo, list[Frame]]) -> None:
    truth = read_truth(SAMPLES / "plaza-truth.txt")
    embedder = build_embedder(load_config(overrides=["embedder.threads=1"]))
    before: dict[int, np.ndarray] = {}
    same, other = [], []
    for frame in plaza[1]:
        rows = truth[frame.index]
        rows = rows[rows[:, 8] > 0.8]  # the share of a person that is in view
        boxes = xywh_to_xyxy(rows[:, 2:6].astype(np.float32))
        detections = Detections.create(boxes, np.ones(len(boxes)))
        vectors = embedder.embed(frame, detections).embeddings
        now = dict(zip(rows[:, 1].astype(int).tolist(), vectors, strict=True))
        for one, then in before.items():
            for two, vector in now.items():
                (same if one == two else other).append(float(then @ vector))
        before = now
    assert len(same) > 30
    # Measured: 0.89, 0.35 and 1.
    assert np.median(same) > np.median(other) + 0.4
    assert np.mean(np.array(same) > np.quantile(other, 0.95)) > 0.95


def _iou(first: np.ndarray, second: np.ndarray) -> float:
    size = np.minimum(first[2:], second[2:]) - np.maximum(first[:2], second[:2])
    if np.any(size <= 0):
        return 0.0
    areas = [float(np.prod(box[2:] - box[:2])) for box in (first, second)]
    return float(np.prod(size)) / (sum(areas) - float(np.prod(size)))
