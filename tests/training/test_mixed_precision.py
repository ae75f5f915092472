"""Mixed precision: losses are finite, weights and files stay as they are."""

import keras
import numpy as np
import pytest

from tracker.models.files.detector_file import DetectorDescription, load_detector, save_detector
from tracker.models.reid import build_reid
from tracker.models.yolo import build_yolo
from tracker.models.yolo_shape import YoloSize
from tracker.training.detector.batches import Batch
from tracker.training.detector.learner import detector_learner, train_on
from tracker.training.detector.train import BEST, LAST, train_detector
from tracker.training.learner import compile_learner, make_optimizer
from tracker.training.mixed_precision import (
    BFLOAT16,
    FLOAT16,
    FLOAT32,
    computing_by,
    policy_of,
    scaled_by,
)
from tracker.training.settings import MixedPrecision, TrainSettings

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

SIDE = 32


def batch():
    """Two images of noise, an object in each."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (2, SIDE, SIDE, 3)).astype(np.uint8)
    boxes = np.array([[[4, 4, 20, 24]], [[8, 2, 30, 20]]], np.float32)
    flags = np.ones((2, 1), bool)
    return Batch(images, boxes, np.zeros((2, 1), np.int32), ~flags, flags, np.float32(flags))


class TwoSteps:
    def __len__(self):
        return 2

    def epoch(self, number, *, start=0):
        yield from [batch()] * (2 - start)


def dtypes(network):
    return {str(w.dtype) for w in network.weights}


@pytest.mark.gpu
def test_a_gpu_computes_in_16_bits_by_itself():
    assert policy_of(MixedPrecision.AUTO) in {BFLOAT16, FLOAT16}


def test_policies_without_a_gpu():
    if policy_of(MixedPrecision.AUTO) != FLOAT32:
        pytest.skip("there is a GPU")
    assert policy_of(MixedPrecision.OFF) == FLOAT32
    assert policy_of(MixedPrecision.ON) == BFLOAT16


def test_yaml_reads_on_as_true():
    assert MixedPrecision(True) is MixedPrecision.ON
    assert MixedPrecision(False) is MixedPrecision.OFF
    with pytest.raises(ValueError, match="1"):
        MixedPrecision(1)


def test_a_network_computes_by_a_policy_within_a_block():
    network = build_reid(8)
    crops = np.random.default_rng(0).random((2, 128, 64, 3)).astype(np.float32)
    exact = np.asarray(network(crops))
    with computing_by(network, BFLOAT16):
        assert network.get_layer("stem_conv").compute_dtype == "bfloat16"
        for name in ("project", "unit"):
            assert network.get_layer(name).compute_dtype == "float32"
        coarse = network(crops)
        assert keras.backend.standardize_dtype(coarse.dtype) == "float32"
        np.testing.assert_allclose(np.linalg.norm(coarse, axis=1), 1, atol=1e-5)
        assert dtypes(network) == {"float32"}
    assert 0 < np.abs(np.asarray(coarse) - exact).max() < 0.05
    np.testing.assert_array_equal(np.asarray(network(crops)), exact)
    with computing_by(network, FLOAT32):
        assert {layer.compute_dtype for layer in network.layers} == {"float32"}


@pytest.mark.slow
@pytest.mark.parametrize(
    "backbone", ["cross-stage", pytest.param("mobilenetv3small", marks=pytest.mark.long)]
)
def test_steps_with_16_bits(backbone, tmp_path):
    """Files stay those of a network of 32 bits: the same names, shapes and types of weights."""
    keras.utils.set_random_seed(0)
    description = DetectorDescription(YoloSize.NANO, ("a",), long_side=SIDE, backbone=backbone)
    layouts, reports = [], []

    class Losses:
        def begin(self, step, total):
            pass

        def step(self, step, loss):
            reports.append(loss)

        def epoch(self, report):
            pass

    network = build_yolo(YoloSize.NANO, 1, backbone=backbone)
    save_detector(network, tmp_path / "before.keras", description)
    train_detector(
        network,
        TwoSteps(),
        TrainSettings(epochs=1, mixed_precision=MixedPrecision.ON),
        tmp_path,
        validation=[batch()],
        save=lambda network, path: save_detector(network, path, description),
        observer=Losses(),
    )
    for name in ("before.keras", BEST, LAST):
        loaded = load_detector(tmp_path / name)
        layouts.append(
            [
                (layer.name, w.name, w.shape, str(w.dtype))
                for layer in loaded.layers
                for w in layer.weights
            ]
        )
    saved = keras.models.load_model(tmp_path / LAST)
    assert {layer.compute_dtype for layer in saved.layers} == {"float32"}
    assert all(np.isfinite(w).all() for w in network.get_weights())
    assert all(layout == layouts[0] for layout in layouts)
    assert {dtype for *_, dtype in layouts[0] if not dtype.startswith("int")} == {"float32"}
    assert len(reports) == 2
    assert np.isfinite(reports).all()


def tiny():
    """Three maps by one convolution each."""
    keras.utils.set_random_seed(0)
    x = image = keras.Input((None, None, 3))
    maps = []
    for stride, name in ((8, "stem"), (2, "lateral1"), (2, "lateral2")):
        x = keras.layers.Conv2D(8, stride, strides=stride, activation="relu", name=name)(x)
        last = keras.layers.Conv2D(5, 1, bias_initializer="ones", name=f"map_{len(maps)}")
        maps.append(last(x))
    return keras.Model(image, maps, name="tiny")


@pytest.mark.slow
@pytest.mark.parametrize("policy", [BFLOAT16, FLOAT16])
def test_the_loss_falls_and_gradients_survive(policy):
    """With float16 the loss is scaled: the optimizer has more numbers to keep."""
    network = tiny()
    learner = detector_learner(network, TrainSettings(box_weight=1.0))
    plain = make_optimizer(weight_decay=0.0, clip_norm=10.0)
    optimizer = scaled_by(plain, policy)
    assert isinstance(optimizer, keras.optimizers.LossScaleOptimizer) == (policy == FLOAT16)
    compile_learner(learner, optimizer, image_size=(SIDE, SIDE))
    assert (len(optimizer.variables) > len(plain.variables)) == (policy == FLOAT16)
    with computing_by(network, policy):
        optimizer.learning_rate = 1e-2
        losses = [train_on(learner, batch())["loss"] for _ in range(12)]
    assert np.isfinite(losses).all()
    assert losses[-1] < 0.8 * losses[0]
    assert dtypes(network) == {"float32"}


@pytest.mark.slow
def test_a_training_on_a_cpu_with_16_bits(tmp_path):
    settings = TrainSettings(epochs=1, mixed_precision=MixedPrecision.ON, checkpoint_minutes=0.0)
    network = tiny()
    result = train_detector(network, TwoSteps(), settings, tmp_path, validation=[batch()])
    assert result.steps == 2
    saved = keras.models.load_model(tmp_path / LAST)
    assert {layer.dtype_policy.name for layer in saved.layers} == {"float32"}
    assert dtypes(saved) == {"float32"}
