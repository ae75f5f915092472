"""Jobs whose video or results are in an object store: they run on copies on the worker's disk.

The video is copied before; results and checkpoint are copied back now and then, and at the end. So
another worker continues from the last checkpoint that was copied.
"""

import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from tracker.cli.batch.jobs import Job, Wanted
from tracker.cli.batch.scratch import scratch_folder
from tracker.cli.run.checkpoint_file import SUFFIX
from tracker.sinks.json_records import encode
from tracker.util.address import shown_address
from tracker.util.remote import download, exists, is_remote, path_in, remove, upload

_CHECKPOINTS = 6
"""Checkpoints between two copies: a minute, by default."""
_SHARE = 20
"""At most one in so many seconds is spent on copies."""


def is_remote_job(job: Job) -> bool:
    """Returns whether the video or the results of a job are at an address."""
    return is_remote(job.source) or is_remote(job.stem)


@contextmanager
def copied(job: Job, wanted: Wanted, checkpoint_s: float) -> Iterator["Copies"]:
    """Returns a context with a job on this machine; its files are removed at the end.

    Args:
        job: The job.
        wanted: The files of the results.
        checkpoint_s: Seconds between two checkpoints.

    Raises:
        OutputTakenError: Another process does the same job on this machine.
        SourceError: A file cannot be copied from the store.
    """
    with scratch_folder(job) as folder:
        yield Copies(job, folder, wanted, _CHECKPOINTS * checkpoint_s)


class Copies:
    """The copies of one job.

    Args:
        job: The job.
        folder: Where the copies are.
        wanted: The files of the results.
        every_s: Least seconds between two copies of the results.
    """

    def __init__(self, job: Job, folder: Path, wanted: Wanted, every_s: float) -> None:
        self._remote, self._every_s = job, every_s
        name = job.stem.rpartition("/")[2]
        source, stem = job.source, job.stem
        if is_remote(source):
            source = str(folder / f"video{os.path.splitext(path_in(source))[1]}")
            download(job.source, Path(source))
        if is_remote(stem):
            stem = str(folder / name)
        self.job = replace(job, source=source, stem=stem)
        """The job with the paths of the copies."""
        self._ends = _ends(job, wanted) if is_remote(job.stem) else []
        self._checkpoint = Path(f"{stem}.jsonl{SUFFIX}")
        self._due_s = time.monotonic() + every_s
        if self._ends and exists(f"{job.stem}.jsonl{SUFFIX}"):
            self._fetch_results()

    def _fetch_results(self) -> None:
        """Copies earlier results and their checkpoint here; drops it where a file is missing."""
        ends = [*self._ends, f".jsonl{SUFFIX}"]
        if all(exists(f"{self._remote.stem}{end}") for end in ends):
            for end in ends:
                download(f"{self._remote.stem}{end}", Path(f"{self.job.stem}{end}"))
        else:  # Of a run that was to write other files.
            remove(f"{self._remote.stem}.jsonl{SUFFIX}")

    def copy_now_and_then(self) -> None:
        """Copies results and checkpoint to the store if it is time; to be called after a result.

        Raises:
            OutputError: They cannot be written.
        """
        if self._ends and time.monotonic() >= self._due_s:
            self.copy_checkpoint()

    def copy_checkpoint(self) -> None:
        """Copies results and checkpoint to the store, if there is a checkpoint.

        Raises:
            OutputError: They cannot be written.
        """
        begin_s = time.monotonic()
        if self._ends and self._checkpoint.exists() and self._checkpoint.stat().st_size:
            # The checkpoint first here and last there: results may be ahead of it, never behind.
            frozen = self._checkpoint.with_suffix(".copy")
            shutil.copyfile(self._checkpoint, frozen)
            for end in self._ends:
                upload(Path(f"{self.job.stem}{end}"), f"{self._remote.stem}{end}")
            upload(frozen, f"{self._remote.stem}.jsonl{SUFFIX}")
        now_s = time.monotonic()
        self._due_s = now_s + max(self._every_s, _SHARE * (now_s - begin_s))

    def finish(self) -> None:
        """Copies complete results to the store; the header names the address of the video.

        Raises:
            OutputError: They cannot be written.
        """
        # With another header the recording no longer fits the checkpoint, which is dropped then.
        if self.job.source != self._remote.source:
            _name_source(Path(f"{self.job.stem}.jsonl"), shown_address(self._remote.source))
        for end in reversed(self._ends):
            upload(Path(f"{self.job.stem}{end}"), f"{self._remote.stem}{end}")
        if self._ends:
            remove(f"{self._remote.stem}.jsonl{SUFFIX}")


@contextmanager
def copied_back(job: Job, wanted: Wanted) -> Iterator[Job]:
    """Returns a context with a job whose results are on this machine; they are copied to its store.

    Args:
        job: The job; one whose results are not at an address is returned as it is.
        wanted: The files of the results.

    Raises:
        OutputError: They cannot be written.
    """
    if not is_remote(job.stem):
        yield job
        return
    with tempfile.TemporaryDirectory() as folder:
        stem = str(Path(folder) / job.stem.rpartition("/")[2])
        yield replace(job, stem=stem)
        for end in _ends(job, wanted):
            upload(Path(f"{stem}{end}"), f"{job.stem}{end}")


@contextmanager
def local_copy(path: str) -> Iterator[str]:
    """Returns a context with the path of a file on this machine, copied there if it is in a store.

    Raises:
        SourceError: It cannot be copied.
    """
    if not is_remote(path):
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / path.rpartition("/")[2]
        download(path, copy)
        yield str(copy)


def _ends(job: Job, wanted: Wanted) -> list[str]:
    """Returns the suffixes of the files of the results; a piece has JSON only."""
    ends = [".jsonl"]
    if job.piece is None:
        ends += [".tracks.mp4"] if wanted.video else []
        ends += [".events.csv"] if wanted.events else []
    return ends


def _name_source(recording: Path, source: str) -> None:
    """Replaces the source in the header of JSON Lines."""
    if not recording.stat().st_size:
        return  # A piece without frames.
    draft = recording.with_suffix(".named")
    with recording.open("rb") as old, draft.open("wb") as new:
        header = json.loads(old.readline())
        header["source"] = source
        new.write(encode(header) + b"\n")
        shutil.copyfileobj(old, new)
    draft.replace(recording)
