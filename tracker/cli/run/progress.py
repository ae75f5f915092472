"""The progress bar of a run, and the summary printed at its end."""

import time
from collections.abc import Sequence
from dataclasses import astuple

import numpy as np

from tracker.frames import VideoInfo
from tracker.tracks import TrackedFrame
from tracker.util.arrays import BoolArray, Int64Array, grown
from tracker.util.latency import LatencyHistogram, Percentiles
from tracker.util.progress_bar import WorkBar


class RunStatistics:
    """Counters and timings of a run, in constant memory but for a byte for each id.

    Attributes:
        earlier: Results of the runs that this one continues.
        frames: Results of this run so far.
        has_id: `(N,)` whether a confirmed track with the id N was reported.
        dropped: Frames of a live source that were dropped for newer ones.
        skipped: Frames that the source could not decode.
        reconnects: Number of times a lost live source was reconnected.
        latency: Latency of the results of a live source, from capture to result.
        seconds: Total seconds of each stage.
    """

    def __init__(self) -> None:
        self.earlier = 0
        self.frames = 0
        self.has_id: BoolArray = np.zeros(1024, np.bool_)
        self.dropped = 0
        self.skipped = 0
        self.reconnects = 0
        self.latency = LatencyHistogram()
        self.seconds: dict[str, float] = {}
        self._start: float | None = None
        self._end = 0.0

    @property
    def tracks(self) -> int:
        """Number of tracks that were reported, those of earlier runs among them."""
        return int(np.count_nonzero(self.has_id))

    def continue_from(self, frames: int, has_id: BoolArray) -> None:
        """Takes over what earlier runs have counted.

        Args:
            frames: Their results.
            has_id: `(N,)` whether they reported a track with the id N.
        """
        self.earlier, self.has_id = frames, has_id.copy()

    def add(self, result: TrackedFrame) -> None:
        """Counts one result."""
        self.frames += 1
        self.dropped = result.dropped
        if result.age_s is not None:
            self.latency.add(result.age_s)
        if len(result.tracks):
            self._note(result.tracks.ids)
        for stage, seconds in result.timings_s.items():
            self.add_seconds(stage, seconds)
        self._end = time.perf_counter()
        if self._start is None:
            # Loading and compiling happen before the first result and are not counted.
            self._start = self._end - sum(result.timings_s.values())

    def _note(self, ids: Int64Array) -> None:
        # Tracks that are not confirmed, which `report: all` shows too, have numbers below 0.
        confirmed = ids[ids > 0]
        if int(confirmed.max(initial=0)) >= len(self.has_id):
            self.has_id = grown(self.has_id, 2 * int(confirmed.max()))
        self.has_id[confirmed] = True

    def add_seconds(self, stage: str, seconds: float) -> None:
        """Adds to the time of a stage."""
        self.seconds[stage] = self.seconds.get(stage, 0.0) + seconds

    @property
    def elapsed_s(self) -> float:
        """Wall time in seconds from the first frame to the last, without loading."""
        return 0.0 if self._start is None else self._end - self._start


class RunProgress(WorkBar):
    """A progress bar on stderr: frames, frames per second, time left, number of tracks.

    Args:
        info: The source; without a frame count the bar has no end.
        max_frames: Limit set by the user, or `None`.
        shown: Whether to show the bar; it also needs a terminal.
        begun: Frames that an earlier run has done.
    """

    def __init__(
        self, info: VideoInfo, max_frames: int | None, *, shown: bool, begun: int = 0
    ) -> None:
        counts = [n for n in (info.frame_count, max_frames) if n is not None]
        of_all = "/{task.total:.0f}" if counts else ""
        super().__init__(
            f"{{task.completed:.0f}}{of_all} frames",
            "{task.fields[speed]:.1f} fps",
            total=min(counts) if counts else None,
            shown=shown,
            spinner=True,
            right="{task.fields[tracks]} tracks",
            tracks=0,
        )
        self._frames = begun

    def add(self, result: TrackedFrame) -> None:
        """Counts one result."""
        self._frames += 1
        self.advance(self._frames, tracks=result.track_count)


def summary(info: VideoInfo, statistics: RunStatistics, outputs: Sequence[str]) -> list[str]:
    """Returns the lines of the summary: one value each, not wrapped.

    Args:
        info: The source.
        statistics: Counters and timings.
        outputs: Status line of each output.
    """
    speed = statistics.frames / statistics.elapsed_s if statistics.elapsed_s else 0.0
    facts = [
        ("source", f"{info.source}, {info.width}x{info.height}, {float(info.fps):g} fps"),
        (
            "frames",
            f"{_frames_text(statistics)} in {statistics.elapsed_s:.1f} s, {speed:.1f} per second",
        ),
    ]
    if info.is_live or statistics.dropped:
        facts.append(("dropped", _dropped_text(statistics)))
    latencies = statistics.latency.percentiles()
    if info.is_live and latencies is not None:
        facts.append(("latency", _latency_text(latencies)))
    if statistics.reconnects:
        facts.append(("reconnects", str(statistics.reconnects)))
    if statistics.skipped:
        facts.append(("unreadable", f"{statistics.skipped} frames"))
    facts.append(("tracks", str(statistics.tracks)))
    stages = ", ".join(
        f"{stage} {1000 * seconds / statistics.frames:.1f}"
        for stage, seconds in statistics.seconds.items()
    )
    facts.append(("ms a frame", stages or "none"))
    written = [line for line in outputs if line]
    facts += [("written", line) for line in written]
    if not outputs:
        facts.append(("written", "nothing; add --json out.jsonl or --video out.mp4"))
    return [f"{label:<12}{text}" for label, text in facts]


def dropped_share(dropped: int, frames: int) -> float:
    """Returns the share of frames that were dropped; 0 where there were no frames.

    Args:
        dropped: Number of frames that were dropped.
        frames: Number of frames that were not.
    """
    return dropped / (dropped + frames) if dropped else 0.0


def _frames_text(statistics: RunStatistics) -> str:
    if not statistics.earlier:
        return str(statistics.frames)
    return f"{statistics.earlier + statistics.frames} in all, {statistics.frames} new"


def _dropped_text(statistics: RunStatistics) -> str:
    if not statistics.dropped:
        return "none"
    share = dropped_share(statistics.dropped, statistics.frames)
    return f"{statistics.dropped} ({100 * share:.1f} %), the source is faster than the pipeline"


def _latency_text(latencies: Percentiles) -> str:
    p50, p95, p99, longest = (f"{1000 * latency:.0f}" for latency in astuple(latencies))
    return f"p50 {p50} ms, p95 {p95}, p99 {p99}, longest {longest} (from capture to result)"
