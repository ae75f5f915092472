"""Embedders of anyone's networks: what goes in, what comes out, what is refused."""

import logging
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker.boxes import xywh_to_xyxy
from tracker.config.build import build_embedder
from tracker.config.run import load_config
from tracker.detections import Detections
from tracker.embedding.crop_input import CropInput, network_pixels
from tracker.embedding.model_embedder import CHUNK, ModelEmbedder, is_network_of_others
from tracker.errors import ConfigError, ModelError
from tracker.evaluation.appearance import appearance_scores
from tracker.frames import Frame
from tracker.inference.checked_call import run_network
from tracker.inference.network import AxisOrder, ColourOrder, TensorSpec
from tracker.models.files.reid_file import save_reid
from tracker.models.reid import build_reid
from tracker.sources.files.video_file import VideoFile
from tracker.track_files.read import read_mot_rows

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

OPEN = (None, None, None, 3)


class FakeNetwork:
    """A network of one function; it keeps what it was given."""

    def __init__(self, call, *, shape=(None, 8, 4, 3), dtype="float32", inputs=None, outputs=None):
        self.inputs = inputs or (TensorSpec("crops", shape, dtype),)
        self.outputs = outputs or (TensorSpec("vectors", (shape[0], 3), "float32"),)
        self.digests = {"fake": "0" * 64}
        self.given = []
        self._function = call

    def run(self, arrays):
        return run_network(
            self._call, arrays, what="network fake", inputs=self.inputs, outputs=self.outputs
        )

    def _call(self, arrays):
        self.given.append(arrays[0])
        return [np.asarray(self._function(arrays[0]))]


def mean_colour(pixels):
    return pixels.astype(np.float32).mean(axis=(1, 2))


def frame():
    """Left red, right a blue of half the strength."""
    image = np.zeros((40, 60, 3), np.uint8)
    image[:, :30, 0] = 255
    image[:, 30:, 2] = 128
    return Frame(image=image, index=7, time_s=0.0, source="colours")


LEFT, RIGHT = [2, 2, 20, 38], [35, 2, 55, 38]


def embedded(network, *boxes, **options):
    embedder = ModelEmbedder(network, name="fake", crop_input=CropInput(**options))
    scores = np.linspace(0.9, 0.1, len(boxes))
    return embedder.embed(frame(), Detections.create(list(boxes), scores)).embeddings


def test_no_detection_has_no_embedding_of_the_networks_size():
    assert embedded(FakeNetwork(mean_colour)).shape == (0, 3)
    assert ModelEmbedder(FakeNetwork(mean_colour), name="fake").dimension == 3


def test_one_detection_gets_the_unit_vector_of_its_crop():
    vectors = embedded(FakeNetwork(mean_colour), LEFT)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors, [[1, 0, 0]])


def test_each_detection_gets_its_own():
    vectors = embedded(FakeNetwork(mean_colour), LEFT, RIGHT, LEFT)
    np.testing.assert_allclose(vectors, [[1, 0, 0], [0, 0, 1], [1, 0, 0]])


def test_colours_may_be_the_other_way_round():
    vectors = embedded(FakeNetwork(mean_colour), LEFT, RIGHT, colours=ColourOrder.BGR)
    np.testing.assert_allclose(vectors, [[0, 0, 1], [1, 0, 0]])


def test_pixels_are_scaled_and_shifted_as_declared():
    network = FakeNetwork(mean_colour)
    embedded(network, LEFT, scale=1 / 51, mean=(1, 2, 3), std=(2, 4, 5))
    # Red is 255 / 51 = 5: (5 - 1) / 2, (0 - 2) / 4, (0 - 3) / 5.
    np.testing.assert_allclose(network.given[-1][0, 0, 0], [2, -0.5, -0.6], rtol=1e-6)


def test_without_a_word_pixels_are_0_to_1():
    network = FakeNetwork(mean_colour)
    embedded(network, LEFT, RIGHT)
    assert network.given[-1].max() == 1
    assert network.given[-1].min() == 0


def test_channels_may_come_first():
    network = FakeNetwork(lambda x: x.mean(axis=(2, 3)), shape=(None, 3, 8, 4))
    np.testing.assert_allclose(embedded(network, LEFT, RIGHT), [[1, 0, 0], [0, 0, 1]])
    assert network.given[-1].shape == (2, 3, 8, 4)


def test_integers_take_pixels_as_they_are():
    network = FakeNetwork(mean_colour, dtype="uint8")
    np.testing.assert_allclose(embedded(network, RIGHT), [[0, 0, 1]])
    np.testing.assert_array_equal(network.given[-1][0, 0, 0], [0, 0, 128])
    with pytest.raises(ConfigError, match=r"uint8 pixels as they are: leave out embedder\.input"):
        embedded(network, RIGHT, scale=1.0)


def test_half_precision_goes_in_as_such():
    network = FakeNetwork(mean_colour, dtype="float16")
    np.testing.assert_allclose(embedded(network, RIGHT), [[0, 0, 1]])
    assert network.given[-1].dtype == np.float16


@pytest.mark.parametrize("sides", [(1, 1), (1,)])
def test_sides_of_length_one_are_left_out(sides):
    def call(pixels):
        return mean_colour(pixels).reshape(len(pixels), 3, *sides)

    np.testing.assert_allclose(embedded(FakeNetwork(call), LEFT, RIGHT), [[1, 0, 0], [0, 0, 1]])


def test_room_for_one_crop_means_a_call_for_each():
    network = FakeNetwork(mean_colour, shape=(1, 8, 4, 3))
    np.testing.assert_allclose(embedded(network, LEFT, RIGHT), [[1, 0, 0], [0, 0, 1]])
    assert [pixels.shape for pixels in network.given[1:]] == [(1, 8, 4, 3)] * 2


def test_many_crops_go_through_in_parts():
    network = FakeNetwork(mean_colour)
    vectors = embedded(network, *[LEFT, RIGHT] * 35)
    np.testing.assert_allclose(vectors, [[1, 0, 0], [0, 0, 1]] * 35)
    assert [len(pixels) for pixels in network.given[1:]] == [CHUNK, CHUNK, 70 - 2 * CHUNK]


def test_an_open_size_has_to_be_said():
    with pytest.raises(ConfigError, match=r"say that of its training.*embedder\.input\.size"):
        embedded(FakeNetwork(mean_colour, shape=OPEN), LEFT)
    network = FakeNetwork(mean_colour, shape=OPEN)
    embedded(network, LEFT, size=(10, 6))
    assert network.given[-1].shape == (1, 10, 6, 3)


def test_a_size_against_the_files_is_refused():
    with pytest.raises(ConfigError, match=r"size \[8, 5\]: embedder fake takes \[8, 4\]"):
        embedded(FakeNetwork(mean_colour), LEFT, size=(8, 5))
    embedded(FakeNetwork(mean_colour), LEFT, size=(8, 4))


@pytest.mark.parametrize("shape", [(None, 3, 8, 3), (None, None, None, None)])
def test_axes_that_the_file_does_not_tell_have_to_be_said(shape):
    with pytest.raises(ConfigError, match="expected one side of 3 channels"):
        embedded(FakeNetwork(mean_colour, shape=shape), LEFT, size=(3, 8))
    network = FakeNetwork(mean_colour, shape=shape)
    embedded(network, LEFT, size=(3, 8), axes=AxisOrder.NHWC)
    assert network.given[-1].shape == (1, 3, 8, 3)


def test_axes_against_the_file_are_refused():
    with pytest.raises(ConfigError, match=r"embedder\.input\.axes nchw.*leave it out"):
        embedded(FakeNetwork(mean_colour), LEFT, axes=AxisOrder.NCHW)


def test_values_that_are_not_finite():
    network = FakeNetwork(lambda x: mean_colour(x) / np.float32(0.5) + np.float32("inf"))
    with pytest.raises(ModelError, match=r"expected finite values.*in frame 7") as caught:
        embedded(network, LEFT)
    assert "\n" not in str(caught.value)


def test_crops_without_a_finite_vector_look_unknown_and_are_told_once(caplog):
    def colour_or_nan(pixels):
        vectors = mean_colour(pixels)
        vectors[vectors[:, 0] == 0] = np.nan, np.inf, 0
        return vectors

    embedder = ModelEmbedder(FakeNetwork(colour_or_nan), name="odd")
    image = np.zeros((40, 40, 3), np.uint8)
    image[:, :20, 0] = 255
    frame = Frame(image, index=5, time_s=0.2, source="test")
    both = Detections.create([[0, 0, 20, 40], [20, 0, 40, 40]], [0.9, 0.8])
    for found in (both, both.select(np.array([1]))):
        looks = embedder.embed(frame, found).embeddings
        assert looks[-1].tolist() == [0, 0, 0]
    assert looks.shape == (1, 3)
    assert [r.message for r in caplog.records if r.levelname == "WARNING"] == [
        "embedder odd: expected finite values, got NaN or infinity in frame 5; these objects are "
        "tracked by motion, here and from now on"
    ]


def test_zeros_stay_zeros():
    network = FakeNetwork(lambda x: mean_colour(x) * 0)
    np.testing.assert_array_equal(embedded(network, LEFT), [[0, 0, 0]])


SPEC = TensorSpec("crops", (None, 8, 4, 3), "float32")
VECTORS = TensorSpec("vectors", (None, 3), "float32")


@pytest.mark.parametrize(
    "network",
    [
        FakeNetwork(mean_colour, inputs=(SPEC, SPEC)),
        FakeNetwork(mean_colour, outputs=(VECTORS, VECTORS)),
        FakeNetwork(mean_colour, shape=(None, 12)),
        FakeNetwork(mean_colour, shape=(None, 8, 4, 1)),
        FakeNetwork(mean_colour, dtype="int8"),
        FakeNetwork(lambda x: x),
        FakeNetwork(lambda x: x.mean(axis=(1, 2, 3))[:, None]),
        FakeNetwork(lambda x: x.mean(axis=(0, 1, 2))),
    ],
    ids=[
        "two inputs",
        "two outputs",
        "no image",
        "grey",
        "int8",
        "a map",
        "a number",
        "no batch",
    ],
)
def test_what_is_no_map_from_an_image_to_a_vector(network):
    with pytest.raises(ModelError, match=r"one output, a vector for each; got inputs: crops \(\?"):
        ModelEmbedder(network, name="fake")


def test_the_log_says_what_becomes_of_pixels(caplog):
    caplog.set_level(logging.INFO)
    ModelEmbedder(FakeNetwork(mean_colour), name="fake")
    assert caplog.messages == [
        "embedder fake: crops 8x4 nhwc float32 rgb, "
        "(pixel * 0.00392157 - [0.0, 0.0, 0.0]) / [1.0, 1.0, 1.0]"
    ]


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("embedder.input.scale=0", "scale: expected above 0"),
        ("embedder.input.scale=.nan", "scale: expected a finite number, got nan"),
        ("embedder.input.std=[1,0,1]", "std: expected above 0"),
        ("embedder.input.mean=[.inf,0,0]", r"mean\.0: expected a finite number, got inf"),
        ("embedder.input.size=[0,64]", "size: expected at least 1x1"),
        ("embedder.input.colours=grb", "expected 'rgb' or 'bgr'"),
        ("embedder.input.color=rgb", "did you mean 'colours'"),
    ],
)
def test_wrong_words(word, message):
    with pytest.raises(ConfigError, match=message):
        load_config(overrides=[word])


@pytest.mark.parametrize("name", ["builtin", "none", "detector"])
def test_embedders_of_this_package_know_their_input(name):
    words = [f"embedder.name={name}", "embedder.input.colours=bgr"]
    with pytest.raises(ConfigError, match=r"embedder\.input: embedder .* leave it out"):
        build_embedder(load_config(overrides=words))


def test_who_made_a_network(tmp_path):
    save_reid(build_reid(), tmp_path / "ours.keras")
    with zipfile.ZipFile(tmp_path / "theirs.keras", "w") as archive:
        archive.writestr("model.weights.h5", "")
    (tmp_path / "cut.keras").write_bytes(b"PK cut")
    (tmp_path / "theirs.tflite").write_bytes(b"\0\0\0\0TFL3")
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved" / "saved_model.pb").touch()
    theirs = ["theirs.keras", "theirs.tflite", "saved", "missing.onnx"]
    ours = ["ours.keras", "cut.keras", "missing.keras", "missing.tflite", "missing", "."]
    assert [is_network_of_others(str(tmp_path / name)) for name in theirs] == [True] * 4
    assert [is_network_of_others(str(tmp_path / name)) for name in ours] == [False] * 6
    assert is_network_of_others("https://tfhub.dev/someone/something/1")


def test_a_handle_that_is_not_in_the_cache_while_offline(tmp_path, monkeypatch):
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path))
    words = ["embedder.name=https://tfhub.dev/someone/something/1", "embedder.offline=true"]
    with pytest.raises(ModelError, match="TFHUB_CACHE_DIR"):
        build_embedder(load_config(overrides=words))


def test_a_keras_network_of_anyone_by_its_path(tmp_path):
    import keras

    network = keras.Sequential(
        [keras.Input((8, 4, 3)), keras.layers.GlobalAveragePooling2D(name="mean")]
    )
    network.save(tmp_path / "mean.keras")
    embedder = build_embedder(load_config(overrides=[f"embedder.name={tmp_path / 'mean.keras'}"]))
    assert list(embedder.digests) == ["mean.keras"]
    found = embedder.embed(frame(), Detections.create([LEFT, RIGHT], [0.9, 0.8]))
    np.testing.assert_allclose(found.embeddings, [[1, 0, 0], [0, 0, 1]], atol=1e-6)


triples = st.tuples(*[st.floats(0.1, 9.0)] * 3)


@given(st.integers(0, 2**32 - 1), st.floats(0.01, 2), triples, triples, st.sampled_from(AxisOrder))
def test_values_are_those_of_the_formula(seed, scale, mean, std, axes):
    crops = np.random.default_rng(seed).integers(0, 256, (2, 3, 5, 3)).astype(np.uint8)
    wanted = CropInput(scale=scale, mean=mean, std=std)
    pixels = network_pixels(crops, wanted, axes=axes, dtype="float32")
    if axes is AxisOrder.NCHW:
        pixels = pixels.transpose(0, 2, 3, 1)
    formula = (crops.astype(np.float64) * scale - mean) / std
    np.testing.assert_allclose(pixels, formula, rtol=1e-4, atol=1e-2)


def people(data, step):
    """Every n-th frame of PETS09-S2L1 with its truth: frames, detections, who they are."""
    rows = read_mot_rows(data / "mot15" / "PETS09-S2L1" / "gt" / "gt.txt")
    rows = rows[rows[:, 6] == 1]
    with VideoFile(data / "video" / "PETS09-S2L1.mp4") as source:
        for number, image in enumerate(source, 1):
            here = rows[rows[:, 0] == number]
            if (number - 1) % step == 0 and len(here):
                boxes = xywh_to_xyxy((here[:, 2:6] * (source.info.width / 768)).astype(np.float32))
                yield image, Detections.create(boxes, np.ones(len(here))), here[:, 1].astype(int)


@pytest.mark.slow
@pytest.mark.parametrize("words", [["colours=bgr", "scale=1"], []], ids=["bgr 0..255", "default"])
def test_a_real_network_tells_people_apart(data, words):
    pytest.importorskip("onnx", reason="needs the extra onnx")
    pytest.importorskip("onnxruntime", reason="needs the extra onnx")
    source = data / "weights/person-reidentification/person-reidentification-retail-0267.onnx"
    if not source.is_file():
        pytest.skip("person-reidentification-retail-0267 is not in shared/data")
    overrides = [f"embedder.name={source}", *(f"embedder.input.{word}" for word in words)]
    embedder = build_embedder(load_config(overrides=overrides))
    vectors, ids = [], []
    for image, found, who in people(data, 80):
        vectors.append(embedder.embed(image, found).embeddings)
        ids.append(who)
    scores = appearance_scores(np.concatenate(vectors), np.concatenate(ids))
    assert scores.same < scores.different
    assert scores.auc > 0.85  # On all of the video 0.92 and 0.94.
