"""Entries of the registry: files of a published model, their addresses and digests, its input."""

import dataclasses
import re
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from tracker.errors import ConfigError
from tracker.registry.builtin import DETECTORS, EMBEDDER
from tracker.registry.measured import Measured
from tracker.util.address import STARS, scheme_of, shown_source

CLASS_LISTS = ("coco", "coco91", "voc")
"""Words for lists of class names: the 80 classes of COCO's detection task, COCO's 91 numbers with
their gaps, the 20 classes of Pascal VOC."""

DARKNET = "darknet"
"""The layout of networks that a `.cfg` describes."""

_MODEL_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_LAYOUT = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_SHA256 = re.compile(r"[0-9a-f]{64}")


class Task(StrEnum):
    """What a model is for."""

    DETECTOR = "detector"
    """Boxes of objects in a frame."""
    EMBEDDER = "embedder"
    """Appearance of one object in a crop."""


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One published file.

    Attributes:
        name: Its name in the cache.
        address: Where it is downloaded from, http or https.
        sha256: Of its content, 64 hexadecimal digits in lower case.
        size: Its bytes, at least 1.

    Raises:
        ConfigError: A value is malformed.
    """

    name: str
    address: str
    sha256: str
    size: int

    def __post_init__(self) -> None:
        if not _FILE_NAME.fullmatch(self.name) or self.name.endswith((".part", ".part.json")):
            raise ConfigError(
                f"name: expected the plain name of a file, such as model.onnx, got {self.name!r}"
            )
        check_address(self.address)
        if not _SHA256.fullmatch(self.sha256):
            raise ConfigError(
                f"sha256: expected 64 hexadecimal digits in lower case, got {self.sha256!r}"
            )
        if self.size < 1:
            raise ConfigError(f"size: expected at least 1 byte, got {self.size}")


@dataclass(frozen=True, slots=True)
class InputEntry:
    """The input of a network, as far as its layout does not define it.

    The keys are those of `detection.image_input.ImageInput`, which documents them and
    checks their ranges; `None` leaves one to the layout.
    """

    size: tuple[int, int] | None = None
    native_size: tuple[int, int] | None = None
    long_side: int | None = None
    stride: int | None = None
    fit: Literal["letterbox", "corner", "stretch"] | None = None
    padding: int | None = None
    colours: Literal["rgb", "bgr"] | None = None
    axes: Literal["nhwc", "nchw"] | None = None
    scale: float | None = None
    mean: tuple[float, float, float] | None = None
    std: tuple[float, float, float] | None = None
    dtype: str | None = None

    def given(self) -> dict[str, Any]:
        """Returns the keys that are set, with their values.

        Example:
            >>> InputEntry(size=(352, 352), fit="stretch").given()
            {'size': (352, 352), 'fit': 'stretch'}
        """
        pairs = ((f.name, getattr(self, f.name)) for f in dataclasses.fields(self))
        return {name: value for name, value in pairs if value is not None}


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """One published model.

    Attributes:
        name: What it is called here: letters in lower case, digits, `.`, `_`, `-`.
        task: What it is for.
        files: Its files, at least one; the first is the network, for `darknet` the `.cfg` and then
            the `.weights`.
        licence: The licence of its authors.
        note: Its origin.
        layout: Name of the layout of its outputs, checked when the network is opened. `None`:
            recognised by the outputs.
        input: Its input; a `.cfg` of `darknet` defines that itself.
        classes: Of a detector: one of `CLASS_LISTS`, the path of a file with a name a line, the
            name of one of `files` that is such a file, or the names themselves. Of an embedder:
            `None`.
        measured: Accuracy and speed; `None` where they were not measured.

    Raises:
        ConfigError: A value is malformed, or they do not fit each other.
    """

    name: str
    task: Task
    files: tuple[FileEntry, ...]
    licence: str
    note: str
    layout: str | None = None
    input: InputEntry = field(default_factory=InputEntry)
    classes: str | tuple[str, ...] | None = None
    measured: Measured | None = None

    def __post_init__(self) -> None:
        _check_name(self.name)
        names = [file.name.casefold() for file in self.files]
        if not names or len(set(names)) != len(names):
            raise ConfigError(f"files: expected different ones, at least one, got {names}")
        if self.layout is not None and not _LAYOUT.fullmatch(self.layout):
            raise ConfigError(f"layout: expected a word such as nanodet, got {self.layout!r}")
        if (self.classes is None) != (self.task is Task.EMBEDDER):
            raise ConfigError("classes: expected for a detector, and for no embedder")
        if isinstance(self.classes, tuple) and len(set(self.classes)) != len(self.classes):
            raise ConfigError(f"classes: expected different names, got {list(self.classes)}")
        if self.layout == DARKNET:
            if [Path(name).suffix for name in names[:2]] != [".cfg", ".weights"]:
                raise ConfigError(f"files: {DARKNET} needs a .cfg, then a .weights, got {names}")
            if self.input.given():
                raise ConfigError(f"input: the .cfg of {DARKNET} defines the input; leave it out")

    @property
    def size(self) -> int:
        """Bytes of all its files."""
        return sum(file.size for file in self.files)


def check_address(address: str) -> None:
    """Checks that an address is one of http or https.

    Raises:
        ConfigError: It is not.
    """
    try:
        parts = urlsplit(address)
        is_good = parts.scheme in {"http", "https"} and bool(parts.hostname)
        is_good = is_good and (parts.port is None or parts.port > 0) and address.isascii()
    except ValueError:
        is_good = False
    if not is_good or not address.isprintable() or " " in address:
        raise ConfigError(f"address: expected http:// or https://, got {shown(address)}")


def shown(address: str) -> str:
    """Returns an address for messages: without user, password, query and fragment.

    Example:
        >>> shown("https://me:secret@example.org/model.onnx?token=secret")
        'https://example.org/model.onnx'
    """
    text = re.split("[?#]", shown_source(address).replace(f"{STARS}@", "", 1), maxsplit=1)[0]
    return repr(text.rpartition("@")[2]) if scheme_of(address) is None else text


def _check_name(name: str) -> None:
    if not _MODEL_NAME.fullmatch(name):
        raise ConfigError(f"name: expected letters in lower case, digits, . _ -, got {name!r}")
    if name in {*DETECTORS, EMBEDDER}:
        raise ConfigError(f"name: {name} is a model of this package; choose another name")
