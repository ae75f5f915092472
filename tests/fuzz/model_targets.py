"""Targets that read models: darknet, ncnn, metadata of ONNX and LiteRT files, `.keras` archives."""

import io
import json
import random
import struct
import zipfile
from functools import cache
from pathlib import Path

import numpy as np

from tests.fuzz.engine import Target, checked_message
from tests.fuzz.mutators import mutate_bytes, mutate_text, mutate_zip
from tests.goldens import ncnn_cases
from tests.goldens.darknet_cases import CASES, weights_file
from tests.models.ncnn.test_syntax import TEXT as NCNN_SYNTAX
from tracker.errors import TrackerError
from tracker.inference.keras_file import PLAIN_LAYERS, _check_config, _read_config
from tracker.inference.stored_names import archive_facts, folder_facts, metadata_facts
from tracker.models.darknet.cfg import parse_darknet_cfg, read_darknet_cfg
from tracker.models.darknet.shapes import check_input_size, infer_shapes, network_stride
from tracker.models.darknet.weights import read_darknet_weights, split_weights
from tracker.models.files.archive import parse_text, read_names, read_text
from tracker.models.files.class_names import read_class_names
from tracker.models.files.detector_file import read_description
from tracker.models.files.reid_file import read_reid_description
from tracker.models.files.segmenter_file import read_segmenter_description
from tracker.models.files.tflite import MEMBER, is_exported, read_exported
from tracker.models.ncnn.files import read_ncnn_files
from tracker.models.ncnn.syntax import parse_ncnn_param, read_ncnn_param
from tracker.models.ncnn.weights import WeightReader, read_ncnn_weights
from tracker.util.archives import check_weights_member, read_npy, read_npz

ROOT = Path(__file__).parents[2]
WEIGHTS_OF = "yolov3-tiny"


def _use_cfg(data: bytes, folder: Path) -> object:
    path = folder / "net.cfg"
    path.write_bytes(data)
    cfg = read_darknet_cfg(path)
    stride = network_stride(cfg)
    check_input_size(cfg, height=cfg.height, width=cfg.width, stride=stride)
    shapes = infer_shapes(cfg, height=cfg.height, width=cfg.width)
    assert len(shapes) == len(cfg.layers)
    assert all(min(shape.height, shape.width, shape.channels) > 0 for shape in shapes)
    return len(shapes), stride.bit_length()


def _use_darknet_weights(data: bytes, folder: Path) -> object:
    path = folder / "net.weights"
    path.write_bytes(data)
    cfg = parse_darknet_cfg(CASES[WEIGHTS_OF].cfg)
    shapes = infer_shapes(cfg, height=cfg.height, width=cfg.width)
    found = split_weights(read_darknet_weights(path), cfg, shapes)
    assert all(np.isfinite(one.kernel).all() for one in found.values())
    return len(found)


def _ncnn_seeds() -> list[bytes]:
    texts = [NCNN_SYNTAX, *(case.param for case in ncnn_cases.CASES.values())]
    return [text.encode() for text in texts]


def _use_param(data: bytes, folder: Path) -> object:
    (folder / "net.param").write_bytes(data)
    (folder / "net.bin").write_bytes(b"\0")
    files = read_ncnn_files(folder / "net.param")
    for layer in files.param.layers:
        for key in layer.params:
            for read in (layer.integer, layer.number, layer.integers, layer.numbers):
                try:
                    read(key)
                except TrackerError as error:
                    checked_message(error, folder)
    assert files.stored.native_size in {None, (416, 416)}
    return len(files.param.layers).bit_length(), len(files.param.output_names)


def _use_build(data: bytes, folder: Path) -> object:
    """Builds the Keras model of a mutated `.param` with the weights of the valid one."""
    from tracker.models.ncnn.load import build_ncnn, check_types

    name, _, text = data.partition(b"\n")
    case = ncnn_cases.CASES.get(name.decode("utf-8", "replace"))
    path = folder / "net.param"
    path.write_bytes(text)
    param = read_ncnn_param(path)
    check_types(param)
    model = build_ncnn(param, WeightReader(b"" if case is None else case.weights, source="net.bin"))
    return len(model.outputs), len(model.layers).bit_length()


def _build_seeds() -> list[bytes]:
    return [f"{name}\n{case.param}".encode() for name, case in list(ncnn_cases.CASES.items())[::4]]


def _use_ncnn_weights(data: bytes, folder: Path) -> object:
    path = folder / "net.bin"
    path.write_bytes(data)
    reader = read_ncnn_weights(path)
    layer = _ncnn_layer()
    count = 4
    while count < 40:
        reader.tagged(count, layer)
        reader.floats(2, layer)
        reader.scales(1, layer)
        count *= 2
    reader.check_end()
    return "read"


@cache
def _ncnn_layer() -> object:
    return parse_ncnn_param(ncnn_cases.param_text("Input i 0 1 in", "PReLU r 1 1 in out")).layers[1]


def _ncnn_bins() -> list[bytes]:
    def parts(count: int) -> bytes:
        tags = (0, ncnn_cases.FLOAT16, ncnn_cases.BFLOAT16, ncnn_cases.INT8)
        sizes = (4, 2, 2, 1)
        tag, size = tags[count.bit_length() % 4], sizes[count.bit_length() % 4]
        body = b"\0" * (count * size + -(count * size) % 4)
        return struct.pack("<I", tag) + body + struct.pack("<3f", 1, 2, 0.5)

    return [b"".join(parts(count) for count in (4, 8, 16, 32))]


NAMES = (
    "{0: 'person', 1: 'hot dog'}",
    '{"0": "person", "3": "car"}',
    "['a', 'b', 'a']",
    '["person", "hot dog"]',
    "{0: 'class_1', 2: 'c', 3: None}",
)


def _metadata_seeds() -> list[bytes]:
    return [f"{names}\ndetect\n[17, 3]".encode() for names in NAMES]


def _use_metadata(data: bytes, folder: Path) -> object:
    text = data.decode("utf-8", "surrogateescape")
    names, _, rest = text.partition("\n")
    task, _, keypoints = rest.partition("\n")
    stored = metadata_facts({"names": names, "task": task, "kpt_shape": keypoints}, what="a.onnx")
    found = stored.class_names
    if found is not None:
        assert found
        assert len(set(found)) == len(found)
        assert all(isinstance(name, str) and name for name in found)
    assert stored.keypoint_values is None or stored.keypoint_values > 0
    (folder / "metadata.yaml").write_bytes(b"names: " + data.replace(b"\n", b"\ntask: ", 1))
    folder_facts(folder)
    (folder / "names.txt").write_bytes(data)
    read_class_names(folder / "names.txt")
    return None if found is None else len(found).bit_length(), stored.task is None


@cache
def _h5() -> bytes:
    import h5py

    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        file.create_dataset("layers/dense/vars/0", data=np.ones((4, 3), np.float32))
        file.create_dataset("layers/dense/vars/1", data=np.ones(3, np.float32), chunks=(2,))
        file["layers/again"] = h5py.SoftLink("/layers/dense")
        file.attrs["keras_version"] = "3.11.3"
    return stream.getvalue()


def _keras_config() -> dict[str, object]:
    layer = {"module": "keras.layers", "class_name": "Dense", "config": {"name": "d", "units": 3}}
    start = {"module": "keras.layers", "class_name": "InputLayer", "config": {"name": "x"}}
    inner = {"name": "s", "layers": [start, layer]}
    return {"module": "keras", "class_name": "Sequential", "config": inner}


def _description(network: str) -> bytes:
    with zipfile.ZipFile(ROOT / "tracker" / "weights" / network) as archive:
        return archive.read(MEMBER)


@cache
def _keras_seeds() -> tuple[bytes, ...]:
    found = []
    texts = [b'{"class_names": ["a", "b"]}']
    for path in sorted((ROOT / "tracker" / "weights").glob("*.keras")):
        texts.append(_description(path.name))
    for text in texts:
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w") as archive:
            archive.writestr("metadata.json", '{"keras_version": "3.11.3"}')
            archive.writestr("config.json", json.dumps(_keras_config()))
            archive.writestr("model.weights.h5", _h5())
            archive.writestr(MEMBER, text)
        found.append(stream.getvalue())
    return tuple(found)


def _use_keras(data: bytes, folder: Path) -> object:
    """Reads all that is read of an archive before Keras opens it."""
    path = folder / "a.keras"
    path.write_bytes(data)
    marks = []
    what = "network a.keras"

    def own() -> object:
        text = read_text(path, what="detector", wanted="a detector")
        return parse_text(path, text, read_names, what="detector")

    def foreign() -> object:
        config = _read_config(path, what)
        return _check_config(config, what, PLAIN_LAYERS, "is refused", any_operation=True)

    def weights() -> object:
        return check_weights_member(path, "model.weights.h5")

    descriptions = (read_description, read_reid_description, read_segmenter_description)
    readers = [own, foreign, weights, *(lambda r=read: r(path) for read in descriptions)]
    for read in readers:
        try:
            read()
            marks.append("read")
        except TrackerError as error:
            text = checked_message(error, folder)
            marks.append(" ".join(word for word in text.split()[2:6] if word.isalpha()))
    return tuple(marks)


def _arrays() -> list[bytes]:
    found = []
    for value in (np.arange(12.0).reshape(3, 4), np.array(5), np.zeros((0, 3), np.int8)):
        stream = io.BytesIO()
        np.save(stream, value)
        found.append(stream.getvalue())
    stream = io.BytesIO()
    np.savez(stream, a=np.ones(3, np.float32), b=np.arange(2))
    return [*found, stream.getvalue()]


def _use_arrays(data: bytes, folder: Path) -> object:
    is_zip = data.startswith(b"PK")
    path = folder / ("a.npz" if is_zip else "a.npy")
    path.write_bytes(data)
    found = read_npz(path) if is_zip else read_npy(path)
    return len(found) if is_zip else found.dtype.kind


def _mutate_arrays(rng: random.Random, data: bytes) -> bytes:
    return mutate_zip(rng, data) if data.startswith(b"PK") else _mutate_npy(rng, data)


def _mutate_npy(rng: random.Random, data: bytes) -> bytes:
    return mutate_text(rng, data) if rng.randrange(2) else mutate_bytes(rng, data)


def _tflite_seeds() -> list[bytes]:
    found = []
    members = {MEMBER: '{"format": "x", "class_names": ["a"]}', "labels.txt": "a\nb\n"}
    for names in ((MEMBER,), ("labels.txt",), (MEMBER, "labels.txt")):
        stream = io.BytesIO(b"\x1c\x00\x00\x00TFL3" + bytes(100))
        stream.seek(0, io.SEEK_END)
        with zipfile.ZipFile(stream, "a") as archive:
            for name in names:
                archive.writestr(name, members[name])
        found.append(stream.getvalue())
    return found


def _use_tflite(data: bytes, folder: Path) -> object:
    path = folder / "a.tflite"
    path.write_bytes(data)
    facts = archive_facts(path)
    if not is_exported(path):
        return "foreign", facts.class_names is None
    return read_exported(path, what="detector").format


@cache
def _onnx_seeds() -> tuple[bytes, ...]:
    import onnx
    from onnx import TensorProto, helper

    node = helper.make_node("Relu", ["x"], ["y"])
    scale = helper.make_node("MeanVarianceNormalization", ["x"], ["y"], axes=[0, 2, 3])
    found = []
    for one in (node, scale):
        x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 8, "w"])
        y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 3, 8, "w"])
        graph = helper.make_graph([one], "g", [x], [y])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
        for key, value in (("names", NAMES[0]), ("task", "detect"), ("stride", "32")):
            entry = model.metadata_props.add()
            entry.key, entry.value = key, value
        onnx.checker.check_model(model)
        found.append(model.SerializeToString())
    return tuple(found)


def _use_onnx(data: bytes, folder: Path) -> object:
    from tracker.inference.onnx_network import OnnxNetwork

    path = folder / "a.onnx"
    path.write_bytes(data)
    network = OnnxNetwork(path)
    return len(network.inputs), network.stored.class_names is None


TARGETS = (
    Target("darknet-cfg", lambda: [case.cfg.encode() for case in CASES.values()], mutate_text,
           _use_cfg, short_executions=600),
    Target("darknet-weights", lambda: [weights_file(CASES[WEIGHTS_OF].convs)], mutate_bytes,
           _use_darknet_weights, short_executions=200),
    Target("ncnn-param", _ncnn_seeds, mutate_text, _use_param),
    Target("ncnn-build", _build_seeds, mutate_text, _use_build, short_executions=20,
           longest_cpu_s=60),
    Target("ncnn-weights", _ncnn_bins, mutate_bytes, _use_ncnn_weights),
    Target("metadata", _metadata_seeds, mutate_text, _use_metadata, short_executions=400),
    Target("keras-archive", _keras_seeds, mutate_zip, _use_keras, short_executions=150),
    Target("tflite-archive", _tflite_seeds, mutate_zip, _use_tflite),
    Target("numpy-arrays", _arrays, _mutate_arrays, _use_arrays),
    Target("onnx", _onnx_seeds, mutate_bytes, _use_onnx, short_executions=100),
)  # fmt: skip
"""Readers of models; of them only `ncnn-build` starts TensorFlow."""
