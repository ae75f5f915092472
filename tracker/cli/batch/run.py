"""`tracker batch`: many videos, and the tables of their results."""

import json
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tracker.cli.batch.engine import Engine
from tracker.cli.batch.jobs import Job, Wanted
from tracker.cli.batch.local import Pool
from tracker.cli.batch.ray_cluster import RayOptions
from tracker.cli.batch.ray_engine import RayPool
from tracker.cli.batch.splits import Splits
from tracker.cli.batch.table import write_table
from tracker.cli.batch.work import Outcome, Progress, State
from tracker.cli.run.one import stop_on_signals
from tracker.config.run import Config
from tracker.errors import DataError, OutputError
from tracker.util.address import shown_address
from tracker.util.atomic_file import make_parent
from tracker.util.progress_bar import WorkBar
from tracker.util.remote import is_remote, joined, size_of, upload, write_text
from tracker.util.terminal import print_results, print_status


@dataclass(frozen=True, slots=True)
class BatchRequest:
    """What `tracker batch` does.

    Attributes:
        jobs: The videos, at least one.
        config: The configuration of all.
        out: Folder of the results.
        wanted: The files of each video.
        workers: Number of processes on this machine.
        ray: The cluster that is used in place of them; `None` for none.
        progress: Whether a progress bar may be shown.
        table: Whether `results.parquet` is written.
    """

    jobs: Sequence[Job]
    config: Config
    out: str
    wanted: Wanted
    workers: int
    ray: RayOptions | None = None
    progress: bool = True
    table: bool = True


def run_batch(request: BatchRequest) -> int:
    """Processes all videos; returns 0, or 1 if one has failed, or 128 + the signal that stopped it.

    Raises:
        ConfigError: There is no cluster.
        DependencyError: Ray is not installed.
        ModelError: The pipeline cannot be built.
        OutputError: The folder of the results cannot be written.
    """
    outcomes: dict[str, Outcome] = {}
    sizes = {job.source: _size(job.source) for job in request.jobs}
    if not is_remote(request.out):
        make_parent(Path(request.out) / "results.parquet")
    splits = Splits(request.jobs)
    bar = _Bar(sizes, splits, shown=request.progress)
    with _engine(request) as engine, stop_on_signals() as stop, bar:
        # The largest first: else a long video that is begun last keeps one worker busy alone.
        order = sorted(request.jobs, key=lambda job: -sizes[job.source])
        for outcome in engine.run(order, bar.report, stop.event):
            step = splits.step(outcome)
            for job in step.jobs:
                engine.add(job)
            if step.ended is not None:
                outcomes[step.ended.source] = step.ended
                bar.ended(step.ended)
    # A video that was split has none if the command was stopped before it could be joined.
    ordered = [outcomes.get(job.name, Outcome(job.name, State.STOPPED)) for job in request.jobs]
    print_results(*table_lines(ordered))
    try:
        write_tables(request, ordered)
        are_written = True
    except (OutputError, OSError) as error:
        are_written = False
        print_status(f"tracker: warning: {error}")
    if stop.signal_number:
        print_status("stopped; the same command continues")
        return 128 + stop.signal_number
    return int(not are_written or any(one.state in _NOT_DONE for one in ordered))


_NOT_DONE = (State.FAILED, State.STOPPED)


def _engine(request: BatchRequest) -> Engine:
    if request.ray is not None:
        return RayPool(request.config, request.wanted, request.out, request.ray)
    return Pool(request.config, request.wanted, request.workers)


def table_lines(outcomes: Sequence[Outcome]) -> list[str]:
    """Returns a table of all videos, and a line with totals."""
    names = [shown_address(one.source) for one in outcomes]
    width = max(len(name) for name in names)
    lines = [f"{'video':<{width}}  {'state':<8}{'frames':>8}{'tracks':>8}{'fps':>8}"]
    for name, one in zip(names, outcomes, strict=True):
        fps = f"{one.processed / one.seconds:.1f}" if one.seconds and one.processed else "-"
        text = f"{name:<{width}}  {one.state:<8}{one.frames:>8}{one.ids:>8}{fps:>8}"
        lines.append(f"{text}  {one.reason}".rstrip())
    counts = ", ".join(
        f"{sum(one.state is state for one in outcomes)} {state}"
        for state in State
        if any(one.state is state for one in outcomes)
    )
    total = sum(one.frames for one in outcomes)
    videos = "1 video" if len(outcomes) == 1 else f"{len(outcomes)} videos"
    return [*lines, f"{videos}: {counts}; {total} frames"]


def write_tables(request: BatchRequest, outcomes: Sequence[Outcome]) -> None:
    """Writes `batch.json`, and `results.parquet` where it is wanted and can be.

    The table of an earlier command stays where this one was stopped, or no video is complete.

    Raises:
        OutputError: `batch.json` cannot be written.
    """
    rows = [asdict(one) for one in outcomes]
    for row in rows:
        del row["pieces"]
        row["source"] = shown_address(row["source"])
    text = json.dumps(rows, indent=1, ensure_ascii=False)
    write_text(joined(request.out, "batch.json"), text + "\n")
    good = {one.source for one in outcomes if one.state in (State.DONE, State.SKIPPED)}
    recordings = [
        (shown_address(job.source), f"{job.stem}.jsonl")
        for job in request.jobs
        if job.source in good
    ]
    if not request.table or not good or any(one.state is State.STOPPED for one in outcomes):
        return
    try:
        with tempfile.TemporaryDirectory() as folder:
            table = joined(request.out, "results.parquet")
            local = Path(folder) / "results.parquet" if is_remote(table) else Path(table)
            if not write_table(local, recordings):
                print_status("no results.parquet: it needs pyarrow; pip install '.[parquet]'")
            elif is_remote(table):
                upload(local, table)
    except (DataError, OutputError) as error:
        print_status(f"tracker: warning: no results.parquet: {error}")


class _Bar(WorkBar):
    """A bar over the bytes of all videos: their lengths are not known before they are opened."""

    def __init__(self, sizes: dict[str, int], splits: Splits, *, shown: bool) -> None:
        super().__init__(
            "{task.fields[ended]} of {task.fields[count]} videos",
            "{task.fields[failed]} failed",
            total=max(sum(sizes.values()), 1),
            shown=shown,
            ended=0,
            count=len(sizes),
            failed=0,
        )
        self._sizes = sizes
        self._splits = splits
        self._done: dict[str, dict[str, int]] = {name: {} for name in sizes}
        """Bytes by video, then by job."""
        self._ended = self._failed = 0

    def report(self, progress: Progress) -> None:
        """Shows the progress of one video."""
        video = self._splits.video(progress.source)
        share = min(progress.frames / progress.of, 1.0) if progress.of else 0.0
        share *= self._splits.share(progress.source)
        self._done[video][progress.source] = int(share * self._sizes[video])
        self._show()

    def ended(self, outcome: Outcome) -> None:
        """Counts a video, and writes a line if it has failed, or was complete and made again."""
        self._ended += 1
        self._done[outcome.source] = {outcome.source: self._sizes[outcome.source]}
        if outcome.state is State.FAILED:
            self._failed += 1
        if outcome.reason:
            self.line(f"{shown_address(outcome.source)}: {outcome.reason}")
        self._show()

    def _show(self) -> None:
        done = sum(sum(jobs.values()) for jobs in self._done.values())
        self.advance(done, ended=self._ended, failed=self._failed)


def _size(path: str) -> int:
    try:
        return size_of(path)
    except OSError:  # A SourceError too.
        return 0
