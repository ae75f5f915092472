"""Segmenter files: descriptions, and files of other kinds."""

import json
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest

from tracker.errors import ModelError
from tracker.models.fcn.fcn8s import build_fcn8s
from tracker.models.files.segmenter_file import (
    SEGMENTER_FILE,
    SegmenterDescription,
    SegmenterHead,
    build_segmenter,
    load_segmenter,
    read_segmenter_description,
    save_segmenter,
)
from tracker.models.files.tflite import MEMBER
from tracker.models.yolo_shape import YoloSize

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

NAMES = ("background", "person")
DESCRIPTION = SegmenterDescription(NAMES, 64, "cross-stage", YoloSize.NANO)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, object]:
    keras.utils.set_random_seed(0)
    network = build_fcn8s("cross-stage", 2, size=YoloSize.NANO)
    path = tmp_path_factory.mktemp("segmenter") / "people.keras"
    save_segmenter(network, path, DESCRIPTION)
    return path, network


def test_saved_segmenter_has_the_same_description_and_scores(saved: tuple[Path, object]) -> None:
    path, network = saved
    assert read_segmenter_description(path) == DESCRIPTION
    image = np.random.default_rng(0).random((1, 32, 64, 3)).astype(np.float32)
    loaded = load_segmenter(path, input_size=(32, 64))
    np.testing.assert_allclose(
        np.asarray(loaded(image, training=False)),
        np.asarray(network(image, training=False)),
        atol=1e-6,
    )
    assert not [p for p in path.parent.iterdir() if p != path]


@pytest.mark.slow
def test_a_segmenter_of_crops_is_saved_and_loaded(tmp_path: Path) -> None:
    description = SegmenterDescription(NAMES, 64, "shufflenet-v2-1x", head=SegmenterHead.CROP_UNET)
    network = build_segmenter(description)
    save_segmenter(network, tmp_path / "crops.keras", description)
    assert read_segmenter_description(tmp_path / "crops.keras") == description
    loaded = load_segmenter(tmp_path / "crops.keras")
    image = np.random.default_rng(0).random((1, 64, 64, 3)).astype(np.float32)
    np.testing.assert_allclose(np.asarray(loaded(image)), np.asarray(network(image)), atol=1e-6)


def changed(path: Path, target: Path, **values: object) -> Path:
    """A copy of the file whose description says something else."""
    record = json.loads(SEGMENTER_FILE.text(DESCRIPTION)) | values
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            new.writestr(name, json.dumps(record) if name == MEMBER else old.read(name))
    return target


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"format": "tracker detector"}, "got a 'tracker detector' file"),
        ({"version": 2}, "expected version 1, got 2"),
        ({"head": "u-net"}, "expected head fcn-8s or crop-u-net, got 'u-net'"),
        ({"head": "crop-u-net"}, "backbone: expected a known name, got 'cross-stage'"),
        ({"class_names": ["a"]}, "expected 2 to 255 different ones"),
        ({"class_names": ["a", "a"]}, "expected 2 to 255 different ones"),
        ({"class_names": "ab"}, "expected a list of names, got 'ab'"),
        ({"long_side": 100}, "multiple of 32, got 100"),
        ({"backbone": "cross-stag"}, "near: cross-stage"),
        ({"size": "large"}, "malformed: ValueError"),
    ],
)
def test_descriptions_that_are_wrong(
    saved: tuple[Path, object], tmp_path: Path, values: dict[str, object], message: str
) -> None:
    path = changed(saved[0], tmp_path / "x.keras", **values)
    with pytest.raises(ModelError, match=message):
        read_segmenter_description(path)


@pytest.mark.slow
def test_weights_of_another_network(saved: tuple[Path, object], tmp_path: Path) -> None:
    path = changed(saved[0], tmp_path / "x.keras", size="small")
    with pytest.raises(ModelError, match="its weights are not those of 2 classes on cross-stage"):
        load_segmenter(path)


def test_files_that_are_no_segmenter(saved: tuple[Path, object], tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="does not exist"):
        read_segmenter_description(tmp_path / "none.keras")
    (tmp_path / "text.keras").write_text("hello")
    with pytest.raises(ModelError, match="got something else"):
        read_segmenter_description(tmp_path / "text.keras")
    (tmp_path / "cut.keras").write_bytes(saved[0].read_bytes()[:5000])
    with pytest.raises(ModelError, match="cut short"):
        read_segmenter_description(tmp_path / "cut.keras")
    plain = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    plain.save(tmp_path / "plain.keras")
    with pytest.raises(ModelError, match="train segmenter` wrote, got another Keras model"):
        read_segmenter_description(tmp_path / "plain.keras")
    with pytest.raises(ModelError, match="malformed"):
        SEGMENTER_FILE.parse(tmp_path / "x.keras", b"[]")
    with pytest.raises(ModelError, match=r"ends in \.keras"):
        save_segmenter(saved[1], tmp_path / "x.h5", DESCRIPTION)
    with pytest.raises(ModelError, match="expected 2 as the network has, got 3"):
        save_segmenter(
            saved[1], tmp_path / "x.keras", SegmenterDescription(("a", "b", "c"), 64, "xception")
        )
