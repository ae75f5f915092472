"""Other trackers on given boxes, each library in a process and an environment of its own.

    PYTHON benchmarks/peer_trackers.py LIBRARY BOXES.npz TRACKS.npz

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


def run_peers(
    library: str, python: str, boxes: Mapping[str, Boxes], cache: Path
) -> tuple[str, dict[str, dict[str, Array]]]:
    """Returns the library's version, and `(R, 6)` rows of frame, id, xyxy by tracker and sequence.

    Args:
        library: One of `LIBRARIES`.
        python: The Python of an environment that has the library.
        boxes: Detections by name of the sequence.
        cache: Folder that keeps the results; they depend on the boxes, the library's version and
            this file.
    """
    version = _answer([python, __file__, library])
    key = hashlib.sha256(Path(__file__).read_bytes() + version.encode())
    for name, one in boxes.items():
        key.update(f"{name} {one.frame_count} {one.fps} {Path(one.video).name}".encode())
        key.update(np.ascontiguousarray(one.rows).tobytes())
    file = cache / f"{library}-{key.hexdigest()[:12]}.npz"
    if not file.is_file():
        with tempfile.TemporaryDirectory(dir=cache) as folder:
            given, made = Path(folder) / "boxes.npz", Path(folder) / "tracks.npz"
            _save_boxes(given, boxes)
            _answer([python, __file__, library, str(given), str(made)])
            made.replace(file)
    tracks: dict[str, dict[str, Array]] = {}
    with np.load(file) as arrays:
        for name in arrays.files:
            tracker, _, sequence = name.partition("|")
            tracks.setdefault(tracker, {})[sequence] = arrays[name]
    return version, tracks


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


def roboflow_trackers() -> dict[str, Callable[[float], Step]]:
    import supervision
    import trackers

    def step(make: Callable[..., Any], order: int | None, fps: float) -> Step:
        tracker = make(frame_rate=fps)

        def update(boxes: Array, image: Any) -> Array:
            given = supervision.Detections(xyxy=boxes[:, :4], confidence=boxes[:, 4])
            if order is None or image is None:
                found = tracker.update(given)
            else:
                found = tracker.update(given, np.ascontiguousarray(image[:, :, ::order]))
            kept = found.tracker_id >= 0
            return np.column_stack([found.tracker_id[kept], found.xyxy[kept]])

        return update

    # The order of colours that a tracker expects of images, None where it takes none.
    kinds = {
        "SORT": (trackers.SORTTracker, None),
        "ByteTrack": (trackers.ByteTrackTracker, None),
        "OC-SORT": (trackers.OCSORTTracker, None),
        "BoT-SORT": (trackers.BoTSORTTracker, 1),
        "C-BIoU": (trackers.CBIoUTracker, None),
        "McByte": (trackers.McByteTracker, -1),
    }
    return {
        name: lambda fps, make=make, order=order: step(make, order, fps)
        for name, (make, order) in kinds.items()
    }


def pyxtrackers() -> dict[str, Callable[[float], Step]]:
    from pyxtrackers import BYTETracker, OCSort, Sort

    def step(tracker: Any) -> Step:
        def update(boxes: Array, image: Any) -> Array:
            del image
            found = tracker.update(np.ascontiguousarray(boxes))
            return found[:, [4, 0, 1, 2, 3]] if len(found) else np.zeros((0, 5))

        return update

    return {
        "SORT": lambda fps: step(Sort()),
        "ByteTrack": lambda fps: step(BYTETracker(frame_rate=round(fps))),
        "OC-SORT": lambda fps: step(OCSort(det_thresh=0.3)),  # its README's; there is no default
    }


def norfair() -> dict[str, Callable[[float], Step]]:
    from norfair import Detection, Tracker

    def by_iou(fps: float) -> Step:
        tracker = Tracker(distance_function="iou", distance_threshold=NORFAIR_IOU_DISTANCE)

        def update(boxes: Array, image: Any) -> Array:
            del image
            found = tracker.update([Detection(box[:4].reshape(2, 2)) for box in boxes])
            rows = [[one.id, *one.estimate.ravel()] for one in found]
            return np.array(rows).reshape(-1, 5)

        return update

    def by_centre(fps: float) -> Step:
        tracker = Tracker(distance_function="euclidean", distance_threshold=NORFAIR_CENTRE_PX)

        def update(boxes: Array, image: Any) -> Array:
            del image
            centres, halves = (boxes[:, :2] + boxes[:, 2:4]) / 2, (boxes[:, 2:4] - boxes[:, :2]) / 2
            found = tracker.update(
                [Detection(at[None], data=half) for at, half in zip(centres, halves, strict=True)]
            )
            rows = [
                [one.id, *(one.estimate[0] - half), *(one.estimate[0] + half)]
                for one in found
                for half in [one.last_detection.data]
            ]
            return np.array(rows).reshape(-1, 5)

        return update

    return {"IoU": by_iou, "centre": by_centre}


LIBRARIES: dict[str, Callable[[], dict[str, Callable[[float], Step]]]] = {
    "trackers": roboflow_trackers,
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


def main(library: str, given: str, made: str) -> None:
    sequences = _load_boxes(given)
    tracks = {}
    for tracker, make in LIBRARIES[library]().items():
        print(f"{library} {tracker}: tracking", file=sys.stderr)
        for name, boxes in sequences.items():
            frames = images(boxes.video, boxes.frame_count)
            tracks[f"{tracker}|{name}"] = follow(make(boxes.fps), boxes, frames)
    np.savez(made, **tracks)


if __name__ == "__main__":
    if len(sys.argv) == 2:
        print(importlib.metadata.version(sys.argv[1]))
    else:
        main(*sys.argv[1:])
