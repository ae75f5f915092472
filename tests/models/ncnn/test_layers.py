"""Each type of layer against what ncnn itself computed, and against numbers derived by hand."""

import struct
from pathlib import Path

import numpy as np
import pytest

keras = pytest.importorskip("keras")

from tests.goldens.ncnn_cases import CASES, INT8, param_text  # noqa: E402
from tracker.errors import ModelError  # noqa: E402
from tracker.models.ncnn.load import KINDS, build_ncnn, check_types, load_ncnn  # noqa: E402
from tracker.models.ncnn.syntax import parse_ncnn_param  # noqa: E402
from tracker.models.ncnn.weights import WeightReader  # noqa: E402

GOLDENS = np.load(Path(__file__).parents[2] / "goldens/ncnn.npz")
TOLERANCE = 2e-5
"""Of sums of 36 float32 products about 1, in any order, and of approximations of functions."""
IMAGE_INPUT = "Input i 0 1 in 2=1"


def build(text: str, weights: bytes = b""):
    """Returns the Keras model of a param text and the bytes of its weights."""
    param = parse_ncnn_param(text)
    check_types(param)
    reader = WeightReader(weights, source="net.bin")
    model = build_ncnn(param, reader)
    reader.check_end()
    return model


def run(model, *inputs):
    """Returns the outputs for inputs in ncnn's order of axes, each with a batch."""
    arrays = [x.transpose(0, 2, 3, 1) if x.ndim == 4 else x for x in inputs]
    results = model(arrays[0] if len(arrays) == 1 else arrays, training=False)
    return {name: np.asarray(result) for name, result in results.items()}


def one(line: str, image, weights: bytes = b""):
    """Returns the output of one layer for an image `(c, h, w)`."""
    image = np.asarray(image, np.float32)
    text = param_text(f"Input i 0 1 in 2={len(image)}", f"{line.replace('$', '1 1 in out')}")
    return run(build(text, weights), image[None])["out"][0]


@pytest.mark.parametrize("name", CASES)
def test_layers_compute_what_ncnn_computes(name):
    case = CASES[name]
    inputs = [np.stack([x, x[..., ::-1]]) for x in case.inputs().values()]
    results = run(build(case.param, case.weights), *inputs)
    for output in case.outputs:
        wanted = GOLDENS[f"{name}/{output}"]
        assert results[output].shape == (2, *wanted.shape)
        np.testing.assert_allclose(results[output][0], wanted, atol=TOLERANCE, rtol=TOLERANCE)


@pytest.mark.parametrize("name", ["conv stride pad", "softmax", "interp 0=2 1=1.5 2=2.5"])
def test_the_second_image_of_a_batch_is_as_alone(name):
    case = CASES.get(name, CASES["Softmax c $ 0=1 1=1"])
    model = build(case.param, case.weights)
    (x,) = case.inputs().values()
    other = x[..., ::-1].copy()
    both, alone = run(model, np.stack([x, other])), run(model, other[None])
    np.testing.assert_allclose(both["out"][1], alone["out"][0], atol=1e-6)


@pytest.mark.parametrize(
    "kind", ["Crop", "Interp", "PixelShuffle", "Pooling", "Reshape", "Shuffle"]
)
@pytest.mark.slow
def test_sizes_stay_open_where_tensorflow_traces_the_model(kind):
    import tensorflow as tf

    for name, case in CASES.items():
        if not case.line.startswith(kind) or case.is_fixed:
            continue
        model = build(case.param, case.weights)
        specs = [tf.TensorSpec(tensor.shape, tensor.dtype) for tensor in model.inputs]
        traced = tf.function(lambda *x, model=model: model(x[0] if len(x) == 1 else list(x)), specs)
        arrays = [
            x[None].transpose(0, 2, 3, 1) if x.ndim == 3 else x[None]
            for x in case.inputs().values()
        ]
        result = traced(*arrays)["out"].numpy()[0]
        np.testing.assert_allclose(
            result, GOLDENS[f"{name}/out"], atol=TOLERANCE, rtol=TOLERANCE, err_msg=name
        )


def test_every_type_of_layer_is_tested():
    tested = {case.line.split()[0] for case in CASES.values()}
    assert set(KINDS) - tested == {"YoloV5Focus"}


def test_the_focus_of_yolox_takes_pixels_column_by_column():
    image = np.arange(8).reshape(1, 2, 4)
    expected = [[[0, 2]], [[4, 6]], [[1, 3]], [[5, 7]]]
    np.testing.assert_array_equal(one("YoloV5Focus f $", image), expected)


def test_memory_data_is_the_same_for_each_image_of_a_batch():
    text = param_text(
        "MemoryData m 0 1 data 0=3 1=2 2=1",
        "Input i 0 1 in 2=1",
        "BinaryOp b 2 1 in data out 0=0",
    )
    values = np.arange(6, dtype=np.float32)
    result = run(build(text, values.tobytes()), np.full((2, 1, 2, 3), 10, np.float32))["out"]
    np.testing.assert_array_equal(result, np.tile(10 + values.reshape(1, 1, 2, 3), (2, 1, 1, 1)))


def test_int8_weights_are_divided_by_the_scale_of_their_filter():
    # Two filters of two channels: 20/10, -30/10 and 40/80, 0/80; biases 1 and -1.
    weights = struct.pack("<I4b", INT8, 20, -30, 40, 0) + struct.pack("<5f", 1, -1, 10, 80, 50)
    image = [[[1, 2]], [[1, 0]]]
    result = one("Convolution c $ 0=2 1=1 5=1 6=4 8=2", image, weights)
    np.testing.assert_allclose(result, [[[2 - 3 + 1, 4 + 1]], [[0.5 - 1, 1 - 1]]])


@pytest.mark.parametrize("infinite", [0.0, np.inf])
def test_int8_weights_without_a_scale_are_zero(infinite):
    # The scale of a filter whose weights are all zero is 127 / 0.
    weights = struct.pack("<I4b", INT8, 0, 0, 40, 0) + struct.pack("<3f", infinite, 80, 50)
    result = one("Convolution c $ 0=2 1=1 6=4 8=2", [[[1]], [[1]]], weights)
    np.testing.assert_allclose(result, [[[0]], [[0.5]]])


@pytest.mark.parametrize(
    ("term", "scales", "expected"),
    [
        (1, (10, 20, 50), [2, 1]),  # a scale for each group, and that of the input
        (101, (10, 20, 50, 60), [2, 1]),  # that of the output as well
        (2, (10, 50), [2, 2]),  # one scale for all groups
        (102, (10, 50, 60), [2, 2]),
    ],
)
def test_depthwise_int8_weights_have_a_scale_for_each_group_or_one(term, scales, expected):
    weights = struct.pack("<I2b2x", INT8, 20, 20) + struct.pack(f"<{len(scales)}f", *scales)
    line = f"ConvolutionDepthWise c $ 0=2 1=1 6=2 7=2 8={term}"
    result = one(line, [[[1]], [[1]]], weights)
    np.testing.assert_allclose(result.ravel(), expected)


def test_int8_weights_of_inner_products_have_a_scale_for_each_output():
    weights = struct.pack("<I4b", INT8, 20, -30, 40, 0) + struct.pack("<3f", 10, 80, 50)
    result = one("InnerProduct c $ 0=2 2=4 8=2", [[[1]], [[1]]], weights)
    np.testing.assert_allclose(result, [-1, 0.5])


def test_float_weights_with_scales_are_taken_as_they_are():
    weights = struct.pack("<I", 0) + struct.pack("<4f", 1.5, 2, 10, 50)
    result = one("ConvolutionDepthWise c $ 0=2 1=1 6=2 7=2 8=2", [[[1]], [[1]]], weights)
    np.testing.assert_allclose(result.ravel(), [1.5, 2])


def test_permuting_to_channels_last_keeps_the_tensor():
    text = param_text("Input i 0 1 in 2=3", "Permute p 1 1 in out 0=3")
    model = build(text)
    assert model.output["out"].shape == (None, None, None, 3)
    assert not [layer for layer in model.layers if "transpose" in layer.name]


def test_height_and_width_stay_open_where_the_layers_allow_it():
    case = CASES["conv stride pad"]
    model = build(case.param, case.weights)
    for height, width in ((5, 6), (8, 7), (3, 11)):
        result = run(model, np.zeros((1, 3, height, width), np.float32))["out"]
        assert result.shape == (1, 4, -(-height // 2), -(-width // 2))


def test_the_sizes_of_the_input_layer_are_those_of_the_model():
    text = param_text("Input i 0 1 in 0=6 1=4 2=3", "ReLU r 1 1 in out")
    model = build(text)
    assert model.inputs[0].shape == (None, 4, 6, 3)
    assert model.output["out"].shape == (None, 3, 4, 6)


def test_channels_come_from_the_first_convolution_where_the_input_has_none():
    line = "Convolution c $ 0=2 1=1 6=10"
    text = param_text("Input i 0 1 in", line.replace("$", "1 1 in out"))
    weights = struct.pack("<I", 0) + np.ones(10, np.float32).tobytes()
    assert build(text, weights).inputs[0].shape == (None, None, None, 5)
    focus = param_text(
        "Input i 0 1 in", "YoloV5Focus f 1 1 in a", "Convolution c 1 1 a out 0=1 1=1 6=12"
    )
    weights = struct.pack("<I", 0) + np.ones(12, np.float32).tobytes()
    assert build(focus, weights).inputs[0].shape == (None, None, None, 3)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_a_model_with_layers_of_our_own_can_be_saved(tmp_path):
    text = param_text(
        "Input i 0 1 in 2=2",
        "MemoryData m 0 1 data 0=1 1=1 2=2",
        "Scale s 1 1 in a 0=2 1=1",
        "Interp r 1 1 a b 0=2 1=1.5 2=1.5",
        "BinaryOp o 2 1 b data c 0=2",
        "Crop k 2 1 c in d 0=1",
        "Permute p 1 1 d e 0=3",
        "Slice q 1 2 e one two -23300=2,1,-233",
    )
    model = build(text, np.arange(1, 7, dtype=np.float32).tobytes())
    model.save(tmp_path / "net.keras")
    again = keras.models.load_model(tmp_path / "net.keras")
    image = np.arange(24, dtype=np.float32).reshape(1, 2, 3, 4)
    for name, values in run(model, image).items():
        np.testing.assert_array_equal(run(again, image)[name], values)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("Convolution c $ 0=2 1=1 6=6", "expected 3 input channels, got \\(1, \\?, \\?\\)"),
        ("Convolution c $ 0=2 1=1 6=7", "expected weights for 2 filters of 1x1 .* got 7 weights"),
        ("Convolution c $ 1=1 6=7", "expected weights for 0 filters"),
        ("Convolution c $ 0=-2 1=1 6=6", "parameter 0: expected an integer in 1"),
        ("Convolution c $ 0=2 1=1 6=6 7=2", "expected one group, got 2"),
        ("Convolution c $ 0=2 1=1 6=2 4=-5", "expected padding of 0 pixels or more, got -5"),
        ("Convolution c $ 0=2 1=1 6=2 9=7", "activation 7: expected one of 0, 1"),
        ("Convolution c $ 0=2 1=1 6=2 9=2", "activation 2: expected 1 parameters, got 0"),
        ("Convolution c $ 0=2 1=1 6=2 19=1", "weights that another layer computes"),
        ("Convolution c $ 0=2 1=1 6=2 77=1", "parameter 77 is not supported"),
        ("Convolution c $ 0=2 1=1 6=2 8=3", "parameter 8: expected 0, 1, 2, 101 or 102, got 3"),
        ("Convolution c $ 0=2 1=3 6=18 3=2 4=-234", "write it into the file's Input layer"),
        ("ConvolutionDepthWise c $ 0=3 1=1 6=6 7=2", "expected weights for 3 filters"),
        ("InnerProduct c $ 0=2 2=5", "expected weights for 2 outputs, got 5"),
        ("Deconvolution c $ 0=2 1=1 6=2 20=4", "a fixed output size"),
        ("Pooling c $", "expected a window of at least 1 pixel"),
        ("Pooling c $ 7=1 8=4", "write it into the file's Input layer"),
        ("Pooling c $ 7=1", "expected an output of at least 1 pixel"),
        ("Softmax c $ 0=1", "old version of ncnn: parameter 1 is not 1; convert the model again"),
        ("Softmax c $ 0=3 1=1", "axis 3: expected -3..2 for a blob of rank 3"),
        ("Reduction c $ 0=3 1=0 -23303=1,1", "old version of ncnn"),
        ("BinaryOp c $ 0=0", "expected two inputs, got 1"),
        ("UnaryOp c $ 0=20", "parameter 0: expected an integer in 0..19, got 20"),
        ("Clip c $ 0=1.0 1=0.0", "expected bounds in ascending order, got 1 and 0"),
        ("Reshape c $ 0=-1 1=-1", "expected sizes, at most one of them -1"),
        ("Reshape c $ 1=2", "expected width, height and channels from the last on"),
        ("Reshape c $ 0=0 1=-1", "write it into the file's Input layer"),
        ("Reshape c $ 0=2 3=1", "parameters 3 .permute. and 11 .depth. are not supported"),
        ("ShuffleChannel c $ 0=2", "expected channels in 2 groups, got 1"),
        ("PixelShuffle c $ 0=2", "expected a multiple of 4 channels, got 1"),
        ("Interp c $ 0=0", "resize type: expected 1, 2 or 3, got 0"),
        ("Interp c $ 0=1 1=-2.0", "expected factors above 0"),
        ("Interp c $ 0=1 5=1", "expected a second input exactly with parameter 5"),
        ("Crop c $ 2=1 5=1", "expected a window in"),
        ("Crop c $ -23309=1,0", "expected as many ends and axes as starts"),
        ("ExpandDims c $ -23303=1,0", "expected axes .* up to rank 3"),
        ("Scale c $ 0=3", "expected 3 channels, got \\(1, \\?, \\?\\)"),
        ("Scale c $ 0=-233", "expected the scale as a second input"),
        ("BatchNorm c $ 0=1", "expected positive variances, got -"),
        ("Normalize c $ 3=1 4=0", "expected parameters 0 or 4 to be 1"),
        ("Padding c $ 6=2", "a value for each channel"),
        ("Permute c $ 0=6", "parameter 0: expected an integer in 0..5, got 6"),
        ("Concat c $ 0=5", "parameter 0: expected an integer in -3..3"),
        ("PReLU c $ 0=hello", "parameter 0: expected an integer in 1..2147483647, got 'hello'"),
    ],
)
def test_a_layer_that_cannot_be_built_is_named(line, problem):
    weights = struct.pack("<I", 0) + np.full(60, -1, np.float32).tobytes()
    text = param_text(IMAGE_INPUT, line.replace("$", "1 1 in out"))
    where = f"<param>:4: '{line.split()[0]}' 'c': "
    with pytest.raises(ModelError, match=f"^{where}.*{problem}") as caught:
        build(text, weights)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        (["Slice s 1 2 in a b -23300=2,1,-233"], "expected parts of at least one element"),
        (["Slice s 1 3 in a b c -23300=2,1,-233 1=1"], "expected 2 outputs, got 3 names"),
        (["Flatten f 1 1 in a", "Concat c 2 1 in a b"], "expected inputs of one rank"),
        (["Flatten f 1 1 in a", "Permute p 1 1 a b 0=1"], "parameter 0"),
        (["Concat c 0 1 a"], "expected 1 to any number of inputs, got 0"),
        (["ReLU r 2 1 in in a"], "expected 1 to 1 inputs, got 2"),
        (["MemoryData m 0 1 a 1=4"], "expected width, height and channels from the last on"),
        (["Input j 0 1 a 11=3"], "an input with a depth"),
        (["Convolutoin c 1 1 in a"], "'Convolutoin' are not supported; did you mean 'Convolution'"),
        (["LSTM c 1 1 in a"], "'LSTM' are not supported; supported: AbsVal, .*YoloV5Focus"),
    ],
)
def test_layers_that_do_not_fit_are_named(lines, problem):
    with pytest.raises(ModelError, match=problem) as caught:
        build(param_text(IMAGE_INPUT, *lines))
    assert "\n" not in str(caught.value)


def test_whatever_keras_raises_becomes_one_line():
    text = param_text(
        "Input i 0 1 in 0=3 1=3 2=1", "Input j 0 1 other 0=4 1=4 2=1", "Eltwise e 2 1 in other out"
    )
    with pytest.raises(ModelError, match="expected inputs of one shape"):
        build(text)
    text = text.replace("Eltwise", "BinaryOp")
    with pytest.raises(ModelError, match="<param>:5: 'BinaryOp' 'e': cannot be built: ") as caught:
        build(text)
    assert "\n" not in str(caught.value)


def test_a_network_is_read_from_two_files(tmp_path):
    case = CASES["conv half"]
    (tmp_path / "net.param").write_text(case.param)
    (tmp_path / "net.bin").write_bytes(case.weights)
    (x,) = case.inputs().values()
    result = run(load_ncnn(tmp_path / "net.param"), x[None])["out"][0]
    np.testing.assert_allclose(result, GOLDENS["conv half/out"], atol=TOLERANCE)
    (tmp_path / "net.bin").rename(tmp_path / "other.bin")
    result = run(load_ncnn(tmp_path / "net.param", tmp_path / "other.bin"), x[None])["out"][0]
    np.testing.assert_allclose(result, GOLDENS["conv half/out"], atol=TOLERANCE)
