"""A folder with the best images of each track, and a table of them.

An image is written when it is clearly better than the ones that are there, so that little is
kept in memory and a run that is killed leaves its images.
"""

from dataclasses import dataclass

import numpy as np

from tracker.errors import ConfigError, OutputError
from tracker.sinks.closing import ClosesOnExit
from tracker.sinks.crop_image import cut_out, jpeg_bytes
from tracker.sinks.crop_quality import sharpness, visible_quality
from tracker.sinks.output_folder import OutputFolder
from tracker.sinks.place import Existing, output_error
from tracker.sinks.plain_values import TIME_DECIMALS, class_name
from tracker.tracks import TrackedFrame
from tracker.util.arrays import UInt8Array
from tracker.util.csv_text import csv_text

TABLE = "crops.csv"
COLUMNS = (
    *("file", "id", "class", "frame", "time_s", "score", "quality", "x1", "y1", "x2", "y2"),
    *("width", "height"),
)
"""The table of the images; boxes in pixels of the stored frame, sizes in pixels of the image."""

MOST_PER_TRACK = 100
MOST_BYTES = 2**30
"""Bytes of all images: beyond it, tracks get none, and the summary of the run says so."""

BETTER = 1.15
"""Factor of quality from which on an image takes the place of another: each track is written some
ten times, not in every frame in which it comes a little closer."""

APART_S = 1.0
"""Seconds between two images of a track, so that they show different views."""

_JPEG_QUALITY = 92


@dataclass(frozen=True, slots=True)
class _Crop:
    quality: float
    time_s: float
    slot: int
    row: tuple[object, ...]
    size: int


class CropSink(ClosesOnExit):
    """Keeps the best images of each confirmed track: large, sharp, of high score, not overlapped.

    Files are named by the id, `track-000012.jpg` and `track-000012-2.jpg`; `crops.csv` lists them
    with class, frame, time and box. An image has a margin of 5 % and at most 1024 px a side.

    Args:
        folder: Where to write. At the first result, images and table of an earlier run are
            removed.
        per_track: Images of each track, at least `APART_S` apart.
        existing: Whether the results of an earlier run may be replaced.
        most_bytes: Largest size of all images together.

    Raises:
        ConfigError: `per_track` is out of range.
        OutputTakenError: The folder has the table of an earlier run, which may not be replaced.
        OutputError: The folder cannot be written.
    """

    def __init__(
        self,
        folder: str,
        *,
        per_track: int = 1,
        existing: Existing = Existing.REPLACE,
        most_bytes: int = MOST_BYTES,
    ) -> None:
        if not 1 <= per_track <= MOST_PER_TRACK:
            raise ConfigError(f"--crops-per-track: expected 1 to {MOST_PER_TRACK}, got {per_track}")
        self._folder = OutputFolder(folder, TABLE, "track-*.jpg", existing)
        self._per_track = per_track
        self._most_bytes = most_bytes
        self._bytes = 0
        self._is_full = False
        self._crops: dict[int, list[_Crop]] = {}
        self._classes: dict[int, str] = {}
        self._failure: OutputError | None = None

    @property
    def status(self) -> str:
        """One line about the output."""
        count = sum(map(len, self._crops.values()))
        text = f"{self._folder.path}: {count} images of {len(self._crops)} tracks"
        if self._is_full:
            text += f", others left out beyond {self._most_bytes / 2**20:.0f} MiB"
        return f"{text} ({self._failure})" if self._failure is not None else text

    def write(self, result: TrackedFrame) -> None:
        """Writes the images that are better than those before.

        Raises:
            OutputError: An image cannot be written.
        """
        if self._failure is not None:
            raise self._failure
        tracks, image = result.tracks, result.frame.image
        try:
            self._folder.begin(result.run.video.source)
            matched = (tracks.detection_index >= 0) & (tracks.ids > 0)
            height, width = image.shape[:2]
            quality = visible_quality(tracks.boxes, tracks.scores, width=width, height=height)
            for row in np.flatnonzero(matched & (quality > 0)).tolist():
                self._add(result, row, float(quality[row]))
        except OSError as error:
            self._failure = output_error(str(self._folder.path), error)
            raise self._failure from error

    def close(self, *, complete: bool = True) -> None:
        """Writes the table; calling it again does nothing.

        Raises:
            OutputError: It cannot be written.
        """
        if not self._folder.is_begun:
            return
        rows: list[tuple[object, ...]] = [COLUMNS]
        for number in sorted(self._crops):
            for crop in sorted(self._crops[number], key=lambda one: -one.quality):
                name = _file_name(number, crop.slot)
                rows.append((name, number, self._classes[number], *crop.row))
        self._folder.finish(csv_text(rows))

    def _add(self, result: TrackedFrame, row: int, visible: float) -> None:
        number = int(result.tracks.ids[row])
        if number in self._crops:
            index = int(result.tracks.classes[row])
            self._classes[number] = class_name(result.run.class_names, index)
        old = self._replaced_by(number, result.frame.time_s)
        # The sharpness is at most 1: most crops need not be cut out to see that they are no better.
        if old is not None and visible < BETTER * old.quality:
            return
        crop = cut_out(result.frame.image, result.tracks.boxes[row])
        # The square root: what stands before an object adds edges as well.
        quality = visible * sharpness(crop) ** 0.5 if crop.size else 0.0
        if quality <= 0 or (old is not None and quality < BETTER * old.quality):
            return
        self._write(result, row, crop, quality, old)

    def _replaced_by(self, number: int, time_s: float) -> _Crop | None:
        """Returns the image that one of this time would replace; `None` for none."""
        kept = self._crops.get(number, [])
        near = [crop for crop in kept if abs(crop.time_s - time_s) < APART_S]
        if near:
            return max(near, key=lambda one: one.quality)
        if len(kept) < self._per_track:
            return None
        return min(kept, key=lambda one: one.quality)

    def _write(
        self, result: TrackedFrame, row: int, crop: UInt8Array, quality: float, old: _Crop | None
    ) -> None:
        tracks, frame = result.tracks, result.frame
        number = int(tracks.ids[row])
        content = jpeg_bytes(crop, _JPEG_QUALITY)
        size = self._bytes - (0 if old is None else old.size) + len(content)
        if size > self._most_bytes:
            self._is_full = True
            return
        kept = self._crops.get(number, [])
        slots = {one.slot for one in kept}
        free = (n for n in range(MOST_PER_TRACK + 1) if n not in slots)
        slot = next(free) if old is None else old.slot
        self._folder.write(_file_name(number, slot), content)
        box = tracks.boxes[row] * np.array(result.run.video.stored_scale * 2)
        cells = (
            frame.index,
            round(frame.time_s, TIME_DECIMALS),
            round(float(tracks.scores[row]), 4),
            round(quality, 4),
            *(round(value, 2) for value in box.tolist()),
            crop.shape[1],
            crop.shape[0],
        )
        new = _Crop(quality, frame.time_s, slot, cells, len(content))
        self._crops[number] = [*(one for one in kept if one is not old), new]
        self._classes[number] = class_name(result.run.class_names, int(tracks.classes[row]))
        self._bytes = size


def _file_name(number: int, slot: int) -> str:
    return f"track-{number:06d}{f'-{slot + 1}' if slot else ''}.jpg"
