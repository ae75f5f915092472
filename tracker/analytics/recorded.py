"""The tracks of a recording, frame by frame, as an `Analyser` takes them."""

from collections.abc import Iterator

import numpy as np

from tracker.analytics.analyser import Analyser
from tracker.analytics.eventful import DetectorFrames, eventful_frames
from tracker.analytics.events import Event
from tracker.analytics.settings import AnalyticsSettings, Units
from tracker.errors import ConfigError, DataError
from tracker.track_files.json_file import Recording
from tracker.track_files.recorded_tracks import RecordedTracks
from tracker.track_files.values import check_fps
from tracker.tracks import Tracks, TrackState

NAME_WITHOUT_NAMES = "object"
"""The class of tracks in MOT text, which names none."""


def analyse_recording(
    recording: Recording, settings: AnalyticsSettings, *, fps: float | None = None
) -> tuple[list[Event], Analyser]:
    """Returns the events of a recording, which are those of its run, and the analyser.

    Args:
        recording: Header, frames and tracks.
        settings: Zones, lines and calibration.
        fps: Frames a second where the recording has no times.

    Raises:
        ConfigError: A class is unknown, the calibration fits no plane, or the settings need the
            size of the frames, which MOT text does not have.
        DataError: There are no times and no frame rate.
    """
    analyser = Analyser(
        settings,
        _frame_size(recording, settings),
        recording.tracks.class_names or (NAME_WITHOUT_NAMES,),
    )
    frames = _detector_frames(recording, fps)
    events: list[Event] = []
    for number in eventful_frames(recording.tracks, frames, analyser):
        tracks = tracks_of_rows(recording.tracks, frames.rows(number))
        events += analyser.update(tracks, frames.times_s[number])
    return [*events, *analyser.finish()], analyser


def recorded_frames(
    recording: Recording, *, fps: float | None = None
) -> Iterator[tuple[Tracks, float]]:
    """Yields tracks and time of each frame on which the detector ran.

    Raises:
        DataError: There are no times and no frame rate.
    """
    frames = _detector_frames(recording, fps)
    for number, time_s in enumerate(frames.times_s):
        yield tracks_of_rows(recording.tracks, frames.rows(number)), time_s


def _detector_frames(recording: Recording, fps: float | None) -> DetectorFrames:
    tracks = recording.tracks
    if fps is not None:
        check_fps(fps)
    rate = fps or tracks.fps
    known = [(facts.index, facts.time_s) for facts in recording.frames if not facts.is_coasted]
    if not recording.frames:
        known = [(index, None) for index in np.unique(tracks.frames).tolist()]
    if rate is None and any(time_s is None for _, time_s in known):
        raise DataError("expected times of frames, got none; give the rate with --fps")
    times_s = [index / (rate or 1.0) if time_s is None else time_s for index, time_s in known]
    numbers = np.array([index for index, _ in known], np.int32)
    starts = tracks.frames.searchsorted(numbers, side="left")
    stops = tracks.frames.searchsorted(numbers, side="right")
    return DetectorFrames(starts, stops, tuple(times_s))


def tracks_of_rows(recorded: RecordedTracks, index: slice) -> Tracks:
    """Returns some rows of a recording as tracks; those not seen are lost."""
    count = len(recorded.ids[index])
    seen = recorded.seen[index]
    return Tracks(
        ids=recorded.ids[index],
        boxes=recorded.boxes[index].astype(np.float32),
        velocities=np.zeros((count, 2), np.float32),
        scores=recorded.scores[index],
        classes=recorded.classes[index],
        class_scores=np.ones(count, np.float32),
        states=np.where(seen, TrackState.CONFIRMED, TrackState.LOST).astype(np.uint8),
        ages=np.ones(count, np.int32),
        misses=np.where(seen, 0, 1).astype(np.int32),
        detection_index=np.full(count, -1, np.int32),
    )


def _frame_size(recording: Recording, settings: AnalyticsSettings) -> tuple[int, int]:
    if recording.header is not None:
        return recording.header.width, recording.header.height
    by_tilt = settings.calibration is not None and settings.calibration.length is not None
    if settings.units is Units.SHARE or by_tilt:
        raise ConfigError(
            "expected JSON, which has the size of the frames, got MOT text; give zones in pixels, "
            "and a calibration by points"
        )
    return settings.size or (1, 1)
