"""COCO JSON with tracks: `images` are the frames of one video, `annotations` have a `track_id`.

The form that TAO, CocoVID (MMTracking) and most converters read; pycocotools reads it as
detection truth.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tracker.errors import DataError
from tracker.masks import mask_area, mask_to_coco
from tracker.track_files import values
from tracker.track_files.formats import VideoDefaults
from tracker.track_files.frame_objects import FrameObjects, frames_of_names
from tracker.track_files.json_file import Header, Recording
from tracker.util.json_text import parse_json
from tracker.util.short_repr import short_repr

IMAGE_NAME = "frame_{:06d}.jpg"
"""Name of the image of a frame, by its number from 0, as CVAT names the frames of a video."""

_FRAME_KEYS = ("frame_id", "frame_index")
_ID_KEYS = ("track_id", "instance_id")


def parse_coco(content: bytes, *, path: str | Path, video: VideoDefaults) -> Recording:
    """Returns the tracks of a COCO file.

    The frame of an image is its `frame_id` or `frame_index`, else the number in its `file_name`
    (`frame_objects.frames_of_names`). Crowd annotations are left out, and so are polygons.

    Args:
        content: The JSON text.
        path: What messages call it.
        video: Not needed: the file has frame sizes and class names.

    Raises:
        DataError: It is malformed, has no track ids, or more than one video.
    """
    document = values.mapping(parse_json(content), "document")
    images = _by_id(document, "images", path)
    names = {
        number: values.text(one.get("name"), "categories.name")
        for number, one in _by_id(document, "categories", path).items()
    }
    videos = {one.get("video_id") for one in images.values()}
    if len(videos) > 1:
        raise DataError(f"{path}: expected the images of one video, got {len(videos)} videos")
    numbers = _frame_numbers(images, path)
    frames = FrameObjects(path)
    for key, image in images.items():
        frame = frames.frame(numbers[key], place=f"{path}, image {key}")
        if image.get("time_s") is not None:
            frame["time_s"] = image["time_s"]
    for place, one in _objects(document, "annotations", path):
        if one.get("iscrowd") and "score" not in one and _track_id(one) is None:
            continue
        frames.add(*_annotation(one, numbers, names, place), place=place)
    return frames.recording(_header(document, images, tuple(names.values()), path))


def _by_id(document: Mapping[str, Any], key: str, path: str | Path) -> dict[int, dict[str, Any]]:
    found: dict[int, dict[str, Any]] = {}
    for place, one in _objects(document, key, path):
        number = one.get("id")
        if not isinstance(number, int) or number in found:
            raise DataError(f"{place}: expected an id of its own, got {short_repr(number)}")
        found[number] = one
    return found


def _objects(
    document: Mapping[str, Any], key: str, path: str | Path
) -> Iterator[tuple[str, dict[str, Any]]]:
    for n, one in enumerate(values.entries(document.get(key), key)):
        place = f"{path}, {key}[{n}]"
        if not isinstance(one, dict):
            raise DataError(f"{place}: expected an object, got {short_repr(one)}")
        yield place, one


def _frame_numbers(images: Mapping[int, dict[str, Any]], path: str | Path) -> dict[int, int]:
    for key in _FRAME_KEYS:
        if images and all(key in one for one in images.values()):
            return {number: one[key] for number, one in images.items()}
    stems = [Path(str(one.get("file_name", number))).stem for number, one in images.items()]
    return dict(zip(images, frames_of_names(stems), strict=True))


def _track_id(one: Mapping[str, Any]) -> Any:
    attributes = one.get("attributes")
    places = (one, attributes if isinstance(attributes, dict) else {})
    found = [place[key] for place in places for key in _ID_KEYS if key in place]
    return found[0] if found else None


def _annotation(
    one: Mapping[str, Any], frames: Mapping[int, int], names: Mapping[int, str], place: str
) -> tuple[int, dict[str, Any]]:
    """Returns frame number and track object of an annotation."""
    image, category, box = (one.get(key, -1) for key in ("image_id", "category_id", "bbox"))
    number = _track_id(one)
    if number is None:
        raise DataError(
            f"{place}: expected 'track_id' in each annotation, got none: these are detections, "
            "not tracks"
        )
    known = isinstance(image, int) and isinstance(category, int)
    if not known or image not in frames or category not in names:
        raise DataError(f"{place}: expected an image_id and a category_id of the file")
    if not isinstance(box, list) or len(box) != 4:
        raise DataError(f"{place}: expected a bbox of 4 numbers, got {short_repr(box)}")
    x, y, width, height = (values.number(value, f"{place}: bbox") for value in box)
    track = {
        "id": number,
        "class": names[category],
        "score": one.get("score", 1.0),
        "box": [x, y, x + width, y + height],
    }
    outline = one.get("segmentation")
    if isinstance(outline, dict) and isinstance(outline.get("counts"), str):
        track["mask"] = {"size": outline.get("size"), "counts": outline["counts"]}
    return frames[image], track


def _header(
    document: Mapping[str, Any],
    images: Mapping[int, dict[str, Any]],
    names: tuple[str, ...],
    path: str | Path,
) -> Header | None:
    first = next(iter(images.values()), {})
    if first.get("width") is None or first.get("height") is None:
        return None
    videos = list(_objects({"videos": document.get("videos") or []}, "videos", path))
    facts = videos[0][1] if videos else {}
    return Header(
        source=facts["name"] if isinstance(facts.get("name"), str) else None,
        width=values.whole(first["width"], "width", most=2**31 - 1),
        height=values.whole(first["height"], "height", most=2**31 - 1),
        fps=values.fps(facts.get("fps")),
        class_names=names,
    )


def coco_parts(recording: Recording, header: Header) -> Iterator[bytes]:
    """Yields a COCO document: one video, an image for each frame, an annotation for each row.

    Args:
        recording: Tracks and frames.
        header: Frame size, rate and source.
    """
    tracks = recording.tracks
    names = tracks.class_names or ("object",)
    size = {"width": header.width, "height": header.height}
    facts = {"id": 1, "name": header.source or "video", **size, "fps": tracks.fps}
    categories = [{"id": n, "name": name} for n, name in enumerate(names, start=1)]
    yield b'{"info":{"description":"tracks"},\n"videos":' + _text([facts])
    yield b',\n"categories":' + _text(categories) + b',\n"images":['
    image_ids = {facts.index: n for n, facts in enumerate(recording.frames, start=1)}
    for one in recording.frames:
        image = {
            "id": image_ids[one.index],
            "video_id": 1,
            "frame_id": one.index,
            "file_name": IMAGE_NAME.format(one.index),
            **size,
            **({} if one.time_s is None else {"time_s": one.time_s}),
        }
        yield (b",\n" if image["id"] != 1 else b"\n") + _text(image)
    yield b'\n],\n"annotations":['
    for row in range(len(tracks)):
        annotation = _written_annotation(recording, row) | {
            "id": row + 1,
            "image_id": image_ids[int(tracks.frames[row])],
            "video_id": 1,
        }
        yield (b",\n" if row else b"\n") + _text(annotation)
    yield b"\n]}\n"


def _written_annotation(recording: Recording, row: int) -> dict[str, Any]:
    tracks = recording.tracks
    x1, y1, x2, y2 = tracks.boxes[row].tolist()
    width, height = x2 - x1, y2 - y1
    mask = tracks.masks[row] if tracks.masks is not None else None
    outline: dict[str, Any] = {"segmentation": [], "area": round(width * height, 2)}
    if mask is not None:
        outline = {"segmentation": mask_to_coco(mask), "area": mask_area(mask)}
    return {
        "category_id": int(tracks.classes[row]) + 1,
        "track_id": int(tracks.ids[row]),
        # Datumaro and CVAT keep what is here, and drop other keys that COCO does not have.
        "attributes": {"track_id": int(tracks.ids[row])},
        "bbox": [round(value, 2) for value in (x1, y1, width, height)],
        **outline,
        "iscrowd": 0,
        "score": round(float(tracks.scores[row]), 4),
    }


def _text(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "backslashreplace")
