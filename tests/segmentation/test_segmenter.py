"""The segmenter of a run: sizes, classes, and the same answer as Keras."""

from pathlib import Path

import keras
import numpy as np
import pytest

from tracker.errors import ConfigError, ModelError
from tracker.models.fcn.fcn8s import build_fcn8s
from tracker.models.files.segmenter_file import SegmenterDescription, load_segmenter, save_segmenter
from tracker.models.yolo_shape import YoloSize
from tracker.segmentation.segmenter import Segmenter, input_size_for
from tracker.segmentation.settings import SegmenterSettings
from tracker.util.opencv import cv2

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes that random weights tell apart somewhere in an image."""
    keras.utils.set_random_seed(1)
    network = build_fcn8s("cross-stage", 2, size=YoloSize.NANO)
    rng = np.random.default_rng(0)
    layer = network.get_layer("map_8_class_out")
    layer.set_weights([rng.normal(0, 1, weight.shape) for weight in layer.weights])
    path = tmp_path_factory.mktemp("segmenter") / "people.keras"
    description = SegmenterDescription(("background", "person"), 64, "cross-stage", YoloSize.NANO)
    save_segmenter(network, path, description)
    return path


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        ((1, 1), (320, 320)),
        ((320, 320), (320, 320)),
        ((1080, 1920), (192, 320)),  # 180 rows, the nearest multiple of 32 is 192
        ((1920, 1080), (320, 192)),
        ((10, 1000), (32, 320)),
    ],
)
def test_input_sizes(frame: tuple[int, int], expected: tuple[int, int]) -> None:
    assert input_size_for(frame, 320) == expected


@pytest.mark.slow
def test_masks_are_those_of_keras_at_the_size_of_the_image(path: Path, tmp_path: Path) -> None:
    """40x64 pixels go in as 32x64; an image of another size needs another graph."""
    segmenter = Segmenter.load(path, SegmenterSettings(cache_dir=tmp_path, threads=1))
    assert segmenter.class_names == ("background", "person")
    image = np.random.default_rng(3).integers(0, 256, (40, 64, 3)).astype(np.uint8)
    mask = segmenter.mask(image)
    assert (mask.shape, mask.dtype) == ((40, 64), np.bool_)
    pixels = cv2.resize(image, (64, 32), interpolation=cv2.INTER_LINEAR)
    scores = np.asarray(load_segmenter(path)(pixels[None].astype(np.float32) / 255))[0]
    share = 1 / (1 + np.exp(scores[..., 0] - scores[..., 1]))
    share = cv2.resize(share, (64, 40), interpolation=cv2.INTER_LINEAR)
    clear = np.abs(share - 0.5) > 1e-4
    assert 0.05 < mask.mean() < 0.95
    np.testing.assert_array_equal(mask[clear], (share > 0.5)[clear])
    everything = Segmenter.load(
        path, SegmenterSettings(("background", "person"), cache_dir=tmp_path, threads=1)
    )
    assert everything.mask(image).all()
    exports = list((tmp_path / "litert").glob("*.tflite"))  # beside them lie locks
    assert len(exports) == 1  # the second segmenter found the graph of the first


def test_refused_sources(path: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"has background, person, not 'persn'; did you mean"):
        Segmenter.load(path, SegmenterSettings(("persn",)))
    with pytest.raises(ModelError, match="does not exist"):
        Segmenter.load(tmp_path / "none.keras")
    with pytest.raises(ConfigError, match=r"segmenter\.classes: expected at least one name"):
        SegmenterSettings(())
    with pytest.raises(ConfigError, match=r"segmenter\.input_size: expected .* got 100"):
        SegmenterSettings(input_size=100)
    with pytest.raises(ConfigError, match=r"segmenter\.threads: expected 1 to 1024, got 0"):
        SegmenterSettings(threads=0)
