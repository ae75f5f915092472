"""Object-detection presets of KerasHub (RetinaNet, D-FINE) as detectors.

KerasHub's network and decoding run as one compiled function; the preset's converter scales the
pixels, `ModelDetector` resizes frames and suppresses overlapping boxes.

KerasHub's own suppression is not used: it compares all anchors with all, tile by tile. It took
9.0 s for one image with 20,000 anchors (10 of which scored enough) on 2 cores, and RetinaNet has
120,000. With `iou=0.5` and `nms_mode=agnostic` the result is that of KerasHub's layer by default.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike, fspath
from typing import Any

from numpy.typing import NDArray

from tracker.detection.default_names import Names, default_class_names, given_class_names
from tracker.detection.keras_hub.network import KerasHubNetwork
from tracker.detection.keras_hub.preset import load_keras_hub, load_preset
from tracker.detection.layouts.arrays import ImagesOnly
from tracker.detection.layouts.base import Candidates
from tracker.detection.layouts.tables import is_enough
from tracker.detection.model_detector import ModelDetector
from tracker.detection.yolo_detector import DetectorSettings
from tracker.errors import ConfigError
from tracker.inference.captured_stderr import native_output_logged
from tracker.inference.devices import Device, check_threads, tensorflow_device
from tracker.inference.network import TensorSpec
from tracker.inference.runtime_kind import RuntimeKind
from tracker.inference.tensorflow import load_tensorflow


def load_keras_hub_detector(
    preset: str | PathLike[str],
    *,
    names: Names | None = None,
    settings: DetectorSettings | None = None,
    offline: bool = False,
) -> ModelDetector:
    """Returns the detector of a preset; KerasHub downloads one that is not on this machine.

    Args:
        preset: A folder that `save_to_preset` wrote, a name such as "dfine_small_coco", or a
            handle "kaggle://..." or "hf://...".
        names: File of class names, one a line, or the names; `None` takes COCO's for 80 or 91
            classes, Pascal VOC's for 20, and `class_0`, `class_1`, ... otherwise.
        settings: How to run it. `confidence` of `None` is 0.25. `input_size` is for networks that
            take any size.
        offline: Whether a preset that is neither a folder nor in kagglehub's cache is an error,
            instead of a download.

    Raises:
        ConfigError: A setting is out of range, does not suit the network, or names an unknown
            class.
        ModelError: There is no such preset, it is no object detector, cannot be downloaded or
            loaded, or the names do not fit it.
        DependencyError: KerasHub is not installed, or cannot be loaded.
        DeviceError: The requested GPU is not available.
    """
    settings = settings or DetectorSettings()
    _check_settings(settings)
    given = None if names is None else given_class_names(names)
    load_keras_hub()
    device = tensorflow_device(Device.parse(settings.device), threads=settings.threads)
    tf = load_tensorflow()
    with native_output_logged(), tf.device(device):
        tf.zeros(())  # The first operation makes TensorFlow describe the machine.
    with tf.device(device):
        network = KerasHubNetwork(load_preset(fspath(preset), offline=offline), device=device)
    return ModelDetector(
        network,
        layout=_AllCandidates(network.class_count),
        wanted=network.image_input(settings.input_size),
        class_names=default_class_names(network.class_count) if given is None else given,
        settings=settings,
    )


@dataclass(frozen=True, slots=True)
class _AllCandidates(ImagesOnly):
    """The outputs of `KerasHubNetwork`: boxes, scores of the best class, classes.

    Attributes:
        classes: Number of classes.
    """

    classes: int
    name: str = "kerashub"
    is_suppressed: bool = False

    def class_count(self, outputs: Sequence[TensorSpec]) -> int | None:
        """Returns the number of classes."""
        return self.classes

    def decode(
        self,
        outputs: Sequence[NDArray[Any]],
        specs: Sequence[TensorSpec],
        *,
        input_size: tuple[int, int],
        least_score: float,
    ) -> list[Candidates]:
        """Returns the candidates of each image that score enough or have no finite score."""
        kept = is_enough(outputs[1], least_score)
        images = zip(kept, *outputs, strict=True)
        return [Candidates(*(array[keep] for array in arrays)) for keep, *arrays in images]


def _check_settings(settings: DetectorSettings) -> None:
    check_threads(settings.threads)
    if settings.runtime is not RuntimeKind.AUTO:
        raise ConfigError(
            f"runtime {settings.runtime.value}: presets of KerasHub run on TensorFlow; leave "
            "--runtime out"
        )
    settings.refuse_half("a preset of KerasHub")
    if settings.cache_dir is not None:
        raise ConfigError(
            f"cache_dir {settings.cache_dir}: presets of KerasHub are not exported; leave it out "
            "(KAGGLEHUB_CACHE says where downloads are kept)"
        )
