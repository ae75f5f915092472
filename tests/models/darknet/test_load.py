"""Networks against OpenCV's recorded numbers, and against NumPy where OpenCV has no such option."""

from pathlib import Path

import numpy as np
import pytest

keras = pytest.importorskip("keras")

from tests.goldens.darknet_cases import (  # noqa: E402
    CASES,
    REAL_MODELS,
    Case,
    Conv,
    conv,
    head_conv,
    image,
    maxpool,
    net,
    route,
    sample_indices,
    shortcut,
    weights_file,
    yolo,
)
from tests.models import numpy_darknet  # noqa: E402
from tracker.detection.yolo_decode import decode_graph  # noqa: E402
from tracker.errors import ModelError  # noqa: E402
from tracker.models.darknet.cfg import network_settings, parse_darknet_cfg  # noqa: E402
from tracker.models.darknet.load import DarknetNetwork, load_darknet  # noqa: E402
from tracker.models.layers import Mish  # noqa: E402

ROOT = Path(__file__).parents[3]
GOLDENS = np.load(ROOT / "tests/goldens/darknet.npz")
REAL = ROOT.parent / "shared/data/weights/yolo-fastest"
TOLERANCE = 1e-4


def load(case: Case, folder: Path, **options: object) -> DarknetNetwork:
    (folder / "net.cfg").write_text(case.cfg)
    (folder / "net.weights").write_bytes(weights_file(case.convs))
    return load_darknet(folder / "net.cfg", folder / "net.weights", **options)


def run(network: DarknetNetwork) -> list[np.ndarray]:
    maps = network.raw_maps(image(network.input_height, network.input_width))
    return [np.asarray(raw) for raw in maps]


@pytest.mark.parametrize("name", CASES)
def test_tiny_networks_equal_opencv(name, tmp_path):
    network = load(CASES[name], tmp_path)
    maps = run(network)
    assert network.class_count == 3
    assert len(maps) == len(network.heads) == len(network.model.outputs)
    for index, raw in enumerate(maps):
        golden = GOLDENS[f"{name}/{index}"]
        assert raw.dtype == np.float32
        np.testing.assert_allclose(raw[0], golden, atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("name", CASES)
def test_heads_decode_to_opencvs_boxes(name):
    case = CASES[name]
    cfg = parse_darknet_cfg(case.cfg)
    for index, head in enumerate(cfg.heads):
        raw = GOLDENS[f"{name}/{index}"][None]
        boxes, _, _ = decode_graph([raw], [head], input_size=(case.height, case.width))
        cx, cy, w, h, _ = (GOLDENS[f"{name}/{index}/boxes"] * 1.0).T
        size = np.array([case.width, case.height] * 2)
        expected = np.column_stack([cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2]) * size
        np.testing.assert_allclose(np.asarray(boxes)[0], expected, atol=1e-2, rtol=1e-4)


REAL_CASES = [
    pytest.param(name, marks=() if "body" in name else pytest.mark.slow) for name in REAL_MODELS
]


@pytest.mark.parametrize("name", REAL_CASES)
def test_real_models_equal_opencv(name):
    base = REAL / name
    if not base.with_name(base.name + ".weights").exists():
        pytest.skip("shared/data/weights/yolo-fastest is not there")
    network = load_darknet(f"{base}.cfg", f"{base}.weights")
    assert (network.input_height, network.input_width, network.stride) == (320, 320, 32)
    assert network.class_count == (1 if "body" in name else 80)
    for index, raw in enumerate(run(network)):
        flat = raw.ravel()
        key = f"{base.name}/{index}"
        assert raw.shape[1:] == tuple(GOLDENS[f"{key}/shape"])
        samples = flat[sample_indices(flat.size)]
        np.testing.assert_allclose(samples, GOLDENS[f"{key}/samples"], atol=TOLERANCE, rtol=0)
        sums = [flat.sum(dtype=np.float64), np.abs(flat).sum(dtype=np.float64)]
        np.testing.assert_allclose(sums, GOLDENS[f"{key}/sums"], rtol=1e-5)


# Options that OpenCV 4 ignores, refuses or reads otherwise.
HEAD = head_conv(16) + yolo("0,1")
REFERENCE_CASES = {
    "dilation": Case(
        net(16, 16) + conv(4, 3, "silu", dilation=2) + conv(4, 3, "relu6", dilation=3) + HEAD,
        (Conv(4, 3, 3), Conv(4, 4, 3), Conv(16, 4, 1, False)),
        16,
        16,
    ),
    "strides": Case(
        net(16, 32)
        + conv(4, 3, "relu", stride_x=2, stride_y=1)
        + conv(8, 3, "leaky", stride_x=2, stride_y=4, groups=4)
        + maxpool(3, 1, stride_y=2)
        + HEAD,
        (Conv(4, 3, 3), Conv(8, 1, 3), Conv(16, 8, 1, False)),
        16,
        32,
    ),
    "pools": Case(
        net(24, 24)
        + conv(4, 2, "linear")  # 25x25: an even window with padding 1 on both sides
        + maxpool(4, 2)
        + maxpool(2, 2, padding=2)
        + maxpool(3, 3, padding=0)
        + HEAD,
        (Conv(4, 3, 2), Conv(16, 4, 1, False)),
        24,
        24,
    ),
    "joins": Case(
        net(16, 16)
        + conv(8, 1, "mish")
        + conv(8, 3, "linear")
        + conv(8, 1, "logistic", batch_normalize=0)
        + shortcut("-2,0", "swish")
        + route("0,-1", groups=4, group_id=2)
        + "[reorg]\nstride=2\n[upsample]\nstride=4\n"
        + maxpool(2, 2)
        + HEAD,
        (Conv(8, 3, 1), Conv(8, 8, 3), Conv(8, 8, 1, False), Conv(16, 16, 1, False)),
        16,
        16,
    ),
}


@pytest.mark.parametrize("name", REFERENCE_CASES)
def test_other_options_equal_a_numpy_reference(name, tmp_path):
    case = REFERENCE_CASES[name]
    network = load(case, tmp_path)
    floats = np.frombuffer(weights_file(case.convs), "<f4", offset=20).astype(np.float64)
    expected = numpy_darknet.forward(
        parse_darknet_cfg(case.cfg), floats, image(case.height, case.width)[0]
    )
    for raw, reference in zip(run(network), expected, strict=True):
        np.testing.assert_allclose(raw[0], reference, atol=TOLERANCE)


def test_numpy_reference_equals_opencv_too():
    case = CASES["grouped-odd"]
    floats = np.frombuffer(weights_file(case.convs), "<f4", offset=20).astype(np.float64)
    raw = numpy_darknet.forward(parse_darknet_cfg(case.cfg), floats, image(64, 64)[0])
    np.testing.assert_allclose(raw[0], GOLDENS["grouped-odd/0"], atol=TOLERANCE)


def test_mish_keeps_its_precision_at_both_ends():
    x = np.array([-60.0, -20.0, -1.0, 0.0, 1.0, 20.0, 500.0], np.float32)
    wide = x.astype(np.float64)
    expected = wide * np.tanh(np.log1p(np.exp(np.minimum(wide, 100))))
    np.testing.assert_allclose(np.asarray(Mish()(x)), expected, rtol=1e-6)


def test_another_input_size(tmp_path):
    network = load(CASES["yolov3-tiny"], tmp_path, input_size=(32, 96))
    assert (network.input_height, network.input_width) == (32, 96)
    assert [raw.shape for raw in run(network)] == [(1, 4, 12, 16), (1, 8, 24, 16)]


def test_a_batch_equals_its_images(tmp_path):
    network = load(CASES["yolov3-tiny"], tmp_path)
    images = np.concatenate([image(64, 64), image(64, 64)[:, ::-1]])
    together = network.raw_maps(images)
    for index, raw in enumerate(together):
        for k in range(2):
            alone = network.raw_maps(images[k : k + 1])[index]
            np.testing.assert_allclose(np.asarray(raw)[k], np.asarray(alone)[0], atol=1e-5)


# Keras hands h5py its variables, whose __array__ predates NumPy 2.
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
@pytest.mark.parametrize("name", ["yolov2", "csp-mish-spp", "yolov4-tiny", "grouped-odd"])
def test_saved_models_come_back_equal(name, tmp_path):
    network = load(CASES[name], tmp_path)
    network.model.save(tmp_path / "net.keras")
    again = keras.saving.load_model(tmp_path / "net.keras")
    pixels = image(64, 64)
    np.testing.assert_array_equal(np.asarray(again(pixels)), np.asarray(network.model(pixels)))
    assert [layer.name for layer in again.layers] == [layer.name for layer in network.model.layers]


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_config_round_trips_through_registered_layers(tmp_path):
    case = REFERENCE_CASES["joins"]
    model = load(case, tmp_path).model
    again = keras.Model.from_config(model.get_config())
    again.set_weights(model.get_weights())
    np.testing.assert_array_equal(
        np.asarray(again(image(16, 16))), np.asarray(model(image(16, 16)))
    )


def test_layers_are_named_by_darknets_index(tmp_path):
    model = load(CASES["yolov3-tiny"], tmp_path).model
    names = [layer.name for layer in model.layers]
    assert names[:4] == ["image", "conv_0", "conv_0_bn", "conv_0_leaky"]
    assert {"yolo_10", "upsample_13", "route_14", "yolo_17"} <= set(names)


def test_old_header_with_a_32_bit_counter(tmp_path):
    case = CASES["yolov2-tiny"]
    network = load(case, tmp_path)
    (tmp_path / "old.weights").write_bytes(weights_file(case.convs, version=(0, 1, 0)))
    old = load_darknet(tmp_path / "net.cfg", tmp_path / "old.weights")
    np.testing.assert_array_equal(run(old)[0], run(network)[0])


@pytest.mark.parametrize("size", [(64, 60), (0, 64), (-8, 64)])
def test_input_sizes_must_fit_the_stride(size, tmp_path):
    with pytest.raises(ModelError, match=r"multiple of 8, got .*; try"):
        load(CASES["yolov3-tiny"], tmp_path, input_size=size)


@pytest.mark.parametrize(("cut", "got"), [(-4, -1), (4, 1)])
def test_weights_of_another_length(cut, got, tmp_path):
    case = CASES["yolov2-tiny"]
    load(case, tmp_path)
    data = weights_file(case.convs)
    (tmp_path / "bad.weights").write_bytes(data[:cut] if cut < 0 else data + bytes(cut))
    count = (len(data) - 20) // 4
    with pytest.raises(ModelError, match=f"expected {count} floats .* got {count + got}"):
        load_darknet(tmp_path / "net.cfg", tmp_path / "bad.weights")


def test_settings_are_those_of_the_network(tmp_path):
    network = load(CASES["grouped-odd"], tmp_path)
    settings = network_settings(parse_darknet_cfg(CASES["grouped-odd"].cfg))
    assert settings == (64, 64, 3, network.stride) == (64, 64, 3, 16)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_litert_supports_every_layer(name, tmp_path):
    tensorflow = pytest.importorskip("tensorflow")
    interpreter = pytest.importorskip("ai_edge_litert.interpreter")
    network = load(CASES[name], tmp_path)
    shape = (1, network.input_height, network.input_width, 3)
    converter = tensorflow.lite.TFLiteConverter.from_keras_model(network.model)
    lite = interpreter.Interpreter(model_content=converter.convert())
    lite.resize_tensor_input(lite.get_input_details()[0]["index"], shape)
    lite.allocate_tensors()
    lite.set_tensor(lite.get_input_details()[0]["index"], image(*shape[1:3]))
    lite.invoke()
    outputs = [lite.get_tensor(detail["index"]) for detail in lite.get_output_details()]
    for raw in run(network):
        assert any(
            out.shape == raw.shape and np.abs(out - raw).max() < TOLERANCE for out in outputs
        )
