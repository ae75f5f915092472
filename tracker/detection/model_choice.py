"""Facts about a third-party detection network, from the user or a file beside the model."""

import dataclasses
import json
import zipfile
from collections.abc import Mapping, Sequence
from functools import cache
from os import PathLike
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from tracker.detection.image_input import Fit, ImageInput
from tracker.errors import ConfigError, ModelError, TrackerError
from tracker.inference.network import AxisOrder, ColourOrder
from tracker.models.files.tflite import SUFFIX
from tracker.util.archives import ZIP_ERRORS, read_member
from tracker.util.check_types import check_finite, check_types
from tracker.util.json_text import parse_json
from tracker.util.settings_tree import settings_from


@dataclasses.dataclass(frozen=True, slots=True)
class InputChoice:
    """The input that a network expects; `None` takes what networks of its layout expect.

    Attributes:
        size: Height and width in pixels, for a network that takes more than one size.
        native_size: The same as what it gets while no other size is asked for.
        long_side: Long side in pixels, for a network that takes any size.
        stride: Both sides are multiples of this, for a network that takes any size.
        fit: How a frame is brought to the size.
        padding: Grey level of what the frame does not cover, 0 to 255.
        colours: Order of the channels.
        axes: Where the channels are.
        scale: Factor of pixels 0 to 255.
        mean: What is subtracted from the scaled pixels, in the order of `colours`.
        std: What they are divided by.
        dtype: NumPy's name of the input's type, if the file does not define it.
    """

    size: tuple[int, int] | None = None
    native_size: tuple[int, int] | None = None
    long_side: int | None = None
    stride: int | None = None
    fit: Fit | None = None
    padding: int | None = None
    colours: ColourOrder | None = None
    axes: AxisOrder | None = None
    scale: float | None = None
    mean: tuple[float, float, float] | None = None
    std: tuple[float, float, float] | None = None
    dtype: str | None = None

    def __post_init__(self) -> None:
        check_types(self)
        check_finite(self)

    def over(self, other: "InputChoice") -> "InputChoice":
        """Returns this choice, and the other one where this leaves something open."""
        return dataclasses.replace(other, **_chosen(self))

    def applied(self, wanted: ImageInput) -> ImageInput:
        """Returns a layout's input with these changes.

        Raises:
            ConfigError: A value is out of range, or the network has another size.
        """
        if self.size is not None and wanted.size is not None and self.size != wanted.size:
            raise ConfigError(
                f"detector.model.input.size: the network takes {wanted.size} only, got {self.size}"
            )
        if self.long_side is not None:
            wanted = wanted.at_long_side(self.long_side)
        return dataclasses.replace(wanted, **_chosen(self))


@dataclasses.dataclass(frozen=True, slots=True)
class ModelChoice:
    """The known facts about a third-party network.

    Attributes:
        layout: Name of what its outputs mean; `None`: recognised by their names and shapes.
        input: The input that it expects.
    """

    layout: str | None = None
    input: InputChoice = dataclasses.field(default_factory=InputChoice)

    def over(self, other: "ModelChoice") -> "ModelChoice":
        """Returns this choice, and the other one where this leaves something open."""
        layout = other.layout if self.layout is None else self.layout
        return ModelChoice(layout, self.input.over(other.input))


@dataclasses.dataclass(frozen=True, slots=True)
class Declaration:
    """The contents of the file beside a model.

    Attributes:
        layout: See `ModelChoice`.
        input: See `ModelChoice`.
        names: Class names; `None` for the customary ones.
    """

    layout: str | None = None
    input: InputChoice = dataclasses.field(default_factory=InputChoice)
    names: tuple[str, ...] | None = None

    @property
    def choice(self) -> ModelChoice:
        """Layout and input."""
        return ModelChoice(self.layout, self.input)


ARCHIVED = "detector.json"
"""Member of the archive after the graph of a `.tflite`: a `Declaration` as JSON."""


@cache
def _declarations() -> TypeAdapter[Declaration]:
    # Not at import: it takes 7 ms, and the built-in networks need none.
    return TypeAdapter(Declaration)


@cache
def _inputs() -> TypeAdapter[InputChoice]:
    return TypeAdapter(InputChoice)


def input_choice(values: Mapping[str, object]) -> InputChoice:
    """Returns what plain values by key, such as `{"fit": "stretch"}`, say.

    Raises:
        ConfigError: A key is unknown, or a value is wrong.
    """
    return settings_from(_inputs(), InputChoice, values)


def read_declaration(model: str | PathLike[str]) -> Declaration:
    """Returns what `NAME.yaml` beside `NAME.onnx` (or beside the folder `NAME`) says.

    Args:
        model: Path of the model; an empty declaration where there is no such file.

    Raises:
        ModelError: The file has an unknown key or a wrong value.
    """
    path = Path(model)
    path = path.with_name(f"{path.name}.yaml") if path.is_dir() else path.with_suffix(".yaml")
    if not path.is_file():
        return Declaration()
    from tracker.util.yaml_text import read_yaml

    try:
        return settings_from(_declarations(), Declaration, read_yaml(path, texts=("names",)))
    except ConfigError as error:
        raise ModelError(f"{path}: {error}") from error


def archived_choice(model: str | PathLike[str]) -> ModelChoice:
    """Returns layout and input that `tracker export` wrote into a `.tflite` of an ncnn network.

    Args:
        model: Path of the model; an empty choice where its archive has no such member.

    Raises:
        ModelError: The member has an unknown key or a wrong value.
    """
    path = Path(model)
    if path.suffix.lower() != SUFFIX or not zipfile.is_zipfile(path):
        return ModelChoice()
    try:
        with zipfile.ZipFile(path) as archive:
            if ARCHIVED not in archive.namelist():
                return ModelChoice()
            record = parse_json(read_member(archive, ARCHIVED))
        if not isinstance(record, dict):
            raise ConfigError(f"expected an object, got {type(record).__name__}")
        return settings_from(_declarations(), Declaration, record).choice
    except (*ZIP_ERRORS, OSError, TrackerError) as error:
        raise ModelError(f"{path}: {ARCHIVED}: {error}") from error


def declaration_text(layout: str, wanted: ImageInput, names: Sequence[str]) -> str:
    """Returns the JSON that `archived_choice` reads; `inference.stored_names` reads its names.

    Args:
        layout: What the outputs mean.
        wanted: The input that the network expects; the model's file itself has axes and type, and
            the size where it is fixed.
        names: Class names.
    """
    keys = ["fit", "padding", "colours", "scale", "mean", "std"]
    if wanted.size is None:
        keys += ["native_size", "long_side", "stride"]
    given = {key: getattr(wanted, key) for key in keys if getattr(wanted, key) is not None}
    record = {"layout": layout, "names": list(names), "input": given}
    return json.dumps(record, ensure_ascii=False, indent=2) + "\n"


def _chosen(choice: InputChoice) -> dict[str, Any]:
    pairs = ((field.name, getattr(choice, field.name)) for field in dataclasses.fields(choice))
    return {name: value for name, value in pairs if value is not None}
