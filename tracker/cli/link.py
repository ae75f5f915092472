"""`tracker link`: one global id for tracks that look alike in several recordings."""

import dataclasses
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tracker.errors import ConfigError, DataError
from tracker.linking.offline import global_ids
from tracker.linking.settings import LinkSettings
from tracker.linking.tracklets import Tracklets, tracklets_of
from tracker.sinks.json_records import json_parts
from tracker.sinks.output_file import RecordFile, check_not_source
from tracker.sinks.paths import check_different
from tracker.sinks.place import Existing, claimed
from tracker.track_files.json_file import (
    Header,
    Recording,
    is_json,
    is_json_lines,
    json_objects,
    parse_recording,
)
from tracker.track_files.read import read_bytes
from tracker.util.arrays import Float64Array
from tracker.util.atomic_file import make_parent, replaced_file
from tracker.version import PROGRAM

MOST_LISTED = 30
"""People in several recordings that the summary lists."""

_SUFFIX = "-linked"


@dataclass(frozen=True, slots=True)
class LinkRequest:
    """Input, output and settings of `tracker link`.

    Attributes:
        sources: JSON Lines or JSON documents of this package, with embeddings.
        folder: Folder of the results, which keep the names of the recordings; `None` for
            `NAME-linked.jsonl` beside each recording.
        settings: Settings of linking.
        offsets: Seconds at which each recording begins, on a clock common to all; `None` for the
            wall times of live recordings, or no common clock.
        existing: Whether existing files may be replaced.
    """

    sources: tuple[str, ...]
    folder: str | None = None
    settings: LinkSettings = field(default_factory=LinkSettings)
    offsets: tuple[float, ...] | None = None
    existing: Existing = Existing.REPLACE


@dataclass(frozen=True, slots=True, eq=False)
class _Input:
    path: str
    content: bytes
    recording: Recording


def run_link(request: LinkRequest) -> list[str]:
    """Writes the recordings with `global_id` in their tracks; returns the lines of a summary.

    Raises:
        ConfigError: The options do not fit the recordings, or two results share a path.
        SourceError: A recording cannot be read.
        DataError: A recording is malformed, or has no embeddings, or those of another network.
        OutputTakenError: Another process writes an output, or it exists and may not be replaced.
        OutputError: An output cannot be written; the existing file is unchanged.
    """
    outputs = _output_paths(request)
    with ExitStack() as stack:
        for path in outputs:
            stack.enter_context(claimed(path, request.existing))
        inputs = [_read(source) for source in request.sources]
        _check_one_network(inputs)
        times, clock = _row_times(inputs, request.offsets)
        tracklets = tracklets_of([one.recording.tracks for one in inputs], times)
        numbers = global_ids(tracklets, request.settings)
        for index, (one, path) in enumerate(zip(inputs, outputs, strict=True)):
            mine = tracklets.sources == index
            by_id = dict(zip(tracklets.ids[mine].tolist(), numbers[mine].tolist(), strict=True))
            _write(one, path, by_id, _link_record(one, request))
    return [*_summary(tracklets, numbers.tolist(), outputs), f"times: {clock}"]


def _output_paths(request: LinkRequest) -> list[str]:
    for source in request.sources:
        if not Path(source).name:
            raise ConfigError(f"expected the names of recordings, got {source!r}")
    if request.folder is None:
        paths = [
            str(p.with_name(f"{p.stem}{_SUFFIX}{p.suffix}")) for p in map(Path, request.sources)
        ]
    else:
        names = [Path(source).name for source in request.sources]
        for name in names:
            if names.count(name) > 1:
                raise ConfigError(
                    f"--output {request.folder}: two recordings are named {name}; leave it out to "
                    f"write NAME{_SUFFIX}.jsonl beside each, or rename one"
                )
        paths = [str(Path(request.folder) / name) for name in names]
    check_different(paths)
    for path in paths:
        for source in request.sources:
            check_not_source(path, source)
    return paths


def _read(path: str) -> _Input:
    content = read_bytes(path)
    if not is_json(content):
        raise DataError(
            f"{path}: expected JSON with embeddings, got MOT text, which cannot hold them; record "
            "with: tracker run SOURCE --json NAME.jsonl --embeddings"
        )
    recording = parse_recording(content, path=path)
    if recording.header is None or not recording.header.embedding_size:
        raise DataError(
            f"{path}: expected embeddings of the tracks, got none; record them with: tracker run "
            "SOURCE --json NAME.jsonl --embeddings"
        )
    return _Input(path, content, recording)


def _check_one_network(inputs: Sequence[_Input]) -> None:
    """Raises if embeddings are of different networks, as far as the headers say."""
    first = inputs[0]
    known = _embedder(first)
    for other in inputs[1:]:
        found = _embedder(other)
        if found[0] != known[0] or (known[1] and found[1] and found[1] != known[1]):
            raise DataError(
                f"{other.path}: expected embeddings like those of {first.path} "
                f"({known[1] or 'unknown embedder'}, {known[0]} values), got "
                f"{found[1] or 'unknown embedder'}, {found[0]} values; record all with one embedder"
            )


def _embedder(one: _Input) -> tuple[int, str]:
    """Returns size and name of the embedder; an empty name where it is not known."""
    header = one.recording.header or Header()
    section = header.config.get("embedder")
    name = section.get("name") if isinstance(section, Mapping) else None
    # Replayed detections have embeddings of an unknown network and the embedder `none`.
    text = {"auto": "builtin", "none": ""}.get(name, name) if isinstance(name, str) else ""
    return header.embedding_size, text


def _row_times(
    inputs: Sequence[_Input], offsets: Sequence[float] | None
) -> tuple[list[Float64Array], str]:
    """Returns the time of each row `(R,)` on the common clock, NaN if there is none, and its name.

    Raises:
        ConfigError: There are not as many offsets as recordings.
    """
    if offsets is not None:
        if len(offsets) != len(inputs):
            raise ConfigError(
                f"--offsets: expected {len(inputs)} numbers of seconds, one for each recording, "
                f"got {len(offsets)}"
            )
        times = [
            offset + _of_rows(one.recording, _media_times(one.recording))
            for one, offset in zip(inputs, offsets, strict=True)
        ]
        return times, "from --offsets"
    walls = [
        {facts.index: facts.wall_time for facts in one.recording.frames if facts.wall_time}
        for one in inputs
    ]
    if all(walls):
        return [
            _of_rows(one.recording, wall) for one, wall in zip(inputs, walls, strict=True)
        ], "wall clock of the recordings"
    unknown = [np.full(len(one.recording.tracks), np.nan) for one in inputs]
    return unknown, "no common clock (--offsets gives one), so anyone may be in several at once"


def _media_times(recording: Recording) -> dict[int, float]:
    fps = recording.tracks.fps or 1.0
    return {
        facts.index: facts.index / fps if facts.time_s is None else facts.time_s
        for facts in recording.frames
    }


def _of_rows(recording: Recording, times: Mapping[int, float]) -> Float64Array:
    frames = recording.tracks.frames.tolist()
    return np.array([times.get(frame, np.nan) for frame in frames], np.float64)


def _link_record(one: _Input, request: LinkRequest) -> dict[str, Any]:
    header = one.recording.header or Header()
    # The header's `program` is the writer of the result; this one wrote the recording.
    return {
        "program": header.program,
        "recordings": list(request.sources),
        "offsets": None if request.offsets is None else list(request.offsets),
        **dataclasses.asdict(request.settings),
    }


def _write(one: _Input, path: str, by_id: Mapping[int, int], linked: dict[str, Any]) -> None:
    """Writes the recording with global ids, and otherwise as it is; complete or not at all."""
    make_parent(Path(path))
    with replaced_file(Path(path)) as draft:
        file = RecordFile(str(draft))
        file.begin(one.path)
        for part in _encoded(one, by_id, linked):
            file.append(part)
        file.close()


def _encoded(one: _Input, by_id: Mapping[int, int], linked: dict[str, Any]) -> Iterator[bytes]:
    """Yields the bytes of the result, in the form of the recording: lines or one document."""
    header, *rest = json_objects(one.content, path=one.path)
    header["config"] = {**header.get("config", {}), "linked": linked}
    header["program"] = PROGRAM
    for record in rest:
        _set_global_ids(record.get("tracks", []), by_id)
    yield from json_parts([header, *rest], as_lines=is_json_lines(one.content))


def _set_global_ids(tracks: Sequence[dict[str, Any]], by_id: Mapping[int, int]) -> None:
    """Replaces `global_id` in the objects of tracks; tentative tracks get none."""
    for track in tracks:
        track.pop("global_id", None)
        if track["id"] in by_id:
            track["global_id"] = by_id[track["id"]]


def _summary(tracklets: Tracklets, numbers: Sequence[int], outputs: Sequence[str]) -> Iterator[str]:
    """Yields a line for each result, one for all, and one for each person in several."""
    people: dict[int, dict[int, list[int]]] = defaultdict(lambda: defaultdict(list))
    for number, source, track_id in zip(
        numbers, tracklets.sources.tolist(), tracklets.ids.tolist(), strict=True
    ):
        people[number][source].append(track_id)
    several = {number: places for number, places in people.items() if len(places) > 1}
    for source, path in enumerate(outputs):
        here = [number for number, places in people.items() if source in places]
        tracks = int(np.count_nonzero(tracklets.sources == source))
        shared = sum(number in several for number in here)
        yield f"{path}: {tracks} tracks, {len(here)} people, {shared} of them also elsewhere"
    yield (
        f"all {len(outputs)} recordings: {len(numbers)} tracks, {len(people)} people, "
        f"{len(several)} in several recordings"
    )
    for number, places in sorted(several.items())[:MOST_LISTED]:
        tracks_of = [
            f"{Path(outputs[source]).name} #{', #'.join(map(str, ids))}"
            for source, ids in sorted(places.items())
        ]
        yield f"  person {number}: {'; '.join(tracks_of)}"
    if len(several) > MOST_LISTED:
        yield f"  and {len(several) - MOST_LISTED} more"
