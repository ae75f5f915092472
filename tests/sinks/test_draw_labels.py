from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.sinks.results import CONFIRMED, make_tracks
from tracker.sinks.draw_labels import Label, LabelPlacer, label_texts
from tracker.sinks.draw_style import Labels
from tracker.sinks.draw_text import text_width

FONT_PX = 11
TEXTS = ("#12 person 0.87", "#12 person", "#12")


def overlap(a: Label, b: Label) -> bool:
    return a.left < b.right and b.left < a.right and a.top < b.bottom and b.top < a.bottom


def test_a_single_label_is_above_its_box():
    label = LabelPlacer((120, 300), FONT_PX).place(TEXTS, (40, 50, 80, 110))
    assert label is not None
    assert (label.text, label.left, label.bottom) == (TEXTS[0], 40, 50)
    assert label.right - label.left == text_width(TEXTS[0], FONT_PX) + 2


def test_without_room_above_it_is_in_the_upper_corner():
    label = LabelPlacer((120, 300), FONT_PX).place(TEXTS, (40, 5, 80, 110))
    assert label is not None
    assert (label.text, label.left, label.top) == (TEXTS[0], 40, 5)


def test_a_box_outside_the_image_has_none():
    placer = LabelPlacer((120, 300), FONT_PX)
    assert placer.place(TEXTS, (300, 10, 400, 50)) is None
    assert placer.place(TEXTS, (-90, 10, -5, 50)) is None


def test_boxes_in_one_place_have_their_labels_around_it():
    placer = LabelPlacer((200, 300), FONT_PX)
    box = (110, 60, 150, 150)
    labels = [placer.place(TEXTS, box) for _ in range(12)]
    placed = [label for label in labels if label is not None]
    # Above, below; there is no room for shorter forms of the text either. Then to the right and
    # left at its top and at its bottom, and in its corner.
    assert len(placed) < 12
    assert labels[len(placed) :] == [None] * (12 - len(placed))
    assert (placed[0].text, placed[0].bottom) == (TEXTS[0], 60)
    assert (placed[1].text, placed[1].top) == (TEXTS[0], 150)
    sides = [label for label in placed if label.top == 60]
    assert (sides[0].left, sides[1].right) == (150, 110)
    assert any(label.bottom == 150 for label in placed)
    assert not any(overlap(a, b) for i, a in enumerate(placed) for b in placed[:i])


def test_a_text_is_shortened_before_it_is_left_out():
    # An image as high as one label, and half as wide again.
    plate = text_width(TEXTS[0], FONT_PX) + 2
    placer = LabelPlacer((15, plate * 3 // 2), FONT_PX)
    boxes = [(0, 0, 5, 15), (plate, 0, plate + 5, 15), (plate, 0, plate + 5, 15)]
    first, second, third = (placer.place(TEXTS, box) for box in boxes)
    assert first is not None
    assert second is not None
    assert (first.text, second.text, third) == (TEXTS[0], TEXTS[2], None)


def test_the_texts_of_each_kind_of_label():
    tracks = replace(
        make_tracks((12, (0, 0, 10, 20), CONFIRMED, 1)), scores=np.array([0.871], np.float32)
    )
    names = ("person", "car")
    assert label_texts(tracks, names, Labels.FULL) == [("#12 car 0.87", "#12 car", "#12")]
    assert label_texts(tracks, names, Labels.CLASS) == [("#12 car", "#12")]
    assert label_texts(tracks, names, Labels.ID) == [("#12",)]
    assert label_texts(tracks, names, Labels.NONE) == [()]
    linked = replace(tracks, global_ids=np.array([3], np.int64))
    assert label_texts(linked, names, Labels.ID) == [("#12 @3",)]


spots = st.tuples(
    st.integers(-50, 700), st.integers(-50, 500), st.integers(1, 300), st.integers(1, 300)
)


@given(st.lists(spots, max_size=40), st.sampled_from([(480, 640), (30, 30), (1, 1)]))
def test_no_label_hides_another_or_leaves_the_image(boxes, size):
    placer = LabelPlacer(size, FONT_PX)
    labels = [
        label
        for x, y, width, height in boxes
        if (label := placer.place(TEXTS, (x, y, x + width, y + height))) is not None
    ]
    assert not any(overlap(a, b) for i, a in enumerate(labels) for b in labels[:i])
    if size == (480, 640):
        assert all(label.left >= 0 and label.right <= 640 for label in labels)
        assert all(label.top >= 0 and label.bottom <= 480 for label in labels)
        visible = [b for b in boxes if -b[2] <= b[0] < 640 and -b[3] <= b[1] < 480]
        assert bool(labels) == bool(visible)


@pytest.mark.parametrize("count", [10, 60])
def test_a_crowd_keeps_most_ids_visible(count):
    random = np.random.default_rng(count)
    placer = LabelPlacer((1080, 1920), 24)
    placed = []
    for number in range(count):
        x, y = random.uniform(0, 1800), random.uniform(0, 900)
        texts = (f"#{number} person 0.80", f"#{number} person", f"#{number}")
        placed.append(placer.place(texts, (int(x), int(y), int(x) + 70, int(y) + 180)))
    assert sum(label is not None for label in placed) > 0.9 * count
