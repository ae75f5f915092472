"""The configuration of one teacher of `tracker train labels`.

Loads no library of a teacher.
"""

import dataclasses
from typing import Annotated, Any

from pydantic import BeforeValidator

from tracker.config.build_detector import MOTION
from tracker.detection.model_choice import ModelChoice
from tracker.detection.slice_grid import OFF, parse_slices
from tracker.errors import ConfigError
from tracker.util.check_types import check_finite, check_types

# YAML reads a bare `off` as false.
_OFF_WORD = BeforeValidator(lambda value: OFF if value is False else value)


@dataclasses.dataclass(frozen=True, slots=True)
class TeacherConfig:
    """A detector that labels, and how it is run.

    Attributes:
        detector: As `--detector` of `tracker run`: a file, `small` or another detector of this
            package, a name of `tracker models list`, a handle; not `motion`.
        size: Long side of the input in pixels, for networks that take any size; `None` takes the
            network's own, or those of `LabelConfig.sizes`.
        flip: Whether it is given each image mirrored, left for right.
        weight: Its weight in the fusion, above 0; `None` for 1, or what `LabelConfig.weights` says.
        name: Its name, also that of its folder of detections; `None` takes the file's name, a
            hyphen and the long side, then `-flip` and the tiles.
        classes: Names of its classes on which it votes; `None` for all.
        names: File of its class names, where its own file holds none.
        weights_file: As `--weights` of `tracker run`: the `.weights` of a `.cfg` that has another
            name, or the classifier of `fcn`.
        slices: As `--slices` of `tracker run`: `off`, `2x2`, `auto`: in tiles too.
        model: Layout and preprocessing, where the file does not tell; docs/models.md.

    Raises:
        ConfigError: A value is out of range, or the detector is missing or needs a video.
    """

    detector: str = ""
    size: int | None = None
    flip: bool = False
    weight: float | None = None
    name: str | None = None
    classes: tuple[str, ...] | None = None
    names: str | None = None
    weights_file: str | None = None
    slices: Annotated[str, _OFF_WORD] = OFF
    model: ModelChoice = dataclasses.field(default_factory=ModelChoice)

    def __post_init__(self) -> None:
        check_types(self)
        check_finite(self)
        if not self.detector:
            raise ConfigError("detector: expected a file or a name, got none; give detector: FILE")
        if self.detector == MOTION:
            raise ConfigError(
                f"detector: expected a detector of single images, got {MOTION}, which compares the "
                "frames of a video; choose a network"
            )
        if self.size is not None and self.size < 1:
            raise ConfigError(f"size: expected at least 1, got {self.size}")
        if self.weight is not None and self.weight <= 0:
            raise ConfigError(f"weight: expected a number above 0, got {self.weight}")
        if self.name is not None and (not self.name.strip(". ") or set(self.name) & set("/\\:")):
            raise ConfigError(
                f"name: expected a word that is valid as a folder name, got {self.name!r}"
            )
        if self.slices != OFF:
            parse_slices(self.slices)


def with_words_as(key: str, values: Any) -> Any:
    """Returns a list in which each text is a mapping of one key; anything else as it is.

    Args:
        key: The key that a text is the value of.
        values: A value of a configuration.

    Example:
        >>> with_words_as("detector", ["a.onnx", {"detector": "b.cfg"}])
        [{'detector': 'a.onnx'}, {'detector': 'b.cfg'}]
    """
    if not isinstance(values, list | tuple):
        return values
    return [{key: value} if isinstance(value, str) else value for value in values]
