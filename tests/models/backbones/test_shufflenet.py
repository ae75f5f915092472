"""ShuffleNetV2: shapes, the shuffle, and the graphs of its paper and of NanoDet as references."""

from pathlib import Path

import keras
import numpy as np
import pytest

from tests.models.backbones.shufflenet_graph import FEATURES, write_shufflenet
from tests.published_forms import write_nanodet
from tracker.errors import ConfigError, ModelError
from tracker.models.backbones.names import BackboneChoice
from tracker.models.backbones.shufflenet import (
    convolution_names,
    put_onnx_weights,
    shufflenet_features,
)
from tracker.models.backbones.weights import load_backbone
from tracker.models.files.detector_file import DetectorDescription, load_detector, save_detector
from tracker.models.layers import ChannelShuffle
from tracker.models.yolo import build_yolo
from tracker.models.yolo_shape import YoloSize

NAME = "shufflenet-v2-1x"
NANODET = Path(__file__).parents[4] / "shared/data/weights/nanodet/nanodet_m.onnx"

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def features(height=None, width=None):
    image = keras.Input((height, width, 3))
    return keras.Model(image, shufflenet_features(image, NAME))


def nanodet() -> Path:
    pytest.importorskip("onnx")
    if not NANODET.is_file():
        pytest.skip("../shared/data is missing")
    return NANODET


@pytest.fixture(scope="module")
def network():
    return features()


def test_features_have_strides_8_16_and_32(network) -> None:
    shapes = [tuple(f.shape) for f in network(np.zeros((2, 96, 64, 3), np.float32))]
    assert shapes == [(2, 12, 8, 116), (2, 6, 4, 232), (2, 3, 2, 464)]


def test_a_shuffle_takes_from_each_group_in_turn() -> None:
    x = np.arange(6, dtype=np.float32).reshape(1, 1, 1, 6)
    assert np.asarray(ChannelShuffle(2)(x)).ravel().tolist() == [0, 3, 1, 4, 2, 5]
    assert np.asarray(ChannelShuffle(3)(x)).ravel().tolist() == [0, 2, 4, 1, 3, 5]


def check_against_onnx_runtime(network, model, names, size) -> None:
    """Checks the features of a random image; `names` are those of the reference's features."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    rgb = np.random.default_rng(0).random((*size, 3)).astype(np.float32)
    bgr = rgb[..., ::-1] * 255
    given = (bgr - [103.53, 116.28, 123.675]) / [57.375, 57.12, 58.395]
    batch = given.transpose(2, 0, 1)[None].astype(np.float32)
    theirs = session.run(names, {session.get_inputs()[0].name: batch})
    for mine, reference in zip(network(rgb[None]), theirs, strict=True):
        assert np.ptp(reference) > 0.1
        allowed = 1e-5 * max(1, np.abs(reference).max())  # of sums in float32, layer after layer
        np.testing.assert_allclose(mine, reference.transpose(0, 2, 3, 1), atol=allowed, rtol=0)


def test_features_of_the_papers_graph_agree_with_onnx_runtime(network, tmp_path) -> None:
    onnx = pytest.importorskip("onnx")
    path = write_shufflenet(tmp_path / "net.onnx")
    load_backbone(network, BackboneChoice(NAME, str(path)))
    check_against_onnx_runtime(network, onnx.load(str(path)), FEATURES, (64, 96))


def test_backbone_of_nanodet_agrees_with_onnx_runtime(network) -> None:
    path = nanodet()
    import onnx

    load_backbone(network, BackboneChoice(NAME, str(path)))
    model = onnx.load(str(path))
    laterals = [n for n in model.graph.node if any("lateral" in name for name in n.input)]
    wanted = [node.input[0] for node in laterals if node.op_type == "Conv"]
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in wanted)
    check_against_onnx_runtime(network, model, wanted, (416, 416))


@pytest.mark.slow
def test_a_detector_on_it_is_saved_and_loaded(tmp_path) -> None:
    made = build_yolo(YoloSize.NANO, 2, backbone=NAME)
    path = tmp_path / "own.keras"
    save_detector(made, path, DetectorDescription(YoloSize.NANO, ("a", "b"), 64, backbone=NAME))
    x = np.random.default_rng(0).random((1, 64, 64, 3)).astype(np.float32)
    for mine, again in zip(made(x), load_detector(path)(x), strict=True):
        np.testing.assert_array_equal(mine, again)


def test_weights_of_another_network_are_refused(network, tmp_path) -> None:
    with pytest.raises(ValueError, match="at least 55 convolutions, got 1"):
        put_onnx_weights(network, NAME, [(np.zeros((24, 3, 3, 3)), np.zeros(24))])
    assert len(convolution_names(NAME)) == 55
    with pytest.raises(ConfigError, match="no published weights of shufflenet"):
        BackboneChoice(NAME, "imagenet")
    pytest.importorskip("onnx")
    path = write_nanodet(tmp_path / "small.onnx")
    with pytest.raises(ModelError, match=r"small\.onnx.*at least 55 convolutions, got 6"):
        load_backbone(network, BackboneChoice(NAME, str(path)))
    with pytest.raises(ModelError, match=r"expected a \.keras or \.h5 file for mobilenetv2"):
        load_backbone(network, BackboneChoice("mobilenetv2", str(path)))
    damaged = tmp_path / "cut.onnx"
    damaged.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(ModelError, match="expected an ONNX file"):
        load_backbone(network, BackboneChoice(NAME, str(damaged)))
