"""Networks in Keras files: names and order of inputs and outputs, results, refused files."""

import hashlib
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from tracker.errors import ConfigError, ModelError
from tracker.inference.keras_network import KerasNetwork
from tracker.inference.network import TensorSpec

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def saved(path: Path, taken: Any, given: Any) -> KerasNetwork:
    keras.Model(taken, given).save(path)
    return KerasNetwork(path)


def pair(first: float, second: float) -> np.ndarray:
    return np.array([[first, second]], np.float32)


def vector(name: str, dtype: str = "float32") -> Any:
    return keras.Input((2,), name=name, dtype=dtype)


def test_one_input_and_one_output_of_a_layer(tmp_path: Path) -> None:
    x = vector("x")
    dense = keras.layers.Dense(3, name="head")
    given = dense(x)
    dense.set_weights([np.array([[1, 0, 2], [0, 1, 0]], np.float32), np.float32([0, 0, 10])])
    network = saved(tmp_path / "a.keras", x, given)
    assert network.inputs == (TensorSpec("x", (None, 2), "float32"),)
    assert network.outputs == (TensorSpec("head", (None, 3), "float32"),)
    (result,) = network.run([np.array([[1, 2], [3, 4], [0, 0]], np.float32)])
    np.testing.assert_array_equal(result, [[1, 2, 12], [3, 4, 16], [0, 0, 10]])
    assert result.dtype == np.float32


def test_inputs_of_a_list_keep_its_order_and_those_of_a_dict_are_sorted(tmp_path: Path) -> None:
    b, a = vector("b"), vector("a")
    as_list = saved(tmp_path / "list.keras", [b, a], b - 2 * a)
    assert [spec.name for spec in as_list.inputs] == ["b", "a"]
    (result,) = as_list.run([pair(5, 6), pair(1, 2)])
    np.testing.assert_array_equal(result, [[3, 2]])
    as_dict = saved(tmp_path / "dict.keras", {"b": b, "a": a}, b - 2 * a)
    assert [spec.name for spec in as_dict.inputs] == ["a", "b"]
    (result,) = as_dict.run([pair(1, 2), pair(5, 6)])
    np.testing.assert_array_equal(result, [[3, 2]])


def test_outputs_of_a_dict_are_sorted_and_those_of_a_list_are_not(tmp_path: Path) -> None:
    x = vector("x")
    scores = keras.layers.Rescaling(2.0, name="scores")(x)
    boxes = keras.layers.Rescaling(3.0, name="boxes")(x)
    as_dict = saved(tmp_path / "dict.keras", x, {"scores": scores, "boxes": boxes})
    assert [spec.name for spec in as_dict.outputs] == ["boxes", "scores"]
    np.testing.assert_array_equal(as_dict.run([pair(1, 2)]), [pair(3, 6), pair(2, 4)])
    as_list = saved(tmp_path / "list.keras", x, [scores, boxes])
    assert [spec.name for spec in as_list.outputs] == ["scores", "boxes"]
    np.testing.assert_array_equal(as_list.run([pair(1, 2)]), [pair(2, 4), pair(3, 6)])


def test_types_are_those_of_the_file(tmp_path: Path) -> None:
    x = vector("x", "uint8")
    network = saved(tmp_path / "a.keras", x, keras.layers.Rescaling(0.5, dtype="float32")(x))
    assert network.inputs == (TensorSpec("x", (None, 2), "uint8"),)
    (result,) = network.run([np.array([[255, 1]], np.uint8)])
    np.testing.assert_array_equal(result, pair(127.5, 0.5))
    with pytest.raises(ModelError, match="uint8"):
        network.run([pair(1, 2)])


def test_dropout_and_batch_norm_run_in_inference_mode(tmp_path: Path) -> None:
    """Dropout is the identity; batch norm uses its stored mean 3 and variance 4."""
    x = vector("x")
    norm = keras.layers.BatchNormalization(epsilon=1e-7)
    given = norm(keras.layers.Dropout(0.9)(x))
    norm.set_weights([np.float32([v, v]) for v in (1, 0, 3, 4)])
    network = saved(tmp_path / "a.keras", x, given)
    for _ in range(2):
        np.testing.assert_allclose(network.run([pair(3, 7)])[0], pair(0, 2), atol=1e-6)


def test_results_do_not_depend_on_earlier_calls(tmp_path: Path) -> None:
    image = keras.Input((None, None, 3), name="image")
    network = saved(tmp_path / "a.keras", image, keras.layers.GlobalAveragePooling2D()(image))
    small, large = np.ones((1, 2, 3, 3), np.float32), np.full((2, 9, 4, 3), 5, np.float32)
    for _ in range(2):
        np.testing.assert_array_equal(network.run([small])[0], np.ones((1, 3)))
        np.testing.assert_array_equal(network.run([large])[0], np.full((2, 3), 5))


@pytest.mark.parametrize(
    "arrays", [[], [pair(1, 2), pair(1, 2)], [np.zeros((1, 3), np.float32)], [np.zeros(2)]]
)
def test_arrays_that_do_not_fit_the_inputs(tmp_path: Path, arrays: list[np.ndarray]) -> None:
    x = vector("x")
    network = saved(tmp_path / "a.keras", x, 2 * x)
    with pytest.raises(ModelError, match=r"a\.keras") as caught:
        network.run(arrays)
    assert "\n" not in str(caught.value)
    np.testing.assert_array_equal(network.run([pair(1, 2)])[0], pair(2, 4))  # as before


def test_the_digest_is_that_of_the_bytes(tmp_path: Path) -> None:
    x = vector("x")
    network = saved(tmp_path / "a.keras", x, 2 * x)
    content = (tmp_path / "a.keras").read_bytes()
    assert dict(network.digests) == {"a.keras": hashlib.sha256(content).hexdigest()}
    with pytest.raises(TypeError):
        network.digests["a.keras"] = ""  # type: ignore[index]


def test_missing_truncated_and_foreign_files(tmp_path: Path) -> None:
    x = vector("x")
    saved(tmp_path / "a.keras", x, 2 * x)
    whole = (tmp_path / "a.keras").read_bytes()
    (tmp_path / "cut.keras").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.keras").write_text("no network")
    (tmp_path / "empty.keras").touch()
    for name in ("none.keras", "cut.keras", "text.keras", "empty.keras"):
        with pytest.raises(ModelError, match=name) as caught:
            KerasNetwork(tmp_path / name)
        assert "\n" not in str(caught.value)


def test_a_network_without_declared_inputs(tmp_path: Path) -> None:
    """A Sequential without an Input that was never called."""
    with pytest.warns(UserWarning, match="has not yet been built"):
        keras.Sequential([keras.layers.Dense(2)]).save(tmp_path / "a.keras")
    with pytest.raises(ModelError, match=r"a\.keras: expected a network with declared inputs"):
        KerasNetwork(tmp_path / "a.keras")


def test_devices_and_threads_are_checked_before_the_file(tmp_path: Path) -> None:
    for options in ({"device": "tpu"}, {"threads": 0}):
        with pytest.raises(ConfigError):
            KerasNetwork(tmp_path / "none.keras", **options)
