"""The checkpoints of a run, and the run that continues from one."""

import dataclasses
import json
import mmap
import os
import re
from collections.abc import Iterator
from typing import Any

from tracker.cli.run.checkpoint_file import SUFFIX, CheckpointFile
from tracker.cli.run.checkpoints import Checkpoints, Saved, saved_from
from tracker.cli.run.identity import difference, run_identity
from tracker.cli.run.outputs import Outputs, output_files
from tracker.cli.run.progress import RunStatistics
from tracker.cli.run.source_sinks import SourceSinks
from tracker.config.build import open_source
from tracker.config.run import Config
from tracker.errors import ConfigError
from tracker.frames import Frame, Source, VideoInfo
from tracker.pipeline.resumed_source import earlier_frames, resumed_source
from tracker.pipeline.single import Pipeline
from tracker.pipeline.snapshots import ResumePoint
from tracker.sources.source_names import source_name
from tracker.util.address import shown_address
from tracker.version import PROGRAM

_FOOTER_HEAD = 200
"""Bytes of a footer before its tracks."""
_FRAMES = re.compile(rb'"frames":([0-9]+)')


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

    def read(self) -> bool:
        """Reads the checkpoint of an earlier run; returns false if that has finished.

        Raises:
            ConfigError: The checkpoint cannot be used, or an output is not finished and has none.
            OutputTakenError: The run has not ended yet.
        """
        if os.path.exists(self.file.path):
            content = self.file.claim()
            self.saved = saved_from(self.file.path, content) if content else None
            return True
        paths = self._paths()
        missing = [path for path in paths if not os.path.exists(path)]
        if missing and len(missing) < len(paths):
            raise ConfigError(
                f"{missing[0]}: cannot resume: it is missing, and so is {self.file.path}; start "
                "over without --resume"
            )
        if not missing:
            self._check_complete()
        return bool(missing)

    def _check_complete(self) -> None:
        """Raises `ConfigError` where an output of a run without a checkpoint is not complete."""
        frames = {
            path: _complete_frames(path) for path in self._files.json if path.endswith(".jsonl")
        }
        damaged = [path for path, count in frames.items() if count is None]
        if frames and not damaged:
            from tracker.sinks.video_encoder import frame_count

            damaged = [
                path for path in self._files.video if frame_count(path) not in frames.values()
            ]
        if damaged:
            raise ConfigError(
                f"{damaged[0]}: cannot resume: it is not complete, and {self.file.path} is "
                "missing; start over without --resume"
            )

    def check_same_run(self, pipeline: Pipeline) -> None:
        """Checks that complete recordings are of the run that is asked for.

        Raises:
            ConfigError: One is of another source, configuration, model or version.
        """
        now = {
            "program": PROGRAM,
            "source": shown_address(self._source),
            "config": json.loads(json.dumps(pipeline.config)),
            "models": dict(pipeline.model_digests),
        }
        for path in self._files.json:
            if not path.endswith(".jsonl"):
                continue
            with open(path, "rb") as file:
                header = json.loads(file.readline())
            # What `tracker refine` and others have added is no setting of the run.
            config = {
                name: value for name, value in header["config"].items() if name in now["config"]
            }
            found = difference({name: header[name] for name in now} | {"config": config}, now)
            if found is not None:
                raise ConfigError(
                    f"{path}: cannot resume: it is complete, and {found}; start over without "
                    "--resume, or name another output"
                )

    def close(self) -> None:
        """Unlocks the checkpoint; removes it where the run has written nothing."""
        if any(os.path.exists(path) for path in self._paths()):
            self.file.release()
        else:
            self.file.remove()

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
            ConfigError: The checkpoint is of another run.
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


def _real(path: str | None) -> str | None:
    return None if path is None else os.path.realpath(path)


def _complete_frames(path: str) -> int | None:
    """Returns the number of frames in JSON Lines of a complete run; `None` without its footer."""
    with open(path, "rb") as file:
        if not os.path.getsize(path):
            return None
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            start = content.rfind(b"\n", 0, len(content) - 1) + 1
            head = content[start : start + _FOOTER_HEAD]
    found = _FRAMES.search(head)
    is_footer = head.startswith(b'{"kind":"footer"') and b'"complete":true' in head
    return int(found[1]) if found and is_footer else None
