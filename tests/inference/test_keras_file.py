"""Third-party `.keras` files: allowed layers, and one-line errors for everything else."""

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tracker.errors import ModelError
from tracker.inference.keras_file import PLAIN_LAYERS, load_keras_file
from tracker.models.fcn.shape import ALL_LAYERS
from tracker.models.fcn.window_file import load_window_classifier


def layer(name: str, module: str = "keras.layers", **config: Any) -> dict[str, Any]:
    return {"module": module, "class_name": name, "config": {"name": "mine", **config}}


def model(*layers: object) -> dict[str, Any]:
    return {
        "module": "keras",
        "class_name": "Sequential",
        "config": {"name": "s", "layers": list(layers)},
    }


def write(path: Path, config: object, *, weights: bytes = b"") -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        text = config if isinstance(config, str | bytes) else json.dumps(config)
        archive.writestr("config.json", text)
        archive.writestr("model.weights.h5", weights)
    return path


def load(path: Path) -> Any:
    return load_keras_file(
        path, what=f"network {path}", layers=PLAIN_LAYERS, advice="is refused", any_operation=True
    )


def test_layers_of_window_classifiers_are_allowed() -> None:
    assert ALL_LAYERS < PLAIN_LAYERS


@pytest.mark.parametrize(
    ("bad", "shown"),
    [
        (layer("Lambda"), r"a Lambda \(of keras.layers\) called mine is refused"),
        (layer("TFSMLayer", filepath="/tmp/x"), r"a TFSMLayer \(of keras.layers\)"),
        (layer("TextVectorization"), r"a TextVectorization \(of keras.layers\)"),
        (layer("TorchModuleWrapper"), r"a TorchModuleWrapper \(of keras.layers\)"),
        (layer("Mine", "my_package"), r"a Mine \(of my_package\) called mine"),
        (layer("Mine", None), r"a Mine \(of None\) called mine"),
        (layer("get_file", "keras.utils"), r"a get_file \(of keras.utils\)"),
        (layer("system", "os"), r"a system \(of os\)"),
        (layer("function", "builtins"), r"a function \(of builtins\)"),
        (layer("Map", "keras.src.ops.core"), r"a Map \(of keras.src.ops.core\)"),
        (layer("Dense", ["keras.layers"]), r"a Dense \(of \['keras.layers'\]\)"),
        (layer("Dense", activation=layer("__lambda__", "builtins")), r"a __lambda__ \(of bui"),
    ],
)
def test_other_classes_are_named_in_the_error(tmp_path: Path, bad: object, shown: str) -> None:
    path = write(tmp_path / "x.keras", model(layer("Dense"), bad))
    with pytest.raises(ModelError, match=f"network .*x.keras: {shown}") as caught:
        load(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("[" * 100_000, "config.json in it: not JSON: brackets are nested too deeply"),
        ('{"a":' * 900 + "1" + "}" * 900, "model.weights.h5 in it is damaged"),
        ("[]", "expected a model that model.save"),
        (b"\xff\xfe", "config.json in it: not JSON"),
        (b" " * (17 << 20), "config.json declares 17825792 bytes, at most 16777216"),
    ],
)
def test_invalid_configs(tmp_path: Path, config: str | bytes, message: str) -> None:
    path = write(tmp_path / "x.keras", config)
    for read in (load, load_window_classifier):
        with pytest.raises(ModelError, match=message) as caught:
            read(path)
        assert "\n" not in str(caught.value)


def test_files_that_are_not_archives(tmp_path: Path) -> None:
    whole = write(tmp_path / "whole.keras", model()).read_bytes()
    cases = {
        "cut": (whole[:-30], "cut short or damaged"),
        "text": (b"text", "expected a .keras archive of Keras 3, got something else"),
    }
    for name, (content, message) in cases.items():
        path = tmp_path / f"{name}.keras"
        path.write_bytes(content)
        for read in (load, load_window_classifier):
            with pytest.raises(ModelError, match=message):
                read(path)
    with pytest.raises(ModelError, match="does not exist"):
        load(tmp_path / "none.keras")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")  # of TensorFlow
def test_published_architectures_are_loaded(tmp_path: Path) -> None:
    import keras
    import numpy as np

    image = keras.Input((32, 32, 3), name="image")
    x = keras.applications.MobileNetV2(input_shape=(32, 32, 3), weights=None, include_top=False)(
        keras.layers.Rescaling(1 / 127.5, -1)(image)
    )
    x = keras.layers.GlobalAveragePooling2D()(x)
    x = keras.layers.Dense(4, kernel_regularizer="l2", dtype="mixed_float16")(x) * 2.0
    x = keras.ops.nn.relu(keras.layers.Reshape((2, 2))(x))
    network = keras.Model(image, x)
    network.save(tmp_path / "x.keras")
    pixels = np.full((1, 32, 32, 3), 99, np.float32)
    np.testing.assert_array_equal(
        load(tmp_path / "x.keras").predict(pixels, verbose=0), network.predict(pixels, verbose=0)
    )
