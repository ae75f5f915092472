"""Names of backbones and sources of their weights, checked without loading Keras."""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from tracker.errors import ConfigError, ModelError
from tracker.util.paths import missing_text

CROSS_STAGE = "cross-stage"
"""This package's detector backbone; its width depends on the detector's size."""

RESIDUAL = "residual"
"""This package's small backbone of appearance networks."""

LITE = ("efficientnet-lite0", "efficientnet-lite0-short")
"""Backbones of `efficientnet_lite`."""

SHUFFLENETS = ("shufflenet-v2-1x", "shufflenet-v2-1.5x")
"""Backbones of `shufflenet`."""

APPLICATIONS: Mapping[str, str] = MappingProxyType(
    {
        name.lower(): name
        for name in (
            *("ResNet50V2", "ResNet101V2", "ResNet152V2"),
            *("MobileNetV2", "MobileNetV3Small", "MobileNetV3Large"),
            *(f"EfficientNetB{number}" for number in range(8)),
            *(f"EfficientNetV2B{number}" for number in range(4)),
            *("Xception", "DenseNet121", "ConvNeXtTiny"),
        )
    }
)
"""Function names in `keras.applications` by their lower-case form."""

DETECTOR_BACKBONES = (CROSS_STAGE, *LITE, *SHUFFLENETS, *APPLICATIONS)
"""Backbones of detectors."""

REID_BACKBONES = (RESIDUAL, *LITE, *SHUFFLENETS, *APPLICATIONS)
"""Backbones of appearance networks."""

NONE, IMAGENET = "none", "imagenet"
"""Keywords for weights; anything else is a path."""

_ENDINGS = (".keras", ".h5", ".pth", ".onnx")


@dataclass(frozen=True, slots=True)
class BackboneChoice:
    """A backbone, the source of its weights, and which of its layers are frozen.

    Attributes:
        name: One of the known names.
        weights: `none` for random ones; `imagenet` lets Keras download the published ones; or a
            path: a `.keras` file of this package, or a `.weights.h5` or `.h5` of the same
            keras.applications network without its top, or, for EfficientNet-Lite, a `.pth` of the
            PyTorch port.
        frozen_until: Name of a layer that is frozen together with all backbone layers before it.
        frozen_norms: Whether batch norms are frozen, statistics included; `None` freezes them
            unless `weights` is `none`.
        whole: File from which the whole network, backbone included, is initialised.

    Raises:
        ConfigError: Keras has no published weights of this name, the path has another suffix,
            weights are given twice, or randomly initialised layers are to be frozen.
    """

    name: str
    weights: str = NONE
    frozen_until: str | None = None
    frozen_norms: bool | None = None
    whole: str | None = None

    def __post_init__(self) -> None:
        if self.weights == IMAGENET and self.name not in APPLICATIONS:
            raise ConfigError(
                f"backbone_weights: Keras has no published weights of {self.name}; expected "
                f"{NONE} or a path, got {IMAGENET!r}"
            )
        if self.from_file and not self.weights.endswith(_ENDINGS):
            raise ConfigError(
                f"backbone_weights: expected {NONE}, {IMAGENET} or a path that ends in "
                f"{' or '.join(_ENDINGS)}, got {self.weights!r}"
            )
        if self.weights != NONE and self.whole is not None:
            raise ConfigError(
                f"backbone_weights: {self.whole} holds those of its backbone; expected {NONE} with "
                f"weights to start from, got {self.weights!r}"
            )
        if not self.is_trained and (self.frozen_until is not None or self.frozen_norms):
            raise ConfigError(
                "frozen_until, frozen_norms: a backbone with random weights cannot be frozen; "
                "expected weights to start from, such as --backbone-weights FILE.keras"
            )

    @property
    def from_file(self) -> bool:
        """Whether `weights` is a path."""
        return self.weights not in {NONE, IMAGENET}

    @property
    def is_trained(self) -> bool:
        """Whether the backbone starts from trained weights."""
        return self.weights != NONE or self.whole is not None

    @property
    def norms_are_frozen(self) -> bool:
        """Whether batch norms are frozen."""
        return self.weights != NONE if self.frozen_norms is None else self.frozen_norms

    def check_file(self) -> None:
        """Checks that the file of `weights` exists, before Keras is loaded.

        Raises:
            ModelError: It does not exist.
        """
        if self.from_file and not Path(self.weights).is_file():
            raise ModelError(f"backbone_weights {self.weights}: {missing_text(self.weights)}")

    def card_text(self, freeze_epochs: int) -> str:
        """Returns one or two sentences for a model card.

        Args:
            freeze_epochs: Number of first epochs in which the whole backbone was frozen.
        """
        if self.whole is not None:
            origin = f"from `{self.whole}`, as the whole network"
        elif self.from_file:
            origin = f"from `{self.weights}`"
        elif self.weights == IMAGENET:
            origin = "those that keras.applications publishes for ImageNet"
        else:
            origin = "new"
        frozen = [
            f"all of it in the first {freeze_epochs} epochs" if freeze_epochs else "",
            f"what comes before `{self.frozen_until}`, that layer included, throughout"
            if self.frozen_until
            else "",
            "its batch norms throughout" if self.norms_are_frozen else "",
        ]
        kept = "; ".join(part for part in frozen if part) or "nothing"
        return f"Backbone `{self.name}`, weights: {origin}. Frozen: {kept}."


def check_backbone(name: str, known: Iterable[str]) -> None:
    """Checks the name of a backbone.

    Args:
        name: The name.
        known: The valid names.

    Raises:
        ConfigError: It is unknown.
    """
    known = tuple(known)
    if name not in known:
        raise ConfigError(f"backbone: expected a known name, got {name!r}{near(name, known)}")


def near(name: str, known: Iterable[str]) -> str:
    """Returns a hint with up to three similar names, or all names if none is similar.

    Args:
        name: The unknown name.
        known: The valid names.

    Example:
        >>> near("resnet50v3", ["resnet50v2", "xception"])
        '; near: resnet50v2'
    """
    known = tuple(known)
    close = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    return f"; near: {', '.join(close)}" if close else f"; known: {', '.join(known)}"
