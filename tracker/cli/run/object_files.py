"""The outputs that have files for each track: `--crops` and `--clips`."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tracker.config.run import Config
from tracker.errors import ConfigError
from tracker.sinks.place import Existing
from tracker.sources.source_kind import SourceKind, source_kind
from tracker.tracks import Sink


@dataclass(frozen=True, slots=True)
class ObjectFiles:
    """Folders with files for each track; `None` for none.

    Attributes:
        crops: Folder of the best images of each track.
        crops_per_track: Images of each track.
        clips: Folder of the clips of each track.
        clip_margin_s: Seconds before and after the time of a track.
    """

    crops: str | None = None
    crops_per_track: int = 1
    clips: str | None = None
    clip_margin_s: float = 1.0

    @classmethod
    def of_options(
        cls,
        crops: str | None,
        crops_per_track: int | None,
        clips: str | None,
        clip_margin_s: float | None,
    ) -> "ObjectFiles":
        """Returns what the options of the command line ask for; `None` where one is not given."""
        files = cls(crops=crops, clips=clips)
        if crops_per_track is not None:
            files = replace(files, crops_per_track=crops_per_track)
        return files if clip_margin_s is None else replace(files, clip_margin_s=clip_margin_s)

    @property
    def folders(self) -> list[str]:
        """The folders."""
        return [path for path in (self.crops, self.clips) if path is not None]


def check_object_files(files: ObjectFiles, sources: Sequence[str], config: Config) -> None:
    """Checks that clips can be cut.

    Raises:
        ConfigError: A source is no video file, or its objects are to be hidden.
    """
    if files.clips is None:
        return
    for source in sources:
        kind = source_kind(source)
        if kind is not SourceKind.VIDEO_FILE:
            raise ConfigError(
                f"--clips {files.clips}: expected a video file to cut, got {source} "
                f"({kind.value}); record it first, or leave --clips out"
            )
    if config.blur.is_on:
        raise ConfigError(
            f"--clips {files.clips}: clips show the source as it is, and --blur hides objects; "
            "leave one out"
        )


def crop_sinks(files: ObjectFiles, existing: Existing) -> list[Sink]:
    """Returns the sink of the crops, if there is one.

    Raises:
        ConfigError: The number of crops is out of range.
        OutputTakenError: The folder has results that may not be replaced.
        OutputError: The folder cannot be written.
    """
    if files.crops is None:
        return []
    from tracker.sinks.crop_files import CropSink

    return [CropSink(files.crops, per_track=files.crops_per_track, existing=existing)]


def clip_sinks(files: ObjectFiles, source: str, config: Config, existing: Existing) -> list[Sink]:
    """Returns the sink of the clips, if there is one.

    Raises:
        ConfigError: The margin is out of range.
        OutputTakenError: The folder has results that may not be replaced.
        OutputError: The folder cannot be written.
    """
    if files.clips is None:
        return []
    from tracker.sinks.clip_cut import VideoToCut
    from tracker.sinks.clip_files import ClipSettings, ClipSink
    from tracker.sources.files.video_file import VideoFile

    decoding = config.source.decoding()
    video = VideoToCut(
        source,
        config.source.video_stream,
        0.0,
        lambda start_s: VideoFile(source, start_s=start_s, decoding=decoding),
    )
    settings = ClipSettings(files.clip_margin_s)
    return [ClipSink(files.clips, video, settings=settings, existing=existing)]
