"""The record beside complete results: what they are of, and what their files are.

A file that was cut, changed or removed since then no longer matches the record.
"""

import contextlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tracker.cli.batch.jobs import Job, Wanted
from tracker.cli.run.identity import content_identity, difference, file_identity
from tracker.errors import ConfigError
from tracker.util.address import shown_address
from tracker.util.remote import exists, is_remote, reading, size_of, write_text

_TYPES = {"identity": dict, "frames": int, "ids": int, "files": dict}


@dataclass(frozen=True, slots=True)
class Complete:
    """Complete results.

    Attributes:
        frames: Number of frames.
        ids: Number of tracks.
    """

    frames: int
    ids: int


@dataclass(frozen=True, slots=True)
class Found:
    """What is there of earlier results.

    Attributes:
        complete: The results; `None` where there are none of this identity.
        damage: Why results of this identity are no longer complete; empty where there are none.
    """

    complete: Complete | None = None
    damage: str = ""


def write_record(job: Job, wanted: Wanted, identity: Mapping[str, Any]) -> Complete:
    """Writes the record of results that have just been completed, and returns their numbers.

    Raises:
        OutputError: It cannot be written.
        OSError: A file of the results cannot be read.
    """
    paths = _paths(job, wanted)
    for path in paths.values():
        _put_on_disk(path)
    complete = _footer(f"{job.stem}.jsonl")
    record = {
        "identity": identity,
        "frames": complete.frames,
        "ids": complete.ids,
        "files": {name: _written(path) for name, path in paths.items()},
    }
    write_text(job.record, json.dumps(record, indent=1) + "\n")
    return complete


def found_results(job: Job, wanted: Wanted, identity: Mapping[str, Any]) -> Found:
    """Returns what is there of results of an identity.

    Raises:
        ConfigError: The results are of another video, which has the same name in another folder.
    """
    record = _record(job)
    if record is None:
        return Found()
    _check_same_video(job, record["identity"], identity)
    if difference(record["identity"], identity) is not None:
        return Found()
    for name, path in _paths(job, wanted).items():
        damage = _damage(path, record["files"].get(name))
        if damage:
            return Found(damage=f"{shown_address(path)} {damage}")
    return Found(Complete(record["frames"], record["ids"]))


def _record(job: Job) -> dict[str, Any] | None:
    """Returns the content of the record; `None` where there is none that can be used."""
    with contextlib.suppress(OSError, ValueError, RecursionError):
        with reading(job.record) as file:
            record = json.load(file)
        if isinstance(record, dict) and all(
            type(record.get(name)) is kind for name, kind in _TYPES.items()
        ):
            return record
    return None


def _check_same_video(job: Job, was: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Raises `ConfigError` where results are of a video of another path and other content."""
    before = was.get("source")
    if not isinstance(before, dict) or before.get("name") == now["source"]["name"]:
        return
    found = difference({"source": before}, {"source": now["source"]})
    if found is not None:
        raise ConfigError(
            f"{shown_address(job.stem)}: the results there are of another video, "
            f"{before.get('name')}; name another folder with --out, or remove them"
        )


def _written(path: str) -> dict[str, Any]:
    """Returns what a file is known by later: size and digest.

    Of a local one the digest is of all bytes, and the time of the last change is there.
    """
    if is_remote(path):
        return content_identity(path)
    state = os.stat(path)
    digest = file_identity(path)
    return {"bytes": state.st_size, "digest": digest, "modified_ns": state.st_mtime_ns}


def _damage(path: str, was: Any) -> str:
    """Returns how a file differs from its record; empty if it does not.

    Args:
        path: The file.
        was: What `_written` gave for the record.
    """
    if not exists(path):
        return "is missing"
    was = was if isinstance(was, dict) else {}
    size = size_of(path)
    if "bytes" in was and size != was["bytes"]:
        return f"was complete with {was['bytes']} bytes and has {size}"
    # A file that nobody wrote to is not read again: there may be thousands.
    if not is_remote(path) and os.stat(path).st_mtime_ns == was.get("modified_ns"):
        return ""
    same = _written(path)["digest"] == was.get("digest")
    return "" if same else "was changed since it was complete"


def _paths(job: Job, wanted: Wanted) -> dict[str, str]:
    """Returns the path of each file of the results, by its suffix."""
    outputs = job.outputs(wanted)
    named = (outputs.json, outputs.video, outputs.events)
    paths = [path.replace("{{", "{").replace("}}", "}") for path in named if path]
    return {path.removeprefix(job.stem): path for path in paths}


def _put_on_disk(path: str) -> None:
    """Waits until a file is on the disk: the record must not survive a power failure alone."""
    if not is_remote(path):
        with open(path, "r+b") as file:
            os.fsync(file.fileno())


def _footer(path: str) -> Complete:
    """Returns the numbers in the last line of a complete recording."""
    with reading(path) as file:
        last = b""
        for line in file:
            last = line
    if not last:
        return Complete(0, 0)  # A piece of a video in which nothing was recorded.
    footer = json.loads(last)
    return Complete(footer["frames"], footer["ids"])
