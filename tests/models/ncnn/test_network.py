"""ncnn networks behind the interface of all networks, published ones included."""

import hashlib
import random
import struct
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("keras")

from tests.goldens.ncnn_cases import REAL_MODELS, image, param_text, sample_indices
from tracker.errors import ConfigError, ModelError
from tracker.inference.network import TensorSpec
from tracker.models.ncnn.load import load_ncnn
from tracker.models.ncnn.network import NcnnNetwork
from tracker.models.network_file import SUFFIXES, open_network_file

GOLDENS = np.load(Path(__file__).parents[2] / "goldens/ncnn.npz")
TOLERANCE = 1e-3
"""Of published networks with outputs up to 30; measured: 1e-4."""

TEXT = param_text(
    "Input i 0 1 data 2=2",
    "Convolution c 1 1 data a 0=2 1=1 5=1 6=4",
    "Split s 1 3 a b c out/0",
    "Permute p 1 1 b dis 0=3",
    "Reshape r 1 1 c d 0=-1 1=2",
    "Permute q 1 1 d cls 0=1",
)
# Channels are exchanged, and the second has 10 more.
WEIGHTS = struct.pack("<I6f", 0, 0, 1, 1, 0, 0, 10)


@pytest.fixture
def param(tmp_path):
    (tmp_path / "net.param").write_text(TEXT)
    (tmp_path / "net.bin").write_bytes(WEIGHTS)
    return tmp_path / "net.param"


def test_inputs_and_outputs_have_the_names_and_the_order_of_the_file(param):
    network = NcnnNetwork(param)
    assert network.inputs == (TensorSpec("data", (None, None, None, 2), "float32"),)
    assert network.outputs == (
        TensorSpec("out/0", (None, 2, None, None), "float32"),
        TensorSpec("dis", (None, None, None, 2), "float32"),
        TensorSpec("cls", (None, None, 2), "float32"),
    )
    assert network.stored.class_names is None
    assert network.digests == {
        "net.param": hashlib.sha256(TEXT.encode()).hexdigest(),
        "net.bin": hashlib.sha256(WEIGHTS).hexdigest(),
    }


def test_images_have_channels_last_and_outputs_the_axes_of_ncnn(param):
    network = open_network_file(param)
    for shape in ((1, 2, 3, 2), (3, 4, 1, 2)):
        pictures = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
        exchanged = pictures[..., ::-1] + np.float32([0, 10])
        planes, last, rows = network.run([pictures])
        np.testing.assert_array_equal(last, exchanged)
        np.testing.assert_array_equal(planes, exchanged.transpose(0, 3, 1, 2))
        np.testing.assert_array_equal(rows, exchanged.reshape(shape[0], -1, 2))


def test_arrays_that_do_not_fit_are_an_error(param):
    network = NcnnNetwork(param)
    with pytest.raises(ModelError, match=r"net\.param: expected data \(\?, \?, \?, 2\) float32"):
        network.run([np.zeros((1, 2, 3, 3), np.float32)])


def test_bad_settings_are_reported_before_the_files_are_read(tmp_path):
    with pytest.raises(ConfigError):
        NcnnNetwork(tmp_path / "net.param", threads=0)
    with pytest.raises(ConfigError):
        NcnnNetwork(tmp_path / "net.param", device="tpu")


def test_a_file_that_is_missing_is_named(param):
    param.with_suffix(".bin").rename(param.with_name("other.bin"))
    with pytest.raises(
        ModelError, match=r"expected its weights beside it.*net\.bin does not exist"
    ):
        NcnnNetwork(param)
    with pytest.raises(ModelError, match="does not exist"):
        NcnnNetwork(param.with_name("nothing.param"))
    with pytest.raises(ModelError, match="does not exist"):
        load_ncnn(param)


def test_two_files_that_do_not_belong_together_are_an_error(param):
    param.with_suffix(".bin").write_bytes(WEIGHTS + b"\0\0\0\0")
    with pytest.raises(ModelError, match="got 4 more; do the two files belong together"):
        NcnnNetwork(param)
    param.with_suffix(".bin").write_bytes(WEIGHTS[:-1])
    with pytest.raises(ModelError, match=r"net\.param:4: 'Convolution' 'c': expected 8 bytes"):
        NcnnNetwork(param)


def test_other_formats_are_opened_as_before(tmp_path):
    assert SUFFIXES == (".onnx", ".tflite", ".keras", ".xml", ".param")
    with pytest.raises(ModelError, match="got nothing there"):
        open_network_file(tmp_path / "net.xyz")


def problem_of(param: Path) -> str:
    """Returns the message of loading a network, or the empty string where it loads."""
    try:
        assert load_ncnn(param).outputs
    except ModelError as error:
        return str(error)
    return ""


def test_any_change_of_the_files_is_loaded_or_is_an_error_of_one_line(param):
    rng = random.Random(0)
    junk = ["-1", "0", "7", "0=0", "1=9", "6=8", "0=-233", "9=3", "-23303=1,2", "ReLU", "Concat"]
    failed = 0
    for _ in range(60):
        words = TEXT.replace("\n", " \n ").split(" ")
        words[rng.randrange(6, len(words))] = rng.choice([*junk, *words])
        data = bytearray(WEIGHTS)
        if rng.random() < 0.5:
            data[rng.randrange(len(data))] = rng.randrange(256)
        param.write_text(" ".join(words))
        param.with_suffix(".bin").write_bytes(data)
        problem = problem_of(param)
        assert "\n" not in problem
        failed += problem != ""
    assert failed > 20


def published():
    """Yields the published networks; the smallest one with int8 weights is tested every time."""
    for model in REAL_MODELS:
        name = Path(model.path).name
        marks = () if name == "nanodet-plus-m_416_int8" else (pytest.mark.slow,)
        yield pytest.param(model, id=name, marks=marks)


@pytest.mark.parametrize("model", list(published()))
@pytest.mark.slow
def test_published_networks_compute_what_ncnn_computes(model, data):
    path = data / "weights" / f"{model.path}.param"
    if not path.exists():
        pytest.skip(f"needs {path.name} in ../shared/data/weights")
    network = load_ncnn(path)
    assert tuple(network.output) == model.outputs
    results = network(image(model).transpose(1, 2, 0)[None], training=False)
    for name in model.outputs:
        result, key = np.asarray(results[name])[0], f"{path.stem}/{name}"
        assert result.shape == tuple(GOLDENS[f"{key}/shape"])
        samples = result.ravel()[sample_indices(result.size)]
        np.testing.assert_allclose(samples, GOLDENS[f"{key}/samples"], atol=TOLERANCE)
