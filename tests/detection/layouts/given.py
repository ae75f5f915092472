"""Short ways to write specs and to decode, for the tests of layouts."""

from collections.abc import Sequence

import numpy as np

from tracker.detection.layouts.base import Candidates, Layout
from tracker.inference.network import TensorSpec


def spec(name: str, *shape: int | None, dtype: str = "float32") -> TensorSpec:
    return TensorSpec(name, shape, dtype)


def nchw(height: int | None = 640, width: int | None = 640) -> list[TensorSpec]:
    return [spec("images", 1, 3, height, width)]


def nhwc(height: int | None = 640, width: int | None = 640) -> list[TensorSpec]:
    return [spec("images", 1, height, width, 3)]


def decode(
    layout: Layout,
    outputs: Sequence[np.ndarray],
    *,
    names: Sequence[str] = (),
    size: tuple[int, int] = (64, 64),
    least: float = 0.25,
) -> list[Candidates]:
    names = names or [f"output{index}" for index in range(len(outputs))]
    specs = [
        spec(name, *array.shape, dtype=str(array.dtype))
        for name, array in zip(names, outputs, strict=True)
    ]
    return layout.decode(outputs, specs, input_size=size, least_score=least)


def check(
    found: Candidates,
    boxes: Sequence[Sequence[float]],
    scores: Sequence[float],
    classes: Sequence[int],
) -> None:
    """Checks values and types of candidates."""
    assert (found.boxes.dtype, found.scores.dtype) == (np.float32, np.float32)
    assert found.classes.dtype == np.int32
    np.testing.assert_allclose(found.boxes, np.reshape(boxes, (-1, 4)), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(found.scores, scores, rtol=1e-3)
    np.testing.assert_array_equal(found.classes, classes)
