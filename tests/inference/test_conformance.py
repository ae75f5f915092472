"""The same network gives the same results in every format."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from tests.inference.forms import (
    expected,
    keras_model,
    random_weights,
    write_onnx,
    write_saved_model,
    write_tflite,
)
from tests.openvino_files import write_openvino
from tests.published_forms import write_ssd
from tracker.errors import DeviceError, ModelError
from tracker.inference.litert_network import LiteRtNetwork
from tracker.inference.network import TensorSpec
from tracker.inference.onnx_network import OnnxNetwork
from tracker.inference.open_network import open_network
from tracker.inference.openvino_network import OpenVinoNetwork
from tracker.inference.saved_model_network import SavedModelNetwork
from tracker.inference.tensorflow import load_tensorflow

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

FORMS = ["keras", "saved_model", "tflite", "onnx", "xml", "onnx-openvino"]
WEIGHTS = random_weights()
TOLERANCE = 1e-5
"""Of float32 sums of 36 products of numbers about 1, in any order."""


class Forms:
    """Writes each format once, on first use."""

    def __init__(self, folder: Path, weights):
        self.folder, self.weights = folder, weights
        self._model = None
        self._networks = {}

    @property
    def model(self):
        if self._model is None:
            load_tensorflow()
            self._model = keras_model(self.weights)
        return self._model

    def path(self, form):
        path = self.folder / f"small.{form.removesuffix('-openvino')}"
        if path.exists():
            return path
        if form.startswith("onnx"):
            pytest.importorskip("onnx", reason="making ONNX files needs the package onnx")
            return write_onnx(self.weights, path)
        if form == "xml":
            return write_openvino(self.path("onnx"), path)
        if form == "keras":
            self.model.save(path)
            return path
        if form == "tflite":
            load_tensorflow()
            return write_tflite(self.weights, path)
        return write_saved_model(self.model, path)

    def open(self, form):
        if form not in self._networks:
            if form == "onnx":
                pytest.importorskip("onnxruntime", reason="needs the extra onnx")
            if form in {"xml", "onnx-openvino"}:
                pytest.importorskip("openvino", reason="needs the extra openvino")
            opened = OpenVinoNetwork if form == "onnx-openvino" else open_network
            self._networks[form] = opened(self.path(form))
        return self._networks[form]

    def run(self, form, images):
        network = self.open(form)
        results = dict(
            zip((spec.name for spec in network.outputs), network.run([images]), strict=True)
        )
        return results["map"], results["vector"]


@pytest.fixture(scope="session")
def forms(tmp_path_factory):
    return Forms(tmp_path_factory.mktemp("forms"), WEIGHTS)


def batch_of(count, height=9, width=12):
    return np.random.default_rng(1).uniform(-1, 1, (count, height, width, 3)).astype(np.float32)


def check(forms, form, given):
    for result, wanted in zip(forms.run(form, given), expected(WEIGHTS, given), strict=True):
        assert result.dtype == np.float32
        np.testing.assert_allclose(result, wanted, atol=TOLERANCE)


@pytest.mark.parametrize("form", FORMS)
def test_all_formats_agree_with_numpy(forms, form):
    for given in (
        batch_of(1),
        batch_of(3),
        batch_of(1, 7, 5),
        batch_of(2, 33, 20),
        batch_of(1),
    ):
        check(forms, form, given)


@pytest.mark.parametrize("form", FORMS)
def test_all_formats_declare_inputs_and_outputs(forms, form):
    network = forms.open(form)
    assert network.inputs == (TensorSpec("image", (None, None, None, 3), "float32"),)
    assert {spec.name: (spec.shape[-1], spec.dtype) for spec in network.outputs} == {
        "map": (6, "float32"),
        "vector": (5, "float32"),
    }


def test_outputs_are_in_the_order_of_the_file_or_sorted(forms):
    assert [spec.name for spec in forms.open("onnx").outputs] == ["vector", "map"]
    assert [spec.name for spec in forms.open("saved_model").outputs] == ["map", "vector"]
    assert [spec.name for spec in forms.open("keras").outputs] == ["map", "vector"]


@pytest.mark.parametrize("form", ["xml", "onnx-openvino"])
def test_openvino_keeps_the_order_of_the_file(forms, form):
    assert [spec.name for spec in forms.open(form).outputs] == ["vector", "map"]


@pytest.mark.parametrize("form", ["keras", "tflite", "onnx"])
def test_the_digest_is_that_of_the_file(forms, form):
    content = forms.path(form).read_bytes()
    assert forms.open(form).digests == {f"small.{form}": hashlib.sha256(content).hexdigest()}


def test_digest_of_a_saved_model_is_keyed_by_folder_name(forms):
    assert list(forms.open("saved_model").digests) == ["small.saved_model"]


@pytest.mark.parametrize("form", FORMS)
def test_values_that_are_not_finite_pass_through(tmp_path_factory, form):
    weights = random_weights()
    weights.dense_bias[2] = np.nan
    damaged = Forms(tmp_path_factory.mktemp("damaged"), weights)
    _, vector = damaged.run(form, batch_of(1))
    np.testing.assert_array_equal(np.isnan(vector), [[False, False, True, False, False]])


@pytest.mark.parametrize("form", FORMS)
def test_failed_call_leaves_the_network_usable(forms, form):
    network = forms.open(form)
    with pytest.raises(ModelError, match=r"expected image \(\?, \?, \?, 3\) float32") as caught:
        network.run([batch_of(1)[..., :2]])
    assert "\n" not in str(caught.value)
    with pytest.raises(ModelError, match="image: expected float32, got uint8"):
        network.run([batch_of(1).astype(np.uint8)])
    check(forms, form, batch_of(1))


def test_onnx_of_batch_size_one_is_called_per_image(tmp_path):
    pytest.importorskip("onnx", reason="making ONNX files needs the package onnx")
    pytest.importorskip("onnxruntime", reason="needs the extra onnx")
    network = OnnxNetwork(write_onnx(WEIGHTS, tmp_path / "one.onnx", batch=1), threads=1)
    given = batch_of(3)
    vector, features = network.run([given])
    np.testing.assert_allclose(features, expected(WEIGHTS, given)[0], atol=TOLERANCE)
    np.testing.assert_allclose(vector, expected(WEIGHTS, given)[1], atol=TOLERANCE)


def test_tflite_of_fixed_size_refuses_other_sizes(forms, tmp_path):
    path = write_tflite(WEIGHTS, tmp_path / "fixed.tflite", shape=(1, 9, 12, 3))
    network = LiteRtNetwork(path, threads=1)
    given = batch_of(3)
    results = {s.name: r for s, r in zip(network.outputs, network.run([given]), strict=True)}
    np.testing.assert_allclose(results["map"], expected(WEIGHTS, given)[0], atol=TOLERANCE)
    np.testing.assert_allclose(results["vector"], expected(WEIGHTS, given)[1], atol=TOLERANCE)
    with pytest.raises(ModelError, match=r"expected image \(1, 9, 12, 3\) float32"):
        network.run([batch_of(1, 12, 9)])


def test_quantized_outputs_are_dequantized(forms, tmp_path):
    # Pixels 0 to 255 represent -1 to 1.
    given = np.random.default_rng(2).integers(0, 256, (8, 9, 12, 3)).astype(np.uint8)
    meant = (given.astype(np.float32) / 127.5 - 1).astype(np.float32)
    path = write_tflite(WEIGHTS, tmp_path / "whole.tflite", shape=(1, 9, 12, 3), images=meant)
    network = LiteRtNetwork(path, threads=1)
    assert network.inputs[0].dtype == "uint8"
    assert {spec.dtype for spec in network.outputs} == {"float32"}
    results = {s.name: r for s, r in zip(network.outputs, network.run([given]), strict=True)}
    for name, wanted in zip(("map", "vector"), expected(WEIGHTS, meant), strict=True):
        # Integers of 8 bits, three layers: a few hundredths of the range.
        reach = np.ptp(wanted)
        np.testing.assert_allclose(results[name], wanted, atol=0.05 * reach)
        assert len(np.unique(results[name])) <= 256


@pytest.mark.parametrize("form", ["keras", "tflite", "onnx"])
def test_files_that_are_cut_short(forms, form, tmp_path):
    if form == "onnx":
        pytest.importorskip("onnxruntime", reason="needs the extra onnx")
    content = forms.path(form).read_bytes()
    path = tmp_path / f"short.{form}"
    path.write_bytes(content[: len(content) // 2])
    expected = "cut short or damaged" if form == "keras" else "cannot load it: .+"
    with pytest.raises(ModelError, match=rf"short\..*{expected}") as caught:
        open_network(path)
    assert "\n" not in str(caught.value)


def test_unknown_opset_is_refused(tmp_path):
    pytest.importorskip("onnx", reason="making ONNX files needs the package onnx")
    pytest.importorskip("onnxruntime", reason="needs the extra onnx")
    path = write_onnx(WEIGHTS, tmp_path / "new.onnx", opset=999)
    with pytest.raises(ModelError, match=r"new\.onnx: ONNX Runtime cannot load it: .*opset"):
        open_network(path)


def test_external_onnx_weights_have_digests(tmp_path):
    onnx = pytest.importorskip("onnx", reason="making ONNX files needs the package onnx")
    pytest.importorskip("onnxruntime", reason="needs the extra onnx")
    model = onnx.load(str(write_onnx(WEIGHTS, tmp_path / "whole.onnx")))
    onnx.save(
        model,
        str(tmp_path / "parts.onnx"),
        save_as_external_data=True,
        location="parts.data",
        size_threshold=0,
    )
    network = OnnxNetwork(tmp_path / "parts.onnx")
    assert set(network.digests) == {"parts.onnx", "parts.data"}
    given = batch_of(2)
    np.testing.assert_allclose(network.run([given])[0], expected(WEIGHTS, given)[1], atol=TOLERANCE)


def test_gpu_missing_in_onnx_runtime(tmp_path):
    runtime = pytest.importorskip("onnxruntime", reason="needs the extra onnx")
    if "CUDAExecutionProvider" in runtime.get_available_providers():
        pytest.skip("this ONNX Runtime is built for GPUs")
    (tmp_path / "x.onnx").write_text("no model")
    with pytest.raises(DeviceError, match="built for CPUs only"):
        open_network(tmp_path / "x.onnx", device="gpu")


def test_a_saved_model_with_one_signature_of_another_name(forms, tmp_path):
    tf = load_tensorflow()
    module = tf.Module()
    module.double = tf.function(
        lambda x: {"twice": 2 * x}, input_signature=[tf.TensorSpec((None, 2), name="x")]
    )
    tf.saved_model.save(module, str(tmp_path / "one"), signatures={"double": module.double})
    network = SavedModelNetwork(str(tmp_path / "one"))
    assert network.inputs == (TensorSpec("x", (None, 2), "float32"),)
    (result,) = network.run([np.array([[1, 2]], np.float32)])
    np.testing.assert_array_equal(result, [[2, 4]])
    signatures = {"double": module.double, "again": module.double}
    tf.saved_model.save(module, str(tmp_path / "two"), signatures=signatures)
    with pytest.raises(ModelError, match=r"'serving_default'.*got again, double"):
        SavedModelNetwork(str(tmp_path / "two"))


def test_a_folder_that_is_no_saved_model_inside(tmp_path):
    (tmp_path / "saved_model.pb").write_bytes(b"no protocol buffer at all")
    with pytest.raises(ModelError, match="TensorFlow cannot load it") as caught:
        open_network(tmp_path)
    assert "\n" not in str(caught.value)


def test_code_in_a_keras_file_is_not_run(forms, tmp_path):
    import keras

    network = keras.Sequential([keras.Input((2,)), keras.layers.Lambda(lambda x: x + 1)])
    network.save(tmp_path / "code.keras")
    with pytest.raises(ModelError, match=r"code\.keras: a Lambda \(of keras\.layers\)") as caught:
        open_network(tmp_path / "code.keras")
    assert "\n" not in str(caught.value)


def test_a_sequential_keras_network(forms, tmp_path):
    import keras

    network = keras.Sequential([keras.Input((2,), name="x"), keras.layers.Dense(3, name="out")])
    network.set_weights([np.array([[1, 0, 2], [0, 1, 0]]), np.zeros(3)])
    network.save(tmp_path / "row.keras")
    opened = open_network(tmp_path / "row.keras")
    assert [spec.name for spec in opened.outputs] == ["out"]
    (result,) = opened.run([np.array([[1, 2], [3, 4]], np.float32)])
    np.testing.assert_array_equal(result, [[1, 2, 2], [3, 4, 6]])


def test_two_inputs_keep_their_order(forms, tmp_path):
    import keras

    taken = {name: keras.Input((2,), name=name) for name in ("b", "a")}
    network = keras.Model(taken, taken["a"] - 2 * taken["b"])
    network.save(tmp_path / "two.keras")
    opened = open_network(tmp_path / "two.keras")
    assert [spec.name for spec in opened.inputs] == ["a", "b"]
    (result,) = opened.run([np.array([[5, 5]], np.float32), np.array([[1, 2]], np.float32)])
    np.testing.assert_array_equal(result, [[3, 1]])


@pytest.mark.slow
def test_saved_model_of_keras_export(forms, tmp_path):
    forms.model.export(str(tmp_path / "exported"), verbose=False)
    network = open_network(tmp_path / "exported")
    given = batch_of(2, 7, 5)
    results = {s.name: r for s, r in zip(network.outputs, network.run([given]), strict=True)}
    np.testing.assert_allclose(results["map"], expected(WEIGHTS, given)[0], atol=TOLERANCE)


@pytest.mark.slow
def test_a_handle_is_downloaded_or_taken_from_the_cache(forms, tmp_path, monkeypatch):
    # No server listens on this port.
    pytest.importorskip("tensorflow_hub")
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path / "cache"))
    handle = "https://localhost:1/nothing/1"
    with pytest.raises(ModelError, match="cannot be downloaded") as caught:
        open_network(handle)
    assert "\n" not in str(caught.value)
    place = tmp_path / "cache" / hashlib.sha1(handle.encode()).hexdigest()
    write_saved_model(forms.model, place)
    network = open_network(handle)
    assert list(network.digests) == [handle]


def test_detector_with_its_own_nms(tmp_path):
    network = LiteRtNetwork(write_ssd(tmp_path / "ssd.tflite"), threads=1)
    assert network.inputs[0].shape == (1, 96, 96, 3)
    assert network.inputs[0].dtype == "uint8"
    assert [spec.shape for spec in network.outputs] == [(1, 10, 4), (1, 10), (1, 10), (1,)]
    given = np.zeros((2, 96, 96, 3), np.uint8)
    given[0, :32, 32:64, 0] = 255  # a red cell in the first row and second column
    given[1, 64:, 64:, 1] = 255  # a green one in the last row and column
    boxes, classes, scores, counts = network.run([given])
    assert [r.shape for r in (boxes, classes, scores, counts)] == [
        (2, 10, 4),
        (2, 10),
        (2, 10),
        (2,),
    ]
    np.testing.assert_array_equal(counts, [1, 1])
    np.testing.assert_allclose(boxes[0, 0], [0, 1 / 3, 1 / 3, 2 / 3], atol=1e-6)
    np.testing.assert_allclose(boxes[1, 0], [2 / 3, 2 / 3, 1, 1], atol=1e-6)
    np.testing.assert_array_equal(classes[:, 0], [0, 1])
    np.testing.assert_allclose(scores[:, 0], 1 / (1 + np.exp(-5)), atol=1e-6)
    # Rows behind the counted ones hold what was in memory before.
    for together, alone in zip((boxes, classes, scores), network.run([given[1:]]), strict=False):
        np.testing.assert_array_equal(together[1, 0], alone[0, 0])
