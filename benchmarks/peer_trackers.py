"""Other trackers on given boxes, each in a process of its own, in the library's environment.

    PYTHON benchmarks/peer_trackers.py LIBRARY TRACKER BOXES.npz TRACKS.npz

`generalise.py` calls this file with the Python of an environment that has the library; there it
needs NumPy and that library alone. Every tracker runs with its own defaults through its documented
interface; those that take a frame rate get the sequence's, and those that estimate the motion of
the camera get the images where there are any.

norfair has no defaults for distance and threshold: its demos use IoU below 0.7 for boxes, and 30
pixels between centres.
"""

import hashlib
import importlib.metadata
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Step = Callable[[Array, Any], Array]
"""From the boxes of a frame `(N, 5)`, xyxy and score, and its BGR image or `None`, to tracks
`(T, 5)`: id and xyxy."""

NORFAIR_IOU_DISTANCE, NORFAIR_CENTRE_PX = 0.7, 30


@dataclass(frozen=True, slots=True, eq=False)
class Boxes:
    """The detections of one sequence.

    Attributes:
        rows: `(R, 6)` frame from 0, xyxy in pixels, score; sorted by frame.
        frame_count: Length of the sequence.
        fps: Frames a second.
        video: File with the images; empty where there are none.
    """

    rows: Array
    frame_count: int
    fps: float
    video: str = ""


TRACKERS = {
    "trackers": ("SORT", "ByteTrack", "OC-SORT", "BoT-SORT", "C-BIoU", "McByte"),
    "pyxtrackers": ("SORT", "ByteTrack", "OC-SORT"),
    "norfair": ("IoU", "centre"),
}
"""Trackers by library."""

TAKE_IMAGES = {"trackers": ("BoT-SORT", "McByte")}
"""Those that estimate the motion of the camera."""


def library_version(library: str, python: str) -> str:
    """Returns the version of a library in the environment of a Python; exits where it has none."""
    return _answer([python, __file__, library])


def run_peer(
    library: str, tracker: str, python: str, boxes: Mapping[str, Boxes], cache: Path
) -> dict[str, Array]:
    """Returns `(R, 6)` rows of frame, id, xyxy by name of the sequence.

    Args:
        library: A key of `TRACKERS`.
        tracker: One of its trackers.
        python: The Python of an environment that has the library.
        boxes: Detections by name of the sequence.
        cache: Folder that keeps the results; they depend on the boxes, the library's version and
            this file.
    """
    version = library_version(library, python)
    key = hashlib.sha256(Path(__file__).read_bytes() + f"{version} {tracker}".encode())
    for name, one in boxes.items():
        key.update(f"{name} {one.frame_count} {one.fps} {Path(one.video).name}".encode())
        key.update(np.ascontiguousarray(one.rows).tobytes())
    file = cache / f"{library}-{tracker}-{key.hexdigest()[:12]}.npz"
    if not file.is_file():
        print(f"{library} {tracker}: tracking", file=sys.stderr)
        with tempfile.TemporaryDirectory(dir=cache) as folder:
            given, made = Path(folder) / "boxes.npz", Path(folder) / "tracks.npz"
            _save_boxes(given, boxes)
            _answer([python, __file__, library, tracker, str(given), str(made)])
            made.replace(file)
    with np.load(file) as arrays:
        return {name: arrays[name] for name in arrays.files}


def _answer(command: list[str]) -> str:
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command[:3])}: exit code {done.returncode}; its message is above")
    return done.stdout.strip()


def _save_boxes(file: Path, boxes: Mapping[str, Boxes]) -> None:
    about = [[name, one.frame_count, one.fps, one.video] for name, one in boxes.items()]
    rows = {f"rows{n}": one.rows for n, one in enumerate(boxes.values())}
    np.savez(file, about=np.array(json.dumps(about)), **rows)


def _load_boxes(file: str) -> dict[str, Boxes]:
    with np.load(file) as arrays:
        about = json.loads(str(arrays["about"]))
        return {
            name: Boxes(arrays[f"rows{n}"], frame_count, fps, video)
            for n, (name, frame_count, fps, video) in enumerate(about)
        }


def roboflow(name: str, fps: float) -> Step:
    """Returns a tracker of the library `trackers`."""
    import supervision
    import trackers

    makers = {
        "SORT": trackers.SORTTracker,
        "ByteTrack": trackers.ByteTrackTracker,
        "OC-SORT": trackers.OCSORTTracker,
        "BoT-SORT": trackers.BoTSORTTracker,
        "C-BIoU": trackers.CBIoUTracker,
        "McByte": trackers.McByteTracker,
    }
    tracker = makers[name](frame_rate=fps)
    colours = -1 if name == "McByte" else 1  # it wants RGB

    def step(boxes: Array, image: Any) -> Array:
        given = supervision.Detections(xyxy=boxes[:, :4], confidence=boxes[:, 4])
        if image is None:
            found = tracker.update(given)
        else:
            found = tracker.update(given, np.ascontiguousarray(image[:, :, ::colours]))
        kept = found.tracker_id >= 0
        return np.column_stack([found.tracker_id[kept], found.xyxy[kept]])

    return step


def pyxtrackers(name: str, fps: float) -> Step:
    """Returns a tracker of the library `pyxtrackers`."""
    from pyxtrackers import BYTETracker, OCSort, Sort

    makers: dict[str, Callable[[], Any]] = {
        "SORT": Sort,
        "ByteTrack": lambda: BYTETracker(frame_rate=round(fps)),
        "OC-SORT": lambda: OCSort(det_thresh=0.3),  # its README's; there is no default
    }
    tracker = makers[name]()

    def step(boxes: Array, image: Any) -> Array:
        del image
        found = tracker.update(np.ascontiguousarray(boxes))
        return found[:, [4, 0, 1, 2, 3]] if len(found) else np.zeros((0, 5))

    return step


def norfair(name: str, fps: float) -> Step:
    """Returns norfair with the distance of a demo: IoU of boxes, or pixels between centres."""
    from norfair import Detection, Tracker

    del fps  # it counts frames
    by_iou = name == "IoU"
    tracker = Tracker(
        distance_function="iou" if by_iou else "euclidean",
        distance_threshold=NORFAIR_IOU_DISTANCE if by_iou else NORFAIR_CENTRE_PX,
    )

    def step(boxes: Array, image: Any) -> Array:
        del image
        corners = boxes[:, :4].reshape(-1, 2, 2)
        centres = corners.mean(axis=1, keepdims=True)
        pairs = zip(corners if by_iou else centres, corners - centres, strict=True)
        found = tracker.update([Detection(points, data=rest) for points, rest in pairs])
        # A centre becomes a box by the size of the last detection.
        rows = [
            [one.id, *(one.estimate if by_iou else one.estimate + one.last_detection.data).ravel()]
            for one in found
        ]
        return np.array(rows).reshape(-1, 5)

    return step


MAKERS: dict[str, Callable[[str, float], Step]] = {
    "trackers": roboflow,
    "pyxtrackers": pyxtrackers,
    "norfair": norfair,
}


def images(video: str, count: int) -> Iterator[Any]:
    """Yields BGR images, or `None` so many times where there is no video."""
    if not video:
        yield from [None] * count
        return
    import cv2

    capture = cv2.VideoCapture(video)
    for _ in range(count):
        yield capture.read()[1]
    capture.release()


def follow(step: Step, boxes: Boxes, frames: Iterable[Any]) -> Array:
    """Returns `(R, 6)` rows of frame, id and xyxy of one tracker on one sequence."""
    ends = np.searchsorted(boxes.rows[:, 0], np.arange(1, boxes.frame_count))
    parts = [np.zeros((0, 6))]
    for frame, (rows, image) in enumerate(zip(np.split(boxes.rows, ends), frames, strict=True)):
        found = np.asarray(step(rows[:, 1:], image), np.float64).reshape(-1, 5)
        parts.append(np.column_stack([np.full(len(found), frame), found]))
    tracks = np.concatenate(parts)
    return tracks[np.isfinite(tracks).all(axis=1)]


def main(library: str, tracker: str, given: str, made: str) -> None:
    tracks = {}
    for name, boxes in _load_boxes(given).items():
        video = boxes.video if tracker in TAKE_IMAGES.get(library, ()) else ""
        step = MAKERS[library](tracker, boxes.fps)
        tracks[name] = follow(step, boxes, images(video, boxes.frame_count))
    np.savez(made, **tracks)


if __name__ == "__main__":
    if len(sys.argv) == 2:
        print(importlib.metadata.version(sys.argv[1]))
    else:
        main(*sys.argv[1:])
