"""Labels that are placed apart."""

from itertools import combinations

import numpy as np

from tracker.plots.labels import Label, add_labels, free_place
from tracker.plots.style import LIGHT, figure_of, styled_axes


def test_labels_of_one_point_cover_nothing_of_each_other() -> None:
    taken: list[tuple[float, float, float, float]] = []
    while place := free_place("12", (100, 100), (0, 0, 200, 200), taken):
        taken.append(place)
    assert len(taken) >= 16
    for a, b in combinations(taken, 2):
        apart = a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]
        assert apart
    assert taken[0][:2] == (103, 103)


def test_a_label_without_room_is_counted() -> None:
    assert free_place("12345", (5, 5), (0, 0, 20, 20), []) is None
    axes = styled_axes(3, 3, LIGHT)[0]
    axes.set(xlim=(0, 100), ylim=(100, 0))
    labels = [Label(str(10 + n), np.array([50.0, 50.0])) for n in range(60)]
    left_out = add_labels(axes, labels, LIGHT)
    assert 0 < left_out == 60 - len(axes.texts)


def test_the_label_of_a_point_outside_is_within_the_axes() -> None:
    axes = styled_axes(3, 3, LIGHT)[0]
    axes.set(xlim=(0, 100), ylim=(100, 0))
    assert add_labels(axes, [Label("7", np.array([150.0, -20.0]))], LIGHT) == 0
    figure_of(axes).draw_without_rendering()
    text, frame = axes.texts[0].get_window_extent(), axes.get_window_extent()
    assert frame.x0 <= text.x0 < text.x1 <= frame.x1
    assert frame.y0 <= text.y0 < text.y1 <= frame.y1
