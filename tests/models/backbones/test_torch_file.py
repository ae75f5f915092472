"""Checkpoints of PyTorch without PyTorch, written here as its own writer lays them out."""

import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from tracker.errors import ModelError
from tracker.models.backbones.efficientnet_lite import efficientnet_lite_features
from tracker.models.backbones.names import BackboneChoice
from tracker.models.backbones.torch_file import read_torch_weights
from tracker.models.backbones.weights import load_backbone
from tracker.models.yolo import build_yolo
from tracker.models.yolo_shape import YoloSize

MAGIC = 0x1950A86A20F9469CFC6C
SHORT = "efficientnet-lite0-short"


class Tensor:
    """Pickles as a tensor does: a call of `torch._utils._rebuild_tensor_v2`."""

    def __init__(self, key: str, shape: tuple[int, ...], strides: tuple[int, ...], offset: int = 0):
        self.key, self.shape, self.strides, self.offset = key, shape, strides, offset


class Writer(pickle._Pickler):  # the one in Python can write globals that are not installed
    """Writes tensors as PyTorch's reduce does."""

    def save(self, obj: Any, save_persistent_id: bool = True) -> None:
        if not isinstance(obj, Tensor):
            super().save(obj, save_persistent_id)
            return
        self.write(b"ctorch._utils\n_rebuild_tensor_v2\n(")
        self.write(b"(")
        super().save("storage")
        self.write(b"ctorch\nFloatStorage\n")
        for part in (obj.key, "cpu", 1, None):
            super().save(part)
        self.write(b"tQ")
        for part in (obj.offset, obj.shape, obj.strides, False, OrderedDict()):
            super().save(part)
        self.write(b"tR")


def write(path: Path, tensors: dict[str, Tensor], storages: dict[str, np.ndarray]) -> Path:
    with path.open("wb") as file:
        for value in (MAGIC, 1001, {"little_endian": True}):
            pickle.dump(value, file, protocol=2)
        Writer(file, 2).dump(tensors)
        pickle.dump(list(storages), file, protocol=2)
        for values in storages.values():
            file.write(len(values).to_bytes(8, "little") + values.astype("<f4").tobytes())
    return path


def test_tensors_come_back_in_their_own_order(tmp_path: Path) -> None:
    values = np.arange(8, dtype=np.float32)
    tensors = {
        "row": Tensor("a", (2, 3), (3, 1)),
        "turned": Tensor("a", (3, 2), (1, 3), offset=1),  # strides of a transposed tensor
        "number": Tensor("b", (), ()),
    }
    path = write(tmp_path / "w.pth", tensors, {"a": values, "b": np.array([7.0])})
    read = read_torch_weights(path)
    np.testing.assert_array_equal(read["row"], [[0, 1, 2], [3, 4, 5]])
    np.testing.assert_array_equal(read["turned"], [[1, 4], [2, 5], [3, 6]])
    assert read["number"] == 7.0


def test_files_that_are_not_checkpoints(tmp_path: Path) -> None:
    good = write(tmp_path / "g.pth", {"x": Tensor("a", (4,), (1,))}, {"a": np.zeros(4)})
    (tmp_path / "cut.pth").write_bytes(good.read_bytes()[:-3])
    (tmp_path / "text.pth").write_text("text")
    (tmp_path / "call.pth").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    write(tmp_path / "far.pth", {"x": Tensor("a", (5,), (1,))}, {"a": np.zeros(4)})
    for name, message in (
        ("none", "does not exist"),
        ("cut", "expected tensors as PyTorch wrote them"),
        ("text", "expected tensors as PyTorch wrote them"),
        ("call", "os.system is not allowed in a file of tensors"),
        ("far", "reaches out of its 4 values"),
    ):
        with pytest.raises(ModelError, match=message):
            read_torch_weights(tmp_path / f"{name}.pth")


def as_port(network: Any) -> dict[str, np.ndarray]:
    """Weights of our layers under the names of the PyTorch port, kernels `(out, in, h, w)`."""
    part_names = {
        "expand": ("expand", "0"),
        "depth": ("depthwise", "1"),
        "project": ("project", "2"),
    }
    found = {}
    for layer in network.layers:
        parts = layer.name.split("_")
        if not layer.weights:
            continue
        if parts[1] == "stem":
            conv, norm = "_conv_stem", "_bn0"
        else:
            conv, number = part_names[parts[2]]
            conv, norm = f"_blocks.{parts[1]}._{conv}_conv", f"_blocks.{parts[1]}._bn{number}"
        if parts[-1] == "conv":
            kernel = layer.get_weights()[0]
            if "depth" in parts:
                kernel = kernel.transpose(0, 1, 3, 2)
            found[f"{conv}.weight"] = np.ascontiguousarray(kernel.transpose(3, 2, 0, 1))
        else:
            keys = ("weight", "bias", "running_mean", "running_var")
            found |= {f"{norm}.{k}": v for k, v in zip(keys, layer.get_weights(), strict=True)}
    return found


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_backbone_loads_weights_of_the_pytorch_port(tmp_path: Path) -> None:
    image = keras.Input((None, None, 3))
    source = keras.Model(image, efficientnet_lite_features(image, SHORT))
    rng = np.random.default_rng(0)
    source.set_weights([rng.uniform(0.1, 1, w.shape).astype("f4") for w in source.get_weights()])
    arrays = as_port(source)
    tensors, storages = {}, {}
    for number, (name, array) in enumerate(arrays.items()):
        strides = tuple(step // array.itemsize for step in array.strides)
        tensors[name] = Tensor(str(number), array.shape, strides)
        storages[str(number)] = array.ravel()
    path = write(tmp_path / "lite.pth", tensors, storages)
    network = build_yolo(YoloSize.NANO, 1, backbone=SHORT)
    load_backbone(network, BackboneChoice(SHORT, weights=str(path)))
    for layer in (layer for layer in source.layers if layer.weights):
        for mine, theirs in zip(
            network.get_layer(layer.name).get_weights(), layer.get_weights(), strict=True
        ):
            np.testing.assert_array_equal(mine, theirs)
    del storages[tensors.pop("_conv_stem.weight").key]
    path = write(tmp_path / "less.pth", tensors, storages)
    with pytest.raises(ModelError, match="got those of another network"):
        load_backbone(network, BackboneChoice(SHORT, weights=str(path)))
    other = build_yolo(YoloSize.NANO, 1)
    with pytest.raises(ModelError, match=r"expected a \.keras or \.h5 file for mobilenetv2"):
        load_backbone(other, BackboneChoice("mobilenetv2", weights=str(path)))


def test_zero_strides_allocate_no_memory(tmp_path: Path) -> None:
    path = write(tmp_path / "x.pth", {"x": Tensor("a", (10**12,), (0,))}, {"a": np.zeros(4)})
    with pytest.raises(ModelError, match=r"a tensor \(1000000000000,\) has more than its 4 values"):
        read_torch_weights(path)


def test_pickle_with_an_oversized_memo_table(tmp_path: Path) -> None:
    (tmp_path / "x.pth").write_bytes(b"\x80\x02Nr\xff\xff\xff\x7f.")
    with pytest.raises(ModelError, match="more than 1000000 objects"):
        read_torch_weights(tmp_path / "x.pth")
