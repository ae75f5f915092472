"""CVAT for video 1.1: XML with a `track` for each object and a `box` for each frame of it."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

from tracker.errors import DataError
from tracker.track_files.derived import rows_by_id
from tracker.track_files.formats import VideoDefaults
from tracker.track_files.frame_objects import FrameObjects, Keyframe, add_interpolated, votes_by_id
from tracker.track_files.json_file import Header, Recording
from tracker.util.arrays import IndexArray
from tracker.util.short_repr import short_repr

_CORNERS = ("xtl", "ytl", "xbr", "ybr")
_DOCTYPES = (b"<!DOCTYPE", b"<!ENTITY")
_NOT_XML = dict.fromkeys([*range(9), 11, 12, *range(14, 32), 0xFFFE, 0xFFFF], "\ufffd")
"""Characters that XML 1.0 has no way to write; surrogates become `?` when the text is encoded."""


def parse_cvat(content: bytes, *, path: str | Path, video: VideoDefaults) -> Recording:
    """Returns the tracks of CVAT's XML.

    Between two boxes of a track the frames are interpolated, as CVAT does, until a box that is
    `outside`. A box with `keyframe="0"` is one that CVAT interpolated: it is not `seen`. Shapes
    other than boxes are left out.

    Args:
        content: The XML text.
        path: What messages call it.
        video: The frame size, where the file has none.

    Raises:
        DataError: It is malformed, or is "CVAT for images", which has no tracks.
    """
    root = cvat_root(content, place=f"{path}: ")
    frames = FrameObjects(path)
    for track in root.iter("track"):
        name = {"id": _whole(track, "id", f"{path}, track"), "class": track.get("label", "object")}
        place = f"{path}, track {name['id']}"
        found = [_keyframe(box, place) for box in track.iter("box")]
        add_interpolated(frames, {"score": 1.0, **name}, found, place=place)
    if root.find("track") is None and root.find("image") is not None:
        raise DataError(
            f"{path}: expected <track> elements, got <image>: export the task as 'CVAT for video'"
        )
    length = root.findtext(".//meta//size")
    if length is not None and length.isdecimal() and len(length) < 10:
        frames.fill(int(length))
    return frames.recording(_header(root, path, video))


def cvat_root(content: bytes, *, place: str = "", expected: str = "XML") -> ElementTree.Element:
    """Returns the root `<annotations>` of a file of CVAT.

    Args:
        content: The file.
        place: What the message of an error begins with.
        expected: What else the content may have been, for the message.

    Raises:
        DataError: It is not XML, has entities, or another root.
    """
    # Entities can make a small file huge, and CVAT writes none.
    if any(word in content for word in _DOCTYPES):
        raise DataError(f"{place}expected CVAT's XML, got a document type or entities")
    try:
        root = ElementTree.fromstring(content)
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise DataError(f"{place}expected {expected}: {str(error)[:100]}") from error
    if root.tag != "annotations":
        raise DataError(f"{place}expected <annotations> as CVAT writes it, got <{root.tag}>")
    return root


def _whole(element: ElementTree.Element, name: str, place: str) -> int:
    text = element.get(name, "")
    if not text.isdecimal() or len(text) > 15:
        raise DataError(f"{place}: {name}: expected a whole number, got {short_repr(text)}")
    return int(text)


def _keyframe(box: ElementTree.Element, place: str) -> Keyframe:
    frame = _whole(box, "frame", place)
    place = f"{place}, frame {frame}"
    attributes = {one.get("name"): one.text or "" for one in box.iter("attribute")}
    is_key = box.get("keyframe", "1") != "0"
    extra: dict[str, object] = {"state": "confirmed" if is_key else "lost"}
    if attributes.get("state") in {"confirmed", "lost"}:
        extra["state"] = attributes["state"]
    if attributes.get("score"):
        extra["score"] = _number(attributes["score"], place, "score")
    is_shown = box.get("outside", "0") != "1"
    corners = [_number(box.get(corner, ""), place, corner) for corner in _CORNERS]
    return Keyframe(frame, corners, goes_on=is_shown, is_shown=is_shown, extra=extra)


def _number(text: str, place: str, name: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise DataError(f"{place}: {name}: expected a number, got {short_repr(text)}") from None


def _header(root: ElementTree.Element, path: str | Path, video: VideoDefaults) -> Header | None:
    size = root.find(".//meta//original_size")
    if size is not None:
        found = (size.findtext("width", ""), size.findtext("height", ""))
        if not all(text.isdecimal() and 0 < int(text[:10]) < 2**31 for text in found):
            raise DataError(f"{path}: original_size: expected pixels, got {short_repr(found)}")
        width, height = map(int, found)
    elif video.size is not None:
        width, height = video.size
    else:
        return None
    names = [label.findtext("name", "") for label in root.iterfind(".//meta//labels/label")]
    source = root.findtext(".//meta//source")
    return Header(source=source or None, width=width, height=height, class_names=tuple(names))


def cvat_parts(recording: Recording, header: Header) -> Iterator[bytes]:
    """Yields CVAT's XML: every box is a keyframe, with score and state as attributes.

    A track that pauses gets a box that is `outside` in the first frame without it. Its label is
    the class that it has most often.

    Args:
        recording: Tracks and frames.
        header: Frame size and source.
    """
    tracks = recording.tracks
    names = tracks.class_names or ("object",)
    yield b'<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n<version>1.1</version>\n'
    yield _meta(recording, header, names)
    labels = votes_by_id(tracks.ids.tolist(), tracks.classes.tolist())
    following = _following([facts.index for facts in recording.frames])
    for rows in rows_by_id(tracks.ids):
        number = int(tracks.ids[rows[0]])
        label = _clean(names[labels[number]])
        track = ElementTree.Element("track", id=str(number), label=label, source="auto")
        _add_boxes(track, recording, rows, following)
        yield _bytes(track)
    yield b"</annotations>\n"


def _following(frames: list[int]) -> dict[int, int]:
    """Returns the next frame of each frame but the last."""
    return dict(pairwise(frames))


def _add_boxes(
    track: ElementTree.Element, recording: Recording, rows: IndexArray, following: dict[int, int]
) -> None:
    tracks = recording.tracks
    frames = tracks.frames[rows].tolist()
    for row, frame, after in zip(rows.tolist(), frames, [*frames[1:], None], strict=True):
        corners = tracks.boxes[row].tolist()
        box = _add_box(track, frame, corners, outside=False, occluded=not tracks.seen[row])
        state = "confirmed" if tracks.seen[row] else "lost"
        for name, value in (("score", f"{tracks.scores[row]:.4f}"), ("state", state)):
            ElementTree.SubElement(box, "attribute", name=name).text = value
        pause = following.get(frame)
        if pause is not None and pause != after:
            _add_box(track, pause, corners, outside=True, occluded=False)


def _add_box(
    track: ElementTree.Element, frame: int, corners: list[float], *, outside: bool, occluded: bool
) -> ElementTree.Element:
    places = {name: f"{value:.2f}" for name, value in zip(_CORNERS, corners, strict=True)}
    flags = {"outside": str(int(outside)), "occluded": str(int(occluded)), "keyframe": "1"}
    return ElementTree.SubElement(
        track, "box", {"frame": str(frame), **places, **flags, "z_order": "0"}
    )


def _meta(recording: Recording, header: Header, names: tuple[str, ...]) -> bytes:
    meta = ElementTree.Element("meta")
    task = ElementTree.SubElement(meta, "task")
    last = max((facts.index for facts in recording.frames), default=0)
    facts = {"name": header.source or "tracks", "size": last + 1, "mode": "interpolation"}
    facts |= {"overlap": 0, "start_frame": 0, "stop_frame": last, "frame_filter": ""}
    for key, value in facts.items():
        ElementTree.SubElement(task, key).text = _clean(str(value))
    labels = ElementTree.SubElement(task, "labels")
    for name in names:
        label = ElementTree.SubElement(labels, "label")
        ElementTree.SubElement(label, "name").text = _clean(name)
        attributes = ElementTree.SubElement(label, "attributes")
        for key, kind, default in (("score", "text", "1"), ("state", "select", "confirmed")):
            one = ElementTree.SubElement(attributes, "attribute")
            choices = "confirmed\nlost" if kind == "select" else ""
            for tag, value in zip(
                ("name", "mutable", "input_type", "default_value", "values"),
                (key, "True", kind, default, choices),
                strict=True,
            ):
                ElementTree.SubElement(one, tag).text = value
    size = ElementTree.SubElement(task, "original_size")
    ElementTree.SubElement(size, "width").text = str(header.width)
    ElementTree.SubElement(size, "height").text = str(header.height)
    ElementTree.SubElement(meta, "source").text = _clean(header.source or "")
    return _bytes(meta)


def _clean(text: str) -> str:
    return text.translate(_NOT_XML)


def _bytes(element: ElementTree.Element) -> bytes:
    ElementTree.indent(element, space="  ")
    text = ElementTree.tostring(element, encoding="unicode")
    return text.encode("utf-8", "replace") + b"\n"
