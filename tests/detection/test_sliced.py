"""Detection in tiles: one batch, one box for each object, any detector."""

import logging
from fractions import Fraction

import numpy as np
import pytest

from tests.detection.squares import Squares, drawn, random_boxes
from tracker.detection.class_filter import FilteredDetector
from tracker.detection.function_detector import FunctionDetector
from tracker.detection.slice_grid import SliceGrid
from tracker.detection.sliced import SlicedDetector, innermost
from tracker.detections import Detections, TimedDetector
from tracker.errors import ConfigError, DataError
from tracker.frames import Frame, VideoInfo
from tracker.masks import decode_mask, encode_mask
from tracker.util.arrays import UInt8Array
from tracker.util.stopwatch import Stopwatch

SIZE = (180, 360)
"""In 2x2 tiles of 100x200 pixels, of which 20x40 are shared."""


class SizedSquares(Squares):
    """With the input size of a network that takes 64x128 pixels."""

    input_size = (64, 128)


def info(size: tuple[int, int]) -> VideoInfo:
    return VideoInfo("drawn", size[1], size[0], Fraction(25), Fraction(1, 25))


def sliced(detector: TimedDetector, grid: str = "2x2", *, overlap: float = 0.2) -> SlicedDetector:
    rows, columns = map(int, grid.split("x"))
    return SlicedDetector(detector, SliceGrid(rows, columns), overlap=overlap)


def found_boxes(detector: TimedDetector, frame: Frame) -> list[list[float]]:
    detector.start(info((frame.height, frame.width)))
    return sorted(detector.detect([frame], Stopwatch())[0].boxes.tolist())


def test_no_frames_and_no_objects() -> None:
    assert sliced(Squares()).detect([]) == []
    assert found_boxes(sliced(Squares()), drawn(SIZE, [])) == []


def test_an_object_too_small_for_the_frame_is_found_in_a_tile() -> None:
    frame = drawn(SIZE, [(20, 20, 40, 40)])
    coarse = Squares(least_share=0.1)  # 36 pixels of the frame, 20 of a tile
    assert found_boxes(coarse, frame) == []
    assert found_boxes(sliced(coarse), frame) == [[20, 20, 40, 40]]


@pytest.mark.parametrize("grid", ["1x1", "1x2", "2x1", "2x2", "3x4"])
@pytest.mark.parametrize(
    "box",
    [
        (150, 60, 210, 120),  # on the crossing of both seams
        (185, 10, 195, 20),  # within what two tiles share
        (0, 0, 360, 180),  # the whole frame, in every tile
        (100, 50, 101, 51),  # one pixel
        (159, 99, 160, 100),  # one pixel in the corner of a tile
        (0, 80, 360, 100),  # a bar across all columns
    ],
)
def test_one_object_is_one_box(grid: str, box: tuple[int, int, int, int]) -> None:
    assert found_boxes(sliced(Squares(), grid), drawn(SIZE, [box])) == [list(box)]


@pytest.mark.parametrize("box", [(150, 60, 210, 120), (0, 0, 360, 180), (0, 82, 360, 98)])
def test_an_object_that_only_tiles_find_is_one_box(box: tuple[int, int, int, int]) -> None:
    blind = Squares(blind_size=SIZE)
    assert found_boxes(blind, drawn(SIZE, [box])) == []
    assert found_boxes(sliced(blind), drawn(SIZE, [box])) == [list(box)]
    assert found_boxes(sliced(blind, overlap=0.0), drawn(SIZE, [box])) == [list(box)]


@pytest.mark.parametrize("seed", range(8))
def test_tiles_of_a_perfect_detector_add_nothing_to_the_frame(seed: int) -> None:
    rng = np.random.default_rng(seed)
    frame = drawn(SIZE, random_boxes(rng, SIZE, smallest=1, largest=90))
    grid = f"{rng.integers(1, 5)}x{rng.integers(1, 5)}"
    detector = sliced(Squares(), grid, overlap=float(rng.uniform(0, 0.5)))
    assert found_boxes(detector, frame) == found_boxes(Squares(), frame)


@pytest.mark.parametrize("seed", range(8))
def test_tiles_alone_find_what_a_perfect_detector_finds_in_the_frame(seed: int) -> None:
    frame = drawn(SIZE, random_boxes(np.random.default_rng(seed), SIZE, smallest=1, largest=16))
    detector = sliced(Squares(blind_size=SIZE))  # objects smaller than what tiles share
    assert found_boxes(detector, frame) == found_boxes(Squares(), frame)


def test_frames_and_tiles_are_one_batch_with_the_numbers_and_times_of_their_frames() -> None:
    squares = Squares()
    frames = [drawn(SIZE, [(20, 20, 40, 40)], index=n) for n in (3, 7)]
    detector = sliced(squares)
    detector.start(info(SIZE))
    found = detector.detect(frames)
    assert [one.boxes.tolist() for one in found] == [[[20, 20, 40, 40]]] * 2
    tile, times = (100, 200), {3: 0.12, 7: 0.28}
    assert squares.calls == [
        [(n, times[n], *size) for n in (3, 7) for size in (SIZE, tile, tile, tile, tile)]
    ]


def test_the_detector_is_prepared_for_tiles_and_last_for_frames() -> None:
    squares = Squares()
    sliced(squares).start(info(SIZE))
    assert set(squares.started) == {(360, 180), (200, 100)}
    assert squares.started[-1] == (360, 180)


def test_frames_of_several_sizes_have_tiles_of_their_own() -> None:
    detector = sliced(Squares())
    small, large = drawn((40, 40), [(1, 1, 3, 3)]), drawn(SIZE, [(300, 150, 360, 180)])
    detector.start(info(SIZE))
    found = detector.detect([small, large, small])
    assert [one.boxes.tolist()[0] for one in found] == [
        [1, 1, 3, 3],
        [300, 150, 360, 180],
        [1, 1, 3, 3],
    ]


@pytest.mark.parametrize("size", [(1, 1), (40, 40), (63, 63)])
def test_a_frame_without_room_for_tiles_is_seen_once(size: tuple[int, int]) -> None:
    squares = Squares()
    frame = drawn(size, [(0, 0, 1, 1)])
    assert found_boxes(sliced(squares), frame) == [[0, 0, 1, 1]]
    assert [len(call) for call in squares.calls] == [1]
    assert squares.started == [(size[1], size[0])]


def test_classes_and_scores_are_those_of_the_detector() -> None:
    boxes = [(20, 20, 60, 60), (170, 80, 200, 110)]
    frame = drawn(SIZE, boxes, classes=[1, 0])
    found = sliced(Squares()).detect([frame])[0]
    assert found.classes.tolist() == [1, 0]
    assert found.scores.tolist() == pytest.approx([0.9, 0.89])
    assert sliced(Squares()).class_names == ("circle", "square")
    assert sliced(Squares()).digests == Squares.digests


def test_functions_and_filters_can_be_sliced() -> None:
    def bright(image: UInt8Array) -> tuple[list[list[int]], list[float], list[int]]:
        found = Squares().detect([Frame(image, 0, 0.0, "tile")])[0]
        return found.boxes, found.scores, found.classes

    inner = FunctionDetector(bright, ["circle", "square"])
    frame = drawn(SIZE, [(20, 20, 60, 60), (170, 80, 200, 110)], classes=[1, 0])
    detector = sliced(FilteredDetector(inner, ["circle"]))
    assert found_boxes(detector, frame) == [[170, 80, 200, 110]]
    assert innermost(FilteredDetector(detector, ["circle"])) is inner
    assert innermost(inner) is inner


def test_the_stages_of_the_detector_and_of_merging_are_timed() -> None:
    stopwatch = Stopwatch()
    detector = sliced(FunctionDetector(lambda image: ([], [], [])))
    detector.detect([drawn(SIZE, [])], stopwatch)
    assert stopwatch.seconds.keys() == {"preprocess", "infer", "nms"}


class Masked(Squares):
    """Gives the pixels of each object as well.

    Args:
        rows: Rows of the masks in excess of the image's.
    """

    def __init__(self, rows: int = 0) -> None:
        super().__init__()
        self._rows = rows

    def _found(self, image: UInt8Array) -> Detections:
        pixels = np.pad(image[:, :, 0], ((0, self._rows), (0, 0)))
        found = super()._found(image)
        numbers = [round(90 - 100 * score) + 1 for score in found.scores.tolist()]
        masks = [encode_mask(pixels == number) for number in numbers]
        return found.with_masks(masks) if masks else found


def test_masks_are_placed_in_the_frame() -> None:
    frame = drawn(SIZE, [(150, 60, 210, 120), (300, 170, 310, 180)])
    found = sliced(Masked()).detect([frame])[0]
    assert found.masks is not None
    for number, mask in enumerate(found.masks):
        assert np.array_equal(decode_mask(mask), frame.image[:, :, 0] == number + 1)


def test_masks_of_another_size_are_refused() -> None:
    with pytest.raises(DataError, match=r"height and width of the tile, \(180, 360\), got \(181"):
        sliced(Masked(rows=1)).detect([drawn(SIZE, [(5, 5, 9, 9)])])


def test_an_automatic_grid_follows_the_input_of_the_network(
    caplog: pytest.LogCaptureFixture,
) -> None:
    squares = SizedSquares()
    detector = SlicedDetector(squares, None)
    with caplog.at_level(logging.INFO, "tracker.detection"):
        detector.start(info(SIZE))  # reduced by 2.8: tiles of 200x100 by 1.6
        detector.start(info((64, 128)))
    assert caplog.messages == [
        "slices auto: 360x180 frames, network input 128x64: 2x2 tiles and the whole frame",
        "slices auto: 128x64 frames, network input 128x64: no tiles",
    ]
    detector.detect([drawn(SIZE, []), drawn((64, 128), [])])
    assert [len(call) for call in squares.calls] == [6]


def test_an_automatic_grid_needs_an_input_size() -> None:
    with pytest.raises(ConfigError, match=r"slices auto: expected a network.*give ROWSxCOLUMNS"):
        SlicedDetector(Squares(), None)


def test_an_overlap_out_of_range_is_refused() -> None:
    with pytest.raises(ConfigError, match="slice_overlap"):
        sliced(Squares(), overlap=0.6)
