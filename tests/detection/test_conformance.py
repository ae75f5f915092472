"""One suite for every runtime: the same image gives the same boxes.

The scene's boxes are derived by hand; a runtime may differ from them by a hundredth of a pixel, and
its scores from those of the others by 1e-4.
"""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from tests.detection.block_forms import write_onnx, write_saved_model, write_tflite
from tests.openvino_files import write_openvino
from tracker.detection.load import load_model
from tracker.detection.model_choice import ModelChoice
from tracker.detection.yolo_detector import DetectorSettings, YoloDetector
from tracker.frames import Frame, VideoInfo
from tracker.inference.runtime_kind import RuntimeKind
from tracker.sources.files.image_folder import ImageFolder
from tracker.util.opencv import cv2
from tracker.util.stopwatch import Stopwatch

NAMES = ("red", "green")
FORMS = (
    "litert",
    "tflite",
    "onnx",
    "onnx-batch",
    "openvino",
    "onnx-openvino",
    "onnx-batch-openvino",
    "xml",
    pytest.param("xla", marks=pytest.mark.slow),
    pytest.param("saved-model", marks=pytest.mark.slow),
)
EXPECTED = [[24, 14, 32, 22], [72, 38, 80, 46]]


@pytest.fixture(scope="module")
def made() -> dict[str, object]:
    return {}


@pytest.fixture(params=FORMS)
def detector(request, made, block_files, cache_dir, tmp_path_factory):
    """The block network on one runtime."""
    form = request.param
    if form not in made:
        made[form] = _make(form, block_files, cache_dir, tmp_path_factory.mktemp(form))
    return made[form]


def _make(form: str, block_files, cache_dir: Path, folder: Path):
    settings = DetectorSettings(cache_dir=cache_dir)
    if form.endswith(("openvino", "xml")):
        pytest.importorskip("openvino", reason="needs the extra openvino")
        settings = DetectorSettings(cache_dir=cache_dir, runtime=RuntimeKind.OPENVINO)
    if form in {"litert", "xla", "openvino"}:
        cfg, weights = block_files
        settings = DetectorSettings(cache_dir=cache_dir, runtime=RuntimeKind(form))
        return YoloDetector.load(cfg, weights=weights, names=NAMES, settings=settings)
    if form.startswith(("onnx", "xml")):
        pytest.importorskip("onnx")
    if form in {"onnx", "onnx-batch"}:
        pytest.importorskip("onnxruntime")
        settings = DetectorSettings(cache_dir=cache_dir, runtime=RuntimeKind.ONNX_RUNTIME)
    path = {
        "tflite": lambda: write_tflite(folder / "blocks.tflite"),
        "onnx": lambda: write_onnx(folder / "blocks.onnx"),
        "onnx-batch": lambda: write_onnx(folder / "blocks.onnx", batch="batch"),
        "saved-model": lambda: write_saved_model(folder / "blocks"),
        "xml": lambda: write_openvino(write_onnx(folder / "blocks.onnx"), folder / "blocks.xml"),
    }[form.removesuffix("-openvino")]()
    # Its one stride is not that of YOLOv8, so the outputs alone do not tell.
    layout = "yolov8" if form.startswith(("onnx", "xml")) else "yolov8-normalised"
    return load_model(path, names=NAMES, choice=ModelChoice(layout), settings=settings)


def scene(scale: int = 1) -> np.ndarray:
    """An image of 96x60 times the scale, with a red and a green block of 8x8 times the scale."""
    image = np.zeros((60 * scale, 96 * scale, 3), np.uint8)
    image[14 * scale : 22 * scale, 24 * scale : 32 * scale, 0] = 255
    image[38 * scale : 46 * scale, 72 * scale : 80 * scale, 1] = 255
    return image


def detected(detector, *images: np.ndarray):
    height, width = images[0].shape[:2]
    detector.start(VideoInfo("test", width, height, fps=Fraction(25), time_base=Fraction(1, 25)))
    frames = [Frame(image, index=n, time_s=0.0, source="test") for n, image in enumerate(images)]
    return detector.detect(frames, Stopwatch())


def check(found, boxes, classes) -> None:
    order = np.argsort(found.boxes[:, 0])
    np.testing.assert_allclose(found.boxes[order], boxes, atol=0.01)
    assert found.classes[order].tolist() == classes


def test_nothing_to_see(detector) -> None:
    assert len(detected(detector, np.zeros((60, 96, 3), np.uint8))[0]) == 0


def test_the_scene_has_the_boxes_and_scores_that_follow_from_the_kernel(detector) -> None:
    (found,) = detected(detector, scene())
    check(found, EXPECTED, [0, 1])
    # Objectness is sigmoid(40 / 3 - 10), the class sigmoid(10 - 5).
    score = 1 / (1 + np.exp(-10 / 3)) / (1 + np.exp(-5))
    np.testing.assert_allclose(found.scores, score, atol=1e-4)


def test_images_of_a_batch_do_not_mix(detector) -> None:
    nothing, other = np.zeros((60, 96, 3), np.uint8), scene()[:, ::-1].copy()
    first, second, third = detected(detector, scene(), nothing, other)
    check(first, EXPECTED, [0, 1])
    assert len(second) == 0
    check(third, [[16, 38, 24, 46], [64, 14, 72, 22]], [1, 0])


def test_a_larger_frame_is_shrunk(detector) -> None:
    check(detected(detector, scene(3))[0], np.array(EXPECTED) * 3, [0, 1])


def test_a_frame_of_odd_sides_gives_boxes_inside_it(detector) -> None:
    image = np.zeros((61, 97, 3), np.uint8)
    image[14:22, 24:32, 0] = 255
    (found,) = detected(detector, image)
    assert len(found) == 1
    np.testing.assert_allclose(found.boxes, [[24, 14, 32, 22]], atol=1.0)


def test_grey_and_transparent_images_come_as_rgb(detector, tmp_path: Path) -> None:
    bgra = np.dstack([scene()[..., ::-1], np.full((60, 96), 255, np.uint8)])
    cv2.imwrite(str(tmp_path / "a.png"), bgra)
    cv2.imwrite(str(tmp_path / "b.png"), np.zeros((60, 96), np.uint8))
    with ImageFolder(tmp_path) as source:
        transparent, grey = detected(detector, *(frame.image for frame in source))
    check(transparent, EXPECTED, [0, 1])
    assert len(grey) == 0
