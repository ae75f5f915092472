"""FCN-8s: against an upsampling in NumPy, and invalid arguments."""

import keras
import numpy as np
import pytest

from tracker.errors import ConfigError
from tracker.models.backbones.load import backbone_layers
from tracker.models.fcn.fcn8s import LOGITS, bilinear_kernel, build_fcn8s, copy_all_but_scores
from tracker.models.yolo_shape import YoloSize

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def raised(maps: np.ndarray, kernel: np.ndarray, factor: int) -> np.ndarray:
    """Adds the kernel to the output for every input pixel, centred on its block."""
    height, width, channels = maps.shape
    border = factor // 2
    canvas = np.zeros(((height + 1) * factor, (width + 1) * factor, channels), np.float64)
    for row in range(height):
        for column in range(width):
            stamp = kernel @ maps[row, column]
            top, left = row * factor, column * factor
            canvas[top : top + 2 * factor, left : left + 2 * factor] += stamp
    return canvas[border:-border, border:-border]


def nano(classes: int, **options: object) -> object:
    return build_fcn8s("cross-stage", classes, size=YoloSize.NANO, **options)


def test_one_pixel_spreads_over_its_block_and_the_next() -> None:
    """Upsampling by two by hand: 3/4 of the nearer and 1/4 of the farther pixel, on each axis."""
    line = np.array([1, 3, 3, 1]) / 4
    kernel = bilinear_kernel(2, 2)
    assert kernel.shape == (4, 4, 2, 2)
    np.testing.assert_array_equal(kernel[:, :, 0, 0], np.outer(line, line))
    np.testing.assert_array_equal(kernel[:, :, 1, 1], np.outer(line, line))
    assert not kernel[:, :, 0, 1].any()


@pytest.mark.parametrize("factor", [2, 8])
def test_a_constant_stays_constant_inside(factor: int) -> None:
    layer = keras.layers.Conv2DTranspose(
        2, 2 * factor, strides=factor, padding="same", use_bias=False
    )
    layer.build((None, 4, 5, 2))
    layer.set_weights([bilinear_kernel(factor, 2)])
    values = np.ones((1, 4, 5, 2), np.float32) * np.array([3, -7], np.float32)
    result = np.asarray(layer(values))
    assert result.shape == (1, 4 * factor, 5 * factor, 2)
    border = factor // 2
    inside = result[0, border:-border, border:-border]
    np.testing.assert_allclose(inside, np.broadcast_to([3.0, -7.0], inside.shape), rtol=1e-6)
    assert (np.abs(result[0, 0, border:-border]) < [3, 7]).all()


def test_the_output_is_the_upsampled_sum_of_three_scores() -> None:
    """Random weights in the head; the sums and the upsampling are recomputed in NumPy."""
    rng = np.random.default_rng(0)
    network = nano(3, input_size=(64, 96))
    head = [layer for layer in network.layers if layer.name.startswith(("map_", "raise_"))]
    for layer in head:
        layer.set_weights([rng.normal(0, 0.5, w.shape) for w in layer.weights])
    by_name = {layer.name: layer for layer in head}
    scores = [by_name[f"map_{stride}_class_out"] for stride in (8, 16, 32)]
    probe = keras.Model(network.input, [layer.input for layer in scores])
    image = rng.random((2, 64, 96, 3)).astype(np.float32)
    got = np.asarray(network(image, training=False))
    features = [np.asarray(x, np.float64) for x in probe(image, training=False)]
    assert got.shape == (2, 64, 96, 3)
    for row in range(2):
        fine, middle, coarse = (
            x[row] @ np.asarray(layer.kernel, np.float64)[0, 0] + np.asarray(layer.bias)
            for x, layer in zip(features, scores, strict=True)
        )
        kernels = [
            np.asarray(by_name[name].kernel, np.float64)
            for name in ("raise_16_class_out", "raise_8_class_out", LOGITS)
        ]
        total = middle + raised(coarse, kernels[0], 2)
        total = fine + raised(total, kernels[1], 2)
        np.testing.assert_allclose(got[row], raised(total, kernels[2], 8), rtol=1e-3, atol=1e-3)


def test_new_networks_interpolate_and_the_last_upsampling_is_frozen() -> None:
    network = nano(2)
    for name, factor in (("raise_16_class_out", 2), ("raise_8_class_out", 2), (LOGITS, 8)):
        kernel = np.asarray(network.get_layer(name).kernel)
        np.testing.assert_array_equal(kernel, bilinear_kernel(factor, 2))
    assert not network.get_layer(LOGITS).trainable
    assert network.get_layer("raise_8_class_out").trainable
    names = {layer.name for layer in backbone_layers(network)}
    assert not {name for name in names if name.startswith(("map", "raise"))}
    assert "pooling_out_conv" in names


@pytest.mark.slow
def test_any_multiple_of_32_with_the_same_weights() -> None:
    network = nano(2)
    fixed = nano(2, input_size=(32, 64))
    fixed.set_weights(network.get_weights())
    image = np.random.default_rng(1).random((1, 32, 64, 3)).astype(np.float32)
    result = np.asarray(network(image, training=False))
    assert result.shape == (1, 32, 64, 2)
    np.testing.assert_allclose(result, np.asarray(fixed(image, training=False)), atol=1e-6)


@pytest.mark.parametrize(
    "backbone",
    [
        "efficientnet-lite0-short",
        pytest.param("efficientnet-lite0", marks=pytest.mark.slow),
        pytest.param("mobilenetv2", marks=pytest.mark.slow),
        pytest.param("resnet50v2", marks=pytest.mark.slow),
        pytest.param("xception", marks=pytest.mark.slow),
        pytest.param("densenet121", marks=pytest.mark.slow),
    ],
)
def test_other_backbones(backbone: str) -> None:
    network = build_fcn8s(backbone, 4, input_size=(64, 32))
    assert network.output_shape == (None, 64, 32, 4)


def test_copying_a_backbone_keeps_the_class_layers() -> None:
    source, target = nano(3), nano(2)
    before = target.get_layer("map_8_class_out").get_weights()
    copy_all_but_scores(source, target)
    for name in ("stem_conv", "pooling_out_norm"):
        for a, b in zip(
            source.get_layer(name).get_weights(), target.get_layer(name).get_weights(), strict=True
        ):
            np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(before[0], target.get_layer("map_8_class_out").get_weights()[0])


def test_refused_sources() -> None:
    with pytest.raises(ConfigError, match="class_count: expected at least 2, got 1"):
        nano(1)
    with pytest.raises(ConfigError, match=r"multiples of 32, got \(64, 40\)"):
        nano(2, input_size=(64, 40))
    with pytest.raises(ConfigError, match="backbone: cannot be built: 'resnet50v3'; near"):
        build_fcn8s("resnet50v3", 2)
