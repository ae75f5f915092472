"""Which objects are hidden: in doubt, all that may be one of the class."""

import dataclasses

import numpy as np
import pytest

from tests.sinks.results import CONFIRMED, LOST, TENTATIVE, make_result, make_run, make_tracks
from tracker.detections import Detections
from tracker.errors import ConfigError, DataError
from tracker.sinks.blur_style import BlurRegion, BlurStyle
from tracker.sinks.blur_targets import TargetFinder, class_indices, grown, targets_of
from tracker.tracks import Tracks

RUN = make_run(class_names=("person", "car"))
PERSONS = BlurStyle(("person",))


def tracks_of(*rows, index=None) -> Tracks:
    """Tracks that were matched with the detections `index`; -1, the default, for none."""
    tracks = make_tracks(*rows)
    matched = [-1] * len(rows) if index is None else index
    return dataclasses.replace(tracks, detection_index=np.array(matched, np.int32))


def result_of(tracks=None, found=None, *, unreported=None, frame=0, time_s=None, coasted=False):
    result = make_result(frame, tracks, run=RUN, time_s=time_s, is_coasted=coasted)
    return dataclasses.replace(
        result,
        detections=found or Detections.empty(),
        unreported=unreported or Tracks.empty(),
    )


def hidden(*args, style=PERSONS, **more):
    return targets_of(result_of(*args, **more), style).boxes.tolist()


def test_empty_frames_hide_nothing():
    assert hidden() == []
    assert len(TargetFinder(PERSONS).find(result_of())) == 0


def test_tracks_of_the_class_are_hidden_and_no_others():
    tracks = tracks_of((1, (1, 2, 3, 9), CONFIRMED, 0), (2, (4, 2, 6, 9), CONFIRMED, 1))
    assert hidden(tracks) == [[1, 2, 3, 9]]
    assert hidden(tracks, style=BlurStyle(("car",))) == [[4, 2, 6, 9]]
    assert hidden(tracks, style=BlurStyle(("person", "car"))) == [[1, 2, 3, 9], [4, 2, 6, 9]]


def test_tentative_and_lost_tracks_that_are_not_reported_are_hidden():
    unreported = tracks_of((-3, (1, 2, 3, 9), TENTATIVE), (5, (4, 2, 6, 9), LOST))
    found = targets_of(result_of(unreported=unreported), PERSONS)
    assert found.boxes.tolist() == [[1, 2, 3, 9], [4, 2, 6, 9]]
    assert found.is_unconfirmed.tolist() == [True, False]
    assert found.detections.tolist() == [-1, -1]


def test_matched_track_is_hidden_with_its_detection():
    found = Detections.create([[2, 1, 5, 8]], [0.9], [0])
    tracks = tracks_of((1, (1, 2, 4, 9), CONFIRMED), index=[0])
    assert hidden(tracks, found) == [[1, 1, 5, 9]]


def test_detection_without_track_is_hidden():
    found = Detections.create([[2, 1, 5, 8], [20, 1, 25, 8]], [0.9, 0.8], [0, 1])
    assert hidden(None, found) == [[2, 1, 5, 8]]


def test_track_voted_a_car_is_hidden_while_its_detection_is_a_person():
    tracks = tracks_of((1, (1, 2, 4, 9), CONFIRMED, 1), index=[0])
    assert len(hidden(tracks, Detections.create([[1, 2, 4, 9]], [0.9], [0]))) == 1
    assert len(hidden(tracks, Detections.create([[1, 2, 4, 9]], [0.9], [1]))) == 0


def test_ids_of_any_class_and_whatever_has_no_id_yet():
    style = BlurStyle(ids=(3,))
    reported = tracks_of(
        (2, (0, 0, 9, 9), CONFIRMED), (3, (10, 0, 19, 9), CONFIRMED, 1), index=[0, 1]
    )
    found = Detections.create(
        [[0, 0, 9, 9], [10, 0, 19, 9], [20, 0, 29, 9]], [0.9, 0.8, 0.7], [0, 1, 1]
    )
    tentative = tracks_of((-1, (30, 0, 39, 9), TENTATIVE))
    boxes = hidden(reported, found, unreported=tentative, style=style)
    assert boxes == [[10, 0, 19, 9], [30, 0, 39, 9], [20, 0, 29, 9]]


def test_ids_beside_a_class_are_those_of_the_class():
    tracks = tracks_of(
        (2, (0, 0, 9, 9), CONFIRMED, 0), (3, (10, 0, 19, 9), CONFIRMED, 0),
        (7, (20, 0, 29, 9), CONFIRMED, 1),
    )  # fmt: skip
    assert hidden(tracks, style=BlurStyle(("person",), (3, 7))) == [[10, 0, 19, 9]]


def test_tentative_object_stays_hidden_after_a_missed_detection():
    """The tracker ends a tentative track at once: nothing of frame 0 is left in frame 1."""
    finder, box = TargetFinder(PERSONS), [[20, 10, 30, 40]]
    finder.find(result_of(None, Detections.create(box, [0.9], [0])))
    for frame in range(1, 13):  # 0.48 s at 25 frames a second
        assert finder.find(result_of(frame=frame)).boxes.tolist() == box
    assert len(finder.find(result_of(frame=13))) == 0


def test_slow_sources_hold_for_three_frames():
    finder = TargetFinder(PERSONS)
    finder.find(result_of(None, Detections.create([[20, 10, 30, 40]], [0.9], [0]), time_s=0))
    counts = [len(finder.find(result_of(frame=n, time_s=2.0 * n))) for n in range(1, 5)]
    assert counts == [1, 1, 1, 0]


def test_detections_are_held_while_the_detector_does_not_run():
    finder = TargetFinder(PERSONS)
    finder.find(result_of(None, Detections.create([[20, 10, 30, 40]], [0.9], [0])))
    for frame in range(1, 60):
        assert len(finder.find(result_of(frame=frame, coasted=True))) == 1


def test_newer_place_that_covers_the_earlier_one_replaces_it():
    finder = TargetFinder(PERSONS)
    for frame, x in enumerate((20, 20.5, 21)):  # within the margin of 1 pixel
        found = finder.find(
            result_of(None, Detections.create([[x, 10, x + 10, 40]], [0.9], [0]), frame=frame)
        )
        assert found.boxes.tolist() == [[x, 10, x + 10, 40]]
    jumped = Detections.create([[24, 10, 34, 40]], [0.9], [0])
    assert finder.find(result_of(None, jumped, frame=3)).boxes[:, 0].tolist() == [24, 21]


def test_grown_boxes_have_a_smallest_size():
    boxes = np.array([[0, 0, 100, 200], [50, 50, 51, 51], [7, 7, 7, 7]], float)
    assert grown(boxes, 0.1).tolist() == [
        [-10, -20, 110, 220], [46.5, 46.5, 54.5, 54.5], [3, 3, 11, 11],
    ]  # fmt: skip


def test_unknown_class_and_boxes_that_are_not_finite():
    with pytest.raises(ConfigError, match=r"does not know 'persn'; did you mean 'person'\?"):
        class_indices(("person", "car"), ["persn"])
    with pytest.raises(ConfigError, match="does not know 'zebra'; known: person, car"):
        hidden(style=BlurStyle(("zebra",)), found=Detections.create([[1, 1, 2, 2]], [0.9]))
    with pytest.raises(DataError, match="expected finite values"):
        hidden(tracks_of((1, (np.nan, 0, 5, 5), CONFIRMED)))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"ids": (0,)}, "blur.ids: expected ids of tracks, 1 or more, got 0"),
        ({"margin": -0.1}, r"blur.margin: expected a number in \[0, 5\], got -0.1"),
        ({"margin": float("nan")}, "blur.margin: expected a number"),
        ({"region": BlurRegion.FACE}, "expected blur.classes or blur.ids beside it"),
        ({"classes": (3,)}, "classes: expected"),
    ],
)
def test_styles_out_of_range(values, message):
    with pytest.raises(ConfigError, match=message):
        BlurStyle(**values)
