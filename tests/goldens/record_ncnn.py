"""Records what ncnn itself computes, as `ncnn.npz` beside this file.

Run it with the package `ncnn` and NumPy; this package is not needed:
`python tests/goldens/record_ncnn.py [FOLDER_OF_REAL_MODELS]`. Without the folder only the tiny
networks are recorded. Files with int8 weights are run with these weights as float32, because ncnn
would round the inputs of their layers as well.
"""

import re
import struct
import sys
import tempfile
from pathlib import Path
from typing import ClassVar

import ncnn
import numpy as np
from ncnn_cases import CASES, INT8, REAL_MODELS, image, sample_indices


class YoloV5Focus(ncnn.Layer):
    """The first layer of YOLOX, which ncnn leaves to its users."""

    alive: ClassVar[list] = []

    def __init__(self):
        ncnn.Layer.__init__(self)
        self.one_blob_only = True
        YoloV5Focus.alive.append(self)

    def forward(self, bottom, top, option):
        x = np.array(bottom)
        parts = [x[:, ::2, ::2], x[:, 1::2, ::2], x[:, ::2, 1::2], x[:, 1::2, 1::2]]
        joined = np.ascontiguousarray(np.concatenate(parts))
        top.clone_from(ncnn.Mat(joined), option.blob_allocator)
        return 0


def outputs_of(param: Path, weights: Path, inputs: dict, names: tuple) -> list[np.ndarray]:
    """Returns ncnn's outputs in float32."""
    net = ncnn.Net()
    for option in ("fp16_packed", "fp16_storage", "fp16_arithmetic", "bf16_storage"):
        setattr(net.opt, f"use_{option}", False)
    net.opt.use_packing_layout = net.opt.use_winograd_convolution = False
    net.opt.num_threads = 1
    net.register_custom_layer("YoloV5Focus", YoloV5Focus, lambda layer: None)
    if net.load_param(str(param)) or net.load_model(str(weights)):
        raise RuntimeError(f"ncnn does not load {param}")
    extractor = net.create_extractor()
    # ncnn.Mat refers to the array's memory.
    kept = {name: np.ascontiguousarray(array) for name, array in inputs.items()}
    for name, array in kept.items():
        extractor.input(name, ncnn.Mat(array).clone())
    results = [extractor.extract(name) for name in names]
    if any(code for code, _ in results):
        raise RuntimeError(f"ncnn does not run {param}")
    return [np.array(mat) for _, mat in results]


def widen(param: Path, folder: Path) -> tuple[Path, Path]:
    """Writes a network with int8 weights as one with float32 weights."""
    data, start, written, lines = param.with_suffix(".bin").read_bytes(), 0, b"", []

    def take(size):
        nonlocal start
        start += size
        return data[start - size : start]

    for line in param.read_text().splitlines():
        words = line.split()
        if words and words[0] in {"Convolution", "ConvolutionDepthWise"}:
            keys = dict(word.split("=") for word in words[4 + int(words[2]) + int(words[3]) :])
            count, filters = int(keys["6"]), int(keys["0"])
            assert struct.unpack("<I", take(4))[0] == INT8
            small = np.frombuffer(take(-(-count // 4) * 4)[:count], np.int8).astype(np.float32)
            bias = take(4 * filters) if keys.get("5") == "1" else b""
            term, group = int(keys["8"]), int(keys.get("7", filters))
            scales = np.frombuffer(
                take(4 if words[0] != "Convolution" and term % 100 == 2 else 4 * group), "<f4"
            )
            take(8 if term > 100 else 4)
            by_filter = np.repeat(scales, filters // len(scales))[:, None]
            wide = (small.reshape(filters, -1) / by_filter).astype("<f4")
            written += struct.pack("<I", 0) + wide.tobytes() + bias
        lines.append(re.sub(r" 8=\d+", "", line))
    assert start == len(data)
    folder.joinpath("wide.param").write_text("\n".join(lines) + "\n")
    folder.joinpath("wide.bin").write_bytes(written)
    return folder / "wide.param", folder / "wide.bin"


def main() -> None:
    """Writes the goldens."""
    arrays = {"ncnn_version": np.array(ncnn.__version__)}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        param, weights = folder / "net.param", folder / "net.bin"
        for key, case in CASES.items():
            param.write_text(case.param)
            weights.write_bytes(case.weights)
            results = outputs_of(param, weights, case.inputs(), case.outputs)
            for output, array in zip(case.outputs, results, strict=True):
                arrays[f"{key}/{output}"] = array
                assert np.isfinite(array).all(), (key, array)
        for model in REAL_MODELS if len(sys.argv) > 1 else ():
            path = Path(sys.argv[1], f"{model.path}.param")
            files = widen(path, folder) if "int8" in path.name else (path, path.with_suffix(".bin"))
            first = path.read_text().splitlines()[2].split()[4]
            for output, array in zip(
                model.outputs,
                outputs_of(*files, {first: image(model)}, model.outputs),
                strict=True,
            ):
                key = f"{path.stem}/{output}"
                arrays[f"{key}/shape"] = np.array(array.shape)
                arrays[f"{key}/samples"] = array.ravel()[sample_indices(array.size)]
                print(key, array.shape, array.std())
    np.savez_compressed(Path(__file__).with_name("ncnn.npz"), **arrays)
    print(len(arrays), "arrays")


if __name__ == "__main__":
    main()
