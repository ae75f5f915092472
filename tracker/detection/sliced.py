"""A detector that sees each frame as a whole and in overlapping tiles, for small objects.

Input: any detector of images. Output: a detector of the same classes. The frame and its tiles are
one batch of the detector; `tracker.detection.seams` merges what it finds.
"""

import dataclasses
import logging
from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

import numpy as np

from tracker.detection.class_filter import FilteredDetector
from tracker.detection.seams import MergeSettings, merged
from tracker.detection.slice_grid import (
    DEFAULT_OVERLAP,
    SliceGrid,
    automatic_grid,
    check_overlap,
    frame_and_tiles,
    tile_size,
)
from tracker.detections import Detections, TimedDetector
from tracker.errors import ConfigError, DataError
from tracker.frames import Frame, VideoInfo
from tracker.masks import Mask, empty_mask, moved_mask
from tracker.util.arrays import Float32Array, Int64Array
from tracker.util.callable_name import callable_name
from tracker.util.stopwatch import Stopwatch

_log = logging.getLogger(__name__)


@runtime_checkable
class _SizedDetector(Protocol):
    """A detector with a network."""

    @property
    def input_size(self) -> tuple[int, int]:
        """Height and width in pixels of the network's input since the last `start`."""
        ...


class SlicedDetector:
    """Detects small objects: each frame is seen as a whole and in overlapping tiles.

    Args:
        detector: Finds objects by the image alone: not by the number of the frame, nor by earlier
            frames.
        grid: Rows and columns of tiles; `None`: as many as the frame size and the network's input
            size require, see `slice_grid.automatic_grid`.
        overlap: Share of a tile that it has in common with its neighbour, in `[0, 0.5]`. An object
            smaller than this is whole in one tile at least.
        merging: How detections of tiles are merged.

    Raises:
        ConfigError: The overlap is out of range, or there is no grid and the detector does not
            have an input size.

    Example:
        >>> import numpy as np
        >>> from fractions import Fraction
        >>> from tracker.detection.function_detector import FunctionDetector
        >>> sizes = []
        >>> def record_size(image):
        ...     sizes.append(image.shape[:2])
        ...     return [], [], []
        >>> detector = SlicedDetector(FunctionDetector(record_size), SliceGrid(1, 2))
        >>> detector.start(VideoInfo("example", 90, 40, Fraction(25), Fraction(1, 25)))
        >>> found = detector.detect([Frame(np.zeros((40, 90, 3), np.uint8), 0, 0.0, "example")])
        >>> sizes
        [(40, 90), (40, 50), (40, 50)]
    """

    def __init__(
        self,
        detector: TimedDetector,
        grid: SliceGrid | None,
        *,
        overlap: float = DEFAULT_OVERLAP,
        merging: MergeSettings | None = None,
    ) -> None:
        check_overlap(overlap)
        inner = innermost(detector)
        if grid is None and not isinstance(inner, _SizedDetector):
            raise ConfigError(
                f"slices auto: expected a network, whose input size is known, got "
                f"{callable_name(inner)}; give ROWSxCOLUMNS such as 2x2"
            )
        self._detector = detector
        self._grid = grid
        self._overlap = overlap
        self._merging = merging or MergeSettings()
        self._automatic: dict[tuple[int, int], SliceGrid] = {}

    @property
    def detector(self) -> TimedDetector:
        """The detector of frames and tiles."""
        return self._detector

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes, by class index."""
        return self._detector.class_names

    @property
    def digests(self) -> Mapping[str, str]:
        """Those of the detector."""
        return self._detector.digests

    def start(self, info: VideoInfo) -> None:
        """Prepares the detector for the tiles and for the frames of a source."""
        frame_size = (info.height, info.width)
        self._detector.start(info)
        if self._grid is None and frame_size not in self._automatic:
            self._automatic[frame_size] = self._chosen_grid(frame_size)
        height, width = tile_size(frame_size, self._grid_for(frame_size), overlap=self._overlap)
        if (height, width) != frame_size:
            tile = dataclasses.replace(info, width=width, height=height, stored_size=None)
            self._detector.start(tile)
            self._detector.start(info)  # Frames of an unknown size get the input of the last one.

    def detect(
        self, frames: Sequence[Frame], stopwatch: Stopwatch | None = None
    ) -> list[Detections]:
        """Returns the detections of each frame, one for each object.

        Args:
            frames: Any number of frames; they and their tiles are one batch of the detector.
            stopwatch: Where given, gets the seconds of the detector, of cutting ("preprocess") and
                of merging ("nms").

        Raises:
            DataError: The detector gives a mask of another size than the image.
        """
        stopwatch = stopwatch or Stopwatch()
        with stopwatch.measure("preprocess"):
            rectangles = [self._views((frame.height, frame.width)) for frame in frames]
            views = [
                _cut(frame, rectangle)
                for frame, own in zip(frames, rectangles, strict=True)
                for rectangle in own
            ]
        found = iter(self._detector.detect(views, stopwatch))
        with stopwatch.measure("nms"):
            return [self._merged([next(found) for _ in own], own) for own in rectangles]

    def _views(self, frame_size: tuple[int, int]) -> Int64Array:
        return frame_and_tiles(frame_size, self._grid_for(frame_size), overlap=self._overlap)

    def _grid_for(self, frame_size: tuple[int, int]) -> SliceGrid:
        if self._grid is not None:
            return self._grid
        return self._automatic.get(frame_size, SliceGrid(1, 1))

    def _chosen_grid(self, frame_size: tuple[int, int]) -> SliceGrid:
        inner = innermost(self._detector)
        assert isinstance(inner, _SizedDetector)  # checked at construction
        grid = automatic_grid(frame_size, inner.input_size, overlap=self._overlap)
        _log.info(
            "slices auto: %dx%d frames, network input %dx%d: %s",
            *(frame_size[1], frame_size[0], inner.input_size[1], inner.input_size[0]),
            f"{grid} tiles and the whole frame" if grid != SliceGrid(1, 1) else "no tiles",
        )
        return grid

    def _merged(self, found: Sequence[Detections], rectangles: Int64Array) -> Detections:
        if len(found) == 1:
            return found[0]
        placed, views = _placed(found, rectangles)
        return merged(placed, views, rectangles, self._merging)


def innermost(detector: object) -> object:
    """Returns the detector that slices, or a filter of classes, are laid around."""
    while isinstance(detector, SlicedDetector | FilteredDetector):
        detector = detector.detector
    return detector


def _cut(frame: Frame, rectangle: Int64Array) -> Frame:
    """Returns a tile as a frame of the same number and times; the frame itself if it is whole."""
    x1, y1, x2, y2 = rectangle.tolist()
    if (x2 - x1, y2 - y1) == (frame.width, frame.height):
        return frame
    return dataclasses.replace(frame, image=frame.image[y1:y2, x1:x2])


def _placed(found: Sequence[Detections], rectangles: Int64Array) -> tuple[Detections, np.ndarray]:
    """Returns all detections in pixels of the frame, and `(N,)` the view of each.

    Args:
        found: Of each view, in its own pixels.
        rectangles: `(V, 4)` xyxy of the views in the frame.
    """
    views = np.repeat(np.arange(len(found)), [len(one) for one in found])
    offsets = np.tile(rectangles[:, :2], 2).astype(np.float32)
    boxes = np.concatenate([one.boxes for one in found]) + offsets[views]
    scores = np.concatenate([one.scores for one in found])
    order = np.argsort(-scores, kind="stable")
    masks = _placed_masks(found, rectangles)
    return Detections(
        boxes[order],
        scores[order],
        np.concatenate([one.classes for one in found])[order],
        _embeddings(found)[order],
        None if masks is None else tuple(masks[row] for row in order.tolist()),
    ), views[order]


def _embeddings(found: Sequence[Detections]) -> Float32Array:
    """Returns `(N, D)`; views without detections do not have a `D`."""
    some = [one.embeddings for one in found if len(one)]
    return np.concatenate(some) if some else np.zeros((0, 0), np.float32)


def _placed_masks(found: Sequence[Detections], rectangles: Int64Array) -> list[Mask] | None:
    """Returns the masks in the frame; `None` where no detection has one."""
    if all(one.masks is None for one in found):
        return None
    width, height = rectangles[0, 2:].tolist()
    placed = []
    for one, (x1, y1, x2, y2) in zip(found, rectangles.tolist(), strict=True):
        if one.masks is None:
            placed += [empty_mask((height, width))] * len(one)
            continue
        for mask in one.masks:
            if mask.size != (y2 - y1, x2 - x1):
                raise DataError(
                    f"masks of a sliced frame: expected the height and width of the tile, "
                    f"{(y2 - y1, x2 - x1)}, got {mask.size}; run this detector with slices off"
                )
            placed.append(moved_mask(mask, left=x1, top=y1, size=(height, width)))
    return placed
