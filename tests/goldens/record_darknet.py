"""Records what OpenCV's own darknet reader computes, as `darknet.npz` beside this file.

Run it with an OpenCV 4 (version 5 has no `readNetFromDarknet`) and NumPy; this package is not
needed: `python tests/goldens/record_darknet.py [FOLDER_OF_REAL_MODELS]`. Without the folder only
the tiny networks are recorded.
"""

import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np
from darknet_cases import CASES, REAL_MODELS, image, sample_indices, weights_file


def head_maps(cfg: Path, weights: Path, height: int, width: int) -> list[tuple]:
    """Returns raw map `(h, w, C)` and decoded rows `(N, 5 + classes)` of every head."""
    network = cv2.dnn.readNetFromDarknet(str(cfg), str(weights))
    network.setPreferableBackend(cv2.dnn.DNN_BACKEND_OPENCV)
    network.enableWinograd(False)
    # OpenCV keeps its layers in file order and permutes every raw map to (h, w, C).
    names = network.getLayerNames()
    permuted = [name for name in names if name.startswith("permute_")]
    decoded = [names[names.index(name) + 1] for name in permuted]
    network.setInput(image(height, width).transpose(0, 3, 1, 2))
    outputs = network.forward([*permuted, *decoded])
    raw, rows = outputs[: len(permuted)], outputs[len(permuted) :]
    return [(a[0], b.reshape(-1, b.shape[-1])) for a, b in zip(raw, rows, strict=True)]


def main() -> None:
    """Writes the goldens."""
    arrays = {"opencv_version": np.array(cv2.__version__)}
    with tempfile.TemporaryDirectory() as folder:
        cfg, weights = Path(folder, "net.cfg"), Path(folder, "net.weights")
        for name, case in CASES.items():
            cfg.write_text(case.cfg)
            weights.write_bytes(weights_file(case.convs))
            for index, (raw, rows) in enumerate(head_maps(cfg, weights, case.height, case.width)):
                arrays[f"{name}/{index}"] = raw
                arrays[f"{name}/{index}/boxes"] = rows[:, :5]
                print(name, index, raw.shape, raw.std())
    for name in REAL_MODELS if len(sys.argv) > 1 else ():
        base = Path(sys.argv[1], name)
        maps = head_maps(
            base.with_name(base.name + ".cfg"), base.with_name(base.name + ".weights"), 320, 320
        )
        for index, (raw, _) in enumerate(maps):
            flat = raw.ravel().astype(np.float64)
            arrays[f"{base.name}/{index}/shape"] = np.array(raw.shape)
            arrays[f"{base.name}/{index}/samples"] = flat[sample_indices(flat.size)].astype("f4")
            arrays[f"{base.name}/{index}/sums"] = np.array([flat.sum(), np.abs(flat).sum()])
            print(name, index, raw.shape, raw.std())
    np.savez_compressed(Path(__file__).with_name("darknet.npz"), **arrays)


if __name__ == "__main__":
    main()
