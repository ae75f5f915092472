"""Gain and cost of camera-motion compensation on artificially shaken videos.

    python benchmarks/camera_motion.py --cache /tmp/camera_motion

Each video of pedestrians is seen through a window of three quarters of its size, three times:
`still` (the window stands), `pan` (it swings slowly) and `shake` (it swings, and jitters in place,
turn and zoom as in a hand). The truth moves alike. People are found in the windows by
Yolo-Fastest-1.1-xl at 640 pixels (kept in --cache), followed by DeepSORT without and with
compensation, and scored by the rules of MOT15. The window's motion being known, the estimate's
error is printed too: the largest over the four corners, in pixels.
"""

import argparse
import dataclasses
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from tracker.boxes import area, clip
from tracker.detection.yolo_detector import DetectorSettings, YoloDetector
from tracker.detections import Detections
from tracker.evaluation.metrics import Scores, evaluate
from tracker.evaluation.mot_io import Rules, Truth, read_truth
from tracker.evaluation.similarity import Comparison, compare
from tracker.frames import Frame, VideoInfo
from tracker.sources.files.video_file import VideoFile
from tracker.track_files.recorded_tracks import RecordedTracks
from tracker.tracking.camera_motion import CameraMotionEstimator
from tracker.tracking.deepsort import DeepSort
from tracker.tracks import CameraMotion, Tracks
from tracker.util.opencv import cv2
from tracker.util.stopwatch import Stopwatch

DATA = Path(__file__).resolve().parent.parent.parent / "shared" / "data"
YOLO = "weights/yolo-fastest/yolo-fastest-1.1_coco/yolo-fastest-1.1-xl"
TRUTH_SCALE = {"PETS09-S2L1": 0.625, "TUD-Campus": 1.0, "TUD-Stadtmitte": 1.0}
VARIANTS = ("still", "pan", "shake")
MODES = ("off", "flow")
WINDOW = 0.75
PAN, PAN_PERIOD_S = 0.08, 4.0
"""Reach of the swing in widths of the video, and its period."""
JITTER, JITTER_TURN_RAD, JITTER_ZOOM = 0.015, 0.01, 0.01
"""Standard deviations a frame of the hand's place (widths), turn and zoom."""
LEAST_VISIBLE = 0.3
"""A truth box of which less is in the window does not count."""


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """One video through one window.

    Attributes:
        frames: What the window shows.
        views: For each frame, from the video's pixels to the window's.
        found: Detections of each frame.
        truth: In the window's pixels.
        interval_s: Nominal seconds between two frames.
    """

    frames: list[Frame]
    views: list[CameraMotion]
    found: list[Detections]
    truth: Truth
    interval_s: float


def window_path(variant: str, info: VideoInfo, count: int, seed: int) -> list[CameraMotion]:
    """Returns the window's view of each frame: from the video's pixels to the window's."""
    random = np.random.default_rng(seed)
    size = np.array([info.width, info.height])
    swing = np.zeros((count, 2))
    hand = np.zeros((count, 4))
    if variant != "still":
        angle = 2 * np.pi * np.arange(count) / float(info.fps) / PAN_PERIOD_S
        swing = np.column_stack([np.sin(angle), 0.5 * np.sin(1.3 * angle)]) * PAN * info.width
    if variant == "shake":
        spread = [JITTER * info.width, JITTER * info.width, JITTER_TURN_RAD, JITTER_ZOOM]
        hand = np.clip(random.normal(size=(count, 4)), -2, 2) * spread
    views = []
    for place, (x, y, turn, zoom) in zip(swing, hand, strict=True):
        linear = CameraMotion(1 + zoom, turn).matrix[:, :2]
        shift = WINDOW * size / 2 - linear @ (size / 2 + place + (x, y))
        views.append(CameraMotion(1 + zoom, turn, (float(shift[0]), float(shift[1]))))
    return views


def window_view(frame: Frame, view: CameraMotion) -> Frame:
    """Returns what the window shows of a frame."""
    matrix = view.matrix
    # OpenCV's whole coordinates are the middle of pixels, ours their corners.
    matrix[:, 2] += matrix[:, :2] @ (0.5, 0.5) - 0.5
    size = (int(WINDOW * frame.width), int(WINDOW * frame.height))
    image = cv2.warpAffine(
        frame.image, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
    )
    return Frame(image, frame.index, frame.time_s, frame.source)


def seen_truth(name: str, views: list[CameraMotion], size: tuple[int, int]) -> Truth:
    """Returns the truth in the pixels of a window of `size` (width, height)."""
    truth = read_truth(DATA / "mot15" / name / "gt" / "gt.txt", Rules.MOT15)
    boxes = truth.boxes * TRUTH_SCALE[name]
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    matrices = np.array([view.matrix for view in views])[truth.frames]
    moved = np.einsum("nij,nj->ni", matrices[:, :, :2], centres) + matrices[:, :, 2]
    scale = np.array([view.scale for view in views])[truth.frames, None]
    half = scale * (boxes[:, 2:] - boxes[:, :2]) / 2
    whole = np.hstack([moved - half, moved + half]).astype(np.float32)
    inside = clip(whole, width=size[0], height=size[1])
    kept = truth.scored & (area(inside) >= LEAST_VISIBLE * area(whole))
    return Truth(
        truth.frames[kept],
        truth.ids[kept],
        inside[kept].astype(np.float64),
        truth.scored[kept],
        truth.distractor[kept],
        truth.frame_count,
    )


def detect(frames: list[Frame], info: VideoInfo, cache: Path) -> list[Detections]:
    """Returns the people in each frame, from the cache where it has them."""
    if not cache.is_file():
        detector = YoloDetector.load(
            DATA / f"{YOLO}.cfg",
            weights=DATA / f"{YOLO}.weights",
            settings=DetectorSettings(input_size=640, classes=("person",), threads=1),
        )
        detector.start(info)
        found = [detector.detect([frame], Stopwatch())[0] for frame in frames]
        cache.parent.mkdir(parents=True, exist_ok=True)
        np.savez(
            cache,
            counts=[len(one) for one in found],
            boxes=np.vstack([one.boxes for one in found]),
            scores=np.hstack([one.scores for one in found]),
        )
    kept = np.load(cache)
    ends = np.cumsum(kept["counts"])[:-1]
    pairs = zip(np.split(kept["boxes"], ends), np.split(kept["scores"], ends), strict=True)
    return [Detections.create(boxes, scores) for boxes, scores in pairs]


def open_clip(name: str, variant: str, *, seed: int, cache: Path) -> Clip:
    with VideoFile(str(DATA / "video" / f"{name}.mp4")) as video:
        whole, info = list(video), video.info
    views = window_path(variant, info, len(whole), seed)
    frames = [window_view(frame, view) for frame, view in zip(whole, views, strict=True)]
    size = (frames[0].width, frames[0].height)
    window = VideoInfo(info.source, *size, fps=info.fps, time_base=info.time_base)
    found = detect(frames, window, cache / f"{name}-{variant}-{seed}.npz")
    return Clip(frames, views, found, seen_truth(name, views, size), float(1 / info.fps))


def estimate(clip: Clip) -> tuple[list[CameraMotion], list[float]]:
    """Returns the motion before each frame, and the milliseconds of this thread for each."""
    estimator, motions, times = CameraMotionEstimator(), [], []
    for frame, found in zip(clip.frames, clip.found, strict=True):
        start = time.thread_time()
        motions.append(estimator.estimate(frame, found))
        times.append(1000 * (time.thread_time() - start))
    return motions, times[1:]


def errors(clip: Clip, motions: list[CameraMotion]) -> NDArray[np.float64]:
    """Returns the largest error over the corners of the image, for each pair of frames."""
    width, height = clip.frames[0].width, clip.frames[0].height
    corners = np.array([[0, 0, 1], [width, 0, 1], [0, height, 1], [width, height, 1]]).T
    worst = []
    for before, after, motion in zip(clip.views[:-1], clip.views[1:], motions[1:], strict=True):
        whole = [np.vstack([view.matrix, [0, 0, 1]]) for view in (before, after)]
        true = (whole[1] @ np.linalg.inv(whole[0]))[:2]
        worst.append(np.linalg.norm((motion.matrix - true) @ corners, axis=0).max())
    return np.array(worst)


def follow(clip: Clip, motions: list[CameraMotion] | None) -> Iterator[Tracks]:
    """Yields the tracks of each frame."""
    deepsort = DeepSort()
    deepsort.reset(frame_interval_s=clip.interval_s)
    cameras = motions or [None] * len(clip.found)
    for found, camera in zip(clip.found, cameras, strict=True):
        yield deepsort.step(found, camera=camera)


def compared(clip: Clip, motions: list[CameraMotion] | None) -> Comparison:
    """Returns truth and tracks side by side."""
    size = {"width": clip.frames[0].width, "height": clip.frames[0].height}
    rows = list(follow(clip, motions))
    count = np.array([len(tracks) for tracks in rows])
    tracks = RecordedTracks(
        frames=np.repeat(np.arange(len(rows)), count).astype(np.int32),
        ids=np.hstack([tracks.ids for tracks in rows]),
        boxes=np.vstack([tracks.boxes for tracks in rows]).astype(np.float64),
        scores=np.hstack([tracks.scores for tracks in rows]),
        classes=np.zeros(count.sum(), np.int32),
        seen=np.hstack([tracks.misses == 0 for tracks in rows]),
        embeddings=np.zeros((count.sum(), 0), np.float32),
        class_names=(),
        frame_count=len(rows),
        fps=None,
    )
    return compare(clip.truth, clipped(tracks, **size), Rules.MOT15)


def clipped(tracks: RecordedTracks, *, width: int, height: int) -> RecordedTracks:
    """Returns the tracks with boxes cut to the image, as the truth's are."""
    boxes = clip(tracks.boxes.astype(np.float32), width=width, height=height)
    return dataclasses.replace(tracks, boxes=boxes.astype(np.float64))


def report(scores: dict[tuple[str, str, str], Scores]) -> Table:
    table = Table("window", "video", *(f"{m} {f}" for m in ("HOTA", "MOTA", "IDF1") for f in MODES),
                  *(f"IDSW {f}" for f in MODES), title="without and with compensation")  # fmt: skip
    for variant, name in dict.fromkeys((variant, name) for variant, name, _ in scores):
        values = [scores[variant, name, mode].values for mode in MODES]
        cells = [f"{100 * one[m]:.1f}" for m in ("HOTA", "MOTA", "IDF1") for one in values]
        table.add_row(variant, name, *cells, *(str(one["IDSW"]) for one in values))
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cache", type=Path, required=True, help="folder for detections")
    parser.add_argument("--seed", type=int, default=0)
    words = parser.parse_args()
    cv2.setNumThreads(1)
    cost = Table("window", "video", "size", "ms median", "ms 95 %", "error median", "error 95 %",
                 "called still", title="the estimator: CPU time of one thread, pixels")  # fmt: skip
    scores: dict[tuple[str, str, str], Scores] = {}
    for variant in VARIANTS:
        pairs: dict[str, dict[str, Comparison]] = {mode: {} for mode in MODES}
        for name in TRUTH_SCALE:
            seen = open_clip(name, variant, seed=words.seed, cache=words.cache)
            motions, times = estimate(seen)
            wrong = errors(seen, motions)
            still = sum(motion.is_identity for motion in motions[1:])
            numbers = (*np.percentile(times, (50, 95)), *np.percentile(wrong, (50, 95)))
            size = f"{seen.frames[0].width}x{seen.frames[0].height}"
            cost.add_row(variant, name, size, *(f"{n:.2f}" for n in numbers), str(still))
            pairs["off"][name] = compared(seen, None)
            pairs["flow"][name] = compared(seen, motions)
        results = {mode: evaluate(pairs[mode]) for mode in MODES}
        for name in (*TRUTH_SCALE, "all"):
            for mode, result in results.items():
                scores[variant, name, mode] = (
                    result.combined if name == "all" else result.sequences[name]
                )
    console = Console(width=140)
    console.print(cost, report(scores))


if __name__ == "__main__":
    main()
