"""A network in training: its loss, its optimizer, one step, and its averaged weights.

Plain Keras, through `train_on_batch`: works with every backend.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from tracker.util.arrays import Float32Array, UInt8Array

Loss = Callable[[Any, Any, Any], tuple[Any, Mapping[str, Any]]]
"""Returns the loss of a batch, and parts of it by name, of images, truth and network outputs."""

_NOT_DECAYED = ["bias", "beta", "gamma"]


class Learner(keras.Model):  # type: ignore[misc]
    """A network together with its loss.

    Args:
        network: Takes pixels `(B, H, W, 3)` float32 in `[0, 1]`; it is changed in place.
        loss: Returns the loss of a batch and its parts.
        parts: Names of the parts, in the order of the log.
    """

    def __init__(self, network: Any, loss: Loss, *, parts: Sequence[str] = ()) -> None:
        super().__init__(name="learner")
        self.network = network
        self._batch_loss = loss
        self._parts = {name: keras.metrics.Mean(name=name) for name in parts}

    def call(self, images: Any, training: bool = False) -> Any:
        """Returns the network's outputs of uint8 pixels `(B, H, W, 3)`."""
        return self.network(ops.cast(images, "float32") / 255.0, training=training)

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """Returns the loss of images `x` with truth `y` and outputs `y_pred`; Keras calls it."""
        del sample_weight, training
        total, parts = self._batch_loss(x, y, y_pred)
        for name, value in parts.items():
            self._parts[name].update_state(value)
        return total


def make_optimizer(*, weight_decay: float, clip_norm: float) -> Any:
    """Returns AdamW (arXiv 1711.05101); biases and batch norms do not decay.

    Its learning rate is to be set at every step.

    Args:
        weight_decay: Share by which weights shrink, times the learning rate.
        clip_norm: Gradients with a larger norm, over all weights together, are shortened to it.
    """
    optimizer = keras.optimizers.AdamW(
        learning_rate=1e-9, weight_decay=weight_decay, global_clipnorm=clip_norm
    )
    optimizer.exclude_from_weight_decay(var_names=_NOT_DECAYED)
    return optimizer


def compile_learner(learner: Learner, optimizer: Any, *, image_size: tuple[int, int]) -> None:
    """Prepares a learner for its first step: afterwards all its variables exist.

    Args:
        learner: Changed in place.
        optimizer: Its optimizer.
        image_size: Height and width in pixels of an image that the network takes.
    """
    # Measured for detectors on 2 cores: TensorFlow trains slower with XLA; JAX needs it.
    learner.compile(optimizer=optimizer, jit_compile=keras.backend.backend() == "jax")
    learner(np.zeros((1, *image_size, 3), np.uint8))
    optimizer.build(learner.trainable_variables)


def train_step(learner: Learner, images: UInt8Array, truth: Any) -> dict[str, float]:
    """Returns `loss` and its parts of a batch, after a step of the optimizer on it.

    Args:
        learner: Compiled; changed in place.
        images: `(B, H, W, 3)`.
        truth: What the learner's loss takes as truth.
    """
    learner.reset_metrics()
    logs = learner.train_on_batch(images, truth, return_dict=True)
    return {name: float(value) for name, value in logs.items()}


class AverageWeights:
    """Weights averaged over the last steps; they validate better than the last ones alone.

    Args:
        network: The network whose weights and batch-norm statistics are averaged.
    """

    def __init__(self, network: Any) -> None:
        self.values: list[Float32Array] = [np.array(w) for w in network.get_weights()]

    def update(self, network: Any, decay: float) -> None:
        """Moves the average by `1 - decay` of the way to the current weights."""
        for average, weight in zip(self.values, network.get_weights(), strict=True):
            if np.issubdtype(average.dtype, np.floating):
                np.add(average, np.float32(1.0 - decay) * (weight - average), out=average)
            else:  # Counters, which some backbones have.
                average[...] = weight
