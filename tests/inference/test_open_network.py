"""Which runtime opens which format, and the errors for invalid files."""

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tracker.errors import ConfigError, ModelError
from tracker.inference.checked_call import run_network
from tracker.inference.devices import Device
from tracker.inference.digests import network_file_digest, saved_model_digest
from tracker.inference.network import TensorSpec
from tracker.inference.open_network import open_network
from tracker.inference.saved_model_network import hub_folder, is_handle, is_saved_model

IMAGE = TensorSpec("image", (1, 2, 3), "float32")


def doubled(arrays):
    return [array * 2 for array in arrays]


def run(call, array, *, takes=IMAGE, gives=IMAGE):
    return run_network(call, [array], what="network x", inputs=[takes], outputs=[gives])


def test_one_image_is_one_call():
    calls = []

    def call(arrays):
        calls.append(arrays[0].shape)
        return doubled(arrays)

    (result,) = run(call, np.ones((1, 2, 3), np.float32))
    np.testing.assert_array_equal(result, np.full((1, 2, 3), 2))
    assert calls == [(1, 2, 3)]


def test_batch_size_one_means_one_call_per_image():
    images = np.arange(18, dtype=np.float32).reshape(3, 2, 3)
    (result,) = run(doubled, images)
    np.testing.assert_array_equal(result, images * 2)


def test_outputs_without_batch_dimension_are_stacked():
    images = np.arange(18, dtype=np.float32).reshape(3, 2, 3)
    gives = TensorSpec("rows", (2, 3), "float32")
    (result,) = run(lambda arrays: [arrays[0][0]], images, gives=gives)
    np.testing.assert_array_equal(result, images)


def test_outputs_of_different_sizes_cannot_be_merged():
    gives = TensorSpec("found", (None,), "float32")

    def call(arrays):
        return [arrays[0][arrays[0] > 5]]

    images = np.arange(18, dtype=np.float32).reshape(3, 2, 3)
    with pytest.raises(ModelError, match=r"found: expected one shape for all images"):
        run(call, images, gives=gives)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.ones((1, 2, 3)), "image: expected float32, got float64"),
        (np.ones((1, 2, 4), np.float32), r"expected image \(1, 2, 3\) float32, got \(1, 2, 4\)"),
        (np.ones((2, 3), np.float32), r"got \(2, 3\)"),
        (np.ones((0, 2, 3), np.float32), r"expected values, got none \(0, 2, 3\)"),
    ],
)
def test_arrays_of_other_types_and_shapes(array, message):
    with pytest.raises(ModelError, match=message):
        run(doubled, array)


def test_the_number_of_arrays():
    with pytest.raises(ModelError, match="expected 1 arrays, got 2"):
        run_network(
            doubled,
            [np.ones((1, 2, 3), np.float32)] * 2,
            what="network x",
            inputs=[IMAGE],
            outputs=[IMAGE],
        )


def test_runtime_error_becomes_one_line():
    def call(arrays):
        raise ArithmeticError("\n\n  out of range\nat node 7")

    with pytest.raises(ModelError, match=r"^network x: failed on \(1, 2, 3\): out of range$"):
        run(call, np.ones((1, 2, 3), np.float32))


def test_the_text_of_a_tensor():
    assert str(TensorSpec("data", (None, 3, 8, 8), "uint8")) == "data (?, 3, 8, 8) uint8"


@pytest.mark.parametrize("suffix", [".onnx", ".tflite", ".keras"])
def test_files_that_are_missing_empty_or_folders(tmp_path, suffix):
    with pytest.raises(ModelError, match="does not exist"):
        open_network(tmp_path / f"missing{suffix}")
    (tmp_path / f"empty{suffix}").touch()
    with pytest.raises(ModelError, match="0 bytes"):
        open_network(tmp_path / f"empty{suffix}")
    (tmp_path / f"folder{suffix}").mkdir()
    with pytest.raises(ModelError, match="got another folder"):
        open_network(tmp_path / f"folder{suffix}")


@pytest.mark.parametrize(
    ("name", "message"), [("model.pt", "a file of another name"), ("nowhere", "nothing there")]
)
def test_unknown_suffixes_and_missing_paths(tmp_path, name, message):
    (tmp_path / "model.pt").write_bytes(b"x")
    with pytest.raises(ModelError, match=message):
        open_network(tmp_path / name)


def test_text_is_not_a_tflite(tmp_path):
    (tmp_path / "x.tflite").write_text("this is no model at all")
    with pytest.raises(ModelError, match=r"x\.tflite: LiteRT cannot load it") as caught:
        open_network(tmp_path / "x.tflite")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("suffix", [".onnx", ".tflite", ".keras"])
def test_zero_threads_are_refused(tmp_path, suffix):
    with pytest.raises(ConfigError, match="threads: expected 1 to 1024, got 0"):
        open_network(tmp_path / f"x{suffix}", threads=0)


def test_a_gpu_does_not_run_tflite(tmp_path):
    with pytest.raises(ConfigError, match="runs on the CPU, got device gpu"):
        open_network(tmp_path / "x.tflite", device="gpu")


@pytest.mark.parametrize(
    ("text", "kind", "index"),
    [("auto", "auto", 0), ("cpu", "cpu", 0), ("gpu", "gpu", 0), ("gpu:12", "gpu", 12)],
)
def test_device_names_are_parsed(text, kind, index):
    assert Device.parse(text) == Device(kind, index)


@pytest.mark.parametrize("text", ["", "tpu", "gpu:", "gpu:x", "cpu:1", "gpu:-1"])
def test_unknown_device_names_are_refused(text):
    with pytest.raises(ConfigError, match="expected auto, cpu, gpu or gpu:N"):
        Device.parse(text)


def test_the_digest_of_a_file(tmp_path):
    (tmp_path / "x").write_bytes(b"abc")
    # FIPS 180-2, appendix B.1.
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert network_file_digest(tmp_path / "x") == expected


def saved_model(folder: Path) -> Path:
    (folder / "variables").mkdir(parents=True)
    (folder / "assets").mkdir()
    (folder / "saved_model.pb").write_bytes(b"graph")
    (folder / "variables" / "variables.index").write_bytes(b"index")
    (folder / "assets" / "words.txt").write_bytes(b"words")
    return folder


def test_digest_of_a_folder_is_that_of_its_file_list(tmp_path):
    folder = saved_model(tmp_path / "a")

    def digest(content):
        return hashlib.sha256(content).hexdigest()

    text = (
        f"{digest(b'words')}  assets/words.txt\n{digest(b'graph')}  saved_model.pb\n"
        f"{digest(b'index')}  variables/variables.index\n"
    )
    assert saved_model_digest(folder) == digest(text.encode())


def test_digest_of_a_folder_ignores_other_files(tmp_path):
    first, second = saved_model(tmp_path / "a"), saved_model(tmp_path / "b")
    (second / "fingerprint.pb").write_bytes(b"who wrote it")
    assert saved_model_digest(first) == saved_model_digest(second)
    (second / "variables" / "variables.index").write_bytes(b"other")
    assert saved_model_digest(first) != saved_model_digest(second)


def test_a_handle_is_an_address():
    assert is_handle("https://tfhub.dev/google/imagenet/mobilenet_v2_035_96/feature_vector/5")
    assert is_handle("https://www.kaggle.com/models/google/movenet")
    assert not is_handle("models/movenet")


def test_offline_handle_is_read_from_the_cache(tmp_path, monkeypatch):
    handle = "https://tfhub.dev/someone/something/1"
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path))
    with pytest.raises(ModelError, match="TFHUB_CACHE_DIR"):
        open_network(handle, offline=True)
    assert not list(tmp_path.iterdir())
    place = saved_model(tmp_path / "loaded")
    place = place.rename(tmp_path / hashlib.sha1(handle.encode()).hexdigest())
    assert hub_folder(handle, offline=True) == place
    assert is_saved_model(place)


def test_opening_imports_only_the_needed_runtime(tmp_path):
    (tmp_path / "x.tflite").write_text("no model")
    program = (
        "import sys\nfrom tracker.errors import ModelError\n"
        "from tracker.inference.open_network import open_network\n"
        f"try: open_network({str(tmp_path / 'x.tflite')!r})\nexcept ModelError: pass\n"
        "assert not {'tensorflow', 'keras', 'onnxruntime', 'tensorflow_hub'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
