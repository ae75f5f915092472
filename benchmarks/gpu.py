"""Speed of the detector on a GPU: the compiled Keras program against the same network in PyTorch.

    python benchmarks/gpu.py VIDEO --batches 1,8,32

Both run the weights of `--detector` on the same frames of the video at `--imgsz` squared, from
pixels in the host's memory to final boxes there:

- `keras`: `tracker.detection.compiled_graph`, the program that `runtime: xla` runs: network,
  decoding and suppression compiled as a whole. Backend: `KERAS_BACKEND`, jax (`jax.jit`) or
  tensorflow.
- `torch`: the same layers as modules of PyTorch (`torch_network.py`), so FLOPs are equal; only for
  networks with anchor-free heads, the default of `tracker train detector`;
  decoding in PyTorch, `torchvision.ops.batched_nms` image by image, channels last;
  `compiled` means that `torch.compile` made one graph of network and decoding.

float16 means float16 inside the layers of Keras (`half`), and of the whole PyTorch network. float32
lets both use their default on tensor cores. The PyTorch boxes are compared with Keras' first.

Prints a markdown table: median milliseconds a batch, end to end and of the network alone (pixels
on the device already), and frames a second. Exit code 1 if the boxes differ.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from tracker.detection.letterbox import letterbox, letterbox_geometry
from tracker.detection.nms import NmsSettings
from tracker.detection.runtimes.base import RuntimeRequest, YoloNetwork
from tracker.models.files.detector_file import load_detector, read_description
from tracker.models.yolo_shape import STRIDES

WEIGHTS = Path(__file__).resolve().parent.parent / "tracker" / "weights" / "detector-small.keras"
CONTENDERS = (
    ("keras", "float32"),
    ("keras", "float16"),
    ("torch", "float32"),
    ("torch", "float16"),
    ("torch compiled", "float32"),
    ("torch compiled", "float16"),
)
RESULT = "result "
"""Prefix of the line on which a contender's process prints what it measured."""

Run = Callable[[], Any]


def read_pixels(video: Path, count: int, side: int) -> Any:
    """Returns every 10th frame as the network's input `(count, side, side, 3)` uint8 RGB."""
    capture = cv2.VideoCapture(str(video))
    images: list[Any] = []
    number = 0
    while len(images) < count:
        there, image = capture.read()
        if not there:
            if not images:
                sys.exit(f"{video}: no frame can be read")
            capture = cv2.VideoCapture(str(video))  # a short clip: from its start again
            continue
        if number % 10 == 0:
            geometry = letterbox_geometry(image.shape[:2], (side, side))
            images.append(letterbox(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), geometry))
        number += 1
    return np.stack(images)


def request_for(detector: Path, side: int, *, half: bool) -> RuntimeRequest:
    """Returns what the detector of a file does at one input size."""
    description = read_description(detector)
    count = len(description.class_names)
    network = YoloNetwork(
        description.heads,
        count,
        stride=STRIDES[-1],
        long_side=side,
        digest="",
        build=lambda size: load_detector(detector, input_size=size),
        confidence=description.confidence,
    )
    settings = NmsSettings(confidence=description.confidence)
    return RuntimeRequest(network, (side, side), settings, np.ones(count, bool), half=half)


def keras_programs(request: RuntimeRequest) -> tuple[Callable[[Any], Any], Callable[[Any], Run]]:
    """Returns the whole program, and what makes a run of the network alone for given pixels."""
    import keras

    from tracker.detection.compiled_graph import detection_graph
    from tracker.models.half import compute_in_half

    detect = detection_graph(request)
    network = request.network.build(request.input_size)
    if request.half:
        compute_in_half(network)

    def maps(pixels: Any) -> Any:
        return network(keras.ops.cast(pixels, "float32") / 255.0, training=False)

    if keras.backend.backend() == "jax":
        import jax

        whole, alone = jax.jit(detect), jax.jit(maps)

        def network_run(pixels: Any) -> Run:
            there = jax.device_put(pixels)
            return lambda: jax.block_until_ready(alone(there))
    else:
        import tensorflow as tf

        whole, alone = (tf.function(one, jit_compile=True) for one in (detect, maps))

        def network_run(pixels: Any) -> Run:
            there = tf.constant(pixels)
            return lambda: [one.numpy() for one in alone(there)]

    return lambda pixels: [np.asarray(output) for output in whole(pixels)], network_run


def milliseconds(run: Run, *, seconds: float) -> float:
    """Returns the median time of one call, after three that warm up."""
    for _ in range(3):
        run()
    spent: list[float] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(spent) < 10:
        start = time.perf_counter()
        run()
        spent.append(time.perf_counter() - start)
    return statistics.median(spent) * 1e3


def measure(words: argparse.Namespace) -> None:
    """Measures one contender in this process."""
    framework, precision = words.contender.rsplit(" ", 1)
    half = precision == "float16"
    batches = [int(text) for text in words.batches.split(",")]
    pixels = read_pixels(words.video, max(batches), words.imgsz)
    request = request_for(words.detector, words.imgsz, half=half and framework == "keras")
    rows = []
    if framework == "keras":
        whole, network_run = keras_programs(request)
        device = keras_device()
    else:
        from torch_network import device_name, torch_programs

        whole, network_run = torch_programs(
            request, half=half, compiled=framework.endswith("compiled"), check=pixels[:1]
        )
        device = device_name()
    for batch in batches:
        some = np.ascontiguousarray(pixels[:batch])
        found = sum(int(count) for count in whole(some)[3])
        rows.append(
            {
                "contender": words.contender,
                "batch": batch,
                "whole": milliseconds(lambda some=some: whole(some), seconds=words.seconds),
                "network": milliseconds(network_run(some), seconds=words.seconds),
                "found": found / batch,
                "device": device,
            }
        )
    print(RESULT + json.dumps(rows))


def keras_device() -> str:
    """Returns the name of what Keras computes on."""
    import keras

    if keras.backend.backend() == "jax":
        import jax

        return f"{jax.devices()[0].device_kind}, jax {jax.__version__}, keras {keras.__version__}"
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    name = tf.config.experimental.get_device_details(gpus[0])["device_name"] if gpus else "CPU"
    return f"{name}, tensorflow {tf.__version__}, keras {keras.__version__}"


def run_contender(contender: str, words: argparse.Namespace) -> list[dict[str, Any]] | None:
    """Returns what one contender measured in a process of its own; `None` if it failed."""
    environment = {**os.environ, "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
    if contender.startswith("torch"):
        # Keras only lends its weights there: it is to leave the GPU alone.
        environment |= {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, __file__, str(words.video), "--contender", contender]
    for name in ("detector", "imgsz", "batches", "seconds"):
        command += [f"--{name}", str(getattr(words, name))]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    for line in done.stdout.splitlines():
        if line.startswith(RESULT):
            found: list[dict[str, Any]] = json.loads(line.removeprefix(RESULT))
            return found
    print(f"{contender}: exit code {done.returncode}: {done.stderr[-2000:]}", file=sys.stderr)
    return None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("video", type=Path)
    parser.add_argument("--detector", type=Path, default=WEIGHTS)
    parser.add_argument("--imgsz", type=int, default=640)
    parser.add_argument("--batches", default="1,8,32")
    parser.add_argument("--seconds", type=float, default=1.5, help="of each measurement")
    parser.add_argument("--contender", help=argparse.SUPPRESS)
    words = parser.parse_args()
    if words.contender:
        measure(words)
        return
    print("| contender | batch | ms a batch | of it network | frames/s | boxes a frame | on |")
    print("|---|--:|--:|--:|--:|--:|---|")
    failed = False
    for contender in map(" ".join, CONTENDERS):
        rows = run_contender(contender, words)
        failed |= rows is None
        for row in rows or []:
            print(
                f"| {row['contender']} | {row['batch']} | {row['whole']:.2f} | "
                f"{row['network']:.2f} | {1e3 * row['batch'] / row['whole']:.0f} | "
                f"{row['found']:.1f} | {row['device']} |",
                flush=True,
            )
    sys.exit(failed)


if __name__ == "__main__":
    main()
