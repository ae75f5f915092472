"""The configuration: a tree of frozen settings from defaults, YAML files and `key=value` overrides.

An unknown key, a wrong type or a value out of range is an error that names the key.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, TypeAdapter
from pydantic_core import to_jsonable_python

from tracker.analytics.settings import AnalyticsSettings
from tracker.detection.model_choice import ModelChoice
from tracker.detection.motion_settings import MotionSettings
from tracker.detection.slice_grid import DEFAULT_OVERLAP, OFF, check_overlap, parse_slices
from tracker.detection.yolo_detector import DetectorSettings
from tracker.embedding.crop_input import CropInput
from tracker.errors import ConfigError
from tracker.linking.settings import LinkSettings
from tracker.pipeline.frame_loop import BATCH_WAIT_S, check_batch_wait
from tracker.segmentation.settings import SegmenterSettings
from tracker.sinks.background_style import Background, BackgroundStyle
from tracker.sinks.blur_style import BlurStyle
from tracker.sinks.draw_style import DrawStyle
from tracker.sinks.video_settings import VideoSettings
from tracker.sources.files.decoding import Decoding, Deinterlace
from tracker.sources.live.settings import LiveSettings
from tracker.tracking.settings import IOU_DISTANCE, DeepSortSettings, TrackDistance
from tracker.util.address import shown_address
from tracker.util.callable_name import callable_name
from tracker.util.check_types import check_finite, check_types
from tracker.util.settings_tree import changed, lay_words, settings_from, tree_of_file

# YAML 1.1 reads a bare `off` as false.
_OFF_WORD = BeforeValidator(lambda value: OFF if value is False else value)


@dataclasses.dataclass(frozen=True, slots=True)
class SourceConfig:
    """The frames to read.

    Attributes:
        start_s: Start time in the source in seconds, >= 0.
        stride: Read every n-th frame, 1 to 100000.
        max_frames: Largest number of frames, >= 1; `None` for all.
        image_fps: Frame rate of a folder of images, 0.0001 (one in three hours) to 1000000.
        video_stream: Index of the video stream in a file with several, from 0 as in FFmpeg's
            `v:N`; `None` for the default one, or the largest that is not a thumbnail.
        deinterlace: `auto` deinterlaces frames that are flagged as interlaced; `off` leaves them
            as they are stored.
        live: Settings of cameras and streams; docs/live.md.
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
            "stride": (1 <= self.stride <= 100_000, "1 to 100000"),
            "max_frames": (self.max_frames is None or self.max_frames >= 1, ">= 1"),
            "image_fps": (1e-4 <= self.image_fps < 1e6, "0.0001 to 1000000"),
        }
        for name, (is_allowed, expected) in allowed.items():
            if not is_allowed:
                raise ConfigError(f"source.{name}: expected {expected}, got {getattr(self, name)}")
        self.decoding()
        check_finite(self)

    def decoding(self) -> Decoding:
        """Returns the settings of video decoding."""
        return Decoding(self.video_stream, self.deinterlace)


@dataclasses.dataclass(frozen=True, slots=True)
class DetectorConfig:
    """The detector.

    Attributes:
        name: `small` or `nano`, `motion` for static cameras, `fcn` for a sliding window classifier
            (docs/fcn.md), the path of a `.keras` file that `tracker train detector` wrote or of a
            Darknet `.cfg`, or any other model of docs/models.md.
        weights: Path of the weights that belong to a `.cfg` or a `.param`, or of the `.keras` file
            of `fcn`.
        names: Path of a file with one class name per line; `None` for the usual names of a model
            with this number of classes.
        detections: Path of recorded detections (MOTChallenge `det.txt`, or JSON of this program),
            which are replayed by frame number instead of detecting; `None` to detect.
        scales: Of `fcn`: scales of the frame at which the classifier runs, each in (0, 8];
            `None` for the original size only.
        offline: Whether a TensorFlow Hub handle or KerasHub preset that is not in the cache is an
            error, instead of being downloaded.
        every: The detector runs on every n-th frame, beginning with the first, >= 1; in the
            others tracks coast. `motion` learns from all frames and needs 1.
        slices: `off`; `ROWSxCOLUMNS`, such as `2x2`: detects in the whole frame and in overlapping
            tiles of it, for small objects; or `auto`: as many tiles as the frame size requires.
        slice_overlap: Share of a tile that it has in common with its neighbour, in `[0, 0.5]`.
        model: Layout and preprocessing of third-party networks; docs/models.md.
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
    slices: Annotated[str, _OFF_WORD] = OFF
    slice_overlap: float = DEFAULT_OVERLAP
    model: ModelChoice = dataclasses.field(default_factory=ModelChoice)
    network: DetectorSettings = dataclasses.field(default_factory=DetectorSettings)
    motion: MotionSettings = dataclasses.field(default_factory=MotionSettings)

    def __post_init__(self) -> None:
        check_types(self)
        if self.every < 1:
            raise ConfigError(f"detector.every: expected >= 1, got {self.every}")
        check_finite(self)
        if self.slices != OFF:
            parse_slices(self.slices)
        check_overlap(self.slice_overlap)


@dataclasses.dataclass(frozen=True, slots=True)
class BatchConfig:
    """Batching of frames of several sources.

    Attributes:
        wait_s: Seconds that the first frame of a batch waits for those of other sources, 0 to 60.
    """

    wait_s: float = BATCH_WAIT_S

    def __post_init__(self) -> None:
        check_types(self)
        check_batch_wait(self.wait_s)


@dataclasses.dataclass(frozen=True, slots=True)
class RunConfig:
    """How `tracker run` works; it changes no result.

    Attributes:
        checkpoint_s: Seconds between two checkpoints of a run of a file, from which `--resume`
            continues, > 0; `None` for no checkpoints.
    """

    checkpoint_s: float | None = 10.0

    def __post_init__(self) -> None:
        check_types(self)
        if self.checkpoint_s is not None and not 0 < self.checkpoint_s < math.inf:
            raise ConfigError(f"run.checkpoint_s: expected seconds > 0, got {self.checkpoint_s}")


@dataclasses.dataclass(frozen=True, slots=True)
class EmbedderConfig:
    """The network for appearance embeddings.

    Attributes:
        name: `builtin`: the appearance network of this package; `none`: tracking by motion only;
            `detector`: features of the detector, if it is one of this package; the path of a file
            that `tracker train reid` or `tracker export` wrote; any network that maps crops to
            vectors, as `.onnx`, `.xml` of OpenVINO, `.tflite`, `.keras`, SavedModel folder or
            TensorFlow Hub handle;
            or `auto`: `builtin` if the detector is a network, else `none`.
        threads: CPU threads of the network; `None` = one for each core that this process may use.
        cache_dir: Folder of exported networks; `None` takes the platform's.
        offline: Whether a TensorFlow Hub handle that is not in the cache is an error, instead of
            being downloaded.
        input: Preprocessing of crops for third-party networks.
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
    """The background in videos and windows, and the segmenter that separates it.

    Attributes:
        background: `keep`, `blur`, `remove` or `image`.
        image: Path of the image that takes the place of the background with `image`.
        file: Path of a file that `tracker train segmenter` or `tracker export` wrote; `None` for
            the segmenter of people of this package.
        classes: Classes of the foreground, where they are tracked.
        input_size: Long side in pixels of the input of a network for whole frames, a multiple of
            32; `None` for the size that it was trained at.
        margin: Enlargement of a track's box on each side as a share of its size, >= 0.
        blur: Standard deviation of the blur, as a share of the image's long side, in `(0, 0.2]`.
        color: RGB in place of a removed background, each 0 to 255.
        threads: CPU threads of the network; `None` = 1 for crops, beside the detector's, and for
            whole frames one for each core that this process may use.
        cache_dir: Folder of exported networks; `None` takes the platform's.
    """

    background: Background = Background.KEEP
    image: str | None = None
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
        """Returns the settings of the segmenter."""
        return SegmenterSettings(self.classes, self.input_size, self.threads, self.cache_dir)

    def style(self) -> BackgroundStyle:
        """Returns the style of the background."""
        return BackgroundStyle(
            self.background, self.classes, self.margin, self.blur, self.color, self.image
        )


class CameraCompensation(StrEnum):
    """Compensation of camera motion."""

    AUTO = "auto"
    """From the boxes, and by optical flow of the background while a look at two frames in a second
    finds that the camera moves: for any camera."""
    OFF = "off"
    """None: for static cameras."""
    FLOW = "flow"
    """By optical flow in every frame, and from the boxes what it leaves: for cameras that always
    move. It takes about 5 ms a frame."""

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        # YAML 1.1 reads a bare `off` as false.
        return cls("off") if value is False else None


@dataclasses.dataclass(frozen=True, slots=True)
class Config:
    """All settings that determine the result of a run.

    Attributes:
        seed: Seed of all random draws of a run, and of the colour palette; a number of 32 bits.
        source: The frames to read.
        detector: The detector.
        embedder: The network for appearance embeddings.
        camera_motion: Compensation of camera motion.
        tracking: Settings of DeepSORT.
        draw: Style of drawing.
        video: Settings of written videos.
        segmenter: The background of drawn frames.
        blur: Objects that are hidden in drawn frames.
        batch: Batching of frames of several sources.
        link: Whether tracks that look like the same person, in one or several sources, get one
            global id.
        linking: Settings of global ids.
        analytics: Zones, lines and calibration; docs/analytics.md.
        run: How `tracker run` works.
    """

    seed: int = 0
    source: SourceConfig = dataclasses.field(default_factory=SourceConfig)
    detector: DetectorConfig = dataclasses.field(default_factory=DetectorConfig)
    embedder: EmbedderConfig = dataclasses.field(default_factory=EmbedderConfig)
    camera_motion: CameraCompensation = CameraCompensation.AUTO
    tracking: DeepSortSettings = dataclasses.field(default_factory=DeepSortSettings)
    draw: DrawStyle = dataclasses.field(default_factory=DrawStyle)
    video: VideoSettings = dataclasses.field(default_factory=VideoSettings)
    segmenter: SegmenterConfig = dataclasses.field(default_factory=SegmenterConfig)
    blur: BlurStyle = dataclasses.field(default_factory=BlurStyle)
    batch: BatchConfig = dataclasses.field(default_factory=BatchConfig)
    link: bool = False
    linking: LinkSettings = dataclasses.field(default_factory=LinkSettings)
    analytics: AnalyticsSettings = dataclasses.field(default_factory=AnalyticsSettings)
    run: RunConfig = dataclasses.field(default_factory=RunConfig)

    def __post_init__(self) -> None:
        check_types(self)
        if not -(2**31) <= self.seed < 2**31:  # OpenCV has no other seeds.
            raise ConfigError(f"seed: expected a number of 32 bits, got {self.seed}")

    def result_json(self) -> dict[str, Any]:
        """Returns `to_json` without the settings that change no result, for headers of files."""
        plain = self.to_json()
        del plain["run"]
        return plain

    def to_json(self) -> dict[str, Any]:
        """Returns the tree as plain JSON types, with redacted addresses.

        `tracking.track_distance` is included, by its name, if it is a function; `analytics` if
        there are zones, lines or a calibration.
        """
        distance = self.tracking.track_distance
        plain: dict[str, Any] = to_jsonable_python(_with_track_distance(self, IOU_DISTANCE))
        del plain["tracking"]["track_distance"]
        if self.analytics.is_empty:
            del plain["analytics"]
        if callable(distance):
            plain["tracking"]["track_distance"] = callable_name(distance)
        for choice in (plain["detector"], plain["embedder"]):
            choice["name"] = shown_address(choice["name"])
        return plain


@cache
def _adapter() -> TypeAdapter[Config]:
    # Not at import: it takes 30 ms, and a run without a file of settings needs none.
    return TypeAdapter(Config)


def load_config(path: str | Path | None = None, overrides: Sequence[str] = ()) -> Config:
    """Returns the defaults, overridden by a YAML file and then by single keys.

    Args:
        path: A YAML file, or `None`.
        overrides: Overrides such as `tracking.max_age_frames=60`; the value is parsed as YAML.

    Raises:
        ConfigError: The file cannot be read, or a key or value is wrong.

    Example:
        >>> load_config(overrides=["tracking.max_age_frames=60"]).tracking.max_age_frames
        60.0
    """
    tree = tree_of_file(path)
    lay_words(tree, overrides, example="tracking.max_age_s=4")
    return config_from(tree) if tree else Config()


def config_from(tree: Mapping[str, Any]) -> Config:
    """Returns the configuration of a nested mapping; missing keys have their defaults.

    Raises:
        ConfigError: A key is unknown, or a value has the wrong type or range.
    """
    return settings_from(_adapter(), Config, tree)


def with_reconnect_attempts(config: Config, attempts: int | None) -> Config:
    """Returns the configuration with another number of attempts to reconnect.

    Args:
        config: The configuration.
        attempts: Attempts per disconnection, >= 0; `None` for no limit.
    """
    return changed(config, {"source.live.reconnect.attempts": attempts})


def overlay(config: Config, changes: Mapping[str, Any]) -> Config:
    """Returns the configuration with dotted keys replaced; keys with value `None` are ignored.

    Example:
        >>> overlay(Config(), {"detector.name": "yolo.cfg", "seed": None}).detector.name
        'yolo.cfg'
    """
    return changed(config, {key: value for key, value in changes.items() if value is not None})


def _with_track_distance(config: Config, distance: str | TrackDistance) -> Config:
    tracking = dataclasses.replace(config.tracking, track_distance=distance)
    return dataclasses.replace(config, tracking=tracking)
