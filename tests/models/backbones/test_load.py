"""Backbones by name: shapes, names of layers, Keras's own networks as the reference, weights."""

import os
import subprocess
import sys
import warnings
from fnmatch import fnmatchcase

import keras
import numpy as np
import pytest
from keras.src.legacy.saving import legacy_h5_format

from tracker.errors import ConfigError, ModelError
from tracker.models.backbones.efficientnet_lite import STAGES
from tracker.models.backbones.load import _FAMILIES, application, backbone_features, backbone_layers
from tracker.models.backbones.names import (
    APPLICATIONS,
    DETECTOR_BACKBONES,
    LITE,
    REID_BACKBONES,
    BackboneChoice,
    check_backbone,
    near,
)
from tracker.models.backbones.weights import load_backbone
from tracker.models.files.detector_file import DetectorDescription, load_detector, save_detector
from tracker.models.files.reid_file import save_reid
from tracker.models.reid import build_reid
from tracker.models.yolo import build_yolo
from tracker.models.yolo_shape import SHAPES, YoloSize

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

QUICK = ("efficientnet-lite0-short", "mobilenetv3small")
"""Backbones that are built in less than a second."""

SHORT = "efficientnet-lite0-short"


def long_but(short, names, *more):
    marks = [pytest.mark.long, *more]
    return [pytest.param(name, marks=[] if name in short else marks) for name in names]


def features(name, height=None, width=None):
    image = keras.Input((height, width, 3))
    return keras.Model(image, backbone_features(image, name))


def random_image(height, width):
    return np.random.default_rng(0).random((1, height, width, 3)).astype(np.float32)


def shake(network):
    """Gives batch norms statistics and factors that are not 0 and 1."""
    rng = np.random.default_rng(1)
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.set_weights([w + 0.1 * rng.random(w.shape) for w in layer.get_weights()])


def test_every_name_can_be_built():
    assert tuple(STAGES) == LITE
    for name, function in APPLICATIONS.items():
        assert callable(getattr(keras.applications, function))
        assert sum(fnmatchcase(name, family.names) for family in _FAMILIES) == 1
    for names in (DETECTOR_BACKBONES, REID_BACKBONES):
        assert len(set(names)) == len(names)


@pytest.mark.parametrize("name", long_but(QUICK, (*LITE, *APPLICATIONS), pytest.mark.slow))
def test_strides_and_layers(name):
    """Maps have exactly a stride's share of the pixels; all layers but the input are found."""
    network = features(name, 32, 64)
    assert [tuple(m.shape[1:3]) for m in network.outputs] == [(4, 8), (2, 4), (1, 2)]
    names = [layer.name for layer in network.layers]
    assert [layer.name for layer in backbone_layers(network)] == names[1:]
    assert names[1] in {"backbone_scale", "efficientnet_scale"}


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", long_but(["resnet50v2"], ["xception", "efficientnetb0", "resnet50v2"])
)
@pytest.mark.parametrize(("height", "width"), [(32, 32), (96, 64), (64, 160)])
def test_any_input_size(name, height, width):
    maps = features(name)(random_image(height, width), training=False)
    assert [tuple(m.shape[1:3]) for m in maps] == [(height // s, width // s) for s in (8, 16, 32)]


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", long_but(["mobilenetv3small"], ["mobilenetv3small", "xception", "convnexttiny"])
)
def test_layers_have_the_same_names_every_time(name):
    """Keras itself numbers layers over all networks of a process."""
    first, second = ([layer.name for layer in features(name).layers[1:]] for _ in range(2))
    assert first == second
    assert len(set(first)) == len(first)


PREPROCESSING = {
    "resnet": keras.applications.resnet_v2,
    "mobilenetv2": keras.applications.mobilenet_v2,
    "xception": keras.applications.xception,
    "densenet": keras.applications.densenet,
}
"""Preprocessing that Keras keeps outside the network; other networks expect pixels up to 255."""

ONE_OF_EACH_FAMILY = {
    "resnet*v2": "resnet50v2",
    "efficientnetb*": "efficientnetb0",
    "efficientnetv2b*": "efficientnetv2b0",
}
"""The smallest of each family; the others differ in depth and width only, which Keras defines."""


def test_every_family_is_compared():
    for family in _FAMILIES:
        assert fnmatchcase(ONE_OF_EACH_FAMILY.get(family.names, family.names), family.names)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    long_but(
        ["efficientnetb0", "mobilenetv3small"],
        [ONE_OF_EACH_FAMILY.get(family.names, family.names) for family in _FAMILIES],
    ),
)
def test_features_equal_those_of_keras(name, tmp_path):
    """Weights of Keras's own network, by both kinds of file, give its values for pixels."""
    reference = getattr(keras.applications, APPLICATIONS[name])(
        include_top=False, weights=None, input_shape=(None, None, 3)
    )
    shake(reference)
    for layer in reference.layers:
        if isinstance(layer, keras.layers.Normalization) and layer.weights:
            # EfficientNetB0 to B7: what the published files hold, as their authors trained.
            layer.adapt_mean.assign([0.485, 0.456, 0.406])
            layer.adapt_variance.assign(np.square([0.229, 0.224, 0.225]))
            layer.finalize_state()
    pixels = 255 * random_image(64, 96)
    for prefix, module in PREPROCESSING.items():
        if name.startswith(prefix):
            pixels = module.preprocess_input(pixels)
    want = np.asarray(reference(pixels, training=False))
    reference.save_weights(tmp_path / "a.weights.h5")
    for file in ("a.weights.h5", "b.h5"):
        network = features(name)
        if file == "b.h5":
            old_kind(reference, tmp_path / file)
        load_backbone(network, BackboneChoice(name, weights=str(tmp_path / file)))
        got = np.asarray(network(random_image(64, 96), training=False)[-1])
        np.testing.assert_allclose(got, want, atol=1e-5 * np.abs(want).max())


def old_kind(network, path):
    """Writes weights as Keras 2 did, and as keras.applications publishes them."""
    import h5py

    with h5py.File(path, "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, network)


@pytest.mark.slow
def test_shorter_backbone_is_loaded_from_a_longer_one(tmp_path):
    """A detector on efficientnet-lite0 contains all layers of the short one; heads stay new."""
    whole = build_yolo(YoloSize.SMALL, 2, backbone="efficientnet-lite0")
    shake(whole)
    description = DetectorDescription(
        YoloSize.SMALL, ("a", "b"), long_side=32, backbone="efficientnet-lite0"
    )
    save_detector(whole, tmp_path / "whole.keras", description)
    short = build_yolo(YoloSize.NANO, 3, backbone=SHORT)
    head = short.get_layer("map_8_box_out").get_weights()
    choice = BackboneChoice(SHORT, weights=str(tmp_path / "whole.keras"))
    load_backbone(short, choice)
    layers = [layer for layer in backbone_layers(short) if layer.weights]
    assert len(layers) == 2 + 11 * 6 + 4  # stem, eleven blocks with three pairs, the first with two
    for layer in layers:
        for have, want in zip(
            layer.get_weights(), whole.get_layer(layer.name).get_weights(), strict=True
        ):
            np.testing.assert_array_equal(have, want)
    np.testing.assert_array_equal(short.get_layer("map_8_box_out").get_weights()[0], head[0])
    # The reverse lacks layers.
    save_detector(
        short,
        tmp_path / "short.keras",
        DetectorDescription(YoloSize.NANO, ("a", "b", "c"), long_side=32, backbone=SHORT),
    )
    with pytest.raises(ModelError, match=r"expected all 96 layers of efficientnet-lite0, got 72"):
        load_backbone(
            whole, BackboneChoice("efficientnet-lite0", weights=str(tmp_path / "short.keras"))
        )
    loaded = load_detector(tmp_path / "short.keras", input_size=(32, 32))
    assert loaded.get_layer("efficientnet_11_depth_conv") is not None


@pytest.mark.slow
def test_backbone_of_a_detector_initialises_an_appearance_network(tmp_path):
    """And vice versa."""
    reid = build_reid(8, backbone=SHORT)
    shake(reid)
    save_reid(reid, tmp_path / "reid.keras", backbone=SHORT)
    detector = build_yolo(YoloSize.NANO, 1, backbone=SHORT)
    load_backbone(detector, BackboneChoice(SHORT, weights=str(tmp_path / "reid.keras")))
    for layer in backbone_layers(detector):
        for have, want in zip(
            layer.get_weights(), reid.get_layer(layer.name).get_weights(), strict=True
        ):
            np.testing.assert_array_equal(have, want)
    description = DetectorDescription(YoloSize.NANO, ("a",), long_side=32, backbone=SHORT)
    save_detector(detector, tmp_path / "detector.keras", description)
    load_backbone(reid, BackboneChoice(SHORT, weights=str(tmp_path / "detector.keras")))


@pytest.mark.slow
def test_the_small_detector_does_not_fit_the_nano_one(tmp_path):
    description = DetectorDescription(YoloSize.NANO, ("a",), long_side=32)
    save_detector(build_yolo(YoloSize.NANO, 1), tmp_path / "nano.keras", description)
    image = keras.Input((None, None, 3))
    shape = SHAPES[YoloSize.SMALL]
    small = keras.Model(image, backbone_features(image, "cross-stage", shape=shape))
    with pytest.raises(ModelError, match=r"of another shape: stem_conv, stem_norm, stage0"):
        load_backbone(small, BackboneChoice("cross-stage", weights=str(tmp_path / "nano.keras")))


@pytest.mark.slow
def test_files_that_do_not_fit(tmp_path):
    network = features(SHORT)
    image = keras.Input((2,))
    other = keras.Model(image, keras.layers.Dense(1)(image))
    other.save(tmp_path / "other.keras")
    other.save_weights(tmp_path / "other.weights.h5")
    (tmp_path / "text.h5").write_text("no weights")
    for file, message in (
        ("none.keras", "does not exist"),
        ("other.keras", "got another Keras model"),
        ("other.weights.h5", "of efficientnet-lite0-short without its top, got something else"),
        ("text.h5", "got something else"),
    ):
        with pytest.raises(ModelError, match=message) as caught:
            load_backbone(network, BackboneChoice(SHORT, weights=str(tmp_path / file)))
        assert "\n" not in str(caught.value)
    with pytest.raises(ModelError, match=r"expected a \.keras file for cross-stage"):
        load_backbone(
            build_yolo(YoloSize.NANO, 1),
            BackboneChoice("cross-stage", weights=str(tmp_path / "text.h5")),
        )


@pytest.mark.slow
def test_weights_of_lite_from_hdf5(tmp_path):
    first, second = features(SHORT), features(SHORT)
    shake(first)
    first.save_weights(tmp_path / "a.weights.h5")
    load_backbone(second, BackboneChoice(SHORT, weights=str(tmp_path / "a.weights.h5")))
    for have, want in zip(second.get_weights(), first.get_weights(), strict=True):
        np.testing.assert_array_equal(have, want)


@pytest.mark.slow
def test_failed_download_of_published_weights(tmp_path):
    program = (
        "import sys, keras\n"
        "from tracker.models.backbones.names import BackboneChoice\n"
        "from tracker.models.backbones.weights import load_backbone\n"
        "from tracker.models.backbones.load import backbone_features\n"
        "from tracker.errors import DependencyError\n"
        "image = keras.Input((None, None, 3))\n"
        "network = keras.Model(image, backbone_features(image, 'mobilenetv2'))\n"
        "try: load_backbone(network, BackboneChoice('mobilenetv2', weights='imagenet'))\n"
        "except DependencyError as error: print(error)\n"
    )
    nowhere = {"KERAS_HOME": str(tmp_path), "https_proxy": "http://127.0.0.1:9"}
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, **nowhere},
    )
    assert done.stdout.startswith(
        "backbone_weights imagenet: Keras could not download the weights of"
    )
    assert done.stdout.endswith("; give the path of a file, or none\n")
    assert done.stdout.count("\n") == 1


def test_nothing_is_downloaded_without_the_keyword(tmp_path):
    network = features(SHORT)
    before = network.get_weights()
    load_backbone(network, BackboneChoice(SHORT))
    for have, want in zip(network.get_weights(), before, strict=True):
        np.testing.assert_array_equal(have, want)


def test_networks_that_cannot_be_built():
    image = keras.Input((32, 32, 3))
    with pytest.raises(ConfigError, match=r"'resnet50v3'; near: resnet50v2"):
        backbone_features(image, "resnet50v3")
    with pytest.raises(ConfigError, match="'cross-stage'"):
        backbone_features(image, "cross-stage")
    with pytest.raises(ConfigError, match="got 'cross-stage'"):
        check_backbone("cross-stage", REID_BACKBONES)
    assert near("zzz", ["a", "b"]) == "; known: a, b"


def test_a_reference_of_any_size_gives_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert application("mobilenetv3small").input_shape == (None, None, None, 3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "efficientnet-lite0", "weights": "imagenet"}, "no published weights"),
        ({"weights": "file.txt"}, r"ends in \.keras or \.h5 or \.pth or \.onnx, got 'file\.txt'"),
        ({"weights": "a.keras", "whole": "b.keras"}, r"b\.keras holds those of its backbone"),
        ({"frozen_until": "conv1_conv"}, "random weights cannot be frozen"),
        ({"frozen_norms": True}, "random weights cannot be frozen"),
    ],
)
def test_invalid_choices(changes, message):
    with pytest.raises(ConfigError, match=message):
        BackboneChoice(**({"name": "resnet50v2"} | changes))


def test_default_frozen_norms():
    assert not BackboneChoice("resnet50v2").norms_are_frozen
    assert not BackboneChoice("resnet50v2", whole="a.keras").norms_are_frozen
    assert BackboneChoice("resnet50v2", weights="imagenet").norms_are_frozen
    assert not BackboneChoice("resnet50v2", weights="imagenet", frozen_norms=False).norms_are_frozen


def test_card_text_of_a_backbone():
    assert BackboneChoice("cross-stage").card_text(0) == (
        "Backbone `cross-stage`, weights: new. Frozen: nothing."
    )
    text = BackboneChoice("resnet50v2", weights="a.h5", frozen_until="conv1_conv").card_text(2)
    assert text == (
        "Backbone `resnet50v2`, weights: from `a.h5`. Frozen: all of it in the first 2 epochs; "
        "what comes before `conv1_conv`, that layer included, throughout; its batch norms "
        "throughout."
    )
    assert "publishes for ImageNet" in BackboneChoice("xception", weights="imagenet").card_text(0)
    assert "from `a.keras`, as the whole" in BackboneChoice("xception", whole="a.keras").card_text(
        0
    )


@pytest.mark.slow
def test_a_damaged_type_in_a_file_of_weights_is_one_line(tmp_path):
    import h5py

    path = tmp_path / "a.weights.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("a", data="text", dtype=h5py.string_dtype("utf-8"))
    damaged = bytearray(path.read_bytes())
    damaged[842] ^= 0x02  # how the characters of the type are encoded: 1 means UTF-8
    path.write_bytes(damaged)
    with pytest.raises(ModelError, match=r"backbone_weights .*: Unknown string encoding"):
        load_backbone(features(SHORT), BackboneChoice(SHORT, weights=str(path)))
