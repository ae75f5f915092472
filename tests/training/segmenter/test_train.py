"""Training of segmenters: the loss by hand, and one that learns."""

from pathlib import Path

import keras
import numpy as np
import pytest

from tests.training.segment_scenes import NAMES, make_scenes
from tracker.models.fcn.fcn8s import build_fcn8s
from tracker.models.yolo_shape import YoloSize
from tracker.training.loop import Outlets
from tracker.training.segmenter.augment import SegmentAugmentSettings
from tracker.training.segmenter.batches import SegmentBatch, SegmentBatches
from tracker.training.segmenter.file import read_segment_splits
from tracker.training.segmenter.settings import SegmentTrainSettings
from tracker.training.segmenter.train import judge_segmenter, pixel_loss, train_segmenter

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def save(network: object, path: Path) -> None:
    network.save(path)


def test_the_loss_is_the_mean_over_pixels_that_count() -> None:
    scores = np.log(np.array([[[[1, 3], [1, 1], [9, 1]]]], np.float32))
    masks = np.array([[[1, 0, 255]]], np.uint8)
    # Probabilities of the true classes are 3/4 and 1/2.
    expected = -(np.log(3 / 4) + np.log(1 / 2)) / 2
    assert float(pixel_loss(masks, scores)) == pytest.approx(expected, rel=1e-6)
    assert float(pixel_loss(np.full((1, 1, 3), 255, np.uint8), scores)) == 0


def test_judging_counts_the_best_class() -> None:
    batch = SegmentBatch(np.zeros((1, 1, 3, 3), np.uint8), np.array([[[0, 1, 255]]], np.uint8))
    scores = np.array([[[[2.0, 1.0], [2.0, 1.0], [0.0, 1.0]]]], np.float32)
    result = judge_segmenter(lambda _: scores, [batch, batch], 2)
    np.testing.assert_array_equal(result.iou, [1 / 2, 0])


def colours_alone() -> object:
    """The smallest segmenter: a class is a sum of colours, and the bias."""
    image = keras.Input((None, None, 3))
    scores = keras.layers.Conv2D(3, 1, name="map_logits")(keras.layers.Rescaling(2, -1)(image))
    return keras.Model(image, scores)


def test_a_tiny_network_learns_colours(tmp_path: Path) -> None:
    """Red discs, blue squares, greyish ground: 60 steps of the whole loop, with its log."""
    splits = read_segment_splits(make_scenes(tmp_path, train=4, val=2), long_side=64)
    keras.utils.set_random_seed(0)
    plain = SegmentAugmentSettings(hue=0, saturation=1.2, brightness=1.2, grey=0, degrade=0)
    result = train_segmenter(
        colours_alone(),
        SegmentBatches(splits.train, size=32, batch=2, augment=plain),
        SegmentTrainSettings(
            epochs=30, learning_rate=0.3, average_decay=0.5, validate_epochs=15, weight_decay=0
        ),
        Outlets(tmp_path / "out", save),
        validation=SegmentBatches(splits.validation, size=32, batch=1),
        class_names=NAMES,
    )
    assert result.steps == 60
    assert result.best > 0.85
    log = (tmp_path / "out" / "log.csv").read_text().splitlines()
    assert log[0].endswith("mean_iou,accuracy,iou_ground,iou_disc,iou_square")
    assert float(log[-1].split(",")[5]) == pytest.approx(result.best, rel=1e-4)


@pytest.mark.slow
def test_what_never_learns_stays_and_the_rest_moves(tmp_path: Path) -> None:
    """Two epochs, the backbone frozen in the first; the last upsampling stays bilinear."""
    splits = read_segment_splits(make_scenes(tmp_path, train=2, val=1), long_side=64)
    keras.utils.set_random_seed(0)
    network = build_fcn8s("cross-stage", 3, size=YoloSize.NANO)
    backbone = network.get_layer("stem_conv").get_weights()[0]
    scores = network.get_layer("map_8_class_out").get_weights()[0]
    last = network.get_layer("map_logits").get_weights()[0]
    batches = SegmentBatches(splits.train, size=32, batch=2, augment=SegmentAugmentSettings())
    settings = SegmentTrainSettings(epochs=1, freeze_epochs=1, average_decay=0.0)

    def train(settings: SegmentTrainSettings) -> int:
        return train_segmenter(
            network,
            batches,
            settings,
            Outlets(tmp_path / "out", save),
            validation=SegmentBatches(splits.validation, size=32, batch=1),
            class_names=NAMES,
        ).steps

    assert train(settings) == 1
    np.testing.assert_array_equal(network.get_layer("stem_conv").get_weights()[0], backbone)
    assert not np.array_equal(network.get_layer("map_8_class_out").get_weights()[0], scores)
    longer = SegmentTrainSettings(epochs=2, freeze_epochs=1, average_decay=0.0)
    assert train(longer) == 2  # it went on
    assert not np.array_equal(network.get_layer("stem_conv").get_weights()[0], backbone)
    np.testing.assert_array_equal(network.get_layer("map_logits").get_weights()[0], last)
    assert {path.name for path in (tmp_path / "out").iterdir()} >= {"best.keras", "last.keras"}


@pytest.mark.slow
def test_shapes_are_learned(tmp_path: Path) -> None:
    """Discs and squares on textured ground, 48 images: mean IoU above 0.9 on 12 others."""
    splits = read_segment_splits(make_scenes(tmp_path, train=48, val=12), long_side=128)
    keras.utils.set_random_seed(0)
    network = build_fcn8s("cross-stage", 3, size=YoloSize.NANO)
    batches = SegmentBatches(
        splits.train, size=128, batch=8, augment=SegmentAugmentSettings(scale=(0.8, 1.25))
    )
    result = train_segmenter(
        network,
        batches,
        SegmentTrainSettings(epochs=24, learning_rate=4e-3, average_decay=0.9, validate_epochs=8),
        Outlets(tmp_path / "out", save),
        validation=SegmentBatches(splits.validation, size=128, batch=4),
        class_names=NAMES,
    )
    assert result.best > 0.9
