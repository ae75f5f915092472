"""Loads TensorFlow without its messages on standard error."""

from typing import Any

from tracker.errors import DependencyError
from tracker.inference.captured_stderr import native_output_logged


def load_tensorflow() -> Any:
    """Returns the module `tensorflow`, with Keras loaded on top of it.

    Raises:
        DependencyError: It cannot be loaded, or Keras runs on another backend.
    """
    # Its C++ code prints details about the machine to standard error, of no use to users.
    with native_output_logged():
        try:
            import keras
            import tensorflow as tf
        except ImportError as error:
            raise DependencyError(f"TensorFlow cannot be loaded: {error}") from error
    if keras.backend.backend() != "tensorflow":
        raise DependencyError(
            f"Keras: expected the backend tensorflow, got {keras.backend.backend()}; "
            "unset KERAS_BACKEND"
        )
    return tf
