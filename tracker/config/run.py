"""The configuration: one tree of frozen settings, from defaults, YAML files and `key=value` words.

Comes in: nothing, a path, overrides. Goes out: a validated `Config`. Files in `configs/` only
override defaults; an unknown key, a wrong type or a value out of range is an error that names it.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

from pydantic import TypeAdapter

from tracker.detection.model_choice import ModelChoice
from tracker.detection.motion import MotionSettings
from tracker.detection.yolo_detector import DetectorSettings
from tracker.embedding.crop_input import CropInput
from tracker.errors import ConfigError
from tracker.pipeline.frame_loop import BATCH_WAIT_S
from tracker.segmentation.segmenter import SegmenterSettings
from tracker.sinks.background import Background, BackgroundStyle
from tracker.sinks.draw import DrawStyle
from tracker.sources.files.decoding import Decoding, Deinterlace
from tracker.sources.live.settings import LiveSettings
from tracker.tracking.settings import IOU_DISTANCE, DeepSortSettings, TrackDistance
from tracker.util.address import shown_address
from tracker.util.callable_name import callable_name
from tracker.util.check_types import check_finite, check_types
from tracker.util.settings_tree import lay, lay_words, settings_from
from tracker.util.yaml_text import read_yaml


@dataclasses.dataclass(frozen=True, slots=True)
class SourceConfig:
    """Which frames are read.

    Attributes:
        start_s: Seconds into the source at which to begin, >= 0.
        stride: Take each n-th frame, >= 1.
        max_frames: Stop after so many frames, >= 1; `None` for all.
        image_fps: Frames a second that a folder of images stands for, > 0.
        video_stream: Of a video with several video streams: which one, from 0 as in FFmpeg's
            `v:N`; `None` takes the default one, or the largest that is no thumbnail.
        deinterlace: `auto` makes whole pictures of those that are flagged as interlaced; `off`
            leaves them as they are stored.
        live: How cameras and streams are read; docs/live.md.
    """

    start_s: float = 0.0
    stride: int = 1
    max_frames: int | None = None
    image_fps: float = 30.0
    video_stream: int | None = None
    deinterlace: Deinterlace = Deinterlace.AUTO
    live: LiveSettings = dataclasses.field(default_factory=LiveSettings)

    def __post_init__(self) -> None:
        check_types(self)
        allowed = {
            "start_s": (self.start_s >= 0, ">= 0"),
            "stride": (self.stride >= 1, ">= 1"),
            "max_frames": (self.max_frames is None or self.max_frames >= 1, ">= 1"),
            "image_fps": (0 < self.image_fps < 1e6, "> 0"),
        }
        for name, (is_allowed, expected) in allowed.items():
            if not is_allowed:
                raise ConfigError(f"source.{name}: expected {expected}, got {getattr(self, name)}")
        self.decoding()
        check_finite(self)

    def decoding(self) -> Decoding:
        """Returns how the pictures of a video are decoded."""
        return Decoding(self.video_stream, self.deinterlace)


@dataclasses.dataclass(frozen=True, slots=True)
class DetectorConfig:
    """Which detector finds the objects.

    Attributes:
        name: `motion` for fixed cameras, `fcn` for a window classifier that slides over the frame
            (docs/fcn.md), the path of a `.keras` file that `tracker train detector` wrote, that of
            a Darknet `.cfg`, or any other model that docs/models.md names.
        weights: Path of the weights that belong to a `.cfg`, or of the `.keras` file of `fcn`.
        names: Path of a file with a class name a line; `None` for the names that are customary
            for the number of classes.
        detections: Path of detections made earlier (MOTChallenge `det.txt`, or JSON of ours) that
            are replayed by frame number in place of a detector; `None` to detect.
        scales: Of `fcn`: sizes at which frames are looked at, as multiples of their own, each in
            (0, 8]; `None` for their own size alone.
        offline: Whether a handle of TensorFlow Hub, or a preset of KerasHub, that is not in the
            cache is an error, instead of a download.
        every: Each n-th frame is looked at, from the first one on, >= 1; in the others tracks are
            as predicted. `motion` learns from all frames and needs 1.
        model: What a network of somebody else wants and gives; docs/models.md.
        network: Settings of a network.
        motion: Settings of `motion`.
    """

    name: str = "small"
    weights: str | None = None
    names: str | None = None
    detections: str | None = None
    scales: tuple[float, ...] | None = None
    offline: bool = False
    every: int = 1
    model: ModelChoice = dataclasses.field(default_factory=ModelChoice)
    network: DetectorSettings = dataclasses.field(default_factory=DetectorSettings)
    motion: MotionSettings = dataclasses.field(default_factory=MotionSettings)

    def __post_init__(self) -> None:
        check_types(self)
        if self.every < 1:
            raise ConfigError(f"detector.every: expected >= 1, got {self.every}")
        check_finite(self)


@dataclasses.dataclass(frozen=True, slots=True)
class BatchConfig:
    """How frames of several sources come together.

    Attributes:
        wait_s: Seconds that the first frame of a batch waits for those of other sources, >= 0.
    """

    wait_s: float = BATCH_WAIT_S

    def __post_init__(self) -> None:
        check_types(self)
        if not 0 <= self.wait_s < math.inf:
            raise ConfigError(f"batch.wait_s: expected seconds >= 0, got {self.wait_s}")
        check_finite(self)


@dataclasses.dataclass(frozen=True, slots=True)
class EmbedderConfig:
    """Which appearance model describes the detections.

    Attributes:
        name: `builtin`: the appearance network of this package; `none`: no appearance, tracks
            follow motion alone; `detector`: features of the detector, if it is one of ours; the
            path of a file that `tracker train reid` or `tracker export` wrote; a network of anyone
            that maps crops to vectors, as `.onnx`, `.tflite`, `.keras`, the folder of a SavedModel
            or a handle of TensorFlow Hub; or `auto`: `builtin` where a network detects, else
            `none`.
        threads: CPU threads of the network; `None` = one for each core that this process may use.
        cache_dir: Folder of exported networks; `None` takes the platform's.
        offline: Whether a handle of TensorFlow Hub that is not in the cache is an error, instead
            of a download.
        input: What a network of anyone wants its crops to be like; networks of ours know.
    """

    name: str = "auto"
    threads: int | None = None
    cache_dir: Path | None = None
    offline: bool = False
    input: CropInput = dataclasses.field(default_factory=CropInput)

    def __post_init__(self) -> None:
        check_types(self)


@dataclasses.dataclass(frozen=True, slots=True)
class SegmenterConfig:
    """What becomes of the background in videos and windows, and who tells what it is.

    Attributes:
        background: `keep`, `blur` or `remove`.
        file: Path of a `.keras` file that `tracker train segmenter` wrote.
        classes: Classes that are no background, where they are tracked.
        input_size: Long side in pixels of the network's input, a multiple of 32; `None` takes the
            one that it was trained at.
        margin: By how much of its size a track's box grows on each side, >= 0.
        blur: Standard deviation of the blur, as a share of the picture's long side, in `(0, 0.2]`.
        color: RGB of what is removed, each 0 to 255.
        threads: CPU threads of the network; `None` = one for each core that this process may use.
        cache_dir: Folder of exported networks; `None` takes the platform's.
    """

    background: Background = Background.KEEP
    file: str | None = None
    classes: tuple[str, ...] = ("person",)
    input_size: int | None = None
    margin: float = 0.1
    blur: float = 0.02
    color: tuple[int, int, int] = (128, 128, 128)
    threads: int | None = None
    cache_dir: Path | None = None

    def __post_init__(self) -> None:
        check_types(self)
        self.settings()
        self.style()
        check_finite(self)

    def settings(self) -> SegmenterSettings:
        """Returns how the segmenter is run."""
        return SegmenterSettings(self.classes, self.input_size, self.threads, self.cache_dir)

    def style(self) -> BackgroundStyle:
        """Returns how the background looks."""
        return BackgroundStyle(self.background, self.classes, self.margin, self.blur, self.color)


class CameraCompensation(StrEnum):
    """Whether tracks are moved along when the camera moves."""

    OFF = "off"
    """No: for cameras that stand still."""
    FLOW = "flow"
    """By optical flow of the background: for cameras in a hand, on a vehicle, or that pan."""

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        # YAML 1.1 reads a bare `off` as false.
        return cls("off") if value is False else None


@dataclasses.dataclass(frozen=True, slots=True)
class Config:
    """Everything that decides a run's result.

    Attributes:
        seed: Seeds every random draw of a run, and the palette of the drawing.
        source: Which frames are read.
        detector: Which detector finds the objects.
        embedder: Which appearance model describes them.
        camera_motion: Whether tracks are moved along when the camera moves.
        tracking: How DeepSORT follows them.
        draw: How they are drawn.
        segmenter: What becomes of the background where they are drawn.
        batch: How frames of several sources come together.
    """

    seed: int = 0
    source: SourceConfig = dataclasses.field(default_factory=SourceConfig)
    detector: DetectorConfig = dataclasses.field(default_factory=DetectorConfig)
    embedder: EmbedderConfig = dataclasses.field(default_factory=EmbedderConfig)
    camera_motion: CameraCompensation = CameraCompensation.OFF
    tracking: DeepSortSettings = dataclasses.field(default_factory=DeepSortSettings)
    draw: DrawStyle = dataclasses.field(default_factory=DrawStyle)
    segmenter: SegmenterConfig = dataclasses.field(default_factory=SegmenterConfig)
    batch: BatchConfig = dataclasses.field(default_factory=BatchConfig)

    def to_json(self) -> dict[str, Any]:
        """Returns the tree as plain JSON types, without the secrets of addresses in it.

        `tracking.track_distance` is in it where it is a function, by its name.
        """
        distance = self.tracking.track_distance
        plain: dict[str, Any] = _ADAPTER.dump_python(
            _with_track_distance(self, IOU_DISTANCE), mode="json"
        )
        del plain["tracking"]["track_distance"]
        if callable(distance):
            plain["tracking"]["track_distance"] = callable_name(distance)
        for choice in (plain["detector"], plain["embedder"]):
            choice["name"] = shown_address(choice["name"])
        return plain


_ADAPTER = TypeAdapter(Config)


def load_config(path: str | Path | None = None, overrides: Sequence[str] = ()) -> Config:
    """Returns the defaults with a YAML file and then single keys laid over them.

    Args:
        path: A YAML file, or `None`.
        overrides: Words like `tracking.max_age_frames=60`; the value is read as YAML.

    Raises:
        ConfigError: The file cannot be read, or a key or value is wrong.

    Example:
        >>> load_config(overrides=["tracking.max_age_frames=60"]).tracking.max_age_frames
        60.0
    """
    tree = read_yaml(path) if path is not None else {}
    lay_words(tree, overrides, example="tracking.min_iou=0.4")
    return config_from(tree)


def config_from(tree: Mapping[str, Any]) -> Config:
    """Returns the configuration that a nested mapping describes; what it lacks has its default.

    Raises:
        ConfigError: A key is unknown, or a value has the wrong type or range.
    """
    return settings_from(_ADAPTER, Config, tree)


def with_reconnect_attempts(config: Config, attempts: int | None) -> Config:
    """Returns the configuration with another number of attempts to reconnect.

    Args:
        config: The configuration.
        attempts: Attempts for each loss, >= 0; `None` for no limit.
    """
    return _changed(config, {("source", "live", "reconnect", "attempts"): attempts})


def overlay(config: Config, changes: Mapping[str, Any]) -> Config:
    """Returns the configuration with dotted keys replaced; values of `None` change nothing.

    Example:
        >>> overlay(Config(), {"detector.name": "yolo.cfg", "seed": None}).detector.name
        'yolo.cfg'
    """
    return _changed(
        config,
        {tuple(key.split(".")): value for key, value in changes.items() if value is not None},
    )


def _changed(config: Config, changes: Mapping[tuple[str, ...], Any]) -> Config:
    """Returns the configuration with keys replaced; a function in it stays unless it is one."""
    distance = config.tracking.track_distance
    tree = _ADAPTER.dump_python(_with_track_distance(config, IOU_DISTANCE))
    for key, value in changes.items():
        lay(tree, key, value)
    changed = config_from(tree)
    if callable(distance) and ("tracking", "track_distance") not in changes:
        return _with_track_distance(changed, distance)
    return changed


def _with_track_distance(config: Config, distance: str | TrackDistance) -> Config:
    tracking = dataclasses.replace(config.tracking, track_distance=distance)
    return dataclasses.replace(config, tracking=tracking)
