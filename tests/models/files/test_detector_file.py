"""This package's detector files: round trips, and one error for each kind of fault."""

import dataclasses
import json
import zipfile
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from tracker.errors import ModelError
from tracker.models.backbones.load import backbone_layers
from tracker.models.files.detector_file import (
    DetectorDescription,
    HeadStyle,
    build_detector,
    load_detector,
    read_description,
    save_detector,
)
from tracker.models.yolo import build_yolo, copy_features
from tracker.models.yolo_shape import YoloSize

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

NANO = DetectorDescription(YoloSize.NANO, ("person", "Lkw é"), long_side=96)
RECORD = {
    "format": "tracker detector",
    "version": 1,
    "size": "nano",
    "heads": "anchor-free",
    "strides": [8, 16, 32],
    "long_side": 96,
    "class_names": ["person", "car"],
}


@pytest.fixture(scope="module")
def network() -> Any:
    keras.utils.set_random_seed(0)
    return build_yolo(YoloSize.NANO, 2)


@pytest.fixture(scope="module")
def path(network: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("file") / "mine.keras"
    save_detector(network, path, NANO)
    return path


def crafted(path: Path, *, weights: bool = True, **changes: Any) -> Path:
    """An archive with the members of a detector file and nothing behind them."""
    record = {key: value for key, value in (RECORD | changes).items() if value is not None}
    with zipfile.ZipFile(path, "w") as archive:
        if weights:
            archive.writestr("model.weights.h5", "none")
        archive.writestr("tracker.json", json.dumps(record))
    return path


@pytest.mark.slow
def test_what_was_saved_comes_back(network: Any, path: Path) -> None:
    assert read_description(path) == NANO
    loaded = load_detector(path, input_size=(32, 64))
    assert loaded.inputs[0].shape == (None, 32, 64, 3)
    for have, want in zip(loaded.get_weights(), network.get_weights(), strict=True):
        np.testing.assert_array_equal(have, want)
    assert [p.name for p in path.parent.iterdir()] == ["mine.keras"]


@pytest.mark.slow
def test_integral_detector_comes_back(tmp_path: Path) -> None:
    description = DetectorDescription(
        YoloSize.NANO,
        ("person", "car"),
        long_side=96,
        backbone="shufflenet-v2-1x",
        confidence=0.4,
        style=HeadStyle.INTEGRAL,
    )
    network = build_detector(description)
    path = tmp_path / "mine.keras"
    save_detector(network, path, description)
    assert read_description(path) == description
    image = np.random.default_rng(0).random((1, 64, 96, 3)).astype(np.float32)
    for ours, theirs in zip(network(image), load_detector(path)(image), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)
    with pytest.raises(ModelError, match="expected 2 as the network has, got 1"):
        save_detector(network, path, dataclasses.replace(description, class_names=("person",)))


def test_integral_heads_have_the_backbone_of_their_size() -> None:
    with pytest.raises(ModelError, match=r"expected shufflenet-v2-1\.5x .* small, got shuffle"):
        DetectorDescription(
            YoloSize.SMALL, ("a",), 96, backbone="shufflenet-v2-1x", style=HeadStyle.INTEGRAL
        )


def test_keras_reads_it_too(network: Any, path: Path) -> None:
    loaded = keras.models.load_model(path)
    assert loaded.output_names == network.output_names


def test_features_are_copied_to_other_classes(network: Any) -> None:
    other = build_yolo(YoloSize.NANO, 5)
    before = other.get_layer("map_8_class_out").get_weights()
    copy_features(network, other)
    for layer in other.layers:
        same = [np.array_equal(*pair) for pair in zip(
            layer.get_weights(), network.get_layer(layer.name).get_weights(), strict=True
        )] if not layer.name.endswith("class_out") else [True]  # fmt: skip
        assert all(same), layer.name
    for have, want in zip(other.get_layer("map_8_class_out").get_weights(), before, strict=True):
        np.testing.assert_array_equal(have, want)


def test_backbone_layers_end_before_the_neck(network: Any) -> None:
    names = [layer.name for layer in backbone_layers(network)]
    assert names[0] == "stem_conv"
    assert not [n for n in names if n.startswith(("lateral", "raise", "lower", "map"))]
    rest = {layer.name for layer in network.layers} - set(names)
    assert all(n.startswith(("image", "lateral", "raise", "lower", "map")) for n in rest)


@pytest.mark.slow
def test_weights_of_another_size_are_refused(network: Any, tmp_path: Path) -> None:
    wrong = DetectorDescription(YoloSize.SMALL, NANO.class_names, long_side=96)
    save_detector(network, tmp_path / "wrong.keras", wrong)
    with pytest.raises(ModelError, match="not those of small with 2 classes"):
        load_detector(tmp_path / "wrong.keras")


def test_mismatched_network_is_not_saved(network: Any, tmp_path: Path) -> None:
    three = DetectorDescription(YoloSize.NANO, ("a", "b", "c"), long_side=96)
    with pytest.raises(ModelError, match="expected 2 as the network has, got 3"):
        save_detector(network, tmp_path / "a.keras", three)
    with pytest.raises(ModelError, match=r"ends in \.keras"):
        save_detector(network, tmp_path / "a.h5", NANO)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("names", [(), ("a", "a"), ("a", "")])
def test_bad_class_names(names: tuple[str, ...]) -> None:
    with pytest.raises(ModelError, match="class names"):
        DetectorDescription(YoloSize.NANO, names, long_side=32)


@pytest.mark.parametrize("long_side", [0, 16, 100])
def test_bad_long_side(long_side: int) -> None:
    with pytest.raises(ModelError, match="multiple of 32"):
        DetectorDescription(YoloSize.NANO, ("a",), long_side=long_side)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "0 bytes"),
        (b"no archive", "expected a .keras archive, got something else"),
        (b"\x89HDF\r\n\x1a\n", "got an HDF5 file"),
        (b"PK\x03\x04 cut", "cut short or damaged"),
    ],
)
def test_files_that_are_no_archive(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "a.keras").write_bytes(content)
    with pytest.raises(ModelError, match=message):
        read_description(tmp_path / "a.keras")


def test_no_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="does not exist"):
        read_description(tmp_path / "a.keras")
    with pytest.raises(ModelError, match="got a directory"):
        read_description(tmp_path)


@pytest.mark.parametrize("share", [0.02, 0.5, 0.999])
def test_a_file_that_was_cut_short(path: Path, tmp_path: Path, share: float) -> None:
    content = path.read_bytes()
    (tmp_path / "a.keras").write_bytes(content[: int(share * len(content))])
    with pytest.raises(ModelError, match="cut short or damaged"):
        read_description(tmp_path / "a.keras")


def test_a_flipped_bit_is_found(path: Path, tmp_path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "a.keras").write_bytes(content)
    with pytest.raises(ModelError, match=r"model\.weights\.h5 in it is damaged"):
        read_description(tmp_path / "a.keras")


def test_another_model_and_another_archive(tmp_path: Path) -> None:
    image = keras.Input((2,))
    keras.Model(image, keras.layers.Dense(1)(image)).save(tmp_path / "a.keras")
    with pytest.raises(ModelError, match="got another Keras model"):
        read_description(tmp_path / "a.keras")
    with pytest.raises(ModelError, match="got another archive"):
        read_description(crafted(tmp_path / "b.keras", weights=False))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"version": 2}, "expected version 1, got 2; use the release"),
        ({"format": "other"}, "train detector` wrote, got a 'other' file"),
        ({"version": None}, "malformed: KeyError"),
        ({"size": "huge"}, "malformed: ValueError.*'huge'"),
        ({"heads": "anchors"}, "expected anchor-free or integral heads, got 'anchors'"),
        ({"strides": [8, 16]}, "at strides"),
        ({"strides": 8}, "malformed: TypeError"),
        ({"long_side": 100}, "multiple of 32"),
        ({"class_names": []}, "class names"),
        ({"class_names": "person"}, "list of names"),
        ({"class_names": [1]}, "list of names"),
        ({"backbone": "resnet50v3"}, "got 'resnet50v3'; near: resnet50v2"),
    ],
)
def test_wrong_descriptions(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    path = crafted(tmp_path / "a.keras", **changes)
    with pytest.raises(ModelError, match=message):
        read_description(path)


def test_older_files_have_the_default_backbone(tmp_path: Path) -> None:
    assert read_description(crafted(tmp_path / "a.keras")).backbone == "cross-stage"


@pytest.mark.slow
def test_other_backbone_is_saved_and_loaded(network: Any, tmp_path: Path) -> None:
    short = "efficientnet-lite0-short"
    other = build_yolo(YoloSize.NANO, 2, backbone=short)
    description = DetectorDescription(YoloSize.NANO, NANO.class_names, long_side=96, backbone=short)
    save_detector(other, tmp_path / "a.keras", description)
    assert read_description(tmp_path / "a.keras") == description
    loaded = load_detector(tmp_path / "a.keras", input_size=(32, 64))
    for have, want in zip(loaded.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(have, want)
    save_detector(network, tmp_path / "wrong.keras", description)
    with pytest.raises(ModelError, match="2 classes on efficientnet-lite0-short"):
        load_detector(tmp_path / "wrong.keras")


def test_unreadable_weights(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"model\.weights\.h5 in it is damaged"):
        load_detector(crafted(tmp_path / "a.keras"))
