"""A detector layout of your own: a network whose outputs the package does not know.

    python examples/own_layout.py MODEL.onnx samples/plaza.mp4

The network of this example gives "corners" (batch, N, 4), xyxy in pixels of its input, and
"likelihood" (batch, N, C), a score for each class. A layout of the package itself is the same
class in `tracker/detection/layouts/`; CONTRIBUTING.md says in which files it is listed.
"""

import sys

import numpy as np

import tracker
from tracker.detection.image_input import ImageInput
from tracker.detection.layouts.base import Candidates
from tracker.detection.model_detector import ModelDetector
from tracker.inference.open_network import open_network


class Corners:
    """The layout; see `tracker.detection.layouts.base.Layout` for what each method returns."""

    name = "corners"
    outputs_text = 'two outputs, "corners" (batch, N, 4) and "likelihood" (batch, N, C)'
    is_suppressed = False

    def matches(self, outputs, inputs=()):
        return {output.name for output in outputs} == {"corners", "likelihood"}

    def class_count(self, outputs):
        return next(output.shape[-1] for output in outputs if output.name == "likelihood")

    def image_input(self, spec):
        return ImageInput(size=tuple(spec.shape[2:]))  # (batch, 3, H, W), RGB in 0..1, letterbox

    def extra_inputs(self, specs, *, input_size, count=1):
        return []

    def decode(self, outputs, specs, *, input_size, least_score):
        by_name = {spec.name: output for spec, output in zip(specs, outputs, strict=True)}
        images = zip(by_name["corners"], by_name["likelihood"], strict=True)
        return [
            Candidates(boxes, scores.max(axis=1), scores.argmax(axis=1).astype(np.int32))
            for boxes, scores in images
        ]


if len(sys.argv) < 3:
    sys.exit(__doc__)

model, source = sys.argv[1:]
network, layout = open_network(model), Corners()
detector = ModelDetector(
    network,
    layout=layout,
    wanted=layout.image_input(network.inputs[0]),
    class_names=[f"class_{index}" for index in range(layout.class_count(network.outputs))],
    settings=tracker.DetectorSettings(),
)
for result in tracker.track(source, detector=detector):
    print(result.frame.index, result.tracks.ids.tolist(), result.tracks.boxes.round().tolist())
