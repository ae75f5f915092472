"""One form for all network files of ours: a `.keras` archive with a description in it.

The description is a frozen dataclass, stored as JSON. What differs between a detector, an
appearance network and a segmenter is a `NetworkFile` in the module of each. Loading builds the
network by our own code and reads numbers from the file; nothing that the file says is executed.
Reading a description loads no Keras.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, Generic, TypeVar

from tracker.errors import ConfigError, ModelError
from tracker.inference.tensorflow import load_tensorflow
from tracker.models.backbones.names import check_backbone
from tracker.models.files.archive import load_weights, parse_text, read_text, write_archive
from tracker.models.yolo_shape import STRIDES

DescriptionT = TypeVar("DescriptionT")


@dataclass(frozen=True, slots=True)
class NetworkFile(Generic[DescriptionT]):
    """How the files of one kind of network are written and read.

    Attributes:
        what: What messages call the network, for example "detector".
        format: The name of the kind in the file.
        command: The command that writes such files, for messages.
        to_record: Returns a description as JSON types, without format and version.
        from_record: Returns the description that such a record gives; may raise `ModelError`, and
            `KeyError`, `TypeError` or `ValueError` where the record is malformed.
        described: Returns a few words about the network, for messages.
        version: Raised when files of before can no longer be read.
    """

    what: str
    format: str
    command: str
    to_record: Callable[[DescriptionT], Mapping[str, Any]]
    from_record: Callable[[Mapping[str, Any]], DescriptionT]
    described: Callable[[DescriptionT], str]
    version: int = 1

    def text(self, description: DescriptionT) -> str:
        """Returns a description as JSON."""
        record = {"format": self.format, "version": self.version, **self.to_record(description)}
        return json.dumps(record, ensure_ascii=False, indent=2) + "\n"

    def parse(self, path: Path, text: bytes) -> DescriptionT:
        """Returns the description that JSON gives.

        Args:
            path: The file that it is from, for messages.
            text: The JSON.

        Raises:
            ModelError: It is malformed, of another version, or of another kind of network.
        """
        return parse_text(path, text, self._checked, what=self.what)

    def read(self, path: str | PathLike[str]) -> DescriptionT:
        """Returns the description in a file, after checking that the file is whole.

        Raises:
            ModelError: It is missing, no archive, damaged, of another kind, or of another version.
        """
        path = Path(path)
        return self.parse(path, read_text(path, what=self.what, wanted=self._wanted))

    def write(self, network: Any, path: Path, description: DescriptionT) -> None:
        """Writes a network; the file is complete or the old one.

        Args:
            network: A `keras.Model`, as the description says.
            path: Where to; its name ends in `.keras`.
            description: What it is.

        Raises:
            ModelError: The name has another ending.
            OutputError: The file cannot be written.
        """
        write_archive(network, path, self.text(description))

    def load(self, path: str | PathLike[str], build: Callable[[DescriptionT], Any]) -> Any:
        """Returns the `keras.Model` of a file.

        Args:
            path: The file.
            build: Returns the network of a description, with any weights. Called when TensorFlow
                is loaded, so that it can import Keras.

        Raises:
            ModelError: As `read`, or the weights do not fit the description.
            DependencyError: TensorFlow cannot be loaded.
        """
        description = self.read(path)
        load_tensorflow()  # Before Keras, which would let it print to standard error.
        network = build(description)
        load_weights(network, path, what=self.what, described=self.described(description))
        return network

    @property
    def _wanted(self) -> str:
        return f"a file that `{self.command}` wrote"

    def _checked(self, record: Mapping[str, Any]) -> DescriptionT:
        kind, version = record["format"], record["version"]
        if kind != self.format:
            raise ModelError(f"expected {self._wanted}, got a {kind!r} file")
        if version != self.version:
            raise ModelError(
                f"expected version {self.version}, got {version}; use the release that wrote it, "
                "or train anew"
            )
        return self.from_record(record)


def check_long_side(long_side: int) -> None:
    """Checks the side in pixels that a network was trained at.

    Raises:
        ModelError: It is no positive multiple of 32.
    """
    if long_side < STRIDES[-1] or long_side % STRIDES[-1]:
        raise ModelError(
            f"long side: expected a positive multiple of {STRIDES[-1]}, got {long_side}"
        )


def check_described_backbone(name: str, known: Iterable[str]) -> None:
    """Checks the backbone that a file names.

    Args:
        name: The name.
        known: What it may be.

    Raises:
        ModelError: It is unknown.
    """
    try:
        check_backbone(name, known)
    except ConfigError as error:
        raise ModelError(str(error)) from error


def check_class_count(count: int, names: tuple[str, ...]) -> None:
    """Checks that a network has as many classes as its description names.

    Args:
        count: Classes of the network.
        names: Class names of the description.

    Raises:
        ModelError: It has more or fewer.
    """
    if count != len(names):
        raise ModelError(f"class names: expected {count} as the network has, got {len(names)}")
