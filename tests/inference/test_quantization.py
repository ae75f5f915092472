"""Quantization: ranges, equal channels, and a small network against its float results."""

import numpy as np
import pytest

from tracker.inference.activation_ranges import Observed, best_range, moved_together, set_ranges
from tracker.inference.equalization import channel_factors, equalize, equalized_pairs
from tracker.inference.litert import Precision, _pixel_function, export_network, open_interpreter
from tracker.inference.quantization import float_tensors, quantized
from tracker.inference.tflite_graph import TfliteGraph
from tracker.util.arrays import Float32Array

SIDE = 16
CHANNELS = 8


def images(count: int) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (1, SIDE, SIDE, 3)).astype(np.uint8) for _ in range(count)]


def network():
    """Returns a network whose middle channels differ in size by factors of two, up to 128."""
    import keras

    image = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(CHANNELS, 1, name="first")(image * 2.0 - 1.0)
    x = keras.layers.LeakyReLU(0.1)(x)
    x = keras.layers.DepthwiseConv2D(3, padding="same", name="second")(x)
    x = keras.layers.Concatenate()([x, x])
    model = keras.Model(image, keras.layers.Conv2D(2, 1, name="last")(x))
    rng = np.random.default_rng(1)
    for layer in model.layers:
        layer.set_weights([rng.normal(size=array.shape) for array in layer.get_weights()])
    factors = 2.0 ** np.arange(CHANNELS)
    first, second = model.get_layer("first"), model.get_layer("second")
    first.set_weights([array / factors for array in first.get_weights()])
    kernel, bias = second.get_weights()
    second.set_weights([kernel * factors[:, None], bias])
    return model


def calibrated() -> TfliteGraph:
    import tensorflow as tf

    run = _pixel_function(tf, network(), shape=(1, SIDE, SIDE, 3), outputs=lambda found: found)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([run], tf.Module())
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([image] for image in images(2))
    converter._experimental_calibrate_only = True
    return TfliteGraph(converter.convert())


@pytest.fixture(scope="module")
def content() -> bytes:
    return calibrated().content()


@pytest.fixture
def graph(content: bytes) -> TfliteGraph:
    return TfliteGraph(content)


def result(model: bytes, image: np.ndarray) -> Float32Array:
    interpreter = open_interpreter(model, threads=1, advice="none", input_shape=image.shape)
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image)
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


def test_a_rare_extreme_is_cut_off() -> None:
    samples = np.append(np.linspace(0, 1, 1_000_000), 1.5).astype(np.float32)
    low, high = best_range(Observed(samples, 0.0, 1.5))
    assert low == 0
    assert 1 < high < 1.5


def test_even_values_keep_their_extremes() -> None:
    samples = np.linspace(-1, 1, 10_000, dtype=np.float32)
    assert best_range(Observed(samples, -1.0, 1.0)) == (-1.0, 1.0)


def test_a_leaky_relu_afterwards_shortens_the_negative_side() -> None:
    samples = np.linspace(-1, 1, 10_000, dtype=np.float32) ** 9
    plain, leaky = (best_range(Observed(samples, -1.0, 1.0), slope=s) for s in (1.0, 0.1))
    assert plain[0] < leaky[0] < 0
    assert leaky[1] == 1.0


@pytest.mark.parametrize(("low", "high"), [(0.0, 0.0), (-2.0, 0.0), (0.0, 3.0)])
def test_zero_is_in_every_range(low: float, high: float) -> None:
    samples = np.linspace(low, high, 100, dtype=np.float32)
    ends = best_range(Observed(samples, low, high))
    assert low <= ends[0] <= 0 <= ends[1] <= high


def test_factors_end_at_64_and_dead_channels_stay_finite() -> None:
    assert channel_factors(np.array([1, 0.5, 0], np.float32), 1.0).tolist() == [1, 2, 64]
    assert channel_factors(np.zeros(3, np.float32), 1.0).tolist() == [1, 1, 1]


def test_the_graph_is_read(graph: TfliteGraph) -> None:
    kinds = [op.kind for op in graph.operators]
    assert kinds.count("CONV_2D") == 2
    assert [op.slope for op in graph.operators if op.kind == "LEAKY_RELU"] == [np.float32(0.1)]
    ((first, second),) = equalized_pairs(graph)
    assert (first.kind, second.kind) == ("CONV_2D", "DEPTHWISE_CONV_2D")
    kernel, bias = (graph.weights(index) for index in first.inputs[1:3])
    assert kernel is not None
    assert kernel.shape == (CHANNELS, 1, 1, 3)
    assert bias is not None
    assert bias.shape == (CHANNELS,)
    assert graph.weights(first.inputs[0]) is None


def test_equal_channels_change_no_result(graph: TfliteGraph, content: bytes) -> None:
    image = images(1)[0]
    before = result(graph.content(), image)
    ((first, second),) = equalized_pairs(graph)
    peaks = 2.0 ** -np.arange(CHANNELS, dtype=np.float32)
    equalize(graph, {second.inputs[0]: peaks})
    np.testing.assert_allclose(result(graph.content(), image), before, rtol=1e-4, atol=1e-4)
    changed, unchanged = (each.weights(first.inputs[1]) for each in (graph, TfliteGraph(content)))
    assert changed is not None
    assert unchanged is not None
    factors = [1, 2, 4, 8, 16, 32, 64, 64]  # 1 / peaks, at most 64
    for channel, factor in enumerate(factors):
        np.testing.assert_array_equal(changed[channel], unchanged[channel] * factor)


def test_what_a_concatenation_joins_has_one_range(graph: TfliteGraph) -> None:
    (joined,) = (op for op in graph.operators if op.kind == "CONCATENATION")
    (group,) = (group for group in moved_together(graph) if len(group) > 1)
    assert set(group) == {*joined.inputs, *joined.outputs}
    observed = {
        index: Observed(np.array([-1, 1], np.float32), -1.0, 1.0) for index in graph.activations()
    }
    set_ranges(graph, observed)
    bounds = [graph._bounds(index) for index in group]
    assert [(low.item(), high.item()) for low, high in bounds] == [(-1.0, 1.0)] * 2


def test_pixels_and_results_stay_floats(graph: TfliteGraph) -> None:
    kept = float_tensors(graph)
    makers = [graph.makers[index].kind for index in kept]
    assert makers.count("CONV_2D") == 1  # the last one
    assert "DEPTHWISE_CONV_2D" not in makers
    assert "CAST" in makers


def test_the_error_is_less_than_half_of_the_converters(graph: TfliteGraph) -> None:
    from tensorflow.lite.python.convert import mlir_quantize

    image = images(9)[8]
    expected = result(graph.content(), image)
    models = (quantized(graph.content(), images(8)), mlir_quantize(graph.content()))
    mine, plain = (np.abs(result(model, image) - expected).mean() for model in models)
    assert 0 < mine < plain / 2


def test_export_is_quantized_by_all_images() -> None:
    content = export_network(
        network,
        shape=(1, None, None, 3),
        outputs=lambda found: found,
        advice="none",
        precision=Precision.INT8,
        calibration=iter(images(8)),
    )
    image = images(9)[8]
    expected = result(calibrated().content(), image)
    assert 0 < np.abs(result(content, image) - expected).mean() < 0.04 * expected.std()
