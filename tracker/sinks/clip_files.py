"""A folder with a clip of each track, cut out of the video when the run has ended."""

import errno
import logging
from dataclasses import dataclass, replace
from pathlib import Path

import av

from tracker.errors import ConfigError, OutputError
from tracker.sinks.clip_cut import Stretch, VideoToCut, copied, encoded
from tracker.sinks.closing import ClosesOnExit
from tracker.sinks.output_folder import OutputFolder
from tracker.sinks.place import Existing, output_error
from tracker.sinks.plain_values import TIME_DECIMALS, class_name
from tracker.sinks.track_summary import Life, TrackLives
from tracker.tracks import RunInfo, TrackedFrame
from tracker.util.csv_text import csv_text

_log = logging.getLogger(__name__)

TABLE = "clips.csv"
COLUMNS = (
    *("file", "id", "class", "first_time_s", "last_time_s", "clip_start_s", "clip_end_s"),
    *("method", "bytes"),
)
"""The table of the clips; times in the source; `method` is `copied` or `encoded`."""

MOST_BYTES = 4 * 2**30
"""Bytes of all clips: beyond it no more are cut, and the summary of the run says so."""

LONGEST_MARGIN_S = 3600.0


@dataclass(frozen=True, slots=True)
class ClipSettings:
    """What is cut.

    Attributes:
        margin_s: Seconds before and after the time of the track.
        most_bytes: Largest size of all clips together.

    Raises:
        ConfigError: The margin is out of range.
    """

    margin_s: float = 1.0
    most_bytes: int = MOST_BYTES

    def __post_init__(self) -> None:
        if not 0 <= self.margin_s <= LONGEST_MARGIN_S:
            raise ConfigError(
                f"--clip-margin: expected 0 to {LONGEST_MARGIN_S:.0f} seconds, got {self.margin_s}"
            )


class ClipSink(ClosesOnExit):
    """Notes when each track was there, and cuts the clips when the run is complete.

    Clips are named by the id, `track-000012.mp4`; `clips.csv` lists them. They show the source as
    it is, with its sound.

    Args:
        folder: Where to write. At the first result, clips and table of an earlier run are removed.
        video: The file; its `offset_s` is found from the first result.
        settings: What is cut.
        existing: Whether the results of an earlier run may be replaced.

    Raises:
        OutputTakenError: The folder has the table of an earlier run, which may not be replaced.
        OutputError: The folder cannot be written.
    """

    def __init__(
        self,
        folder: str,
        video: VideoToCut,
        *,
        settings: ClipSettings | None = None,
        existing: Existing = Existing.REPLACE,
    ) -> None:
        self._folder = OutputFolder(folder, TABLE, "track-*.mp4", existing)
        self._video = video
        self._settings = settings or ClipSettings()
        self._lives = TrackLives()
        self._run: RunInfo | None = None
        self._last_s = 0.0
        self._status = f"{folder}: no clips"

    @property
    def status(self) -> str:
        """One line about the output."""
        return self._status

    def write(self, result: TrackedFrame) -> None:
        """Notes the tracks of one frame.

        Raises:
            OutputError: The folder cannot be created.
        """
        frame = result.frame
        if self._run is None:
            try:
                self._folder.begin(result.run.video.source)
            except OSError as error:
                raise output_error(str(self._folder.path), error) from error
            self._run = result.run
            # The first frame is at `start_s` within the file.
            offset = result.run.video.start_s - frame.time_s
            self._video = replace(self._video, offset_s=offset)
        self._last_s = frame.time_s + float(1 / result.run.video.fps)
        self._lives.add(result.tracks, frame=frame.index, time_s=frame.time_s)

    def close(self, *, complete: bool = True) -> None:
        """Cuts the clips of a complete run, and writes the table; again, it does nothing.

        Raises:
            OutputError: A clip cannot be written.
            SourceError: The video can no longer be read.
        """
        run, self._run = self._run, None
        if run is None:
            return
        if not complete:
            self._status = f"{self._folder.path}: no clips, as the run was not complete"
            return
        _log.info("%s: cutting %d clips", self._folder.path, len(self._lives))
        rows: list[tuple[object, ...]] = []
        used = left = 0
        try:
            for number, life in self._lives:
                if used >= self._settings.most_bytes:
                    left += 1
                    continue
                rows.append(self._cut(number, life, run))
                used += int(str(rows[-1][-1]))
        except (OSError, ValueError, av.FFmpegError) as error:
            self._status = f"{self._folder.path}: {len(rows)} clips"
            if isinstance(error, OutputError):
                raise
            cause = OSError(0, str(error))
            if isinstance(error, OSError) and not isinstance(error, av.FFmpegError):
                cause = error
            raise output_error(str(self._folder.path), cause) from error
        finally:
            self._folder.finish(csv_text([COLUMNS, *rows]))
        copies = sum(row[-2] == "copied" for row in rows)
        self._status = f"{self._folder.path}: {len(rows)} clips, {copies} of them copied"
        if left:
            limit = self._settings.most_bytes / 2**20
            self._status += f", {left} tracks left out beyond {limit:.0f} MiB"

    def _cut(self, number: int, life: Life, run: RunInfo) -> tuple[object, ...]:
        """Returns the row of a clip, after cutting it."""
        margin = self._settings.margin_s
        interval = float(1 / run.video.fps)
        stretch = Stretch(
            max(0.0, life.first_time_s - margin),
            min(self._last_s, life.last_time_s + interval + margin),
        )
        path = self._folder.path / f"track-{number:06d}.mp4"
        method, cut = "copied", _copied(self._video, stretch, path)
        if cut is None:
            method, cut = "encoded", encoded(self._video, stretch, path)
        times = (life.first_time_s, life.last_time_s, cut.start_s, cut.end_s)
        name = class_name(run.class_names, life.class_index)
        rounded = (round(value, TIME_DECIMALS) for value in times)
        return path.name, number, name, *rounded, method, path.stat().st_size


def _copied(video: VideoToCut, stretch: Stretch, path: Path) -> Stretch | None:
    """Returns what was copied; `None` where the file cannot be copied from."""
    try:
        return copied(video, stretch, path)
    except (ValueError, av.FFmpegError) as error:
        if isinstance(error, OSError) and error.errno in _DISK_ERRORS:
            raise
        _log.debug("%s: not copied: %s", path, error)
        path.unlink(missing_ok=True)
        return None


_DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)
"""A full disk, a used up quota, a file that is too large, a read-only file system."""
