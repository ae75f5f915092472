"""The fully convolutional form gives for every window what the classifier gives for that window."""

import json
import subprocess
import sys
import zipfile

import keras
import numpy as np
import pytest
from keras import layers

from tracker.errors import ConfigError, DataError, ModelError
from tracker.models.fcn.convert import fully_convolutional
from tracker.models.fcn.shape import ALL_LAYERS, OUTPUTS
from tracker.models.fcn.window_classifier import build_window_classifier, small_extractor
from tracker.models.fcn.window_file import load_window_classifier

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def pixels(*shape, seed=0):
    return np.random.default_rng(seed).uniform(0, 255, shape).astype(np.float32)


def disturbed(model, seed=0):
    """Gives every weight a value that matters: biases and moving averages are not 0 or 1."""
    rng = np.random.default_rng(seed)
    model.set_weights(
        [
            np.abs(w) + rng.uniform(0.0, 0.2, w.shape) if w.ndim == 1 else w
            for w in model.get_weights()
        ]
    )
    return model


def heads(x, class_count=3):
    """The three outputs, as a dict."""
    return {
        "class": layers.Dense(class_count, activation="softmax")(x),
        "objectness": layers.Dense(1, activation="sigmoid")(x),
        "box": layers.Dense(4)(x),
    }


def classifier(top=lambda x: heads(layers.Flatten()(x)), *, window=(24, 32, 3), padding="valid"):
    """A model of two 3x3 convolutions with a total stride of 4 under any top."""
    image = keras.Input(window)
    x = layers.Rescaling(1 / 255)(image)
    for filters in (6, 8):
        x = layers.Conv2D(filters, 3, strides=2, padding=padding, activation="relu")(x)
    return keras.Model(image, top(x))


def of_windows(model, image, window, stride):
    """The classifier's own results `(rows, columns, n)`, window by window."""
    rows, columns = (
        (side - size) // step + 1
        for side, size, step in zip(image.shape[:2], window, stride, strict=True)
    )
    crops = [
        image[
            row * stride[0] : row * stride[0] + window[0],
            column * stride[1] : column * stride[1] + window[1],
        ]
        for row in range(rows)
        for column in range(columns)
    ]
    outputs = model(np.stack(crops), training=False)
    if not isinstance(outputs, dict):
        outputs = dict(zip(OUTPUTS, outputs, strict=True))
    return {n: np.reshape(v, (rows, columns, -1)) for n, v in outputs.items()}


def in_one_pass(sliding, image):
    return {n: np.asarray(v)[0] for n, v in sliding.network(image[None], training=False).items()}


def assert_equal_everywhere(model, *, size, stride):
    """Checks every position of the grid, up to float32 rounding."""
    sliding = fully_convolutional(disturbed(model))
    assert sliding.stride == stride
    image = pixels(*size, sliding.channels)
    expected = of_windows(model, image, sliding.window, stride)
    found = in_one_pass(sliding, image)
    for name in OUTPUTS:
        rows, columns = sliding.grid(size)
        assert expected[name].shape[:2] == (rows, columns)
        within = found[name][:rows, :columns]
        np.testing.assert_allclose(within, expected[name], rtol=1e-4, atol=1e-5)
    # What is compared differs from place to place.
    assert size == sliding.window or found["box"].std(axis=(0, 1)).max() > 1e-3


def rich_extractor(pixels):
    """Every kind of layer with a local neighbourhood, without padding except a cropped one."""
    x = layers.Normalization(axis=-1, mean=100.0, variance=900.0)(pixels)
    x = layers.SeparableConv2D(6, 3, strides=2)(x)
    x = layers.BatchNormalization()(x)
    x = layers.PReLU(shared_axes=[1, 2])(x)
    x = layers.MaxPooling2D(2, strides=1)(x)
    inner = layers.Conv2D(6, 3, activation="tanh")(x)
    x = layers.Add()([layers.Cropping2D(1)(x), inner])
    x = layers.AveragePooling2D(2)(layers.SpatialDropout2D(0.3)(x))
    x = layers.DepthwiseConv2D(3)(x)
    x = layers.Concatenate(axis=3)([layers.LeakyReLU()(x), layers.LayerNormalization()(x)])
    return layers.Dense(5, activation="relu")(x)


def rich_top(x):
    """Every kind of layer on the values of one window."""
    x = layers.Dropout(0.5)(layers.Flatten()(x))
    x = layers.Dense(10, use_bias=False)(layers.ReLU()(x))
    x = layers.Activation("relu")(layers.BatchNormalization()(x))
    y = layers.Dense(10, activation="gelu")(layers.BatchNormalization(axis=1)(x))
    x = layers.Concatenate(axis=1)([layers.Add()([x, y]), layers.Multiply()([x, y])])
    objectness = layers.Activation("sigmoid")(layers.Dense(1)(x))
    box = layers.Rescaling(0.5, offset=0.25)(layers.Dense(4, activation="tanh")(x))
    return [
        layers.Activation("linear")(layers.Softmax()(layers.Dense(3)(x))),
        layers.Identity()(objectness),
        box,
    ]


def test_one_window_is_one_cell():
    model = classifier()
    assert_equal_everywhere(model, size=(24, 32), stride=(4, 4))


def test_image_of_448_has_8x8_windows_of_224():
    image = keras.Input((224, 224, 3))
    x = image
    for _ in range(5):
        x = layers.Conv2D(2, 3, strides=2, padding="same")(x)
    assert x.shape == (None, 7, 7, 2)
    sliding = fully_convolutional(keras.Model(image, heads(layers.Flatten()(x))))
    assert (sliding.window, sliding.stride) == ((224, 224), (32, 32))
    assert (sliding.class_count, sliding.channels) == (3, 3)
    assert sliding.grid((448, 448)) == (8, 8)
    assert sliding.grid((640, 224)) == (14, 1)
    shapes = sliding.network.compute_output_shape((None, 448, 448, 3))
    assert shapes["class"] == (None, 8, 8, 3)
    assert shapes["objectness"] == (None, 8, 8, 1)
    assert shapes["box"] == (None, 8, 8, 4)


@pytest.mark.parametrize("size", [(36, 60), (39, 51)])
def test_every_window_of_a_larger_image(size):
    """The second size has 3 surplus rows and columns."""
    assert_equal_everywhere(classifier(), size=size, stride=(4, 4))


def test_window_classifier_of_this_package():
    model = build_window_classifier(2, window=(64, 48), hidden=(20, 12), dropout=0.5)
    assert_equal_everywhere(model, size=(112, 96), stride=(16, 16))


def test_without_hidden_layers():
    model = build_window_classifier(1, window=(31, 31), hidden=())
    assert_equal_everywhere(model, size=(63, 47), stride=(16, 16))


def test_all_kinds_of_layers():
    image = keras.Input((32, 32, 3))
    model = keras.Model(image, rich_top(rich_extractor(image)))
    assert_equal_everywhere(model, size=(48, 40), stride=(4, 4))


def test_unequal_strides_and_one_channel():
    image = keras.Input((20, 24, 1))
    x = layers.Conv2D(4, 3, strides=(1, 3), activation="relu")(image)
    x = layers.MaxPooling2D((2, 1))(x)
    assert_equal_everywhere(
        keras.Model(image, heads(layers.Flatten()(x))), size=(26, 39), stride=(2, 3)
    )


@pytest.mark.parametrize("pooling", [layers.GlobalAveragePooling2D, layers.GlobalMaxPooling2D])
def test_global_pooling_instead_of_flatten(pooling):
    model = classifier(lambda x: heads(layers.Dense(7, activation="relu")(pooling()(x))))
    assert_equal_everywhere(model, size=(36, 60), stride=(4, 4))


def test_flatten_beside_global_pooling():
    """The class from a pooled map, the rest from a flattened one: both need the whole window."""

    def top(x):
        pooled = layers.GlobalAveragePooling2D()(layers.Conv2D(3, 3)(x))
        flat = layers.GaussianNoise(0.1)(layers.Flatten()(x))
        return heads(flat) | {"class": layers.Softmax()(pooled)}

    assert_equal_everywhere(classifier(top), size=(36, 60), stride=(4, 4))


@pytest.mark.slow
def test_a_backbone_of_keras():
    """MobileNetV2 uses padding, so only a single window is exact; weights are random."""

    def extractor(image):
        scaled = layers.Rescaling(1 / 127.5, offset=-1)(image)
        return keras.applications.MobileNetV2(
            image.shape[1:], alpha=0.35, include_top=False, weights=None
        )(scaled)

    model = build_window_classifier(2, window=(96, 96), hidden=(16,), extractor=extractor)
    sliding = fully_convolutional(model)
    assert sliding.stride == (32, 32)
    assert sliding.grid((224, 160)) == (5, 3)
    assert in_one_pass(sliding, pixels(224, 160, 3))["box"].shape == (5, 3, 4)
    window = pixels(96, 96, 3)
    alone, found = of_windows(model, window, (96, 96), (32, 32)), in_one_pass(sliding, window)
    for name in OUTPUTS:
        np.testing.assert_allclose(found[name], alone[name], rtol=1e-4, atol=1e-5)


def test_models_within_the_model():
    """A functional and a sequential one, whose layers have the same names as the outer ones."""
    inner_image = keras.Input((24, 32, 3), name="image")
    inner = keras.Model(
        inner_image, layers.Conv2D(4, 5, activation="relu", name="c")(inner_image), name="inner"
    )
    top = keras.Sequential([layers.Flatten(name="f"), layers.Dense(9, activation="relu", name="d")])
    image = keras.Input((24, 32, 3), name="image")
    x = inner(layers.Rescaling(1 / 255)(image))
    x = layers.MaxPooling2D(2, name="c")(x)
    model = keras.Model(image, heads(top(x)))
    assert_equal_everywhere(model, size=(30, 40), stride=(2, 2))


def test_one_layer_used_twice():
    """A shared hidden layer, as a siamese network has."""

    def top(x):
        flat, shared = layers.Flatten()(x), layers.Dense(6, activation="relu")
        again = layers.Dense(6)
        return heads(again(again(layers.Add()([shared(flat), shared(layers.ReLU()(flat))]))))

    assert_equal_everywhere(classifier(top), size=(32, 36), stride=(4, 4))


def test_the_classifier_keeps_its_weights_and_gives_copies():
    model = classifier()
    before = [w.copy() for w in model.get_weights()]
    sliding = fully_convolutional(model)
    for weight in sliding.network.weights:
        weight.assign(weight * 0)
    for now, then in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, then)


def test_padding_in_the_extractor_is_exact_for_one_window_only():
    """With zero padding a crop has zeros where the image continues.

    Only outer map cells see them. Here the map is 6x8 and has one outer row above and to the left
    of what is exact (TensorFlow pads 3x3 with a stride of 2 below and to the right), so that a top
    that sees the inner cells alone is exact everywhere.
    """
    model = disturbed(classifier(padding="same"))
    sliding = fully_convolutional(model)
    window = pixels(24, 32, 3)
    alone, found = of_windows(model, window, (24, 32), (4, 4)), in_one_pass(sliding, window)
    for name in OUTPUTS:
        np.testing.assert_allclose(found[name], alone[name], rtol=1e-4, atol=1e-5)
    image = pixels(48, 64, 3)
    expected, found = of_windows(model, image, (24, 32), (4, 4)), in_one_pass(sliding, image)
    difference = np.abs(found["box"] - expected["box"]).max(axis=-1)
    assert difference[-1, -1] < 1e-4  # its padding is that of the image
    assert difference[:-1, :-1].min() > 1e-4

    def inner(x):
        return heads(layers.Flatten()(layers.Cropping2D(((0, 1), (0, 1)))(x)))

    assert_equal_everywhere(classifier(inner, padding="same"), size=(48, 64), stride=(4, 4))


def test_image_smaller_than_a_window():
    sliding = fully_convolutional(classifier())
    with pytest.raises(DataError, match=r"at least \(24, 32\), got \(23, 40\); pad it"):
        sliding.grid((23, 40))


def squeeze(x):
    return squeeze_by(layers.Dense(8, activation="sigmoid"), x)


def squeeze_by(layer, x):
    share = layer(layers.GlobalAveragePooling2D(keepdims=True)(x))
    return heads(layers.Flatten()(layers.Multiply()([x, share])))


def without(name):
    return lambda x: {n: t for n, t in heads(layers.Flatten()(x)).items() if n != name}


def changed(**outputs):
    """A top with other outputs, each made of the hidden layer."""

    def top(x):
        hidden = layers.Dense(5)(layers.Flatten()(x))
        return heads(hidden) | {name: make(hidden) for name, make in outputs.items()}

    return top


@pytest.mark.parametrize(
    ("top", "message"),
    [
        (heads, r"output 'class': expected shape \(batch, classes\), got \(batch, 5, 7, 3\)"),
        (layers.Flatten(), "expected the outputs class, objectness, box, got 1"),
        (without("box"), "expected the outputs class, objectness, box, got 2"),
        (lambda x: {"a" + n: t for n, t in heads(layers.Flatten()(x)).items()}, "got aclass"),
        (changed(box=layers.Dense(5)), r"'box': expected shape \(batch, 4\), got \(batch, 5\)"),
        (changed(objectness=layers.Dense(2)), r"'objectness': expected shape \(batch, 1\)"),
        (changed(**{"class": layers.Dense(3)}), "'class': expected it to end with softmax"),
        (changed(objectness=layers.Dense(1)), "'objectness': expected it to end with sigmoid"),
        (
            lambda x: list(reversed(list(heads(layers.Flatten()(x), 4).values()))),
            "'objectness': expected it to end with sigmoid, got softmax|'class': expected",
        ),
        (squeeze, "squeeze-and-excitation"),
        (lambda x: squeeze_by(layers.Conv2D(8, 1), x), "a Conv2D after .* squeeze-and-excitation"),
        (lambda x: heads(layers.Reshape((-1,))(x)), "a Reshape before Flatten cannot slide.*Flatt"),
        (lambda x: heads(layers.Flatten()(layers.UpSampling2D()(x))), "a UpSampling2D before Fl"),
        (lambda x: heads(layers.Flatten()(layers.Softmax(axis=1)(x))), "axis -1, got 1"),
        (lambda x: heads(layers.Flatten()(layers.PReLU()(x))), "shared_axes"),
        (lambda x: heads(layers.Flatten()(x * 2)), "as a layer, for example keras.layers.Resc"),
        (lambda x: heads(layers.BatchNormalization()(layers.Flatten()(x))), "put it before Flat"),
        (lambda x: heads(layers.Softmax()(layers.Flatten()(x))), "a Softmax between Flatten"),
        (
            lambda x: heads(layers.Activation("softmax")(layers.Flatten()(x))),
            "a softmax between Flatten",
        ),
        (lambda x: heads(layers.GRU(4)(layers.Reshape((5, 56))(x))), "a Reshape before"),
    ],
)
def test_a_top_that_cannot_slide(top, message):
    with pytest.raises(ModelError, match=message) as caught:
        fully_convolutional(classifier(top))
    assert "\n" not in str(caught.value)


def test_a_top_on_two_maps():
    """Class and box from maps of different strides: their grids differ."""
    image = keras.Input((24, 24, 3))
    fine = layers.Conv2D(4, 3, strides=2)(image)
    coarse = layers.Conv2D(4, 3, strides=2)(fine)
    outputs = heads(layers.Flatten()(fine)) | {"box": layers.Dense(4)(layers.Flatten()(coarse))}
    with pytest.raises(ModelError, match="expected class, objectness and box to slide alike"):
        fully_convolutional(keras.Model(image, outputs))


def test_unsupported_stride():
    image = keras.Input((40, 40, 3))
    x = layers.Conv2D(2, 3, strides=11)(image)
    with pytest.raises(ModelError, match=r"a whole number of pixels.*got 11"):
        fully_convolutional(keras.Model(image, heads(layers.Flatten()(x))))


class Subclassed(keras.Model):
    def call(self, inputs):
        return inputs


class SubclassedConvolution(layers.Conv2D):
    """Could do anything."""


def test_models_that_are_no_window_classifier():
    image, other, free = (keras.Input((*side, 3)) for side in ((24, 24), (24, 24), (None, None)))
    row = keras.Input((9,))
    both = layers.Concatenate()([image, other])
    own = SubclassedConvolution(2, 3)(image)
    nested = Subclassed()(image)
    for model, message in [
        ("model.keras", "expected a keras.Model, got str"),
        (Subclassed(), "got the subclass Subclassed"),
        (keras.Model([image, other], heads(layers.Flatten()(both))), "expected one input"),
        (keras.Model(free, heads(layers.GlobalAveragePooling2D()(free))), r"got \(None, None, 3\)"),
        (keras.Model(row, heads(row)), r"fixed size \(height, width, channels\), got \(9,\)"),
        (keras.Sequential([keras.Input((8, 8, 3)), layers.Flatten()]), "the outputs class"),
        (
            keras.Model(image, heads(layers.Flatten()(own))),
            "a SubclassedConvolution before Flatten",
        ),
        (keras.Model(image, heads(layers.Flatten()(nested))), "got the subclass Subclassed"),
    ]:
        with pytest.raises(ModelError, match=message):
            fully_convolutional(model)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"class_count": 0}, "class_count: expected at least 1, got 0"),
        ({"window": (64, 0)}, "window: expected at least 1, got 64, 0"),
        ({"window": (30, 64)}, "at least 31x31 pixels for the small extractor, got 30x64"),
        ({"hidden": (8, 0)}, "hidden: expected at least 1"),
        ({"dropout": 1.0}, "dropout"),
        ({"extractor": layers.Flatten()}, "expected it to return a feature map"),
    ],
)
def test_a_classifier_that_cannot_be_built(settings, message):
    with pytest.raises(ConfigError, match=message):
        build_window_classifier(**({"class_count": 1} | settings))


def test_the_small_extractor_has_a_stride_of_16():
    assert small_extractor(keras.Input((31, 47, 3))).shape == (None, 1, 2, 96)


def test_saved_classifier_is_loaded(tmp_path):
    """Compiled and with an optimizer's state, as after a training."""
    path = tmp_path / "mine.keras"
    model = build_window_classifier(2, window=(40, 40), hidden=(6,), dropout=0.1)
    model.compile(
        "adam",
        loss={
            "class": "categorical_crossentropy",
            "objectness": "binary_crossentropy",
            "box": keras.losses.Huber(),
        },
    )
    model.save(path)
    some = pixels(2, 40, 40, 3)
    loaded = load_window_classifier(path)(some, training=False)
    for name, values in model(some, training=False).items():
        np.testing.assert_array_equal(np.asarray(loaded[name]), np.asarray(values))


def test_the_names_of_layers_are_those_of_keras():
    for name in ALL_LAYERS:
        assert getattr(layers, name).__name__ == name


def saved(folder, model):
    model.save(folder / "x.keras")
    return folder / "x.keras"


def test_file_with_code_is_refused_before_keras(tmp_path):
    image = keras.Input((24, 24, 3))
    x = layers.Lambda(lambda value: value * 2)(image)
    path = saved(tmp_path, keras.Model(image, heads(layers.Flatten()(x))))
    with pytest.raises(ModelError, match=r"a Lambda \(of keras\.layers\) .*cannot slide"):
        load_window_classifier(path)


def test_a_file_of_a_class_that_is_not_kerass(tmp_path):
    image = keras.Input((24, 24, 3))
    x = SubclassedConvolution(2, 3)(image)
    path = saved(tmp_path, keras.Model(image, heads(layers.Flatten()(x))))
    with pytest.raises(ModelError, match="a SubclassedConvolution"):
        load_window_classifier(path)


def test_wrong_files(tmp_path):
    whole = saved(tmp_path, classifier()).read_bytes()
    file = tmp_path / "y.keras"
    for content, message in [
        (b"", "0 bytes"),
        (b"text", "got something else"),
        (whole[:-500], "cut short or damaged"),
    ]:
        file.write_bytes(content)
        with pytest.raises(ModelError, match=message):
            load_window_classifier(file)
    for members, message in [
        ({"a": "b"}, "expected a model that model.save"),
        ({"config.json": "[", "model.weights.h5": ""}, "config.json in it: not JSON"),
        ({"config.json": "[]", "model.weights.h5": ""}, "expected a model that model.save"),
        ({"config.json": "{}", "model.weights.h5": ""}, "model.weights.h5 in it is damaged"),
        ({"config.json": "{}", "tracker.json": "{}"}, "`tracker train` wrote this file"),
        (
            {
                "config.json": json.dumps({"a": [{"class_name": "run", "module": "os"}]}),
                "model.weights.h5": "",
            },
            r"a run \(of os\)",
        ),
    ]:
        with zipfile.ZipFile(file, "w") as archive:
            for name, text in members.items():
                archive.writestr(name, text)
        with pytest.raises(ModelError, match=message) as caught:
            load_window_classifier(file)
        assert "\n" not in str(caught.value)
    with pytest.raises(ModelError, match=r"ends in \.keras"):
        load_window_classifier(tmp_path / "x.h5")
    with pytest.raises(ModelError, match="does not exist"):
        load_window_classifier(tmp_path / "none.keras")


def test_wrong_files_are_refused_without_keras(tmp_path):
    (tmp_path / "x.keras").write_bytes(b"text")
    program = (
        "import sys\nfrom tracker.errors import ModelError\n"
        "from tracker.models.fcn.window_file import load_window_classifier\n"
        f"try: load_window_classifier({str(tmp_path / 'x.keras')!r})\n"
        "except ModelError: pass\nassert not {'tensorflow', 'keras'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
