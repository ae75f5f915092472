"""The detector from files to frames, on a network whose detections are derived by hand."""

import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from tracker.boxes import pairwise_iou
from tracker.detection.default_names import COCO_NAMES, VOC_NAMES, default_class_names
from tracker.detection.yolo_detector import DetectorSettings, YoloDetector
from tracker.errors import ConfigError, DataError, ModelError
from tracker.frames import Frame, VideoInfo
from tracker.inference.runtime_kind import RuntimeKind
from tracker.util.stopwatch import Stopwatch

DATA = Path(__file__).parents[3] / "shared" / "data"


def _info(width, height):
    return VideoInfo("test", width, height, fps=Fraction(25), time_base=Fraction(1, 25))


def _frame(image):
    return Frame(np.asarray(image, np.uint8), index=0, time_s=0.0, source="test")


def _scene(scale):
    """An image of 96x60 times the scale, with a red and a green block of 8x8 times the scale."""
    image = np.zeros((60 * scale, 96 * scale, 3), np.uint8)
    image[14 * scale : 22 * scale, 24 * scale : 32 * scale, 0] = 255
    image[38 * scale : 46 * scale, 72 * scale : 80 * scale, 1] = 255
    return image


@pytest.fixture
def load(block_files, cache_dir):
    def load_with(names=None, **settings):
        cfg, weights = block_files
        settings = DetectorSettings(**({"cache_dir": cache_dir} | settings))
        return YoloDetector.load(cfg, weights=weights, names=names, settings=settings)

    return load_with


def test_no_frames(load):
    detector = load()
    detector.start(_info(96, 60))
    assert detector.detect([], Stopwatch()) == []


def test_nothing_to_see(load):
    detector = load()
    detector.start(_info(96, 60))
    (found,) = detector.detect([_frame(np.zeros((60, 96, 3)))], Stopwatch())
    assert len(found) == 0
    assert found.embeddings.shape == (0, 0)


@pytest.mark.parametrize("scale", [1, 2, 3])
def test_boxes_are_in_pixels_of_the_frame(load, scale):
    """The 60 rows lie two rows below the input's edge, so that both blocks fill a cell of 8x8."""
    detector = load()
    detector.start(_info(96 * scale, 60 * scale))
    assert detector.input_size == (64, 96)
    watch = Stopwatch()
    (found,) = detector.detect([_frame(_scene(scale))], watch)
    expected = np.array([[24, 14, 32, 22], [72, 38, 80, 46]]) * scale
    order = np.argsort(found.boxes[:, 0])
    np.testing.assert_allclose(found.boxes[order], expected, atol=0.01)
    assert found.classes[order].tolist() == [0, 1]
    assert found.embeddings.shape == (2, 0)
    assert set(watch.seconds) == {"preprocess", "infer", "nms"}


def test_batch_with_a_frame_of_another_size(load):
    detector = load()
    detector.start(_info(96, 60))
    frames = [_frame(_scene(1)), _frame(_scene(2)), _frame(np.zeros((60, 96, 3)))]
    one, two, none = detector.detect(frames, Stopwatch())
    np.testing.assert_allclose(two.boxes, one.boxes * 2, atol=0.01)
    assert len(none) == 0


def test_boxes_are_cut_to_the_frame(load):
    """The box of the first cell begins two rows above the frame, in the border."""
    image = np.zeros((60, 96, 3), np.uint8)
    image[:6, :8] = 255
    detector = load()
    detector.start(_info(96, 60))
    (found,) = detector.detect([_frame(image)], Stopwatch())
    np.testing.assert_allclose(found.boxes, [[0, 0, 8, 6]], atol=0.01)


def test_started_again_with_another_size(load):
    detector = load()
    detector.start(_info(96, 60))
    detector.start(_info(60, 96))
    assert detector.input_size == (96, 64)
    (found,) = detector.detect([_frame(_scene(1).transpose(1, 0, 2))], Stopwatch())
    assert len(found) == 2


def test_frames_of_several_sources_in_one_batch(load):
    """Wide and upright frames: each goes into the input that its own source prepared."""
    upright = _scene(1).transpose(1, 0, 2)
    images = [_scene(1), upright, _scene(2), np.zeros_like(upright), upright]
    alone = []
    for image in images:
        detector = load()
        detector.start(_info(image.shape[1], image.shape[0]))
        alone += detector.detect([_frame(image)], Stopwatch())
    detector = load()
    for image in images:
        detector.start(_info(image.shape[1], image.shape[0]))
    together = detector.detect([_frame(image) for image in images], Stopwatch())
    assert [len(found) for found in together] == [2, 2, 2, 0, 2]
    for found, expected in zip(together, alone, strict=True):
        np.testing.assert_array_equal(found.boxes, expected.boxes)
        np.testing.assert_array_equal(found.scores, expected.scores)


def test_class_filter_comes_before_the_cut(load, tmp_path):
    names = tmp_path / "names"
    names.write_text("red\ngreen\n")
    scene = _scene(1)
    scene[38:46, 72:80, 2] = 255  # green and blue: the objectness is higher than that of red
    for classes, expected in [(None, 1), (("red",), 0), (("green", "red"), 1)]:
        detector = load(names, classes=classes, max_detections=1)
        detector.start(_info(96, 60))
        (found,) = detector.detect([_frame(scene)], Stopwatch())
        assert found.classes.tolist() == [expected]


def test_what_a_detector_says_of_itself(load, block_files):
    detector = load()
    assert detector.class_names == ("class_0", "class_1")
    assert set(detector.digests) == {path.name for path in block_files}
    assert {len(digest) for digest in detector.digests.values()} == {64}


PROGRAM = """
import sys
from fractions import Fraction
from pathlib import Path
from tracker.detection.yolo_detector import DetectorSettings, YoloDetector
from tracker.frames import VideoInfo
cfg, weights, cache = map(Path, sys.argv[1:])
settings = DetectorSettings(cache_dir=cache, device="cpu")
YoloDetector.load(cfg, weights=weights, settings=settings).start(
    VideoInfo("", 96, 60, Fraction(25), Fraction(1, 25))
)
print(sorted({"tensorflow", "keras"} & set(sys.modules)))
"""


def _start_in_a_new_process(files, cache_dir):
    """What a fresh process prints: its standard output and its standard error."""
    command = [sys.executable, "-c", PROGRAM, *map(str, files), str(cache_dir)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout.strip(), done.stderr


def test_warm_start_loads_no_tensorflow(load, block_files, cache_dir):
    load(device="cpu").start(_info(96, 60))
    assert _start_in_a_new_process(block_files, cache_dir) == ("[]", "")


@pytest.mark.slow
def test_cold_start_prints_nothing(block_files, tmp_path):
    assert _start_in_a_new_process(block_files, tmp_path) == ("['keras', 'tensorflow']", "")


def test_default_names():
    assert len(COCO_NAMES) == len(set(COCO_NAMES)) == 80
    assert len(VOC_NAMES) == len(set(VOC_NAMES)) == 20
    assert (COCO_NAMES[0], COCO_NAMES[2], COCO_NAMES[79]) == ("person", "car", "toothbrush")
    assert default_class_names(80) is COCO_NAMES
    assert default_class_names(20) is VOC_NAMES
    assert default_class_names(1) == ("class_0",)


def test_detect_before_start(load):
    with pytest.raises(DataError, match="expected start"):
        load().detect([_frame(_scene(1))], Stopwatch())


def test_names_of_another_network(load, tmp_path):
    names = tmp_path / "names"
    names.write_text("red\ngreen\nblue\n")
    with pytest.raises(ModelError, match="expected 2 as the network has, got 3"):
        load(names)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"classes": ("clas_1",)}, "does not know 'clas_1'; did you mean 'class_1'"),
        ({"classes": ()}, "at least one"),
        ({"input_size": 100}, "try 96 or 104"),
        ({"input_size": 0}, "try 8"),
        ({"confidence": 2.0}, "confidence"),
        ({"device": "cuda"}, "expected auto, cpu, gpu"),
    ],
)
def test_bad_settings(load, settings, message):
    with pytest.raises(ConfigError, match=message):
        load(**settings)


def test_weights_of_another_network(block_files, tmp_path):
    cfg, weights = block_files
    short = tmp_path / "short.weights"
    short.write_bytes(weights.read_bytes()[:-4])
    detector = YoloDetector.load(
        cfg, weights=short, settings=DetectorSettings(cache_dir=tmp_path, device="cpu")
    )
    with pytest.raises(ModelError):
        detector.start(_info(96, 60))


@pytest.mark.slow
def test_people_of_a_real_video(tmp_path):
    """LiteRT and XLA agree on real frames, and find people where the truth has them."""
    av = pytest.importorskip("av")
    video = DATA / "video" / "PETS09-S2L1.mp4"
    base = DATA / "weights" / "yolo-fastest" / "yolo-fastest-1.1_coco" / "yolo-fastest-1.1-xl"
    if not (video.exists() and Path(f"{base}.weights").exists()):
        pytest.skip("needs ../shared/data")
    with av.open(str(video)) as container:
        decoded = zip(range(5), container.decode(video=0), strict=False)
        frames = [_frame(image.to_ndarray(format="rgb24")) for _, image in decoded]
    results = []
    for kind in (RuntimeKind.LITERT, RuntimeKind.XLA):
        settings = DetectorSettings(
            input_size=640, classes=("person",), runtime=kind, device="cpu", cache_dir=tmp_path
        )
        detector = YoloDetector.load(f"{base}.cfg", weights=f"{base}.weights", settings=settings)
        detector.start(_info(480, 360))
        results.append([detector.detect([frame], Stopwatch())[0] for frame in frames])
    for one, other in zip(*results, strict=True):
        np.testing.assert_allclose(one.boxes, other.boxes, atol=0.01)
        np.testing.assert_allclose(one.scores, other.scores, atol=1e-4)
    truth = np.loadtxt(DATA / "mot15" / "PETS09-S2L1" / "gt" / "gt.txt", delimiter=",")
    truth = truth[truth[:, 0] == 1][:, 2:6] * 0.625
    truth[:, 2:] += truth[:, :2]
    overlap = pairwise_iou(results[0][0].boxes, truth)
    assert (overlap.max(axis=1) > 0.4).sum() >= 3
