"""The checkpoints of a run, and the run that continues from one."""

import dataclasses
import json
import os
from collections.abc import Iterator
from typing import Any

from tracker.cli.run.checkpoint_file import SUFFIX, CheckpointFile
from tracker.cli.run.checkpoints import Checkpoints, Saved, saved_from
from tracker.cli.run.finished import finished_frames, header_of, source_changed_s
from tracker.cli.run.identity import difference, run_identity
from tracker.cli.run.outputs import Outputs, output_files
from tracker.cli.run.progress import RunStatistics
from tracker.cli.run.source_sinks import SourceSinks
from tracker.config.build import open_source
from tracker.config.run import Config
from tracker.errors import NotResumableError
from tracker.frames import Frame, Source, VideoInfo
from tracker.pipeline.resumed_source import earlier_frames, resumed_source
from tracker.pipeline.single import Pipeline
from tracker.pipeline.snapshots import ResumePoint
from tracker.sources.source_names import source_name
from tracker.version import PROGRAM


def checkpoint_path(source: str, outputs: Outputs) -> str:
    """Returns the path of the checkpoint: that of the first output, with a suffix."""
    named = outputs.for_source(source_name(source))
    return f"{output_files(named, source_name(source)).all[0]}{SUFFIX}"


class Resumption:
    """The checkpoints of a run, and the one that it continues from.

    Args:
        source: The source, as typed.
        config: The configuration.
        outputs: The outputs, as typed.
        until_s: Time of the first frame that is left out; `None` for none.
    """

    def __init__(
        self, source: str, config: Config, outputs: Outputs, until_s: float | None = None
    ) -> None:
        self._source, self._config, self._until_s = source, config, until_s
        self._outputs = outputs.for_source(source_name(source))
        self._files = output_files(self._outputs, source_name(source))
        self.file = CheckpointFile(checkpoint_path(source, outputs))
        self.saved: Saved | None = None
        """Where to continue; `None` for the beginning."""
        self._before = self._states()

    def read(self) -> bool:
        """Reads the checkpoint of an earlier run; returns false if that has finished.

        Raises:
            NotResumableError: The checkpoint cannot be used, or is missing and an output is not
                known to be complete.
            OutputTakenError: The run has not ended yet.
        """
        if os.path.exists(self.file.path):
            content = self.file.claim()
            self.saved = saved_from(self.file.path, content) if content else None
            return True
        paths = self._paths()
        missing = [path for path in paths if not os.path.exists(path)]
        if missing and len(missing) < len(paths):
            raise NotResumableError(
                f"{missing[0]}: cannot resume: it is missing, and so is {self.file.path}; start "
                "over without --resume"
            )
        if not missing:
            self._check_complete()
        return bool(missing)

    def _check_complete(self) -> None:
        """Raises `NotResumableError` where outputs without a checkpoint are not known to be whole.

        JSON says whether it is complete, and of what; other formats do not.
        """
        frames = {path: finished_frames(path) for path in self._files.json}
        if not frames:
            raise NotResumableError(
                f"{self._paths()[0]}: cannot resume: it is there, and {self.file.path} is not; "
                "whether it is complete can be told of runs with --json only; start over without "
                "--resume"
            )
        damaged = [path for path, count in frames.items() if count is None]
        if not damaged:
            from tracker.sinks.video_encoder import frame_count

            damaged = [
                path for path in self._files.video if frame_count(path) not in frames.values()
            ]
        if damaged:
            raise NotResumableError(
                f"{damaged[0]}: cannot resume: it is not complete, and {self.file.path} is "
                "missing; start over without --resume"
            )

    def check_same_run(self, pipeline: Pipeline) -> None:
        """Checks that complete recordings are of the run that is asked for.

        Raises:
            NotResumableError: One is of another source, configuration, model or version.
        """
        now = {
            "program": PROGRAM,
            "source": os.path.realpath(self._source),
            "config": json.loads(json.dumps(pipeline.config)),
            "models": dict(pipeline.model_digests),
        }
        changed_s = source_changed_s(self._source)
        for path in self._files.json:
            header = header_of(path)
            # What `tracker refine` and others have added is no setting of the run.
            config = {key: value for key, value in header["config"].items() if key in now["config"]}
            source = os.path.realpath(header["source"])
            was = {name: header[name] for name in now} | {"config": config, "source": source}
            found = difference(was, now)
            if found is None and changed_s > os.stat(path).st_mtime:
                found = f"{self._source} was changed after it"
            if found is not None:
                raise NotResumableError(
                    f"{path}: cannot resume: it is complete, and {found}; start over without "
                    "--resume, or name another output"
                )

    def close(self) -> None:
        """Unlocks the checkpoint; removes one that this run has made, if it has written nothing."""
        if self.file.is_new and self._states() in (self._before, [None] * len(self._before)):
            self.file.remove()
        else:
            self.file.release()

    def finish(self, *, complete: bool) -> list[str]:
        """Removes the checkpoint of a complete run; returns a line about any other."""
        if complete:
            self.file.remove()
            return []
        return [f"{'checkpoint':<12}{self.file.path}; --resume continues this run"]

    def checkpoints(
        self, pipeline: Pipeline, sinks: SourceSinks, info: VideoInfo, statistics: RunStatistics
    ) -> Checkpoints:
        """Returns what takes checkpoints of the run; restores outputs and counts of earlier runs.

        Raises:
            NotResumableError: The checkpoint is of another run.
            OutputError: An output is shorter than the checkpoint says.
        """
        identity = run_identity(
            self._source,
            self._config.result_json(),
            pipeline.model_digests,
            pipeline.class_names,
            self._identity_of_outputs(),
        )
        if self.saved is not None:
            self.saved.check_same_run(self.file.path, identity)
            self.file.is_continued = True
            sinks.restore(self.saved.outputs)
            statistics.continue_from(self.saved.snapshot.results, self.saved.has_id)
        every_s = self._config.run.checkpoint_s
        assert every_s is not None, "why_not_resumable has checked it"
        return Checkpoints(
            self.file,
            identity,
            sinks,
            statistics,
            every_s=every_s,
            every_results=self._results_between_key_frames(info),
            lag_frames=self._config.tracking.lag_frames,
        )

    def source(self, whole: Source) -> tuple[Source, ResumePoint | None]:
        """Returns the source from where the run continues, and the state to continue from.

        Args:
            whole: The source, open and not read; it is returned where the run begins.

        Raises:
            SourceError: The next frame is missing or another one.
        """
        if self.saved is None:
            return whole, None
        snapshot, begin_s = self.saved.snapshot, self._config.source.start_s
        rest, frames = resumed_source(whole.info, self._open_from, snapshot, begin_s)
        if self._config.detector.name != "motion" or self._config.detector.detections is not None:
            return rest, ResumePoint(snapshot, frames)

        def history() -> Iterator[Frame]:
            return earlier_frames(self._open_from, begin_s, snapshot.next_frame)

        return rest, ResumePoint(snapshot, frames, history)

    def _open_from(self, start_s: float) -> Source:
        source = dataclasses.replace(self._config.source, start_s=start_s)
        return open_source(self._source, dataclasses.replace(self._config, source=source))

    def _paths(self) -> list[str]:
        return self._files.all

    def _states(self) -> list[tuple[int, int, int] | None]:
        """Returns what shows whether each output was written; `None` where it is missing."""
        return [_state(path) for path in self._paths()]

    def _results_between_key_frames(self, info: VideoInfo) -> int:
        if not self._files.video:
            return 1
        from tracker.sinks.video_encoder import keyframe_interval

        return keyframe_interval(info.fps)

    def _identity_of_outputs(self) -> dict[str, Any]:
        files = self._files
        return {
            "json": [os.path.realpath(path) for path in files.json],
            "mot": _real(files.mot),
            "csv": _real(files.csv),
            "events": _real(files.events),
            "video": [os.path.realpath(path) for path in files.video],
            "show": self._outputs.show,
            "embeddings": self._outputs.embeddings.value,
            "webhook": self._outputs.webhook is not None,
            "mqtt": self._outputs.mqtt is not None,
            "until_s": self._until_s,
        }


def _state(path: str) -> tuple[int, int, int] | None:
    try:
        state = os.stat(path)
    except OSError:
        return None
    return state.st_ino, state.st_size, state.st_mtime_ns


def _real(path: str | None) -> str | None:
    return None if path is None else os.path.realpath(path)
