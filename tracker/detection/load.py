"""Third-party networks, from a path to a detector."""

import dataclasses
import logging
import os
from collections.abc import Sequence
from os import PathLike

from tracker.detection.default_names import (
    Names,
    default_class_names,
    given_class_names,
    layout_class_names,
)
from tracker.detection.image_input import ImageInput
from tracker.detection.layouts.arrays import check_channels
from tracker.detection.layouts.base import Layout
from tracker.detection.layouts.probe import probed_specs
from tracker.detection.layouts.tasks import TaskLayout, find_task_layout
from tracker.detection.model_choice import (
    Declaration,
    ModelChoice,
    archived_choice,
    read_declaration,
)
from tracker.detection.model_detector import ModelDetector
from tracker.detection.third_party_runtime import on_fastest_runtime, open_third_party
from tracker.detection.yolo_detector import DetectorSettings
from tracker.errors import ModelError
from tracker.inference.name_lists import filled_names, numbered_names
from tracker.inference.network import Network, TensorSpec
from tracker.inference.saved_model_network import is_handle
from tracker.util.address import shown_address

_log = logging.getLogger(__name__)

# Messages of LiteRT, ONNX Runtime and OpenVINO for half a file.
_DAMAGE = ("not a valid Flatbuffer", "Protobuf parsing failed", "Unable to read the model")


def load_model(
    path: str | PathLike[str],
    *,
    names: Names | None = None,
    choice: ModelChoice | None = None,
    settings: DetectorSettings | None = None,
    declared: Declaration | None = None,
    weights: str | PathLike[str] | None = None,
    offline: bool = False,
) -> ModelDetector:
    """Returns the detector of an ONNX, OpenVINO, LiteRT or ncnn file, a SavedModel, or a handle.

    What `choice` leaves open, the file `NAME.yaml` beside the model says; what that leaves open,
    the layout; and the meaning of the outputs is derived from their names and shapes.

    Args:
        path: The file, the folder, or the handle.
        names: File of class names, one a line, or the names; `None` takes those of the file beside
            the model, else those that the model's file holds, else those that are usual for their
            number.
        choice: The choices of the user.
        settings: How to run it.
        declared: What is known of the model in place of the file beside it.
        weights: The `.bin` of an ncnn `.param`; `None` for the one of the same name beside it.
        offline: Whether a handle that is not in the cache is an error, instead of a download.

    Raises:
        ConfigError: A setting is out of range or does not suit the network.
        ModelError: The model is missing or malformed, or its outputs are of no known layout.
        DependencyError: What runs it is not installed.
        DeviceError: The requested GPU is not available.
    """
    settings = settings or DetectorSettings()
    declared = _declaration(path) if declared is None else declared
    choice = (choice or ModelChoice()).over(declared.choice)
    network = _opened(path, settings, weights=weights, offline=offline)
    return detector_of_network(
        network,
        path,
        names=declared_names(declared) if names is None else names,
        choice=choice,
        settings=settings,
    )


def declared_names(declared: Declaration) -> tuple[str, ...] | None:
    """Returns the class names of a declaration, all different; `None` if it has none."""
    if declared.names is None:
        return None
    return numbered_names(declared.names, what="names in the .yaml beside the model")


def detector_of_network(
    network: Network,
    path: str | PathLike[str],
    *,
    names: Names | None,
    choice: ModelChoice,
    settings: DetectorSettings,
) -> ModelDetector:
    """Returns the detector of an open network; see `load_model`.

    Args:
        network: The network, of `open_third_party`.
        path: Its file, folder or handle.
        names: File of class names, or the names; `None` takes those that the model's file holds,
            else those that are usual for their number.
        choice: The choices of the user, and of the file beside the model.
        settings: How to run it.

    Raises:
        ConfigError: A setting is out of range or does not suit the network.
        ModelError: The outputs are of no known layout, or its description is malformed.
    """
    shown = shown_address(str(path))
    if not network.inputs:
        raise ModelError(f"{shown}: expected a network with an input, got none")
    check_channels(network.inputs[0])
    archived = archived_choice(path)
    layout = _layout(network, choice.layout or archived.layout)
    usual = _at_native_size(layout.image_input(network.inputs[0]), network.stored.native_size)
    wanted = choice.input.applied(archived.input.applied(usual))
    detector = ModelDetector(
        on_fastest_runtime(network, path, settings),
        layout=layout,
        wanted=wanted,
        class_names=_class_names(names, network.stored.class_names, of=(layout, network.outputs)),
        settings=settings,
    )
    how = "as its file says" if archived.layout is not None else "by its outputs"
    how = "as asked" if choice.layout is not None else how
    if isinstance(layout, TaskLayout):
        what = (shown, layout.task, layout.left_out)
        _log.warning("%s: its file says task=%s: its boxes are read, its %s are not", *what)
    _log.info("%s: layout %s (%s), input %s", shown, layout.name, how, wanted)
    return detector


def _at_native_size(wanted: ImageInput, size: tuple[int, int] | None) -> ImageInput:
    """Returns the input at the size that the network was trained for, where its file tells."""
    if size is None or wanted.size is not None or wanted.native_size is not None:
        return wanted
    return dataclasses.replace(wanted, native_size=size)


def _layout(network: Network, name: str | None) -> Layout:
    """Returns the layout of a network, which is run once where its declared shapes do not tell.

    Raises:
        ConfigError: No layout has this name.
        ModelError: The network does not have the named layout, or none, or it may have several.
    """
    try:
        return find_task_layout(network.inputs, network.outputs, network.stored, name=name)
    except ModelError as unclear:
        specs = probed_specs(network) if name is None else None
        if specs is None:
            raise
        try:
            return find_task_layout(*specs, network.stored)
        except ModelError:
            raise unclear from None


def _declaration(path: str | PathLike[str]) -> Declaration:
    # The folder "." has no name until it is written out, and "/" and a handle have nothing beside.
    full = os.path.abspath(path)
    has_none = is_handle(str(path)) or not os.path.basename(full)
    return Declaration() if has_none else read_declaration(full)


def _opened(
    path: str | PathLike[str],
    settings: DetectorSettings,
    *,
    weights: str | PathLike[str] | None,
    offline: bool,
) -> Network:
    try:
        return open_third_party(path, settings, weights=weights, offline=offline)
    except ModelError as error:
        if any(words in str(error) for words in _DAMAGE):
            raise ModelError(f"{error}; is it cut short or damaged?") from error
        raise


def _class_names(
    names: Names | None,
    stored: tuple[str, ...] | None,
    *,
    of: tuple[Layout, Sequence[TensorSpec]],
) -> tuple[str, ...]:
    layout, outputs = of
    count = layout.class_count(outputs)
    if names is not None:
        return given_class_names(names)
    if stored is not None and count in (None, len(stored)):
        return stored
    if stored is not None and count is not None and len(stored) < count:
        return filled_names(dict(enumerate(stored)), count, what="the model's file")
    if stored is not None:
        _log.warning(
            "the file names %d classes where the network has %d: its names are left alone; "
            "name them with --names",
            len(stored),
            count,
        )
    return layout_class_names(layout.name) if count is None else default_class_names(count)
