"""The videos of a run."""

from collections.abc import Sequence

from tracker.config.build_video import video_encoders
from tracker.config.run import Config
from tracker.sinks.changed_images import Overlay
from tracker.sinks.place import Existing
from tracker.sinks.video_file import VideoSink
from tracker.tracks import Sink


def video_sinks(
    paths: Sequence[str], config: Config, overlay: Overlay | None, existing: Existing
) -> list[Sink]:
    """Returns the sinks of videos.

    Raises:
        ConfigError: The encoder does not work here.
        OutputTakenError: Another process writes a file, or it exists and may not be replaced.
        OutputError: A path cannot be written.
    """
    settings = config.video
    encoders = video_encoders(settings.encoder)
    return [
        VideoSink(
            path,
            style=config.draw,
            overlay=overlay,
            crf=settings.crf,
            preset=settings.preset,
            existing=existing,
            scale=settings.scale,
            encoders=encoders,
        )
        for path in paths
    ]
