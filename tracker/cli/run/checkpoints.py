"""Checkpoints of a run: when they are taken, what they hold, and where a run continues from one."""

import logging
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from tracker.cli.run.checkpoint_file import CheckpointFile
from tracker.cli.run.identity import difference
from tracker.cli.run.progress import RunStatistics
from tracker.cli.run.source_sinks import SourceSinks
from tracker.errors import DataError, NotResumableError, OutputError, OutputTakenError
from tracker.pipeline.snapshots import FrameMark, Snapshot
from tracker.sinks.place import reason
from tracker.util.arrays import BoolArray
from tracker.util.plain_state import PlainState
from tracker.util.state_file import state_bytes, state_from

_log = logging.getLogger(__name__)

FORMAT = 4
"""Version of the content; another one is refused."""


@dataclass(frozen=True, slots=True, eq=False)
class Saved:
    """A checkpoint.

    Attributes:
        identity: Of the run.
        snapshot: State of the pipeline.
        outputs: State of the outputs.
        has_id: `(N,)` whether a track with the id N was reported.
    """

    identity: Mapping[str, Any]
    snapshot: Snapshot
    outputs: PlainState
    has_id: BoolArray

    def check_same_run(self, path: str, identity: Mapping[str, Any]) -> None:
        """Checks that this is a checkpoint of the same run.

        Raises:
            NotResumableError: Something differs; the message names it.
        """
        found = difference(self.identity, identity)
        if found is not None:
            raise NotResumableError(
                f"{path}: cannot resume: {found}; run it as before, or start over without --resume"
            )


def saved_from(path: str, content: bytes) -> Saved:
    """Returns the checkpoint that a file holds.

    Raises:
        NotResumableError: It is damaged, or of another version of the format.
    """
    try:
        tree = state_from(content)
        version = tree.get("format") if isinstance(tree, dict) else None
        if version != FORMAT:
            raise DataError(f"expected format {FORMAT}, got {version}")
        mark = FrameMark(**tree["next_frame"])
        snapshot = Snapshot(next_frame=mark, **tree["snapshot"])
        return Saved(
            tree["identity"], snapshot, tree["outputs"], np.asarray(tree["has_id"], np.bool_)
        )
    except (DataError, KeyError, TypeError, ValueError) as error:
        raise NotResumableError(
            f"{path}: cannot resume: not a checkpoint of this version ({error}); start over "
            "without --resume"
        ) from error


def saved_bytes(saved: Saved) -> bytes:
    """Returns a checkpoint as bytes."""
    snapshot, mark = saved.snapshot, saved.snapshot.next_frame
    names = ("frames", "read_from_s", "tracker", "lag", "waiting", "linker")
    return state_bytes(
        {
            "format": FORMAT,
            "identity": dict(saved.identity),
            "next_frame": {"index": mark.index, "time_s": mark.time_s, "digest": mark.digest},
            "snapshot": {name: getattr(snapshot, name) for name in names},
            "outputs": saved.outputs,
            "has_id": saved.has_id,
        }
    )


class Checkpoints:
    """Takes a snapshot now and then, and writes it once the outputs have caught up.

    Args:
        file: Where to.
        identity: Of the run.
        sinks: The outputs.
        statistics: Of the run.
        every_s: Seconds between two.
        every_results: Snapshots are taken at multiples of so many results: the key frames of a
            video.
        lag_frames: Frames by which results are late.
    """

    def __init__(
        self,
        file: CheckpointFile,
        identity: Mapping[str, Any],
        sinks: SourceSinks,
        statistics: RunStatistics,
        *,
        every_s: float,
        every_results: int,
        lag_frames: int,
    ) -> None:
        self._file = file
        self._identity = identity
        self._sinks = sinks
        self._statistics = statistics
        self._every_s = every_s
        self._every_results = every_results
        self._lag_frames = lag_frames
        self._due_s = time.monotonic() + every_s
        self._has_results = self._is_off = False
        self._is_under_way = False
        self._pending: Saved | None = None
        self._has_warned = False

    def is_due(self, frames: int) -> bool:
        """Returns whether to take a snapshot before the next frame; see `SnapshotTaker`."""
        if self._is_under_way or self._is_off:
            return False
        results = max(frames - self._lag_frames, 0)
        is_now = time.monotonic() >= self._due_s and results % self._every_results == 0
        self._is_under_way = is_now or not frames
        return self._is_under_way

    def take(self, snapshot: Snapshot) -> None:
        """Gets a snapshot; that before the first frame marks the begin of the run.

        Where no checkpoint can be written, a warning says so, and there are none.

        Raises:
            OutputTakenError: Another run has begun with the same outputs.
        """
        if snapshot.frames:
            state, has_id = self._sinks.state(), self._statistics.has_id.copy()
            self._pending = Saved(self._identity, snapshot, state, has_id)
            self._write_pending()
        else:
            self._begin()
            self._is_under_way = False

    def _begin(self) -> None:
        try:
            self._file.begin()
        except OutputTakenError:
            raise
        except OutputError as error:
            self._is_off = True
            _log.warning("no checkpoints, so that --resume cannot continue this run: %s", error)

    def commit(self) -> None:
        """Writes the snapshot that was taken last, if the outputs hold all results before it.

        To be called after each result.
        """
        if self._is_off:
            return
        if not self._has_results:
            self._has_results = True
            with suppress(OutputError):  # A full disk ends the run soon.
                self._file.clear()
        self._write_pending()

    def _write_pending(self) -> None:
        saved = self._pending
        if saved is None:
            return
        try:
            if not self._sinks.is_on_disk(saved.snapshot.results):
                return
            self._file.write(saved_bytes(saved))
        except OSError as error:
            # A full disk ends the run soon; until then the old checkpoint holds.
            if not self._has_warned:
                _log.warning("%s: no checkpoint: %s", self._file.path, reason(error))
            self._has_warned = True
        self._pending = None
        self._due_s = time.monotonic() + self._every_s
        self._is_under_way = False
