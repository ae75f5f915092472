"""What of a backbone does not learn."""

import keras
import numpy as np
import pytest

from tracker.errors import ConfigError
from tracker.models.backbones.load import backbone_layers
from tracker.models.backbones.names import BackboneChoice
from tracker.models.yolo import build_yolo
from tracker.models.yolo_shape import YoloSize
from tracker.training.freezing import freeze_for_good, learning_backbone, set_learning

SHORT = "efficientnet-lite0-short"


@pytest.fixture(scope="module")
def built():
    return build_yolo(YoloSize.NANO, 1, backbone=SHORT)


@pytest.fixture
def network(built):
    """All of it learns."""
    set_learning(built.layers, learning=True)
    return built


def test_nothing(network):
    freeze_for_good(network, BackboneChoice(SHORT))
    assert learning_backbone(network) == backbone_layers(network)


def test_up_to_a_layer_and_all_norms(network):
    choice = BackboneChoice(SHORT, weights="a.keras", frozen_until="efficientnet_4_add")
    freeze_for_good(network, choice)
    learning = [layer.name for layer in learning_backbone(network) if layer.weights]
    # Blocks 5 to 11 of three convolutions each.
    assert learning == [
        f"efficientnet_{block}_{part}_conv"
        for block in range(5, 12)
        for part in ("expand", "depth", "project")
    ]
    rest = [layer for layer in network.layers if layer.name.startswith(("lateral", "map_"))]
    assert all(layer.trainable for layer in rest)


def test_norms_may_learn(network):
    choice = BackboneChoice(
        SHORT, weights="a.keras", frozen_until="efficientnet_stem_conv", frozen_norms=False
    )
    freeze_for_good(network, choice)
    frozen = [layer.name for layer in backbone_layers(network) if not layer.trainable]
    assert frozen == ["efficientnet_scale", "efficientnet_stem_conv"]


def test_an_unknown_layer(network):
    choice = BackboneChoice(SHORT, weights="a.keras", frozen_until="efficientnet_4_ad")
    with pytest.raises(
        ConfigError, match=r"has no layer 'efficientnet_4_ad'; near: efficientnet_4_add, "
    ):
        freeze_for_good(network, choice)


def test_frozen_norms_keep_their_statistics(network):
    """In training they compute as in use."""
    freeze_for_good(network, BackboneChoice(SHORT, whole="a.keras", frozen_norms=True))
    norm = network.get_layer("efficientnet_stem_norm")
    before = [np.array(w) for w in norm.get_weights()]
    x = np.random.default_rng(0).random((2, 8, 8, 32)).astype(np.float32)
    in_training, in_use = (np.asarray(norm(x, training=flag)) for flag in (True, False))
    np.testing.assert_array_equal(in_training, in_use)
    for have, want in zip(norm.get_weights(), before, strict=True):
        np.testing.assert_array_equal(have, want)
    set_learning([norm], learning=True)
    assert isinstance(norm, keras.layers.BatchNormalization)
    assert norm.trainable
