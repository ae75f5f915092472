"""Mixed precision: layers compute in 16 bits, weights stay float32.

What scales pixels, outputs, and the layers that make them stay float32; so do losses.
"""

import importlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import keras

from tracker.training.settings import MixedPrecision

FLOAT32, BFLOAT16, FLOAT16 = "float32", "mixed_bfloat16", "mixed_float16"
"""Policies of Keras."""

_EXACT = ("_box_out", "_class_out", "project")
"""Endings of names of the layers that make outputs, besides the outputs themselves."""

_BFLOAT16_CAPABILITY = (8, 0)
"""Compute capability from which on NVIDIA's GPUs multiply bfloat16 fast (Ampere)."""


def policy_of(choice: MixedPrecision) -> str:
    """Returns the policy to train by.

    Args:
        choice: `auto` takes 16 bits where Keras sees a GPU, `on` always: bfloat16 on CPUs and on
            GPUs that multiply it fast, else float16.
    """
    if choice is MixedPrecision.OFF:
        return FLOAT32
    is_there, has_bfloat16 = _gpu_support()
    if is_there:
        return BFLOAT16 if has_bfloat16 else FLOAT16
    return BFLOAT16 if choice is MixedPrecision.ON else FLOAT32


@contextmanager
def computing_by(network: Any, policy: str) -> Iterator[None]:
    """Lets a network compute by a policy within the block; "float32" changes nothing.

    Args:
        network: Of `build_yolo` or `build_reid`; its weights keep their dtype.
        policy: Name of a policy of Keras.
    """
    layers = [] if policy == FLOAT32 else _reduced_layers(network)
    before = [(layer, layer.dtype_policy) for layer in layers]
    for layer, _ in before:
        layer.dtype_policy = policy
    try:
        yield
    finally:
        for layer, old in before:
            layer.dtype_policy = old


def scaled_by(optimizer: Any, policy: str) -> Any:
    """Returns the optimizer; for float16 one that scales the loss, lest gradients become 0.

    Args:
        optimizer: A Keras optimizer.
        policy: What the network computes by.
    """
    return keras.optimizers.LossScaleOptimizer(optimizer) if policy == FLOAT16 else optimizer


def _reduced_layers(network: Any) -> list[Any]:
    exact = (keras.layers.Rescaling, keras.layers.Normalization)
    return [
        layer
        for layer in _all_layers(network.layers)
        if layer.name not in network.output_names
        and not layer.name.endswith(_EXACT)
        and not isinstance(layer, exact)
    ]


def _all_layers(layers: Iterable[Any]) -> Iterator[Any]:
    for layer in layers:
        yield layer
        if isinstance(layer, keras.Model):
            yield from _all_layers(layer.layers)


def _gpu_support() -> tuple[bool, bool]:
    """Returns whether Keras sees a GPU, and whether that multiplies bfloat16 fast."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        tf = importlib.import_module("tensorflow")
        details = [
            tf.config.experimental.get_device_details(gpu)
            for gpu in tf.config.list_physical_devices("GPU")
        ]
        capabilities = [detail.get("compute_capability", (0, 0)) for detail in details]
        return bool(details), all(c >= _BFLOAT16_CAPABILITY for c in capabilities)
    if backend == "torch":
        torch = importlib.import_module("torch")
        is_there = torch.cuda.is_available()
        return is_there, is_there and torch.cuda.get_device_capability() >= _BFLOAT16_CAPABILITY
    if backend == "jax":
        return importlib.import_module("jax").default_backend() != "cpu", True
    return False, False
