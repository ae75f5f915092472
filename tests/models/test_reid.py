"""The appearance network and its file."""

import json
import zipfile

import keras
import numpy as np
import pytest

from tracker.errors import ModelError, OutputError
from tracker.models.files.detector_file import DetectorDescription, save_detector
from tracker.models.files.reid_file import (
    ReidDescription,
    load_reid,
    read_reid_description,
    save_reid,
)
from tracker.models.reid import build_reid
from tracker.models.yolo import build_yolo
from tracker.models.yolo_shape import YoloSize

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

RECORD = {"format": "tracker reid", "version": 1, "input_size": [128, 64], "dimension": 128}


@pytest.fixture(scope="module")
def network():
    keras.utils.set_random_seed(0)
    return build_reid()


@pytest.fixture(scope="module")
def path(network, tmp_path_factory):
    path = tmp_path_factory.mktemp("file") / "mine.keras"
    save_reid(network, path)
    return path


def crops(count, seed=0):
    return np.random.default_rng(seed).random((count, 128, 64, 3)).astype(np.float32)


def crafted(path, *, weights=True, **changes):
    record = {key: value for key, value in (RECORD | changes).items() if value is not None}
    with zipfile.ZipFile(path, "w") as archive:
        if weights:
            archive.writestr("model.weights.h5", "none")
        archive.writestr("tracker.json", json.dumps(record))
    return path


@pytest.mark.parametrize("count", [1, 2, 5])
def test_vectors_have_unit_length(network, count):
    vectors = np.asarray(network(crops(count)))
    assert vectors.shape == (count, 128)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_a_crop_does_not_depend_on_its_neighbours(network):
    some = crops(4)
    together, alone = np.asarray(network(some)), np.asarray(network(some[2:3]))
    np.testing.assert_allclose(together[2:3], alone, atol=1e-5)


def test_parameters_and_operations(network):
    assert network.count_params() < 600_000
    macs = 0
    for layer in network.layers:
        if isinstance(layer, keras.layers.Conv2D):
            macs += np.prod(layer.output.shape[1:3]) * np.prod(layer.kernel.shape)
        if isinstance(layer, keras.layers.Dense):
            macs += np.prod(layer.kernel.shape)
    assert macs < 60e6


def test_what_was_saved_comes_back(network, path):
    assert read_reid_description(path) == ReidDescription(128)
    some = crops(3)
    np.testing.assert_array_equal(np.asarray(load_reid(path)(some)), np.asarray(network(some)))


def test_other_dimension_is_saved_and_loaded(tmp_path):
    save_reid(build_reid(16), tmp_path / "small.keras")
    assert load_reid(tmp_path / "small.keras").output_shape == (None, 16)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": "tracker detector"}, "got a 'tracker detector' file"),
        ({"version": 2}, "expected version 1, got 2"),
        ({"input_size": [64, 64]}, r"expected input_size \[128, 64\], got \[64, 64\]"),
        ({"dimension": 0}, "dimension: expected at least 1"),
        ({"dimension": "many"}, "malformed"),
        ({"dimension": None}, "malformed"),
        ({"backbone": "cross-stage"}, "got 'cross-stage'; known: residual"),
        ({"weights": False}, "another archive"),
        ({}, "weights.h5 in it is damaged"),
    ],
)
def test_a_wrong_archive(tmp_path, changes, message):
    with pytest.raises(ModelError, match=message):
        load_reid(crafted(tmp_path / "x.keras", **changes))


@pytest.mark.slow
def test_other_backbone_is_saved_and_loaded(tmp_path):
    network = build_reid(16, backbone="mobilenetv3small")
    save_reid(network, tmp_path / "a.keras", backbone="mobilenetv3small")
    assert read_reid_description(tmp_path / "a.keras") == ReidDescription(16, "mobilenetv3small")
    some = crops(3)
    vectors = np.asarray(load_reid(tmp_path / "a.keras")(some))
    np.testing.assert_allclose(vectors, np.asarray(network(some)), atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    # Four stripes of the features at stride 32.
    assert network.get_layer("flat").output.shape == (None, 4 * 576)
    save_reid(network, tmp_path / "wrong.keras")
    with pytest.raises(ModelError, match="16 values on residual"):
        load_reid(tmp_path / "wrong.keras")


def test_older_files_have_the_default_backbone(tmp_path):
    assert read_reid_description(crafted(tmp_path / "x.keras")).backbone == "residual"


def test_wrong_files(tmp_path, path):
    with pytest.raises(ModelError, match="does not exist"):
        load_reid(tmp_path / "none.keras")
    for content, message in (
        (b"text", "something else"),
        (b"", "0 bytes"),
        (path.read_bytes()[:-900], "cut short"),
    ):
        (tmp_path / "x.keras").write_bytes(content)
        with pytest.raises(ModelError, match=message):
            load_reid(tmp_path / "x.keras")


def test_a_detector_is_no_embedder(tmp_path):
    description = DetectorDescription(YoloSize.NANO, ("person",), long_side=64)
    save_detector(build_yolo(YoloSize.NANO, 1), tmp_path / "d.keras", description)
    with pytest.raises(ModelError, match="'tracker detector' file"):
        read_reid_description(tmp_path / "d.keras")


def test_path_that_cannot_be_written(network, tmp_path):
    with pytest.raises(ModelError, match=r"ends in \.keras"):
        save_reid(network, tmp_path / "x.h5")
    with pytest.raises(OutputError, match="cannot be written"):
        save_reid(network, tmp_path / "none" / "x.keras")
