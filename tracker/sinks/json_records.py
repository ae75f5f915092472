"""The JSON objects of `docs/json-format.md`: header, frame and footer.

The footer is returned only in its encoding, one line of UTF-8.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from enum import Enum
from itertools import islice
from typing import Any

from tracker.errors import DataError
from tracker.masks import Mask, mask_to_coco
from tracker.sinks.plain_values import TIME_DECIMALS, TrackRow, class_name
from tracker.sinks.track_summary import Life, TrackLives
from tracker.track_files.embedding_base64 import encode_embeddings
from tracker.tracks import RunInfo, TrackedFrame
from tracker.util.latency import LatencyHistogram
from tracker.version import PROGRAM

SCHEMA = "tracker-json/1"
"""Name and version of the format; the version increases with incompatible changes."""

LATENCY_DECIMALS = 4
"""Decimals of latencies in seconds: a tenth of a millisecond."""

_TRACKS_A_PART = 100
"""Of the footer: some 16 kB of text, and as dicts ten times that."""


class Timings(Enum):
    """Whether frames have their timings."""

    OMIT = "omit"
    """No times: the same run gives the same bytes."""
    INCLUDE = "include"
    """Each frame has `timings_ms`."""


class Embeddings(Enum):
    """Whether tracks have their embeddings."""

    OMIT = "omit"
    """No."""
    INCLUDE = "include"
    """Tracks matched in the frame have `embedding`, and the header has its size."""


_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def encode(record: dict[str, Any]) -> bytes:
    """Returns the object as one line of UTF-8 without a line end.

    Raises:
        DataError: A number is not finite, or a value is not of a JSON type.
    """
    return _encoded(record, record["kind"])


def _encoded(value: Any, kind: str) -> bytes:
    try:
        text = _ENCODER.encode(value)
    except (ValueError, TypeError) as error:
        raise DataError(f"JSON {kind}: {error}") from error
    # A file name that is not UTF-8 holds lone surrogates, which JSON can only escape.
    return text.encode("utf-8", "backslashreplace")


def json_parts(records: Sequence[dict[str, Any]], *, as_lines: bool) -> Iterator[bytes]:
    """Yields the bytes of a whole recording: JSON Lines, or one document.

    Args:
        records: Header, frames and events, and footer where there is one.
        as_lines: Whether each object is a line.

    Raises:
        DataError: A number is not finite, or a value is not of a JSON type.
    """
    if as_lines:
        for record in records:
            yield encode(record) + b"\n"
        return
    yield b'{"header":' + encode(records[0])
    for key, kind in (("frames", "frame"), ("events", "event")):
        some = [record for record in records if record["kind"] == kind]
        if some or kind == "frame":
            yield b',"' + key.encode() + b'":['
            for number, record in enumerate(some):
                yield (b",\n" if number else b"\n") + encode(record)
            yield b"\n]"
    footers = [record for record in records if record["kind"] == "footer"]
    yield b',"footer":' + (encode(footers[0]) if footers else b"null") + b"}\n"


def header(first: TrackedFrame, embeddings: Embeddings) -> dict[str, Any]:
    """Returns the first object, the header.

    Args:
        first: The first result.
        embeddings: Whether tracks have embeddings.

    Raises:
        DataError: Embeddings are requested and the result has none.
    """
    run = first.run
    video = run.video
    width, height = video.stored_size or (video.width, video.height)
    record = {
        "kind": "header",
        "schema": SCHEMA,
        "program": PROGRAM,
        "source": video.source,
        "width": width,
        "height": height,
        "fps": float(video.fps),
        "live": video.is_live,
        "class_names": list(run.class_names),
        "config": dict(run.config),
        "models": dict(run.model_digests),
    }
    if embeddings is Embeddings.INCLUDE:
        size = first.detections.embeddings.shape[1]
        if not size:
            raise DataError(
                "embeddings in JSON: the detections have none; choose an embedder, or replay "
                "detections that have embeddings"
            )
        record["embedding_size"] = size
    return record


def frame(
    result: TrackedFrame, rows: list[TrackRow], timings: Timings, embeddings: Embeddings
) -> dict[str, Any]:
    """Returns the object of one frame; `rows` are its tracks."""
    record: dict[str, Any] = {
        "kind": "frame",
        "frame": result.frame.index,
        "time_s": round(result.frame.time_s, TIME_DECIMALS),
    }
    if result.run.video.is_live:
        record |= _live_facts(result)
    if result.is_coasted:
        record["coasted"] = True
    record["tracks"] = [
        {
            "id": row.id,
            "class": row.class_name,
            "score": row.score,
            "box": row.box,
            "state": row.state,
            "velocity": row.velocity,
            "age": row.age,
            "misses": row.misses,
            "class_score": row.class_score,
            **_global_id(row.global_id),
        }
        for row in rows
    ]
    if result.detections.masks is not None:
        _add_masks(record["tracks"], result, result.detections.masks)
    if embeddings is Embeddings.INCLUDE:
        _add_embeddings(record["tracks"], result)
    if timings is Timings.INCLUDE:
        record["timings_ms"] = {
            stage: round(seconds * 1000, 3) for stage, seconds in result.timings_s.items()
        }
    return record


def _live_facts(result: TrackedFrame) -> dict[str, Any]:
    wall, latency = result.frame.wall_time_s, result.age_s
    return {
        "wall_time": None if wall is None else round(wall, TIME_DECIMALS),
        "age_s": None if latency is None else round(latency, LATENCY_DECIMALS),
        "dropped": result.dropped,
    }


def _add_masks(tracks: list[dict[str, Any]], result: TrackedFrame, masks: Sequence[Mask]) -> None:
    """Adds `mask` to the tracks matched in this frame, unless it has no pixels."""
    for track, index in zip(tracks, result.tracks.detection_index.tolist(), strict=True):
        if index >= 0 and not masks[index].is_empty:
            track["mask"] = mask_to_coco(masks[index])


def _add_embeddings(tracks: list[dict[str, Any]], result: TrackedFrame) -> None:
    """Adds `embedding` to the tracks matched in this frame."""
    texts = encode_embeddings(result.detections.embeddings)
    for track, index in zip(tracks, result.tracks.detection_index.tolist(), strict=True):
        if index >= 0 and texts[index] is not None:
            track["embedding"] = texts[index]


class Summary:
    """The content of the footer: a few bytes for each track, whatever the length of the run.

    For live sources also the number of lost frames and the latency of results.
    """

    def __init__(self) -> None:
        self._lives = TrackLives()
        self._frames = 0
        self._dropped = 0
        self._latencies = LatencyHistogram()

    def add(self, result: TrackedFrame) -> None:
        """Adds one frame."""
        self._frames += 1
        self._dropped = result.dropped
        if result.age_s is not None:
            self._latencies.add(result.age_s)
        frame = result.frame
        self._lives.add(result.tracks, frame=frame.index, time_s=round(frame.time_s, TIME_DECIMALS))

    def footer(
        self, run: RunInfo, *, complete: bool, counts: Mapping[str, Any] | None = None
    ) -> Iterator[bytes]:
        """Yields the last object, the footer, encoded like `encode`, in parts.

        All tracks of a long run at once would take more memory than the run itself.

        Args:
            run: The run.
            complete: Whether it came to its end.
            counts: The keys `zones` and `lines` of a run with analytics.
        """
        facts = {
            "kind": "footer",
            "frames": self._frames,
            "ids": len(self._lives),
            "complete": complete,
            **(self._live_facts() if run.video.is_live else {}),
            **(counts or {}),
        }
        yield encode(facts).removesuffix(b"}") + b',"tracks":['
        lives = iter(self._lives)
        comma = b""
        while some := [_life_record(run, *item) for item in islice(lives, _TRACKS_A_PART)]:
            yield comma + _encoded(some, "footer")[1:-1]
            comma = b","
        yield b"]}"

    def _live_facts(self) -> dict[str, Any]:
        percentiles = self._latencies.percentiles()
        latency = None
        if percentiles is not None:
            latency = {
                name: round(seconds, LATENCY_DECIMALS)
                for name, seconds in asdict(percentiles).items()
            }
        return {"dropped": self._dropped, "latency_s": latency}


def _life_record(run: RunInfo, track_id: int, life: Life) -> dict[str, Any]:
    return {
        "id": track_id,
        "class": class_name(run.class_names, life.class_index),
        "first_frame": life.first_frame,
        "last_frame": life.last_frame,
        "first_time_s": life.first_time_s,
        "last_time_s": life.last_time_s,
        "frames": life.frames,
        "path_length": round(life.path_px, 2),
        **_global_id(life.global_id),
    }


def _global_id(number: int) -> dict[str, int]:
    return {"global_id": number} if number >= 0 else {}
