"""Backgrounds blurred or gone: what stays, what changes, and how often a network is asked."""

import numpy as np
import pytest

from tests.sinks.results import CONFIRMED, make_result, make_run, make_tracks
from tracker.errors import ConfigError, DataError
from tracker.sinks.background import (
    Backdrop,
    Background,
    BackgroundStyle,
    blurred,
)
from tracker.sinks.background_image import covering
from tracker.sinks.changed_images import ChangedImageSink
from tracker.util.opencv import cv2

RNG = np.random.default_rng(0)
IMAGE = RNG.integers(0, 120, (48, 64, 3)).astype(np.uint8)
IMAGE[10:30, 20:40] = (200, 250, 60)
"""Noise with one bright thing in columns 20 to 39, rows 10 to 29."""

THING = make_tracks((1, (20, 10, 40, 30), CONFIRMED))


class BrightPixels:
    """Finds what is bright; remembers what it was asked."""

    def __init__(self):
        self.prepared, self.asked = [], 0

    def prepare(self, frame_size):
        self.prepared.append(frame_size)

    def opacity(self, image, boxes):
        self.asked += 1
        self.boxes = boxes
        return np.where(image[..., 1] > 200, 255, 0).astype(np.uint8)


class KeepingSink:
    """Keeps what it was given."""

    def __init__(self):
        self.results, self.closed = [], []

    @property
    def status(self):
        return f"kept {len(self.results)}"

    def write(self, result):
        self.results.append(result)

    def close(self, *, complete=True):
        self.closed.append(complete)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def changed(tracks=THING, *, finder=None, image=IMAGE, run=None, **style):
    backdrop = Backdrop(finder or BrightPixels(), BackgroundStyle(**style))
    return backdrop.changed(make_result(0, tracks, image=image, run=run)).frame.image


def test_without_tracks_all_is_background_and_nobody_is_asked():
    finder = BrightPixels()
    image = changed(None, finder=finder, background=Background.REMOVE, color=(1, 2, 3))
    assert (image == (1, 2, 3)).all()
    assert (finder.prepared, finder.asked) == ([(48, 64)], 0)


@pytest.mark.parametrize("background", [Background.BLUR, Background.REMOVE])
def test_the_tracked_thing_stays_to_the_pixel_and_all_else_changes(background):
    image = changed(background=background, blur=0.1)
    kept = (image == IMAGE).all(axis=2)
    assert kept[10:30, 20:40].all()
    kept[10:30, 20:40] = False
    assert kept.mean() < 0.01  # noise may meet its own mean


def test_of_two_things_only_the_tracked_one_stays():
    two = IMAGE.copy()
    two[10:30, 50:60] = (200, 250, 60)
    image = changed(image=two, background=Background.REMOVE)
    assert (image[10:30, 20:40] == two[10:30, 20:40]).all()
    assert (image[10:30, 50:60] == 128).all()


def test_boxes_grow_by_the_margin():
    narrow = make_tracks((1, (25, 15, 35, 25), CONFIRMED))
    for margin, left in ((0.0, 25), (0.2, 23), (5.0, 20)):
        image = changed(narrow, background=Background.REMOVE, margin=margin)
        columns = np.flatnonzero((image[20] != 128).any(axis=1))
        assert (columns[0], columns[-1]) == (left, 59 - left)


def test_boxes_outside_the_frame_keep_nothing():
    away = make_tracks((1, (-90, -90, -50, -50), CONFIRMED), (2, (1e9, 5, 2e9, 9), CONFIRMED))
    finder = BrightPixels()
    assert (changed(away, finder=finder, background=Background.REMOVE) == 128).all()
    assert finder.asked == 0


def test_other_classes_stay_only_where_the_detector_knows_not_of_this_package():
    car = make_tracks((1, (20, 10, 40, 30), CONFIRMED, 1))
    remove = Background.REMOVE
    people = make_run(class_names=("person", "car"))
    assert (changed(car, background=remove, run=people) == 128).all()
    moving = make_run(class_names=("thing", "moving"))
    assert (changed(car, background=remove, run=moving)[10:30, 20:40] != 128).any()
    both = changed(car, background=remove, run=people, classes=("person", "car"))
    assert (both[10:30, 20:40] != 128).any()


class FaintPixels:
    """Every pixel belongs to an object by a fifth."""

    def prepare(self, frame_size):
        pass

    def opacity(self, image, boxes):
        return np.full(image.shape[:2], 51, np.uint8)


def test_soft_edges_are_blended_once_where_boxes_overlap():
    """A fifth of the object and four fifths of the colour: (200, 250, 60) over 100."""
    twice = make_tracks((1, (20, 10, 40, 30), CONFIRMED), (2, (20, 10, 40, 30), CONFIRMED))
    image = changed(
        twice, finder=FaintPixels(), background=Background.REMOVE, color=(100, 100, 100), margin=0
    )
    inside = np.zeros((48, 64), bool)
    inside[10:30, 20:40] = True
    assert (image[inside] == (120, 130, 92)).all()
    assert (image[~inside] == 100).all()


def test_the_finder_gets_the_boxes_of_the_shown_tracks():
    finder = BrightPixels()
    mixed = make_tracks((1, (20, 10, 40, 30), CONFIRMED), (2, (0, 0, 9, 9), CONFIRMED, 1))
    changed(mixed, finder=finder, run=make_run(class_names=("person", "car")))
    np.testing.assert_array_equal(finder.boxes, [[20, 10, 40, 30]])


def test_an_image_takes_the_place_of_the_background(tmp_path):
    """Of 128 x 48 pixels the middle 64 columns are seen in a frame of 64 x 48."""
    scene = np.zeros((48, 128, 3), np.uint8)
    scene[:, 32:96] = (10, 20, 30)
    path = tmp_path / "scene.png"
    cv2.imwrite(str(path), scene[..., ::-1])
    backdrop = Backdrop(BrightPixels(), BackgroundStyle(Background.IMAGE, image=str(path)))
    image = backdrop.changed(make_result(0, THING, image=IMAGE)).frame.image
    kept = (image == IMAGE).all(axis=2)
    assert kept[10:30, 20:40].all()
    kept[10:30, 20:40] = True
    assert (image[~kept] == (10, 20, 30)).all()


@pytest.mark.parametrize(
    ("size", "shape"), [((48, 64), (24, 32)), ((9, 64), (48, 64)), ((48, 7), (90, 10))]
)
def test_a_covering_image_has_the_size_of_the_frame(size, shape):
    image = np.full((*shape, 3), 9, np.uint8)
    covered = covering(image, size)
    assert covered.shape == (*size, 3)
    assert (covered == 9).all()


def test_two_sinks_share_one_look_and_the_result_stays_as_it_was():
    finder, sinks = BrightPixels(), [KeepingSink(), KeepingSink()]
    backdrop = Backdrop(finder, BackgroundStyle(background=Background.REMOVE))
    wrapped = [ChangedImageSink(sink, backdrop) for sink in sinks]
    results = [make_result(index, THING, image=IMAGE) for index in range(3)]
    for result in results:
        for sink in wrapped:
            sink.write(result)
    assert (finder.asked, len(finder.prepared)) == (3, 1)
    assert sinks[0].results[2].frame.image is sinks[1].results[2].frame.image
    given = sinks[0].results[1]
    assert (given.tracks, given.run) == (results[1].tracks, results[1].run)
    assert (given.frame.index, given.frame.time_s) == (1, results[1].frame.time_s)
    assert not given.frame.image.flags.writeable
    np.testing.assert_array_equal(results[1].frame.image, IMAGE)


def test_a_wrapped_sink_closes_as_it_would():
    sink = KeepingSink()
    wrapped = ChangedImageSink(sink, Backdrop(BrightPixels(), BackgroundStyle()))
    with wrapped:
        wrapped.write(make_result(0, THING, image=IMAGE))
    wrapped.close(complete=False)
    assert sink.closed == [True, False]
    assert wrapped.status == "kept 1"


@pytest.mark.parametrize("sigma", [0.5, 3.9, 8.0, 13.0])
def test_the_quick_blur_is_a_gaussian(sigma):
    image = cv2.resize(IMAGE, (128, 96), interpolation=cv2.INTER_LINEAR)
    slow = cv2.GaussianBlur(image, (0, 0), sigma).astype(int)
    assert np.abs(blurred(image, sigma) - slow).max() <= 6


def test_one_pixel_frames():
    dot = np.full((1, 1, 3), 7, np.uint8)
    assert (blurred(dot, 20.0) == 7).all()
    assert (changed(None, image=dot) == 7).all()


def test_boxes_have_to_be_finite():
    tracks = make_tracks((1, (float("nan"), 0, 5, 5), CONFIRMED))
    with pytest.raises(DataError, match="expected finite values"):
        changed(tracks)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"margin": -0.1}, "segmenter.margin: expected >= 0, got -0.1"),
        ({"margin": float("nan")}, "segmenter.margin: expected >= 0"),
        ({"blur": 0.0}, "segmenter.blur: expected above 0, up to 0.2, got 0.0"),
        ({"color": (0, 0, 256)}, r"segmenter.color: expected 0 to 255 each, got \[0, 0, 256\]"),
    ],
)
def test_styles_out_of_range(values, message):
    with pytest.raises(ConfigError, match=message):
        BackgroundStyle(**values)
