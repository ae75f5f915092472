"""The network on crops: its size, its resolution, and invalid arguments."""

import keras
import numpy as np
import pytest

from tracker.errors import ConfigError
from tracker.models.backbones.load import backbone_layers
from tracker.models.crop_unet import build_crop_unet

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture(scope="module")
def network() -> object:
    keras.utils.set_random_seed(0)
    return build_crop_unet("shufflenet-v2-1x", 2)


def test_it_is_small_and_scores_every_pixel(network: object) -> None:
    assert network(np.zeros((1, 48, 64, 3), np.float32)).shape == (1, 48, 64, 2)
    assert network.output_shape == (None, None, None, 2)
    assert network.count_params() < 400_000
    names = {layer.name for layer in backbone_layers(network)}
    assert "shufflenet_1_7_out_conv" in names  # the last convolution at stride 16
    assert not any(name.startswith("shufflenet_2") for name in names)


def test_fine_detail_reaches_the_scores_past_the_encoder(network: object) -> None:
    """One pixel changes scores beside it, though not by the deep layers alone."""
    black = np.zeros((1, 64, 64, 3), np.float32)
    dotted = black.copy()
    dotted[0, 32, 32] = 1
    change = np.abs(np.asarray(network(dotted)) - np.asarray(network(black))).max(axis=-1)[0]
    near = change[30:36, 30:36].mean()
    assert near > 3 * np.median(change)


def test_wrong_arguments() -> None:
    with pytest.raises(ConfigError, match="class_count: expected at least 2, got 1"):
        build_crop_unet("shufflenet-v2-1x", 1)
    with pytest.raises(ConfigError, match="got 'cross-stage'"):
        build_crop_unet("cross-stage", 2)
