"""Runs that are interrupted in the middle, for the tests of `--resume`."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import av
import pytest
import yaml

from tracker.cli.run.one import RunRequest
from tracker.cli.run.one import run as run_request
from tracker.cli.run.outputs import Outputs
from tracker.config.build import build_pipeline
from tracker.config.run import Config, load_config
from tracker.config.zones import zones_from
from tracker.detection.motion import MotionDetector
from tracker.detections import Detections
from tracker.frames import Frame
from tracker.util.stopwatch import Stopwatch

FRAMES = 160
OFTEN = "run.checkpoint_s=0.000001"
MOTION = ("detector.name=motion", "embedder.name=none")


class BrokenError(RuntimeError):
    """Ends a run in the middle."""


class Breaking:
    """The motion detector, until a frame that breaks it."""

    class_names = MotionDetector.class_names

    def __init__(self, at: int) -> None:
        self._inner, self._at = MotionDetector(), at

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        if any(frame.index >= self._at for frame in frames):
            raise BrokenError
        return self._inner.detect(frames, Stopwatch())


ZONES = """
zones: [{name: yard, polygon: [[30, 20], [110, 20], [110, 110], [30, 110]], dwell_s: 0.4}]
lines: [{name: door, points: [[70, 0], [70, 120]]}]
"""


def config(*words: str) -> Config:
    return load_config(None, (*MOTION, OFTEN, *words))


def with_zones(*words: str) -> Config:
    return dataclasses.replace(config(*words), analytics=zones_from(yaml.safe_load(ZONES)))


def outputs(folder: Path, **more: object) -> Outputs:
    files = {name: str(folder / f"out.{end}") for name, end in ALL.items()}
    return Outputs(**{**files, **more})  # type: ignore[arg-type]


ALL = {"json": "jsonl", "mot": "txt", "csv": "csv", "video": "mp4"}


def interrupted(film: Path, settings: Config, out: Outputs, at: int, *, resume: bool) -> None:
    pipeline = build_pipeline(settings, detector=Breaking(at), class_names=("moving",))
    with pytest.raises(BrokenError):
        run_request(
            RunRequest((str(film),), settings, out, progress=False, resume=resume), pipeline
        )


def whole(film: Path, settings: Config, out: Outputs, *, resume: bool = False) -> int:
    return run_request(RunRequest((str(film),), settings, out, progress=False, resume=resume))


def texts(folder: Path) -> dict[str, bytes]:
    return {
        path.name: path.read_bytes().replace(str(folder).encode(), b"")
        for path in sorted(folder.iterdir())
        if path.suffix != ".mp4"
    }


def stamps(path: Path) -> list[object]:
    with av.open(str(path)) as container:
        return [frame.time for frame in container.decode(video=0)]
