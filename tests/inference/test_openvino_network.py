"""OpenVINO: files that are wrong, names that files store, shapes, numbers of 16 bits."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.inference.forms import expected, random_weights, write_onnx
from tests.openvino_files import write_means, write_openvino
from tracker.errors import ConfigError, ModelError
from tracker.inference.network import TensorSpec
from tracker.inference.open_network import open_network
from tracker.inference.openvino_network import OpenVinoNetwork

WEIGHTS = random_weights()


@pytest.fixture
def openvino():
    return pytest.importorskip("openvino", reason="needs the extra openvino")


@pytest.fixture
def onnx():
    return pytest.importorskip("onnx", reason="making ONNX files needs the package onnx")


def images(count: int, height: int = 9, width: int = 12) -> np.ndarray:
    generator = np.random.default_rng(1)
    return generator.uniform(-1, 1, (count, height, width, 3)).astype(np.float32)


def refused(path: Path) -> str:
    with pytest.raises(ModelError) as caught:
        OpenVinoNetwork(path, threads=1)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_means_of_the_channels(openvino, tmp_path):
    network = open_network(write_means(tmp_path / "means.xml", size=(4, 6)), threads=1)
    assert network.inputs == (TensorSpec("input0", (1, 3, 4, 6), "float32"),)
    assert set(network.digests) == {"means.xml", "means.bin"}
    given = np.zeros((2, 3, 4, 6), np.float32)
    given[0, 0], given[1, 2, :2] = 5, 8
    given.flags.writeable = False
    np.testing.assert_allclose(network.run([given])[0], [[5, 0, 0], [0, 0, 4]])


def test_results_of_one_call_outlive_the_next(openvino, tmp_path):
    network = OpenVinoNetwork(write_means(tmp_path / "means.xml", size=(4, 6)), threads=1)
    (first,) = network.run([np.ones((1, 3, 4, 6), np.float32)])
    network.run([np.zeros((1, 3, 4, 6), np.float32)])
    np.testing.assert_allclose(first, [[1, 1, 1]])


def test_more_sizes_than_stay_compiled(openvino, onnx, tmp_path):
    network = OpenVinoNetwork(write_onnx(WEIGHTS, tmp_path / "x.onnx"), threads=1)
    for height in (5, 7, 9, 11, 13, 5):
        given = images(1, height)
        np.testing.assert_allclose(network.run([given])[0], expected(WEIGHTS, given)[1], atol=1e-5)


def test_files_that_are_wrong(openvino, tmp_path):
    assert "does not exist" in refused(tmp_path / "nothing.xml")
    (tmp_path / "alone.xml").write_text("<net/>")
    assert "an OpenVINO network is a .xml and a .bin file" in refused(tmp_path / "alone.xml")
    for name in ("text.xml", "text.onnx"):
        (tmp_path / name).write_text("no network")
        (tmp_path / "text.bin").write_bytes(b"0")
        assert f"{name}: OpenVINO cannot load it: " in refused(tmp_path / name)


def test_an_operation_that_openvino_does_not_have(openvino, onnx, tmp_path):
    model = onnx.load(str(write_onnx(WEIGHTS, tmp_path / "x.onnx")))
    model.graph.node[0].op_type = "Unheard"
    onnx.save(model, str(tmp_path / "x.onnx"))
    assert "Unheard" in refused(tmp_path / "x.onnx")


def test_zero_threads_and_gpus_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="threads: expected 1 to 1024, got 0"):
        OpenVinoNetwork(tmp_path / "x.xml", threads=0)
    with pytest.raises(ConfigError, match="runs on the CPU here, got device gpu"):
        OpenVinoNetwork(tmp_path / "x.xml", device="gpu")


def test_a_missing_package_names_the_extra(tmp_path):
    (tmp_path / "x.xml").write_text("<net/>")
    (tmp_path / "x.bin").write_bytes(b"0")
    program = (
        "import sys\nsys.modules['openvino'] = None\n"
        "from tracker.errors import DependencyError\n"
        "from tracker.inference.open_network import open_network\n"
        f"try: open_network({str(tmp_path / 'x.xml')!r})\n"
        "except DependencyError as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("runtime openvino needs the package openvino: ")
    assert done.stdout.endswith("pip install 'tracker-pipeline[openvino]'\n")
    assert done.stdout.count("\n") == 1


def test_names_in_the_metadata_of_an_onnx_file(openvino, onnx, tmp_path):
    model = onnx.load(str(write_onnx(WEIGHTS, tmp_path / "x.onnx")))
    onnx.helper.set_model_props(model, {"names": "{0: 'helmet', 1: 'vest'}", "task": "detect"})
    onnx.save(model, str(tmp_path / "x.onnx"))
    stored = OpenVinoNetwork(tmp_path / "x.onnx").stored
    assert (stored.class_names, stored.task) == (("helmet", "vest"), "detect")


def test_names_in_and_beside_an_xml(openvino, onnx, tmp_path):
    path = write_openvino(write_onnx(WEIGHTS, tmp_path / "x.onnx"), tmp_path / "x.xml")
    model = openvino.Core().read_model(path)
    model.set_rt_info("traffic_light car", ["model_info", "labels"])
    openvino.save_model(model, tmp_path / "labels.xml", compress_to_fp16=False)
    assert OpenVinoNetwork(path).stored.class_names is None
    stored = OpenVinoNetwork(tmp_path / "labels.xml").stored
    assert stored.class_names == ("traffic light", "car")
    (tmp_path / "metadata.yaml").write_text("names: {0: bus, 1: car}\ntask: detect\n")
    stored = OpenVinoNetwork(tmp_path / "labels.xml").stored
    assert (stored.class_names, stored.task) == (("bus", "car"), "detect")


def test_16_bits_are_close_to_32(openvino, onnx, tmp_path):
    path = write_onnx(WEIGHTS, tmp_path / "x.onnx")
    if "BF16" not in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        with pytest.raises(ConfigError, match="expected a CPU with bfloat16"):
            OpenVinoNetwork(path, half=True)
        return
    given = images(1)
    wanted = expected(WEIGHTS, given)[1]
    found = OpenVinoNetwork(path, threads=1, half=True).run([given])[0]
    # Eight bits: each of three layers is off by 2^-8 of its sums of numbers about 1.
    np.testing.assert_allclose(found, wanted, atol=0.05 * max(1, np.abs(wanted).max()))
    assert np.abs(found - wanted).max() > 1e-5  # float32 is closer than this
