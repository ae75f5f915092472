"""The sequences on which the tracker's settings are chosen: detections by frame, and truth.

Simulated sequences from truth of MOT17 (seven kinds of camera and detector, three sequences each),
the seven of MOT15 with their public detections, and three real videos with boxes and embeddings of
the built-in networks.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from peer_trackers import Boxes
from real_video import SEQUENCES, Clip, DetectorChoice, Truths, detect, embed

from tracker.detection.replay import ReplayDetector
from tracker.detections import Detections, TimedDetector
from tracker.embedding.crop_embedder import CropEmbedder
from tracker.evaluation.mot_io import Rules, Truth, read_truth
from tracker.frames import Frame, VideoInfo
from tracker.pipeline.source_state import frame_intervals
from tracker.sources.files.blank import BlankSequence
from tracker.util.arrays import Float64Array
from tracker.util.stopwatch import Stopwatch

SIMULATED = ("plain", "hidden", "slow", "pan", "handheld", "drive", "noisy")
"""Kinds that `simulate_sequences.py` makes."""

MOT15, REAL, APPEARANCE = "mot15", "real", "appearance"


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """One sequence, ready for tracking.

    Attributes:
        kind: Its row in the tables.
        name: Unique within the kind.
        detector: What made the detections; settings may depend on it.
        found: `F` detections, one entry for each frame.
        steps: `(F,)` nominal frame intervals since the frame before.
        interval_s: Nominal seconds between frames.
        size: Width and height of the frames in pixels.
        truth: The annotated boxes.
        rules: Those of the evaluation.
        video: The file of the frames; `None` where there are none.
    """

    kind: str
    name: str
    detector: TimedDetector
    found: tuple[Detections, ...]
    steps: Float64Array
    interval_s: float
    size: tuple[int, int]
    truth: Truth
    rules: Rules
    video: Path | None = None

    @property
    def key(self) -> str:
        """Kind and name."""
        return f"{self.kind}/{self.name}"

    @property
    def boxes(self) -> Boxes:
        """The detections without embeddings, for other trackers."""
        rows = [
            np.column_stack([np.full(len(one), frame), one.boxes, one.scores])
            for frame, one in enumerate(self.found)
        ]
        video = "" if self.video is None else str(self.video)
        return Boxes(np.concatenate(rows), len(self.found), 1 / self.interval_s, video)


@dataclass(frozen=True, slots=True, eq=False)
class DetectedBefore:
    """The detector of a video whose boxes were cached; it finds nothing itself.

    Attributes:
        confidence: The score above which boxes were kept.
        class_names: Names of the classes.
    """

    confidence: float
    class_names: tuple[str, ...] = ("person",)
    digests: Mapping[str, str] = field(default_factory=dict)

    def start(self, info: VideoInfo) -> None:
        """Prepares nothing."""

    def detect(self, frames: Sequence[Frame], stopwatch: Stopwatch) -> list[Detections]:
        """Returns no detections."""
        return [Detections.empty() for _ in frames]


def simulated(folder: Path, data: Path, seed: int) -> Path:
    """Returns the folder of simulated sequences, which are made where they are missing.

    Args:
        folder: Parent of one folder for each seed.
        data: The folder that holds `mot17`; the tool lies beside it.
        seed: Other detections of the same truth for each.
    """
    made = folder / f"seed-{seed}"
    if not made.is_dir():
        print(f"{made}: simulating", file=sys.stderr)
        folder.mkdir(parents=True, exist_ok=True)
        tool = data.parent / "tools" / "simulate_sequences.py"
        with tempfile.TemporaryDirectory(dir=folder) as passing:
            command = [sys.executable, str(tool), f"{passing}/all", "--seed", str(seed)]
            subprocess.run(
                [*command, "--truth", str(data / "mot17")], check=True, stdout=subprocess.DEVNULL
            )
            os.rename(f"{passing}/all", made)  # complete, or not there
    return made


def simulated_scenes(folder: Path, kinds: Sequence[str], sequences: Sequence[str]) -> list[Scene]:
    """Returns the simulated sequences of some kinds whose names contain one of `sequences`."""
    return [
        recorded_scene(kind, path, Rules.MOT17)
        for kind in kinds
        for path in sorted(folder.glob(f"*-{kind}"))
        if _is_wanted(path.name, sequences)
    ]


def mot15_scenes(data: Path, sequences: Sequence[str]) -> list[Scene]:
    """Returns the sequences of MOT15 whose names contain one of `sequences`."""
    return [
        recorded_scene(MOT15, path.parent, Rules.MOT15)
        for path in sorted((data / "mot15").glob("*/det"))
        if _is_wanted(path.parent.name, sequences)
    ]


def recorded_scene(kind: str, folder: Path, rules: Rules) -> Scene:
    """Returns a MOT sequence with its `det/det.txt`, as `tracker run --detections` reads it.

    Args:
        kind: Its row in the tables.
        folder: The sequence.
        rules: The rules that its truth follows.
    """
    replay = ReplayDetector(str(folder / "det" / "det.txt"))
    found, times_s = [], []
    with BlankSequence(str(folder)) as source:
        info = source.info
        for frame in source:
            found += replay.detect([frame])
            times_s.append(frame.time_s)
    interval_s = float(1 / info.fps)
    return Scene(
        kind=kind,
        name=folder.name,
        detector=replay,
        found=tuple(found),
        steps=_steps(times_s, interval_s),
        interval_s=interval_s,
        size=(info.width, info.height),
        truth=read_truth(folder / "gt" / "gt.txt", rules),
        rules=rules,
    )


@dataclass(frozen=True, slots=True)
class RealVideos:
    """Where the real videos and what was found in them lie.

    Attributes:
        data: Folder of videos and truth.
        cache: Folder that keeps boxes and embeddings.
        detector: Whose boxes are tracked.
        embedder: File of the appearance network.
    """

    data: Path
    cache: Path
    detector: DetectorChoice
    embedder: Path

    def scenes(self, confidences: Sequence[float], sequences: Sequence[str]) -> Iterator[Scene]:
        """Yields each video without and with embeddings for each confidence.

        Args:
            confidences: Scores above which boxes are kept.
            sequences: Videos whose names contain one of them are taken.
        """
        names = [name for name in SEQUENCES if _is_wanted(name, sequences)]
        clips = {name: detect(name, self.detector, self.data, self.cache) for name in names}
        embedder = CropEmbedder.load(self.embedder)
        with Truths(self.data, clips) as truths:
            for name, clip in clips.items():
                truth = read_truth(truths.path / name / "gt" / "gt.txt", Rules.MOT15)
                seen = embed(name, clip, embedder=embedder, data=self.data, cache=self.cache)
                for confidence in confidences:
                    kind = f"{REAL} {confidence:g}"
                    yield self._scene(kind, name, confidence, clip, clip.found, truth)
                    yield self._scene(f"{kind} {APPEARANCE}", name, confidence, clip, seen, truth)

    def _scene(
        self,
        kind: str,
        name: str,
        confidence: float,
        clip: Clip,
        found: Sequence[Detections],
        truth: Truth,
    ) -> Scene:
        return Scene(
            kind=kind,
            name=name,
            detector=DetectedBefore(confidence),
            found=tuple(one.select(one.scores > confidence) for one in found),
            steps=_steps(clip.times_s.tolist(), clip.interval_s),
            interval_s=clip.interval_s,
            size=clip.size,
            truth=truth,
            rules=Rules.MOT15,
            video=self.data / "video" / f"{name}.mp4",
        )


def _steps(times_s: Sequence[float], interval_s: float) -> Float64Array:
    """Returns `(F,)` nominal frame intervals before each frame, 1 before the first."""
    elapsed = np.diff(np.asarray(times_s), prepend=times_s[0] - interval_s)
    return np.array([frame_intervals(float(one), interval_s) for one in elapsed])


def _is_wanted(name: str, sequences: Sequence[str]) -> bool:
    return not sequences or any(part in name for part in sequences)
