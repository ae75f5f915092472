"""The embedder that computes each crop's embedding with a third-party network.

The network may come as ONNX, LiteRT, SavedModel, Keras, or from TensorFlow Hub; it has one input,
images, and one output, vectors.
"""

import logging
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from tracker.detections import Detections
from tracker.embedding.crop_input import CropInput, network_pixels
from tracker.embedding.crops import OUTSIDE, cut_crops
from tracker.errors import ConfigError, ModelError
from tracker.frames import Frame
from tracker.inference.checked_call import described
from tracker.inference.network import AxisOrder, Network
from tracker.inference.saved_model_network import is_handle, is_saved_model
from tracker.models.files.tflite import MEMBER
from tracker.models.network_file import SUFFIXES, open_network_file
from tracker.util.address import shown_address
from tracker.util.archives import ZIP_ERRORS
from tracker.util.arrays import BoolArray, Float32Array, UInt8Array
from tracker.util.vectors import unit_vectors

logger = logging.getLogger(__name__)

CHUNK = 32
"""Crops that go through a network at once: more need memory, and are not faster."""

_TYPES = ("float32", "float16", "uint8")


class ModelEmbedder:
    """Embeds detections from crops of their boxes, with a third-party network.

    Crops are cut to the image and stretched to the network's input, see `crops.cut_crops`; their
    pixels are prepared as `crop_input` says, which is logged. Outputs are made unit vectors; zeros
    stay zeros, which mean an unknown appearance; NaN and infinity become zeros too, with one
    warning.

    Args:
        network: One input `(B, h, w, 3)` or `(B, 3, h, w)`, one output `(B, D)`, or with sides of
            length 1 more; `B` is 1 or open.
        name: Its name in logs and messages.
        crop_input: The format of its crops.

    Raises:
        ModelError: The network does not map an image to a vector.
        ConfigError: `crop_input` contradicts the network, or lacks what its file does not say.
    """

    def __init__(self, network: Network, *, name: str, crop_input: CropInput | None = None) -> None:
        self._network = network
        self._name = name
        self._wanted = crop_input or CropInput()
        if len(network.inputs) != 1 or len(network.outputs) != 1:
            raise _no_map(name, network)
        self._form = _form(network, self._wanted, name)
        grey = np.full((1, *self._form.size, 3), OUTSIDE, np.uint8)
        self._dimension = int(self._vectors(grey).shape[1])
        self._is_proven = self._has_warned = False
        logger.info("embedder %s: crops %s", name, self._form.text(self._wanted))

    @classmethod
    def load(
        cls,
        path: str | PathLike[str],
        *,
        crop_input: CropInput | None = None,
        threads: int | None = None,
        offline: bool = False,
    ) -> Self:
        """Returns the embedder of a file, a SavedModel's folder, or a handle.

        Args:
            path: A path or handle for `open_network_file`.
            crop_input: The format of its crops.
            threads: CPU threads; `None` = one for each core that this process may use.
            offline: Whether a handle that is not in TensorFlow Hub's cache is an error, instead of
                a download.

        Raises:
            ModelError: It cannot be loaded, or does not map an image to a vector.
            ConfigError: `crop_input` does not suit the network, or fewer threads than one.
            DependencyError: What runs it cannot be loaded.
        """
        network = open_network_file(path, threads=threads, offline=offline)
        return cls(network, name=shown_address(str(path)), crop_input=crop_input)

    @property
    def digests(self) -> Mapping[str, str]:
        """SHA-256 by name of the files that define the network."""
        return self._network.digests

    @property
    def dimension(self) -> int:
        """`D`, values of an embedding."""
        return self._dimension

    def embed(self, frame: Frame, detections: Detections) -> Detections:
        """Returns the detections, in their order, with embeddings `(N, D)`.

        Raises:
            ModelError: The network fails, or nothing that it gave so far was finite.
        """
        height, width = self._form.size
        crops = cut_crops(frame.image, detections.boxes, height=height, width=width)
        parts = [np.empty((0, self._dimension), np.float32)]
        for start in range(0, len(crops), CHUNK):
            parts.append(self._vectors(crops[start : start + CHUNK]))
        vectors = np.concatenate(parts)
        finite: BoolArray = np.asarray(np.isfinite(vectors).all(axis=1))
        if not finite.all():
            self._note_not_finite(finite, frame)
        self._is_proven |= bool(finite.any())
        return detections.with_embeddings(unit_vectors(np.where(finite[:, None], vectors, 0)))

    def _note_not_finite(self, finite: BoolArray, frame: Frame) -> None:
        """Warns once of crops without a finite vector, or raises where there never was one."""
        what = (
            f"embedder {self._name}: expected finite values, got NaN or infinity in frame "
            f"{frame.index}"
        )
        if not (self._is_proven or finite.any()):
            raise ModelError(
                f"{what}; are embedder.input.scale, mean and std those of its training?"
            )
        if not self._has_warned:
            self._has_warned = True
            logger.warning("%s; these objects are tracked by motion, here and from now on", what)

    def _vectors(self, crops: UInt8Array) -> Float32Array:
        """Returns the network's outputs for crops, `(N, D)`."""
        spec = self._network.inputs[0]
        pixels = network_pixels(crops, self._wanted, axes=self._form.axes, dtype=spec.dtype)
        (output,) = self._network.run([pixels])
        long_sides = [side for side in output.shape[1:] if side != 1]
        if output.shape[:1] != (len(crops),) or len(long_sides) != 1:
            raise _no_map(self._name, self._network, output)
        return output.reshape(len(crops), -1).astype(np.float32)


@dataclass(frozen=True, slots=True)
class _Form:
    """How crops are laid out: height and width in pixels, where the channels are, the type."""

    size: tuple[int, int]
    axes: AxisOrder
    dtype: str

    def text(self, wanted: CropInput) -> str:
        height, width = self.size
        values = f"{wanted.colours}, as they are" if self.dtype == "uint8" else wanted.values_text
        return f"{height}x{width} {self.axes} {self.dtype} {values}"


def is_network_of_others(name: str) -> bool:
    """Returns whether a name means a network that was not made by this package.

    Networks of this package hold their description in their archive. A damaged `.keras` counts as
    one of them: their reader reports the damage.

    Args:
        name: A path or a handle.
    """
    path = Path(name)
    if is_handle(name) or is_saved_model(path):
        return True
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES or not path.is_file():
        return suffix in {".onnx", ".xml"}
    try:
        with zipfile.ZipFile(path) as archive:
            return MEMBER not in archive.namelist()
    except (OSError, ValueError, *ZIP_ERRORS):
        return suffix != ".keras"


def _form(network: Network, wanted: CropInput, name: str) -> _Form:
    """Returns the layout that the file and the user agree on."""
    spec = network.inputs[0]
    if len(spec.shape) != 4 or spec.dtype not in _TYPES:
        raise _no_map(name, network)
    if spec.dtype == "uint8" and _changes_values(wanted):
        raise ConfigError(
            f"embedder {name} takes uint8 pixels as they are: leave out embedder.input.scale, "
            "mean and std"
        )
    axes = _axes(network, wanted.axes, name)
    sides = spec.shape[1:3] if axes is AxisOrder.NHWC else spec.shape[2:]
    return _Form(_size(sides, wanted.size, name), axes, spec.dtype)


def _changes_values(wanted: CropInput) -> bool:
    plain = CropInput()
    return (wanted.scale, wanted.mean, wanted.std) != (plain.scale, plain.mean, plain.std)


def _axes(network: Network, wanted: AxisOrder | None, name: str) -> AxisOrder:
    spec = network.inputs[0]
    channels = {AxisOrder.NHWC: spec.shape[3], AxisOrder.NCHW: spec.shape[1]}
    possible = [axes for axes, count in channels.items() if count in (3, None)]
    if not possible:
        raise _no_map(name, network)
    if wanted is not None and wanted not in possible:
        raise ConfigError(
            f"embedder.input.axes {wanted}: embedder {name} takes {spec}; leave it out"
        )
    declared = [axes for axes, count in channels.items() if count == 3]
    if wanted is None and len(declared) != 1:
        raise ConfigError(
            f"embedder {name} takes {spec}: expected one side of 3 channels; say which it is with "
            "embedder.input.axes=nhwc or nchw"
        )
    return wanted or declared[0]


def _size(
    sides: Sequence[int | None], wanted: tuple[int, int] | None, name: str
) -> tuple[int, int]:
    if wanted is None:
        height, width = sides
        if height is None or width is None:
            raise ConfigError(
                f"embedder {name} takes images of any size: say that of its training, height "
                "first, such as embedder.input.size=[256,128]"
            )
        return height, width
    if any(side not in (None, asked) for side, asked in zip(sides, wanted, strict=True)):
        raise ConfigError(
            f"embedder.input.size {list(wanted)}: embedder {name} takes {list(sides)}; leave it out"
        )
    return wanted


def _no_map(name: str, network: Network, output: NDArray[Any] | None = None) -> ModelError:
    got = "" if output is None else f"; crops gave {output.shape}"
    return ModelError(
        f"embedder {name}: expected one input, images of 3 channels in {', '.join(_TYPES)}, and "
        f"one output, a vector for each; got {described(network.inputs, network.outputs)}{got}"
    )
