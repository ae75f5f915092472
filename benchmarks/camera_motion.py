"""Gain and cost of camera-motion compensation on artificially shaken videos.

    python benchmarks/camera_motion.py --cache /tmp/camera_motion

Each video of pedestrians is seen through a window of three quarters of its size: `still` (it
stands), `passing` (it stands, and a large object that no detection tells of crosses it), `pan` (it
swings slowly), `shake` (it swings, and jitters in place, turn and zoom as in a hand) and `turns`
(it shakes in every second four seconds). Truth and detections, those of the whole video (kept in
--cache), move alike. The people are followed by DeepSORT with `camera_motion` off, by boxes alone,
by `auto` (boxes, and image flow while a look once a second finds a motion), and by image flow, and
scored by the rules of MOT15. The window's motion being known, the estimate's error is printed too:
the largest over the four corners, in pixels. `--people 2` leaves only the two people of each
video that are seen longest.
"""

import argparse
import dataclasses
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from real_video import DetectorChoice, detect
from rich.console import Console
from rich.table import Table

from tracker.boxes import area, clip, pairwise_iou
from tracker.detections import Detections
from tracker.evaluation.metrics import Scores, evaluate
from tracker.evaluation.mot_io import Rules, Truth, read_truth
from tracker.evaluation.similarity import Comparison, compare
from tracker.frames import Frame, VideoInfo
from tracker.sources.files.video_file import VideoFile
from tracker.track_files.recorded_tracks import RecordedTracks
from tracker.tracking.camera_motion import CameraMotionEstimator
from tracker.tracking.camera_watch import CameraWatch
from tracker.tracking.deepsort import DeepSort
from tracker.tracking.settings import DeepSortSettings
from tracker.tracks import CameraMotion, CameraObserver, Tracks
from tracker.util.opencv import cv2

DATA = Path(__file__).resolve().parent.parent.parent / "shared" / "data"
TRUTH_SCALE = {"PETS09-S2L1": 0.625, "TUD-Campus": 1.0, "TUD-Stadtmitte": 1.0}
VARIANTS = ("still", "passing", "pan", "shake", "turns")
MODES = {"off": False, "boxes": True, "auto": True, "flow": True}
"""By name, whether the tracker follows the camera by boxes too."""
WINDOW = 0.75
PAN, PAN_PERIOD_S = 0.08, 4.0
"""Reach of the swing in widths of the video, and its period."""
JITTER, JITTER_TURN_RAD, JITTER_ZOOM = 0.015, 0.01, 0.01
"""Standard deviations a frame of the hand's place (widths), turn and zoom."""
PASSING_SIZE = (0.45, 0.7)
PASSING_PERIOD_S = 6.0
"""Size of the passing object in sizes of the window, and the seconds until it comes again."""
LEAST_VISIBLE = 0.3
"""A truth box of which less is in the window does not count."""
SAME_IOU = 0.3
"""A detection that overlaps a person by this is of that person."""
PER_BOX = ("frames", "ids", "boxes", "scored", "distractor")


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
    if variant in ("pan", "shake", "turns"):
        angle = 2 * np.pi * np.arange(count) / float(info.fps) / PAN_PERIOD_S
        swing = np.column_stack([np.sin(angle), 0.5 * np.sin(1.3 * angle)]) * PAN * info.width
    if variant in ("shake", "turns"):
        spread = [JITTER * info.width, JITTER * info.width, JITTER_TURN_RAD, JITTER_ZOOM]
        hand = np.clip(random.normal(size=(count, 4)), -2, 2) * spread
    if variant == "turns":
        held = np.arange(count) / float(info.fps) % (2 * PAN_PERIOD_S) < PAN_PERIOD_S
        swing, hand = held[:, None] * swing, held[:, None] * hand
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


def with_passing(frame: Frame, texture: Frame) -> Frame:
    """Returns a frame in which a large object, cut out of `texture`, drives to the right."""
    image = frame.image.copy()
    height, width = image.shape[:2]
    size = (int(PASSING_SIZE[0] * width), int(PASSING_SIZE[1] * height))
    left = round((frame.time_s / PASSING_PERIOD_S % 1) * (width + size[0])) - size[0]
    top = (height - size[1]) // 2
    seen = slice(max(left, 0), min(left + size[0], width))
    object_ = cv2.flip(texture.image, 0)[: size[1], : size[0]]
    image[top : top + size[1], seen] = object_[:, seen.start - left : seen.stop - left]
    return Frame(image, frame.index, frame.time_s, frame.source)


def seen_truth(name: str, views: list[CameraMotion], size: tuple[int, int]) -> Truth:
    """Returns the truth in the pixels of a window of `size` (width, height)."""
    truth = read_truth(DATA / "mot15" / name / "gt" / "gt.txt", Rules.MOT15)
    boxes = truth.boxes * TRUTH_SCALE[name]
    matrices = np.array([view.matrix for view in views])[truth.frames]
    scale = np.array([view.scale for view in views])[truth.frames]
    whole = view_of_boxes(boxes, matrices, scale)
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


def moved_boxes(found: Detections, view: CameraMotion, size: tuple[int, int]) -> Detections:
    """Returns the detections of a frame in the pixels of a window of `size` (width, height)."""
    boxes = view_of_boxes(found.boxes.astype(np.float64), view.matrix[None], np.array([view.scale]))
    inside = clip(boxes, width=size[0], height=size[1])
    kept = (area(inside) >= LEAST_VISIBLE * area(boxes)).nonzero()[0]
    return Detections.create(inside[kept], found.scores[kept])


def view_of_boxes(
    boxes: NDArray[np.float64], matrices: NDArray[np.float64], scale: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Returns boxes `(N, 4)` xyxy as windows show them that look by `(N or 1, 2, 3)` matrices."""
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    moved = np.einsum("nij,nj->ni", matrices[:, :, :2], centres) + matrices[:, :, 2]
    half = scale[:, None] * (boxes[:, 2:] - boxes[:, :2]) / 2
    return np.hstack([moved - half, moved + half]).astype(np.float32)


def of_few(truth: Truth, found: list[Detections], people: int) -> tuple[Truth, list[Detections]]:
    """Returns the truth of the people seen longest, and the detections without those of others."""
    ids, frames = np.unique(truth.ids, return_counts=True)
    chosen = np.isin(truth.ids, ids[np.argsort(-frames, kind="stable")[:people]])
    left = []
    for frame, one in enumerate(found):
        now = truth.frames == frame
        overlap = pairwise_iou(one.boxes, truth.boxes[now])
        best = overlap.argmax(axis=1) if now.any() else np.zeros(len(one), np.intp)
        of_others = np.zeros(len(one), np.bool_)
        if now.any():
            of_others = (overlap.max(axis=1) >= SAME_IOU) & ~chosen[now][best]
        left.append(one.select(~of_others))
    few = Truth(*(getattr(truth, name)[chosen] for name in PER_BOX), truth.frame_count)
    return few, left


def open_clip(name: str, variant: str, words: argparse.Namespace) -> Clip:
    with VideoFile(str(DATA / "video" / f"{name}.mp4")) as video:
        whole, info = list(video), video.info
    views = window_path(variant, info, len(whole), words.seed)
    frames = [window_view(frame, view) for frame, view in zip(whole, views, strict=True)]
    if variant == "passing":
        frames = [with_passing(frame, frames[0]) for frame in frames]
    size = (frames[0].width, frames[0].height)
    seen = detect(name, DetectorChoice.parse(words.detector), DATA, words.cache).found
    found = [
        moved_boxes(one.select(one.scores > words.conf), view, size)
        for one, view in zip(seen, views, strict=True)
    ]
    truth = seen_truth(name, views, size)
    if words.people:
        truth, found = of_few(truth, found, words.people)
    return Clip(frames, views, found, truth, float(1 / info.fps))


def estimate(clip: Clip, estimator: CameraObserver) -> tuple[list[CameraMotion], list[float]]:
    """Returns the motion before each frame, and the milliseconds of this thread for each."""
    motions, times = [], []
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


def follow(clip: Clip, mode: str, motions: Mapping[str, list[CameraMotion]]) -> Iterator[Tracks]:
    """Yields the tracks of each frame."""
    deepsort = DeepSort(DeepSortSettings(box_motion=MODES[mode]))
    size = (clip.frames[0].width, clip.frames[0].height)
    deepsort.reset(frame_interval_s=clip.interval_s, frame_size=size)
    cameras = motions.get(mode, [None] * len(clip.found))
    for found, camera in zip(clip.found, cameras, strict=True):
        yield deepsort.step(found, camera=camera)


def compared(clip: Clip, mode: str, motions: Mapping[str, list[CameraMotion]]) -> Comparison:
    """Returns truth and tracks side by side."""
    size = {"width": clip.frames[0].width, "height": clip.frames[0].height}
    rows = list(follow(clip, mode, motions))
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
                  *(f"IDSW {f}" for f in MODES), title="by camera_motion")  # fmt: skip
    for variant, name in dict.fromkeys((variant, name) for variant, name, _ in scores):
        values = [scores[variant, name, mode].values for mode in MODES]
        cells = [f"{100 * one[m]:.1f}" for m in ("HOTA", "MOTA", "IDF1") for one in values]
        table.add_row(variant, name, *cells, *(str(one["IDSW"]) for one in values))
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cache", type=Path, required=True, help="folder for detections")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--detector", default="small@416", help="NAME@SIDE")
    parser.add_argument("--conf", type=float, default=0.25)
    parser.add_argument("--people", type=int, default=0, help="how many are left; 0 = all")
    words = parser.parse_args()
    cv2.setNumThreads(1)
    cost = Table("window", "video", "size", "mode", "ms mean", "ms median", "ms 95 %",
                 "error median", "error 95 %", "called still",
                 title="the estimators: CPU time of one thread, pixels")  # fmt: skip
    scores: dict[tuple[str, str, str], Scores] = {}
    for variant in VARIANTS:
        pairs: dict[str, dict[str, Comparison]] = {mode: {} for mode in MODES}
        for name in TRUTH_SCALE:
            seen = open_clip(name, variant, words)
            motions = {}
            size = f"{seen.frames[0].width}x{seen.frames[0].height}"
            for mode, estimator in (("auto", CameraWatch()), ("flow", CameraMotionEstimator())):
                motions[mode], times = estimate(seen, estimator)
                wrong = errors(seen, motions[mode])
                still = sum(motion.is_identity for motion in motions[mode][1:])
                spread = (*np.percentile(times, (50, 95)), *np.percentile(wrong, (50, 95)))
                numbers = [f"{number:.2f}" for number in (np.mean(times), *spread)]
                cost.add_row(variant, name, size, mode, *numbers, f"{still}/{len(times)}")
            for mode in MODES:
                pairs[mode][name] = compared(seen, mode, motions)
        results = {mode: evaluate(pairs[mode]) for mode in MODES}
        for name in (*TRUTH_SCALE, "all"):
            for mode, result in results.items():
                scores[variant, name, mode] = (
                    result.combined if name == "all" else result.sequences[name]
                )
    console = Console(width=180)
    console.print(cost, report(scores))


if __name__ == "__main__":
    main()
