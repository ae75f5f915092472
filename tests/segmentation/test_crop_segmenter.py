"""Segmentation in crops of boxes: where masks are put, and what the built-in network finds."""

from pathlib import Path

import keras
import numpy as np
import pytest

from tracker.errors import ConfigError, ModelError
from tracker.inference.litert import Precision
from tracker.models.files.segmenter_file import (
    SEGMENTER_FILE,
    SegmenterDescription,
    SegmenterHead,
    build_segmenter,
    save_segmenter,
)
from tracker.models.files.tflite import read_exported
from tracker.segmentation.crop_segmenter import CropSegmenter, export_segmenter_file
from tracker.segmentation.segmenter import Segmenter
from tracker.segmentation.settings import SegmenterSettings
from tracker.sources.files.video_file import VideoFile

NAMES = ("background", "person")
DESCRIPTION = SegmenterDescription(NAMES, 32, "shufflenet-v2-1x", head=SegmenterHead.CROP_UNET)


class BrightPixels:
    """Bright pixels belong to a person; counts the crops."""

    def __init__(self):
        self.counts = []

    def run(self, images):
        self.counts.append(len(images))
        person = (images[..., 0] > 128).astype(np.float32)
        return np.stack([1 - person, person], axis=-1)


def boxes_of(*rows):
    return np.array(rows, np.float32).reshape(-1, 4)


def segmenter(network=None, **settings):
    return CropSegmenter(network or BrightPixels(), DESCRIPTION, SegmenterSettings(**settings))


def test_no_box_nothing_found():
    assert not segmenter().opacity(np.full((40, 60, 3), 255, np.uint8), boxes_of()).any()


def test_bright_pixels_are_found_in_the_enlarged_box_alone():
    """A box of 40 x 40 pixels and its margin of 6: columns 14 to 65, rows 4 to 55."""
    image = np.zeros((80, 120, 3), np.uint8)
    image[10:50, 30:50] = 255
    image[10:50, 80:100] = 255  # another object
    found = segmenter().opacity(image, boxes_of((20, 10, 60, 50)))
    assert (found[13:47, 33:47] == 255).all()
    assert not found[:, :27].any()
    assert not found[:, 53:].any()
    assert found[10:50, 30:50].mean() > 230


def test_a_box_at_the_edge_of_the_image_is_cut():
    image = np.full((40, 60, 3), 255, np.uint8)
    found = segmenter().opacity(image, boxes_of((-30, -10, 20, 30), (300, 300, 310, 320)))
    assert (found[:36, :27] == 255).all()
    assert not found[:, 28:].any()


def test_probabilities_around_one_half_are_soft_edges():
    class Unsure:
        def run(self, images):
            shares = np.full((*images.shape[:3], 2), 0.5, np.float32)
            shares[:, :, :16] = (0.45, 0.55)
            return shares

    found = segmenter(Unsure()).opacity(np.zeros((64, 64, 3), np.uint8), boxes_of((0, 0, 64, 64)))
    assert found[32, 5] == int(0.7 * 255)  # (0.55 - 0.5) * 4 + 0.5
    assert found[32, 60] == int(0.5 * 255)


def test_of_many_boxes_the_largest_are_segmented_and_the_others_kept_whole():
    network = BrightPixels()
    image = np.zeros((100, 400, 3), np.uint8)
    rows = [(20 * n, 0, 20 * n + 10 + (n > 0), 10) for n in range(17)]
    found = segmenter(network).opacity(image, boxes_of(*rows))
    assert network.counts == [16]
    assert (found[:10, :10] == 255).all()
    assert not found[:, 12:].any()


def test_wrong_settings():
    with pytest.raises(ConfigError, match=r"has background, person, not 'persn'; did you mean"):
        segmenter(classes=("persn",))
    with pytest.raises(ConfigError, match="takes crops of 32 pixels, got 64"):
        segmenter(input_size=64)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_a_trained_file_its_export_and_keras_agree(tmp_path: Path) -> None:
    keras.utils.set_random_seed(1)
    network = build_segmenter(DESCRIPTION)
    path, exported = tmp_path / "mine.keras", tmp_path / "mine.tflite"
    save_segmenter(network, path, DESCRIPTION)
    export_segmenter_file(path, exported, precision=Precision.FLOAT32)
    assert SEGMENTER_FILE.parse(exported, read_exported(exported, what="x").text) == DESCRIPTION
    settings = SegmenterSettings(cache_dir=tmp_path, threads=1)
    image = np.random.default_rng(0).integers(0, 256, (90, 90, 3)).astype(np.uint8)
    boxes = boxes_of((10, 10, 42, 42), (50, 20, 80, 70), (30, 5, 60, 85))
    one, two = (CropSegmenter.load(p, settings).opacity(image, boxes) for p in (path, exported))
    np.testing.assert_allclose(one.astype(int), two.astype(int), atol=1)
    with pytest.raises(ModelError, match="expected head fcn-8s, got crop-u-net"):
        Segmenter.load(path)
    export_segmenter_file(path, exported, precision=Precision.INT8, calibration=[image])
    third = CropSegmenter.load(exported, settings).opacity(image, boxes)
    assert np.abs(third.astype(int) - one).mean() < 15


def test_the_builtin_one_finds_the_people_of_a_real_street(data: Path) -> None:
    """The true boxes of the first frame of TUD-Campus: bodies are about half of each."""
    truth = np.loadtxt(data / "mot15" / "TUD-Campus" / "gt" / "gt.txt", delimiter=",")
    rows = truth[(truth[:, 0] == 1) & (truth[:, 6] == 1), 2:6]
    rows[:, 2:] += rows[:, :2]
    with VideoFile(data / "video" / "TUD-Campus.mp4") as video:
        image = next(iter(video)).image
    boxes = rows.astype(np.float32)
    found = CropSegmenter.load_builtin(SegmenterSettings(threads=1)).opacity(image, boxes) > 127
    shares = [found[int(b[1]) : int(b[3]), max(0, int(b[0])) : int(b[2])].mean() for b in boxes]
    assert 0.3 < np.median(shares) < 0.75
    outside = found.copy()
    for x1, y1, x2, y2 in boxes.astype(int):
        outside[y1:y2, max(0, x1) : x2] = False
    assert outside.sum() < 0.15 * found.sum()
