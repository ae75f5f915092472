"""The tracks of a recording, frame by frame, as an `Analyser` takes them."""

from collections.abc import Iterator, Sequence

import numpy as np

from tracker.analytics.analyser import Analyser
from tracker.analytics.events import Event
from tracker.analytics.settings import AnalyticsSettings, Units
from tracker.errors import ConfigError, DataError
from tracker.track_files.json_file import Recording
from tracker.track_files.recorded_tracks import RecordedTracks
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
    events: list[Event] = []
    for tracks, time_s in recorded_frames(recording, fps=fps):
        events += analyser.update(tracks, time_s)
    return [*events, *analyser.finish()], analyser


def recorded_frames(
    recording: Recording, *, fps: float | None = None
) -> Iterator[tuple[Tracks, float]]:
    """Yields tracks and time of each frame on which the detector ran.

    Raises:
        DataError: There are no times and no frame rate.
    """
    tracks = recording.tracks
    rate = fps or tracks.fps
    frames = [(facts.index, facts.time_s, facts.is_coasted) for facts in recording.frames]
    frames = frames or [(int(index), None, False) for index in np.unique(tracks.frames)]
    for index, known_s, is_coasted in frames:
        if is_coasted:
            continue
        if known_s is None and rate is None:
            raise DataError("expected times of frames, got none; give the rate with --fps")
        time_s = index / (rate or 1.0) if known_s is None else known_s
        low, high = np.searchsorted(tracks.frames, [index, index + 1]).tolist()
        yield tracks_of_rows(tracks, range(low, high)), time_s


def tracks_of_rows(recorded: RecordedTracks, rows: Sequence[int]) -> Tracks:
    """Returns some rows of a recording as tracks; those not seen are lost."""
    index = np.array(rows, np.intp)
    count = len(index)
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
