"""One format for all of this package's network files: a `.keras` archive with a description.

The description is a frozen dataclass, stored as JSON. The differences between a detector, an
appearance network and a segmenter are in the `NetworkFile` of each module. Loading builds the
network with this package's code and reads only weights from the file; nothing in the file is
executed. Reading a description loads no Keras.
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
from tracker.util.short_repr import short_repr

DescriptionT = TypeVar("DescriptionT")


@dataclass(frozen=True, slots=True)
class NetworkFile(Generic[DescriptionT]):
    """The file format of one kind of network.

    Attributes:
        what: Name of the network in messages, for example "detector".
        format: Name of the kind in the file.
        command: The command that writes such files, for messages.
        to_record: Returns a description as JSON types, without format and version.
        from_record: Returns the description of such a record; may raise `ModelError`, and
            `KeyError`, `TypeError` or `ValueError` where the record is malformed.
        described: Returns a short text about the network, for messages.
        version: Increased when older files can no longer be read.
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
        """Returns the description parsed from JSON.

        Args:
            path: The file that it comes from, for messages.
            text: The JSON.

        Raises:
            ModelError: The JSON is malformed, of another version, or of another kind of network.
        """
        return parse_text(path, text, self._checked, what=self.what)

    def read(self, path: str | PathLike[str]) -> DescriptionT:
        """Returns the description in a file, after checking that the file is complete.

        Raises:
            ModelError: The file is missing, no archive, damaged, of another kind, or of another
                version.
        """
        path = Path(path)
        return self.parse(path, read_text(path, what=self.what, wanted=self._wanted))

    def write(self, network: Any, path: Path, description: DescriptionT) -> None:
        """Writes a network, atomically.

        Args:
            network: A `keras.Model` that matches the description.
            path: The file; its name ends in `.keras`.
            description: Its description.

        Raises:
            ModelError: The name has another suffix.
            OutputError: The file cannot be written.
        """
        write_archive(network, path, self.text(description))

    def load(self, path: str | PathLike[str], build: Callable[[DescriptionT], Any]) -> Any:
        """Returns the `keras.Model` of a file.

        Args:
            path: The file.
            build: Returns the network of a description, with any weights. Called after TensorFlow
                is loaded, so it may import Keras.

        Raises:
            ModelError: As `read`, or the weights do not fit the description.
            DependencyError: TensorFlow cannot be loaded.
        """
        description = self.read(path)
        load_tensorflow()  # Before Keras, which would load it with its messages on standard error.
        network = build(description)
        load_weights(network, path, what=self.what, described=self.described(description))
        return network

    @property
    def _wanted(self) -> str:
        return f"a file that `{self.command}` wrote"

    def _checked(self, record: Mapping[str, Any]) -> DescriptionT:
        kind, version = record["format"], record["version"]
        if kind != self.format:
            raise ModelError(f"expected {self._wanted}, got a {short_repr(kind)} file")
        if version != self.version:
            raise ModelError(
                f"expected version {self.version}, got {version}; use the release that wrote it, "
                "or train again"
            )
        return self.from_record(record)


def check_long_side(long_side: int) -> None:
    """Checks the input side in pixels that a network was trained at.

    Raises:
        ModelError: It is not a positive multiple of 32.
    """
    if long_side < STRIDES[-1] or long_side % STRIDES[-1]:
        raise ModelError(
            f"long side: expected a positive multiple of {STRIDES[-1]}, got {long_side}"
        )


def check_described_backbone(name: str, known: Iterable[str]) -> None:
    """Checks the backbone named in a file.

    Args:
        name: The name.
        known: The valid names.

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
