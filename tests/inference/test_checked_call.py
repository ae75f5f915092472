"""What runtimes raise becomes a `ModelError`, or a `MemoryError` when memory is exhausted."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tracker.errors import ModelError
from tracker.inference.checked_call import run_network
from tracker.inference.network import TensorSpec

SPEC = TensorSpec("x", (1, 2), "float32")


def run(error: Exception) -> None:
    def call(arrays: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
        raise error

    run_network(
        call, [np.zeros((1, 2), np.float32)], what="network a", inputs=[SPEC], outputs=[SPEC]
    )


@pytest.mark.parametrize(
    "error",
    [
        MemoryError("network a on (1, 2)"),
        RuntimeError("Non-zero status code: std::bad_alloc"),
        RuntimeError("Failed to allocate memory for requested buffer of size 4"),
        ValueError("ResourceExhausted: OOM when allocating tensor"),
    ],
)
def test_exhausted_memory_is_a_memory_error(error: Exception) -> None:
    with pytest.raises(MemoryError, match=r"network a on \(1, 2\)"):
        run(error)


def test_other_errors_are_model_errors() -> None:
    with pytest.raises(ModelError, match=r"network a: failed on \(1, 2\): no kernel"):
        run(RuntimeError("no kernel\nat node 3"))
