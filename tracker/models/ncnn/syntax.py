"""Parses ncnn `.param` files into layers with typed parameters, without Keras or TensorFlow.

Every error is a `ModelError` with the line number. The format is described in ncnn's
`docs/developer-guide/param-and-model-file-structure.md` (BSD-3-Clause).
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from types import MappingProxyType

from tracker.errors import ModelError
from tracker.models.files.read import read_model_file
from tracker.util.short_repr import short_repr

MAGIC = "7767517"
"""First line of a `.param` file."""

_ARRAY_BASE = -23300
_MAX_INTEGER = 2**31 - 1
_COUNT = re.compile(r"[0-9]{1,7}")
_KEY = re.compile(r"-?[0-9]{1,5}")
_INTEGER = re.compile(r"[+-]?[0-9]{1,40}")
_NUMBER = re.compile(r"[+-]?([0-9]{1,40}\.?[0-9]{0,40}|\.[0-9]{1,40})([eE][+-]?[0-9]{1,3})?")

Scalar = int | float | str
Value = Scalar | tuple[int | float, ...]


@dataclass(frozen=True, slots=True)
class NcnnLayer:
    """One line of a `.param` file.

    Attributes:
        source: Name of the file in messages.
        line: Line number, from 1.
        type: Layer type, such as `Convolution`.
        name: Name of the layer.
        inputs: Names of its input blobs.
        outputs: Names of its output blobs.
        params: Parameters by id; arrays have their own id, not `-23300 - id`.
    """

    source: str
    line: int
    type: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    params: Mapping[int, Value]

    def error(self, problem: str) -> ModelError:
        """Returns an error that names file, line, type and name of the layer.

        Args:
            problem: What was expected and what was got.
        """
        where = f"{self.source}:{self.line}: {_shown(self.type)} {_shown(self.name)}"
        return ModelError(f"{where}: {problem}")

    def integer(self, key: int, default: int = 0, *, low: int = 0, high: int = _MAX_INTEGER) -> int:
        """Returns a parameter as an integer in `[low, high]`.

        Args:
            key: Id of the parameter.
            default: Value of a parameter that is left out; it is not checked.
            low: Smallest allowed value.
            high: Largest allowed value.

        Raises:
            ModelError: It is not an integer, or out of range.
        """
        value = self.params.get(key)
        if value is None:
            return default
        if isinstance(value, int) and low <= value <= high:
            return value
        raise self.error(
            f"parameter {key}: expected an integer in {low}..{high}, got {short_repr(value)}"
        )

    def number(self, key: int, default: float = 0.0) -> float:
        """Returns a parameter as a number.

        Raises:
            ModelError: It is an array or a string.
        """
        value = self.params.get(key, default)
        if isinstance(value, int | float):
            return float(value)
        raise self.error(f"parameter {key}: expected a number, got {short_repr(value)}")

    def integers(self, key: int) -> tuple[int, ...]:
        """Returns a parameter as an array of integers; one that is left out is empty.

        Raises:
            ModelError: It is not an array of integers.
        """
        values = self._array(key)
        if all(isinstance(value, int) for value in values):
            return tuple(int(value) for value in values)
        raise self.error(f"parameter {key}: expected integers, got {short_repr(values)}")

    def numbers(self, key: int) -> tuple[float, ...]:
        """Returns a parameter as an array of numbers; one that is left out is empty.

        Raises:
            ModelError: It is not an array.
        """
        return tuple(float(value) for value in self._array(key))

    def _array(self, key: int) -> tuple[int | float, ...]:
        value = self.params.get(key, ())
        if isinstance(value, tuple):
            return value
        raise self.error(f"parameter {key}: expected an array, got {short_repr(value)}")


@dataclass(frozen=True, slots=True)
class NcnnParam:
    """A parsed `.param` file.

    Attributes:
        source: Name of the file in messages.
        layers: The layers in the order of the file; blobs are produced before they are used.
    """

    source: str
    layers: tuple[NcnnLayer, ...]

    @property
    def input_names(self) -> tuple[str, ...]:
        """Blobs of the `Input` layers, in the order of the file."""
        return tuple(
            name for layer in self.layers if layer.type == "Input" for name in layer.outputs
        )

    @property
    def output_names(self) -> tuple[str, ...]:
        """Blobs that no layer takes, in the order in which they are produced."""
        used = {name for layer in self.layers for name in layer.inputs}
        produced = [name for layer in self.layers for name in layer.outputs]
        return tuple(name for name in produced if name not in used)


def read_ncnn_param(path: str | PathLike[str]) -> NcnnParam:
    """Returns the layers of a `.param` file.

    Args:
        path: The file.

    Raises:
        ModelError: The file cannot be read, is in ncnn's binary form, or see `parse_ncnn_param`.
    """
    data = read_model_file(path, what="ncnn param")
    if data[:4] == int(MAGIC).to_bytes(4, "little"):
        raise ModelError(
            f"{path}: expected ncnn's text form, got its binary form (.param.bin), which has no "
            "names of layers and blobs; use the .param that it was made from"
        )
    return parse_ncnn_param(data.decode("utf-8-sig", errors="replace"), source=str(path))


def parse_ncnn_param(text: str, *, source: str = "<param>") -> NcnnParam:
    """Returns the layers of the text of a `.param` file.

    Args:
        text: The content of the file.
        source: Its name in messages.

    Raises:
        ModelError: The magic number is missing; the counts of layers and blobs do not fit the
            lines; a line is malformed; a blob is used before it is produced, or produced twice;
            there is no `Input` layer or no output.
    """
    lines = [
        (number, line.split())
        for number, line in enumerate(text.split("\n"), start=1)
        if not line.isspace() and line
    ]
    first = " ".join(lines[0][1]) if lines else ""
    if first != MAGIC:
        raise ModelError(
            f"{source}: expected {MAGIC} as the first line of an ncnn param, got {_shown(first)}"
        )
    layer_count, blob_count = _counts(lines[1:2], source)
    layers = tuple(_layer(words, number, source) for number, words in lines[2:])
    if len(layers) != layer_count:
        raise ModelError(
            f"{source}:{lines[1][0]}: expected {layer_count} layers as this line says, got "
            f"{len(layers)}; is the file cut short?"
        )
    _check_blobs(layers, blob_count, source)
    param = NcnnParam(source, layers)
    if not param.input_names:
        raise ModelError(f"{source}: expected a layer of type Input, got none")
    if not param.output_names:
        raise ModelError(f"{source}: expected an output, got none: each blob is used by a layer")
    return param


def _counts(lines: Sequence[tuple[int, list[str]]], source: str) -> tuple[int, int]:
    words = lines[0][1] if lines else []
    if len(words) != 2 or not all(_COUNT.fullmatch(word) for word in words):
        raise ModelError(
            f"{source}:{lines[0][0] if lines else 2}: expected the numbers of layers and blobs, "
            f"got {_shown(' '.join(words))}"
        )
    return int(words[0]), int(words[1])


def _layer(words: Sequence[str], line: int, source: str) -> NcnnLayer:
    counts = words[2:4]
    if len(counts) < 2 or not all(_COUNT.fullmatch(word) for word in counts):
        raise ModelError(
            f"{source}:{line}: expected TYPE NAME and the numbers of input and output blobs, got "
            f"{_shown(' '.join(words))}"
        )
    taken, given = int(counts[0]), int(counts[1])
    blobs = words[4 : 4 + taken + given]
    if len(blobs) < taken + given:
        raise ModelError(
            f"{source}:{line}: {_shown(words[0])} {_shown(words[1])}: expected {taken} input and "
            f"{given} output blobs, got {len(blobs)} names"
        )
    bare = NcnnLayer(
        source, line, words[0], words[1], tuple(blobs[:taken]), tuple(blobs[taken:]), {}
    )
    params: dict[int, Value] = {}
    for key, value in _params(bare, words[4 + taken + given :]):
        if key in params:
            raise bare.error(f"parameter {key} is given twice")
        params[key] = value
    return NcnnLayer(
        source, line, bare.type, bare.name, bare.inputs, bare.outputs, MappingProxyType(params)
    )


def _params(layer: NcnnLayer, words: Sequence[str]) -> Iterator[tuple[int, Value]]:
    for word in words:
        key_text, equals, text = word.partition("=")
        if not (equals and text and _KEY.fullmatch(key_text)):
            hint = "; is it a pnnx.param? Use the .ncnn.param beside it" * ("." in layer.type)
            raise layer.error(f"expected a parameter ID=VALUE, got {_shown(word)}{hint}")
        key = int(key_text)
        if key <= _ARRAY_BASE:
            yield _ARRAY_BASE - key, _counted_array(layer, key, text)
        elif key < 0:
            raise layer.error(f"parameter {key}: expected an id of 0 or more, or {_ARRAY_BASE}")
        else:
            yield key, _value(layer, key, text)


def _counted_array(layer: NcnnLayer, key: int, text: str) -> tuple[int | float, ...]:
    """Returns the values of `-23303=2,1.0,2.0`, of which the first is their number."""
    count, *items = text.split(",")
    if not _COUNT.fullmatch(count) or int(count) != len(items):
        raise layer.error(
            f"parameter {key}: expected the number of values before them, got {_shown(text)}"
        )
    return tuple(_number(layer, key, item) for item in items)


def _value(layer: NcnnLayer, key: int, text: str) -> Value:
    if "," in text and _NUMBER.fullmatch(text.partition(",")[0]):
        return tuple(_number(layer, key, item) for item in text.split(","))
    if _NUMBER.fullmatch(text):
        return _number(layer, key, text)
    return text


def _number(layer: NcnnLayer, key: int, text: str) -> int | float:
    if _INTEGER.fullmatch(text):
        if abs(int(text)) <= _MAX_INTEGER + 1:
            return int(text)
    elif _NUMBER.fullmatch(text) and math.isfinite(float(text)):
        return float(text)
    raise layer.error(f"parameter {key}: expected a finite number, got {_shown(text)}")


def _check_blobs(layers: Sequence[NcnnLayer], blob_count: int, source: str) -> None:
    produced: set[str] = set()
    for layer in layers:
        for name in layer.inputs:
            if name not in produced:
                raise layer.error(f"blob {_shown(name)} is used before a layer produces it")
        for name in layer.outputs:
            if name in produced:
                raise layer.error(f"blob {_shown(name)} is produced twice")
            produced.add(name)
    # Files whose layers were replaced by hand often keep a number that is too large.
    if len(produced) > blob_count:
        raise ModelError(
            f"{source}: expected at most {blob_count} blobs as the second line says, got "
            f"{len(produced)}"
        )


def _shown(text: str) -> str:
    return short_repr(text)
