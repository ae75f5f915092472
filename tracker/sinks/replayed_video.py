"""Recorded tracks on the frames of their video."""

import dataclasses
from collections.abc import Iterator

from tracker.detections import Detections
from tracker.errors import DataError
from tracker.frames import Frame, Source, VideoInfo
from tracker.sinks.replayed_frames import frames_of_rows, recorded_results
from tracker.track_files.formats import DEFAULT_FPS
from tracker.track_files.json_file import Header, Recording
from tracker.tracks import RunInfo, TrackedFrame, Tracks


def complete_recording(recording: Recording) -> Recording:
    """Returns the recording with all columns, class names, frames and times."""
    tracks = recording.tracks
    names = tracks.class_names or ("object",)
    tracks = dataclasses.replace(tracks, class_names=names, fps=tracks.fps or DEFAULT_FPS)
    frames = recording.frames or tuple(frames_of_rows(tracks.frames))
    return dataclasses.replace(recording, tracks=tracks.with_derived_columns(), frames=frames)


def results_on_video(
    recording: Recording, source: Source, *, every_frame: bool = False
) -> Iterator[TrackedFrame]:
    """Yields the recorded result of each frame of a video, with its image.

    Args:
        recording: A complete one, see `complete_recording`.
        source: The video that was tracked, open and not read.
        every_frame: Whether frames that the recording does not have are yielded too, without
            tracks. Formats other than JSON lack those in which there is no track.

    Raises:
        DataError: The frames have another size than those of the recording.
        SourceError: The video cannot be read.
    """
    header, info = recording.header or Header(), source.info
    _check_size(header, info)
    run = RunInfo(info, recording.tracks.class_names, header.config, dict(header.models))
    results = recorded_results(recording, run)
    result = next(results, None)
    for frame in source:
        while result is not None and result.frame.index < frame.index:
            result = next(results, None)
        if result is not None and result.frame.index == frame.index:
            yield _with_image(result, frame, info)
        elif every_frame:
            yield _without_tracks(frame, run)
        elif result is None:
            return


def _with_image(result: TrackedFrame, frame: Frame, info: VideoInfo) -> TrackedFrame:
    """Returns a recorded result with the image of its frame, and boxes in pixels of it."""
    tracks = result.tracks
    if info.stored_size is not None:
        tracks = dataclasses.replace(tracks, boxes=info.in_frame(tracks.boxes))
    frame = dataclasses.replace(frame, time_s=result.frame.time_s)
    return dataclasses.replace(result, frame=frame, tracks=tracks, age_s=None, dropped=0)


def _without_tracks(frame: Frame, run: RunInfo) -> TrackedFrame:
    return TrackedFrame(frame, Detections.empty(), Tracks.empty(), {}, run)


def _check_size(header: Header, info: VideoInfo) -> None:
    size = info.stored_size or (info.width, info.height)
    if (header.width, header.height) not in {size, (1, 1)}:
        raise DataError(
            f"{info.source}: expected frames of {header.width}x{header.height} as in the "
            f"recording, got {size[0]}x{size[1]}; name the video that was tracked"
        )
