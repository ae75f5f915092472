"""Label Studio JSON: one task of video object tracking, with a `videorectangle` for each track.

Boxes are shares of the frame in percent, frames count from 1, and boxes between two of a sequence
are interpolated while `enabled` is set.
"""

import json
import re
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from tracker.errors import DataError
from tracker.track_files import values
from tracker.track_files.derived import rows_by_id
from tracker.track_files.formats import VideoDefaults
from tracker.track_files.frame_objects import FrameObjects, Keyframe, add_interpolated, votes_by_id
from tracker.track_files.json_file import Header, Recording
from tracker.util.arrays import IndexArray
from tracker.util.json_text import parse_json
from tracker.util.short_repr import short_repr

_OUR_ID = re.compile(r"track-(\d{1,15})")


def parse_label_studio(content: bytes, *, path: str | Path, video: VideoDefaults) -> Recording:
    """Returns the tracks of one task: those of its first annotation, else of its prediction.

    Args:
        content: The JSON text: a list with one task, or the task itself.
        path: What messages call it.
        video: The frame size, which Label Studio does not store, and the frame rate.

    Raises:
        DataError: It is malformed, has several tasks, or the frame size is not known.
    """
    task = _task(parse_json(content), path)
    data = values.mapping(task.get("data", {}), "data")
    size = video.size or _size(data)
    if size is None:
        raise DataError(
            f"{path}: expected a frame size for boxes in percent, got none; give it with --size "
            "WIDTHxHEIGHT or --source VIDEO"
        )
    frames = FrameObjects(path)
    names: dict[str, None] = {}
    results = [one for one in _results(task, path) if one.get("type") == "videorectangle"]
    length = 0
    for n, result in enumerate(results, start=1):
        place = f"{path}, result {n}"
        value = values.mapping(result.get("value"), "value")
        labels = value.get("labels") or ["object"]
        name = values.text(labels[0] if isinstance(labels, list) else labels, "labels")
        names.setdefault(name)
        ours = _OUR_ID.fullmatch(str(result.get("id")))
        number = int(ours[1]) if ours is not None else n
        found = [
            _keyframe(one, size, place) for one in values.entries(value.get("sequence"), "sequence")
        ]
        add_interpolated(frames, {"id": number, "class": name, "score": 1.0}, found, place=place)
        count = value.get("framesCount")
        length = max(length, count if isinstance(count, int) else 0)
    frames.fill(length)
    source = data.get("video")
    return frames.recording(
        Header(
            source=source if isinstance(source, str) else None,
            width=size[0],
            height=size[1],
            fps=values.fps(data.get("fps")),
            class_names=tuple(names),
        )
    )


def _task(document: Any, path: str | Path) -> Mapping[str, Any]:
    tasks = document if isinstance(document, list) else [document]
    if len(tasks) != 1 or not isinstance(tasks[0], dict):
        raise DataError(f"{path}: expected one task, got {len(tasks)}; export one video at a time")
    return tasks[0]


def _size(data: Mapping[str, Any]) -> tuple[int, int] | None:
    if "width" not in data or "height" not in data:
        return None
    width, height = (values.whole(data[key], key, most=2**31 - 1) for key in ("width", "height"))
    return width, height


def _results(task: Mapping[str, Any], path: str | Path) -> list[dict[str, Any]]:
    for key in ("annotations", "predictions"):
        for one in values.entries(task.get(key) or [], key):
            results = one.get("result") if isinstance(one, dict) else None
            if not isinstance(results, list) or not all(isinstance(r, dict) for r in results):
                raise DataError(f"{path}: {key}: expected a list 'result' of objects")
            return results
    return []


def _keyframe(one: Any, size: tuple[int, int], place: str) -> Keyframe:
    if not isinstance(one, dict):
        raise DataError(f"{place}: expected an object in 'sequence', got {short_repr(one)}")
    try:
        frame = values.whole(one.get("frame"), "frame")
        x, y, width, height = (values.number(one.get(k), k) for k in ("x", "y", "width", "height"))
    except DataError as error:
        raise DataError(f"{place}: {error}") from error
    scale_x, scale_y = size[0] / 100, size[1] / 100
    box = (x * scale_x, y * scale_y, (x + width) * scale_x, (y + height) * scale_y)
    return Keyframe(frame - 1, box, goes_on=bool(one.get("enabled", True)))


def label_studio_parts(recording: Recording, header: Header) -> Iterator[bytes]:
    """Yields a list with one task, whose tracks are a prediction that can be imported.

    Args:
        recording: Tracks and frames.
        header: Frame size and source.
    """
    tracks = recording.tracks
    names = tracks.class_names or ("object",)
    data = {"video": header.source or "", "width": header.width, "height": header.height}
    data |= {} if tracks.fps is None else {"fps": tracks.fps}
    score = float(tracks.scores.mean()) if len(tracks) else 0.0
    head = {"data": data, "predictions": [{"model_version": header.program or "tracker-pipeline"}]}
    # The task up to the list of results, which is written track by track.
    start = json.dumps([head], ensure_ascii=False)[: -len("}]}]")]
    yield f'{start}, "score": {score:.4f}, "result": ['.encode("utf-8", "backslashreplace")
    labels = votes_by_id(tracks.ids.tolist(), tracks.classes.tolist())
    after = dict(pairwise(facts.index for facts in recording.frames))
    comma = b"\n"
    for rows in rows_by_id(tracks.ids):
        label = names[labels[int(tracks.ids[rows[0]])]]
        result = _result(recording, header, rows, after) | {"score": _mean(tracks.scores[rows])}
        result["value"]["labels"] = [label]
        text = json.dumps(result, ensure_ascii=False)
        yield comma + text.encode("utf-8", "backslashreplace")
        comma = b",\n"
    yield b"\n]}]}]\n"


def _mean(scores: Any) -> float:
    return round(float(np.mean(scores)), 4)


def _result(
    recording: Recording, header: Header, rows: IndexArray, following: Mapping[int, int]
) -> dict[str, Any]:
    tracks = recording.tracks
    frames = tracks.frames[rows].tolist()
    scale = np.array([100 / header.width, 100 / header.height] * 2)
    boxes = (tracks.boxes[rows] * scale).round(4).tolist()
    times = tracks.times_s[rows].tolist()
    sequence = [
        {
            "frame": frame + 1,
            "x": x1,
            "y": y1,
            "width": round(x2 - x1, 4),
            "height": round(y2 - y1, 4),
            "rotation": 0,
            # The track goes on where it has a box in the next frame of the recording.
            "enabled": after is not None and following.get(frame) == after,
            "time": time,
        }
        for frame, after, (x1, y1, x2, y2), time in zip(
            frames, [*frames[1:], None], boxes, times, strict=True
        )
    ]
    length = max((facts.index for facts in recording.frames), default=0) + 1
    value: dict[str, Any] = {"framesCount": length, "sequence": sequence}
    if tracks.fps is not None:
        value["duration"] = length / tracks.fps
    return {
        "id": f"track-{tracks.ids[rows[0]]}",
        "type": "videorectangle",
        "from_name": "box",
        "to_name": "video",
        "origin": "prediction",
        "value": value,
    }
