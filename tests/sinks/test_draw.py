from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.sinks.results import CONFIRMED, LOST, TENTATIVE, make_tracks
from tracker.errors import ConfigError, DataError
from tracker.masks import empty_mask, encode_mask
from tracker.sinks.draw import OUTSIDE, draw_tracks, font_size, line_width, zone_color
from tracker.sinks.draw_style import Boxes, ColorBy, DrawStyle, Labels
from tracker.sinks.draw_trails import Trails
from tracker.sinks.palette import color_of
from tracker.tracks import Tracks

PLAIN = DrawStyle(labels=Labels.NONE, trail_s=0)


def draw(
    tracks, *, style=PLAIN, size=(120, 160), trails=None, names=("person", "行人"), masks=None
):
    image = np.full((*size, 3), 90, np.uint8)
    trails = trails or Trails(style.trail_s)
    drawn = draw_tracks(image, tracks, class_names=names, trails=trails, style=style, masks=masks)
    assert (image == 90).all(), "the image that came in is untouched"
    return drawn


def changed(drawn):
    return (drawn != 90).any(axis=2)


def test_no_tracks_give_an_equal_copy():
    drawn = draw(Tracks.empty())
    assert not changed(drawn).any()
    assert drawn.flags.writeable


def test_a_box_has_the_colour_of_its_id_and_an_untouched_middle():
    drawn = draw(make_tracks((3, (20, 30, 80, 90), CONFIRMED)))
    assert tuple(drawn[30, 50]) == color_of(3, 0)
    assert not changed(drawn)[40:80, 30:70].any()


def test_a_global_id_gives_the_colour_and_is_in_the_label():
    tracks = make_tracks((3, (20, 30, 80, 90), CONFIRMED))
    linked = replace(tracks, global_ids=np.array([8], np.int64))
    drawn = draw(linked)
    assert tuple(drawn[30, 50]) == color_of(8, 0)
    labelled = DrawStyle(labels=Labels.ID, trail_s=0)
    other = replace(tracks, ids=np.array([8], np.int64))  # the same colour, a shorter label
    plate = changed(draw(linked, style=labelled))[:28].sum()
    assert plate > 1.5 * changed(draw(other, style=labelled))[:28].sum()


def test_a_lost_box_has_gaps_and_a_tentative_one_is_thinner():
    thick = DrawStyle(line_scale=3, labels=Labels.NONE, trail_s=0)
    box = (20, 30, 80, 90)
    full, lost, tentative = (
        changed(draw(make_tracks((1, box, state)), style=thick)).sum()
        for state in (CONFIRMED, LOST, TENTATIVE)
    )
    assert lost < 0.8 * full
    assert tentative < 0.8 * full
    top = changed(draw(make_tracks((1, box, LOST))))[30, 20:81]
    assert top.any()
    assert not top.all()


def test_the_order_of_two_tracks_matters_only_where_they_cross():
    both = changed(
        draw(
            make_tracks((1, (20, 30, 80, 90), CONFIRMED), (2, (50, 60, 110, 110), CONFIRMED)),
        )
    )
    first = changed(draw(make_tracks((1, (20, 30, 80, 90), CONFIRMED))))
    second = changed(draw(make_tracks((2, (50, 60, 110, 110), CONFIRMED))))
    assert (both == (first | second)).all()


def test_colours_stay_with_the_id_and_differ_between_neighbours():
    assert color_of(7, 0) == color_of(7, 0)
    assert color_of(7, 0) != color_of(7, 1)
    ids = [np.array(color_of(number, 0), int) for number in range(1, 9)]
    gaps = [np.abs(a - b).sum() for i, a in enumerate(ids) for b in ids[:i]]
    assert min(gaps) > 60


def test_lines_and_text_grow_with_the_image():
    small, large = np.zeros((240, 320, 3), np.uint8), np.zeros((2160, 3840, 3), np.uint8)
    assert (line_width(small, DrawStyle()), line_width(large, DrawStyle())) == (2, 7)
    assert (font_size(small, DrawStyle()), font_size(large, DrawStyle())) == (11, 49)
    assert font_size(small, DrawStyle(font_scale=0.1)) == 11
    assert line_width(small, DrawStyle(line_scale=2)) == 3


@pytest.mark.parametrize("labels", [Labels.ID, Labels.FULL])
@pytest.mark.parametrize("corner", [(0, 0), (150, 0), (0, 110), (150, 110), (-30, -30)])
def test_a_label_stays_in_the_image(labels, corner):
    x, y = corner
    track = make_tracks((12, (x, y, x + 40, y + 40), CONFIRMED))
    style = DrawStyle(labels=labels, trail_s=0)
    with_label = changed(draw(track, style=style)) & ~changed(draw(track))
    rows, columns = np.nonzero(with_label)
    # A plate of at least one line of text: not cut by the image's edge.
    assert np.ptp(rows) >= 10
    assert np.ptp(columns) >= 12


def test_a_long_name_is_shortened_to_the_image():
    track = make_tracks((1, (50, 50, 90, 90), CONFIRMED))
    drawn = draw(track, style=DrawStyle(trail_s=0), names=("x" * 200,))
    assert changed(drawn).any()


def test_a_name_outside_ascii_is_not_all_question_marks():
    box = (50, 50, 90, 90)
    style = DrawStyle(trail_s=0)
    foreign = draw(make_tracks((1, box, CONFIRMED, 1)), style=style)
    marks = draw(make_tracks((1, box, CONFIRMED, 1)), style=style, names=("person", "??"))
    assert (foreign != marks).any()


def test_a_box_outside_the_image_has_no_label():
    drawn = draw(make_tracks((1, (1e6, 1e6, 2e6, 2e6), CONFIRMED)), style=DrawStyle())
    assert not changed(drawn).any()


def block(left, top, right, bottom, size=(120, 160)):
    pixels = np.zeros(size, np.bool_)
    pixels[top:bottom, left:right] = True
    return encode_mask(pixels)


BOX = (20, 30, 80, 90)


def test_a_mask_is_tinted_and_nothing_beside_it():
    track = make_tracks((3, BOX, CONFIRMED))
    style = replace(PLAIN, mask_opacity=0.25)
    drawn = draw(track, style=style, masks=[block(30, 40, 70, 80)])
    mixed = np.rint(0.75 * 90 + 0.25 * np.array(color_of(3, 0)))
    assert (drawn[40:80, 30:70] == mixed).all()
    drawn[40:80, 30:70] = 90
    assert (drawn == draw(track)).all()


def test_masks_that_overlap_are_mixed_in_the_order_of_ids():
    tracks = make_tracks((1, BOX, CONFIRMED), (2, BOX, CONFIRMED), (4, BOX, TENTATIVE))
    tracks = replace(tracks, detection_index=np.array([1, 0, 2], np.int32))
    masks = [block(40, 50, 60, 60), block(30, 50, 50, 60), block(0, 119, 160, 120)]
    drawn = draw(tracks, style=replace(PLAIN, mask_opacity=0.5), masks=masks).astype(int)
    first, second = (np.array(color_of(number, 0)) for number in (1, 2))
    below = np.rint(0.5 * 90 + 0.5 * first)
    assert (drawn[50:60, 30:40] == below).all()
    assert (drawn[50:60, 40:50] == np.rint(0.5 * below + 0.5 * second)).all()
    assert (drawn[50:60, 50:60] == np.rint(0.5 * 90 + 0.5 * second)).all()
    assert (drawn[119] == np.rint(0.5 * 90 + 0.5 * np.array(color_of(4, 0)))).all()


def test_boxes_and_labels_lie_above_masks():
    track = make_tracks((1, BOX, CONFIRMED))
    style = DrawStyle(trail_s=0)
    on_top = changed(draw(track, style=style))
    drawn = draw(track, style=style, masks=[block(0, 0, 160, 120)])
    assert (drawn[on_top] == draw(track, style=style)[on_top]).all()
    assert changed(drawn).all()


def test_unmatched_tracks_and_zero_opacity_have_no_tint():
    track = make_tracks((1, BOX, LOST))
    lost = replace(track, detection_index=np.array([-1], np.int32))
    assert (draw(lost, masks=[block(0, 0, 160, 120)]) == draw(track)).all()
    off = replace(PLAIN, mask_opacity=0)
    assert (draw(track, style=off, masks=[block(0, 0, 160, 120)]) == draw(track)).all()
    assert (draw(track, masks=[empty_mask((120, 160))]) == draw(track)).all()


@pytest.mark.parametrize(
    "corners",
    [(0, 0, 1, 1), (159, 119, 160, 120), (7, 0, 8, 120), (0, 5, 160, 6), (0, 0, 160, 120)],
)
def test_masks_of_one_pixel_one_line_and_the_whole_image(corners):
    track = make_tracks((1, (1e6, 1e6, 2e6, 2e6), CONFIRMED))
    left, top, right, bottom = corners
    expected = np.zeros((120, 160), np.bool_)
    expected[top:bottom, left:right] = True
    assert (changed(draw(track, masks=[block(*corners)])) == expected).all()


def test_a_mask_of_another_size_is_refused():
    track = make_tracks((7, BOX, CONFIRMED))
    with pytest.raises(
        DataError, match=r"mask of track 7: expected .*\(120, 160\), got \(48, 64\)"
    ):
        draw(track, masks=[block(0, 0, 5, 5, size=(48, 64))])


def test_a_trail_fades_towards_its_old_end():
    trails = Trails(10)
    for step in range(40):
        trails.update(make_tracks((1, (step * 3, 50, step * 3 + 20, 70), CONFIRMED)), step / 25)
    track = make_tracks((1, (117, 50, 137, 70), CONFIRMED))
    drawn = draw(track, trails=trails).astype(int)
    strength = np.abs(drawn[70] - 90).sum(axis=1)  # the foot points, on the lower edges
    assert 0 < strength[20] < strength[60] < strength[110]


def test_trails_remove_old_points():
    trails = Trails(1.0)
    trails.update(make_tracks((1, (0, 0, 10, 20), CONFIRMED)), 0.0)
    trails.update(make_tracks((2, (0, 0, 10, 20), CONFIRMED)), 0.5)
    assert trails.of(1).tolist() == [[0.0, 5.0, 20.0]]
    trails.update(Tracks.empty(), 1.25)
    assert trails.of(1).shape == (0, 3)
    assert len(trails) == 1
    trails.update(Tracks.empty(), 2.0)
    assert len(trails) == 0


def test_trails_of_no_length_keep_nothing():
    trails = Trails(0)
    trails.update(make_tracks((1, (0, 0, 10, 20), CONFIRMED)), 0.0)
    assert len(trails) == 0


def test_corners_leave_the_middle_of_each_side():
    track = make_tracks((1, BOX, CONFIRMED))
    drawn = changed(draw(track, style=replace(PLAIN, boxes=Boxes.CORNERS)))
    full = changed(draw(track))
    assert not (drawn & ~full).any()
    # Arms of a third of the shorter side, 20 of 60: at both ends of the upper edge.
    assert drawn[30, 20:41].all()
    assert not drawn[30, 43:58].any()
    assert drawn[30, 60:81].all()
    assert drawn[50, 20]
    assert not drawn[60, 20]
    nothing = draw(track, style=replace(PLAIN, boxes=Boxes.NONE))
    assert not changed(nothing).any()
    lost = make_tracks((1, BOX, LOST))
    assert (draw(lost, style=replace(PLAIN, boxes=Boxes.CORNERS)) == draw(lost)).all()


def test_colours_by_class_are_shared_by_its_tracks():
    tracks = make_tracks((3, (5, 30, 40, 90), CONFIRMED, 1), (8, (60, 30, 95, 90), CONFIRMED, 1),
                         (1, (110, 30, 145, 90), CONFIRMED, 0))  # fmt: skip
    drawn = draw(tracks, style=replace(PLAIN, color_by=ColorBy.CLASS))
    assert tuple(drawn[30, 20]) == tuple(drawn[30, 75]) == color_of(2, 0)
    assert tuple(drawn[30, 125]) == color_of(1, 0)


def test_colours_by_zone_and_grey_outside():
    tracks = make_tracks((3, (5, 30, 40, 90), CONFIRMED), (8, (60, 30, 95, 90), CONFIRMED))
    image = np.full((120, 160, 3), 90, np.uint8)
    style = replace(PLAIN, color_by=ColorBy.ZONE)
    drawn = draw_tracks(
        image, tracks, class_names=["person"], trails=Trails(0), style=style, zones={8: 1}
    )
    assert tuple(drawn[30, 20]) == OUTSIDE
    assert tuple(drawn[30, 75]) == color_of(2, 0) == zone_color(1, style)


def test_a_longer_label_covers_more():
    track = make_tracks((1, (20, 60, 80, 110), CONFIRMED))
    plates = [
        changed(draw(track, style=DrawStyle(labels=labels, trail_s=0)))[:60].sum()
        for labels in (Labels.NONE, Labels.ID, Labels.CLASS, Labels.FULL)
    ]
    assert plates == sorted(set(plates))


def test_wrong_styles_and_boxes_are_refused():
    for wrong in (
        {"line_scale": 0},
        {"font_scale": float("nan")},
        {"trail_s": -1},
        {"mask_opacity": 1.5},
        {"mask_opacity": float("nan")},
    ):
        with pytest.raises(ConfigError, match=next(iter(wrong))):
            DrawStyle(**wrong)
    with pytest.raises(DataError, match="finite"):
        draw(make_tracks((1, (0, 0, np.inf, 1), CONFIRMED)))
    with pytest.raises(DataError, match="class 2 has no name"):
        draw(make_tracks((1, (0, 0, 5, 5), CONFIRMED, 2)), style=DrawStyle())


coordinates = st.floats(-1e9, 1e9, width=32)


@given(
    st.lists(st.tuples(coordinates, coordinates, coordinates, coordinates), max_size=4),
    st.integers(1, 40),
    st.integers(1, 40),
    st.sampled_from(list(Labels)),
)
def test_anything_finite_can_be_drawn_into_any_image(boxes, height, width, labels):
    tracks = make_tracks(*[(i, box, i % 3) for i, box in enumerate(boxes)])
    trails = Trails(1)
    trails.update(make_tracks(*[(i, (0, 0, 9, 9), CONFIRMED) for i in range(4)]), 0.0)
    trails.update(tracks, 0.1)
    drawn = draw(tracks, style=DrawStyle(labels=labels), size=(height, width), trails=trails)
    assert drawn.shape == (height, width, 3)
