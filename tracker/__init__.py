"""Real-time detection and tracking of objects in video.

Names are imported on first use, so `import tracker` is fast and loads no TensorFlow.

Example:
    ```python
    import tracker

    for result in tracker.track("samples/plaza.mp4"):
        print(result.frame.time_s, result.tracks.ids, result.tracks.boxes)
    ```
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from tracker.version import __version__

if TYPE_CHECKING:
    from tracker.analytics.analyser import Analyser as Analyser
    from tracker.analytics.events import Event as Event
    from tracker.analytics.settings import (
        AnalyticsSettings as AnalyticsSettings,
    )
    from tracker.analytics.settings import (
        Calibration as Calibration,
    )
    from tracker.analytics.settings import (
        Line as Line,
    )
    from tracker.analytics.settings import (
        Zone as Zone,
    )
    from tracker.api import track, track_many
    from tracker.config.run import Config, load_config
    from tracker.detection.fcn_detector import FcnDetector, FcnSettings
    from tracker.detection.function_detector import FunctionDetector
    from tracker.detection.load import load_model
    from tracker.detection.motion import MotionDetector
    from tracker.detection.motion_settings import MotionSettings
    from tracker.detection.yolo_detector import DetectorSettings, YoloDetector
    from tracker.detections import Detections, Detector, Embedder, TimedDetector
    from tracker.embedding.crop_embedder import CropEmbedder
    from tracker.errors import (
        ConfigError,
        DataError,
        DependencyError,
        DeviceError,
        DownloadError,
        ModelError,
        NotResumableError,
        OutputClosed,
        OutputError,
        OutputTakenError,
        SourceError,
        TrackerError,
    )
    from tracker.frames import Frame, Source, VideoInfo
    from tracker.linking.settings import LinkSettings
    from tracker.masks import Mask
    from tracker.models.darknet.load import load_darknet
    from tracker.pipeline.frame_loop import SourceEnd, SourceResult
    from tracker.pipeline.multi import MultiPipeline, StageFactories
    from tracker.pipeline.single import NoEmbedder, Pipeline
    from tracker.sinks.csv_table import CsvSink
    from tracker.sinks.draw import draw_tracks
    from tracker.sinks.draw_style import DrawStyle
    from tracker.sinks.json_document import JsonSink
    from tracker.sinks.json_lines import JsonLinesSink
    from tracker.sinks.mot_text import MotTextSink
    from tracker.sinks.video_file import VideoSink
    from tracker.sinks.window import WindowSink
    from tracker.sources.files.image_folder import ImageFolder
    from tracker.sources.files.video_file import VideoFile
    from tracker.sources.live.camera import Camera
    from tracker.sources.live.settings import FramePolicy
    from tracker.track_files.read import read_tracks
    from tracker.track_files.recorded_tracks import RecordedTracks
    from tracker.tracking.camera_motion import CameraMotionEstimator
    from tracker.tracking.deepsort import DeepSort
    from tracker.tracking.settings import DeepSortSettings
    from tracker.tracks import (
        CameraMotion,
        MultiObjectTracker,
        Sink,
        TrackedFrame,
        Tracks,
        TrackState,
    )

_MODULES = {
    "Analyser": "tracker.analytics.analyser",
    "AnalyticsSettings": "tracker.analytics.settings",
    "Calibration": "tracker.analytics.settings",
    "Camera": "tracker.sources.live.camera",
    "CameraMotion": "tracker.tracks",
    "CameraMotionEstimator": "tracker.tracking.camera_motion",
    "Config": "tracker.config.run",
    "ConfigError": "tracker.errors",
    "CropEmbedder": "tracker.embedding.crop_embedder",
    "CsvSink": "tracker.sinks.csv_table",
    "DataError": "tracker.errors",
    "DeepSort": "tracker.tracking.deepsort",
    "DeepSortSettings": "tracker.tracking.settings",
    "DependencyError": "tracker.errors",
    "Detections": "tracker.detections",
    "Detector": "tracker.detections",
    "DetectorSettings": "tracker.detection.yolo_detector",
    "DeviceError": "tracker.errors",
    "DownloadError": "tracker.errors",
    "DrawStyle": "tracker.sinks.draw_style",
    "Embedder": "tracker.detections",
    "Event": "tracker.analytics.events",
    "FcnDetector": "tracker.detection.fcn_detector",
    "FcnSettings": "tracker.detection.fcn_detector",
    "Frame": "tracker.frames",
    "FramePolicy": "tracker.sources.live.settings",
    "FunctionDetector": "tracker.detection.function_detector",
    "ImageFolder": "tracker.sources.files.image_folder",
    "JsonLinesSink": "tracker.sinks.json_lines",
    "JsonSink": "tracker.sinks.json_document",
    "Line": "tracker.analytics.settings",
    "LinkSettings": "tracker.linking.settings",
    "Mask": "tracker.masks",
    "ModelError": "tracker.errors",
    "MotTextSink": "tracker.sinks.mot_text",
    "MotionDetector": "tracker.detection.motion",
    "MotionSettings": "tracker.detection.motion_settings",
    "MultiObjectTracker": "tracker.tracks",
    "MultiPipeline": "tracker.pipeline.multi",
    "NoEmbedder": "tracker.pipeline.single",
    "NotResumableError": "tracker.errors",
    "OutputClosed": "tracker.errors",
    "OutputError": "tracker.errors",
    "OutputTakenError": "tracker.errors",
    "Pipeline": "tracker.pipeline.single",
    "RecordedTracks": "tracker.track_files.recorded_tracks",
    "Sink": "tracker.tracks",
    "Source": "tracker.frames",
    "SourceEnd": "tracker.pipeline.frame_loop",
    "SourceError": "tracker.errors",
    "SourceResult": "tracker.pipeline.frame_loop",
    "StageFactories": "tracker.pipeline.multi",
    "TimedDetector": "tracker.detections",
    "TrackState": "tracker.tracks",
    "TrackedFrame": "tracker.tracks",
    "TrackerError": "tracker.errors",
    "Tracks": "tracker.tracks",
    "VideoFile": "tracker.sources.files.video_file",
    "VideoInfo": "tracker.frames",
    "VideoSink": "tracker.sinks.video_file",
    "WindowSink": "tracker.sinks.window",
    "YoloDetector": "tracker.detection.yolo_detector",
    "Zone": "tracker.analytics.settings",
    "draw_tracks": "tracker.sinks.draw",
    "load_config": "tracker.config.run",
    "load_darknet": "tracker.models.darknet.load",
    "load_model": "tracker.detection.load",
    "read_tracks": "tracker.track_files.read",
    "track": "tracker.api",
    "track_many": "tracker.api",
}

__all__ = [
    "Analyser",
    "AnalyticsSettings",
    "Calibration",
    "Camera",
    "CameraMotion",
    "CameraMotionEstimator",
    "Config",
    "ConfigError",
    "CropEmbedder",
    "CsvSink",
    "DataError",
    "DeepSort",
    "DeepSortSettings",
    "DependencyError",
    "Detections",
    "Detector",
    "DetectorSettings",
    "DeviceError",
    "DownloadError",
    "DrawStyle",
    "Embedder",
    "Event",
    "FcnDetector",
    "FcnSettings",
    "Frame",
    "FramePolicy",
    "FunctionDetector",
    "ImageFolder",
    "JsonLinesSink",
    "JsonSink",
    "Line",
    "LinkSettings",
    "Mask",
    "ModelError",
    "MotTextSink",
    "MotionDetector",
    "MotionSettings",
    "MultiObjectTracker",
    "MultiPipeline",
    "NoEmbedder",
    "NotResumableError",
    "OutputClosed",
    "OutputError",
    "OutputTakenError",
    "Pipeline",
    "RecordedTracks",
    "Sink",
    "Source",
    "SourceEnd",
    "SourceError",
    "SourceResult",
    "StageFactories",
    "TimedDetector",
    "TrackState",
    "TrackedFrame",
    "TrackerError",
    "Tracks",
    "VideoFile",
    "VideoInfo",
    "VideoSink",
    "WindowSink",
    "YoloDetector",
    "Zone",
    "__version__",
    "draw_tracks",
    "load_config",
    "load_darknet",
    "load_model",
    "read_tracks",
    "track",
    "track_many",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'tracker' has no attribute {name!r}")
    value = getattr(import_module(_MODULES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
