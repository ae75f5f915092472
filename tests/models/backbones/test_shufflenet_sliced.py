"""Features without shuffles are those with them, in another order of channels."""

import keras
import numpy as np

from tracker.models.backbones.shufflenet import shufflenet_features
from tracker.models.backbones.shufflenet_sliced import copy_permuted, sliced_features

NAME = "shufflenet-v2-1x"


def test_same_channels_in_the_order_that_it_tells():
    keras.utils.set_random_seed(0)
    image = keras.Input((None, None, 3))
    shuffled = keras.Model(image, shufflenet_features(image, NAME))
    found = sliced_features(image, NAME)
    sliced = keras.Model(image, found.levels)
    copy_permuted(sliced, shuffled, found.kernels)
    pixels = np.random.default_rng(0).random((1, 64, 96, 3)).astype(np.float32)
    for expected, got, order in zip(shuffled(pixels), sliced(pixels), found.orders, strict=True):
        assert sorted(order.tolist()) == list(range(expected.shape[-1]))
        np.testing.assert_allclose(np.asarray(expected)[..., order], got, atol=1e-5)


def test_no_shuffle_is_left():
    image = keras.Input((None, None, 3))
    model = keras.Model(image, sliced_features(image, NAME).levels)
    assert not any("Shuffle" in type(layer).__name__ for layer in model.layers)
