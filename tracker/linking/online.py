"""Global ids while sources run: each track is compared once with the people seen so far.

A `Linker` is used by one thread; the same results in the same order give the same ids.
"""

import dataclasses
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from tracker.errors import DataError
from tracker.linking.settings import LinkSettings
from tracker.tracks import TrackedFrame
from tracker.util.arrays import Float64Array

MOST_TRACKS = 10_000
"""Tracks of all sources that are remembered; beyond it, the one not seen for the longest time is
forgotten. The tracker deletes lost tracks within seconds."""

NO_ID = -1
"""`Tracks.global_ids` of a track that has no global id."""


@dataclass(frozen=True, slots=True)
class Moment:
    """Time of a frame: within its source, and on the wall clock, NaN where that is unknown."""

    time_s: float
    wall_s: float


@dataclass(frozen=True, slots=True)
class Sighting:
    """When a person was last seen in a source, and as which track."""

    track_id: int
    last: Moment


@dataclass(slots=True, eq=False)
class LinkedTrack:
    """What is known of one track.

    Attributes:
        start: First frame in which it was seen.
        total: `(D,)` sum of its embeddings.
        count: Number of its embeddings.
        person: Its global id; `NO_ID` before it is decided.
        decision: Number of the decision that gave it the id; later ones give way.
        share: `(D,)` what it contributes to the person: its mean embedding, a unit vector.
    """

    start: Moment
    total: Float64Array
    count: int = 0
    person: int = NO_ID
    decision: int = 0
    share: Float64Array = field(default_factory=lambda: np.zeros(0))

    def mean(self) -> Float64Array:
        """Returns the mean embedding as a unit vector; zeros if there is none."""
        return np.asarray(self.total / max(float(np.linalg.norm(self.total)), 1e-12))


@dataclass(slots=True, eq=False)
class Person:
    """What is known of one person.

    Attributes:
        class_name: The class of its tracks.
        total: `(D,)` sum of the mean embeddings of its tracks.
        tracks: Number of these tracks.
        sightings: The last sighting in each source.
    """

    class_name: str
    total: Float64Array
    tracks: int = 0
    sightings: dict[int, Sighting] = field(default_factory=dict)

    def distance(self, mean: Float64Array) -> float:
        """Returns the mean cosine distance between a mean embedding and those of the tracks."""
        return 1.0 - float(self.total @ mean) / self.tracks


class Linker:
    """Gives global ids to the tracks of several sources, and remembers people in bounded memory.

    A track is decided in the first frame in which it is matched and has `min_embeddings`
    embeddings: it gets the id of the person with the smallest mean distance, up to
    `max_distance`, or a new one. A person cannot be two tracks of one source that overlap in time,
    nor, unless `overlapping_views` is set, two tracks of live sources that overlap on the wall
    clock. Where a lost track returns and proves such an overlap, the track that was decided later
    is decided anew.

    Args:
        settings: Thresholds and limits.
    """

    def __init__(self, settings: LinkSettings) -> None:
        self._settings = settings
        self._people: OrderedDict[int, Person] = OrderedDict()
        self._tracks: OrderedDict[tuple[int, int], LinkedTrack] = OrderedDict()
        self._ids = 0
        self._decisions = 0
        self._dimension: int | None = None

    def link(self, source: int, result: TrackedFrame) -> TrackedFrame:
        """Returns the result with `global_ids` in its tracks.

        Args:
            source: The source, from 0.
            result: Its next result.

        Raises:
            DataError: Its embeddings are of another size than those before.
        """
        wall_s = result.frame.wall_time_s
        now = Moment(result.frame.time_s, float("nan") if wall_s is None else wall_s)
        seen = list(self._seen(source, result, now))
        for track_id, _, track in seen:
            if track.person != NO_ID:
                self._confirm(source, track_id, track, now)
        least = self._settings.min_embeddings
        undecided = [one for one in seen if one[2].person == NO_ID and one[2].count >= least]
        if undecided:
            self._decide(source, undecided, now)
        return self._with_global_ids(source, result)

    def _seen(
        self, source: int, result: TrackedFrame, now: Moment
    ) -> Iterator[tuple[int, str, LinkedTrack]]:
        """Yields id, class and state of each confirmed track matched in this frame."""
        tracks, embeddings = result.tracks, result.detections.embeddings
        for row in np.flatnonzero((tracks.detection_index >= 0) & (tracks.ids > 0)).tolist():
            self._check_dimension(embeddings.shape[1])
            track_id = int(tracks.ids[row])
            embedding = embeddings[tracks.detection_index[row]].astype(np.float64)
            track = self._tracks.get((source, track_id))
            if track is None:
                track = self._tracks[source, track_id] = LinkedTrack(now, np.zeros(len(embedding)))
            self._tracks.move_to_end((source, track_id))
            length = float(np.linalg.norm(embedding))
            if length > 0:
                track.total += embedding / length
                track.count += 1
            yield track_id, result.run.class_names[tracks.classes[row]], track
        while len(self._tracks) > MOST_TRACKS:
            self._tracks.popitem(last=False)

    def _check_dimension(self, dimension: int) -> None:
        if self._dimension is None:
            self._dimension = dimension
        if dimension != self._dimension:
            raise DataError(
                f"linking: expected embeddings of {self._dimension} values, as before, got "
                f"{dimension}; use one embedder for all sources"
            )

    def _confirm(self, source: int, track_id: int, track: LinkedTrack, now: Moment) -> None:
        """Adds a sighting of a decided track, after resolving overlaps with later decisions."""
        person = self._people.get(track.person)
        if person is None:
            return  # Forgotten: the track keeps its id, and no other track gets it.
        for other_source, sighting in self._overlaps(person, source, track_id, track):
            other = self._tracks.get((other_source, sighting.track_id))
            if other is None or other.person != track.person:
                continue  # It has been forgotten, or is another person by now.
            if other.decision < track.decision:
                self._leave(person, track)
                return
            self._leave(person, other)
        self._join(source, track_id, track, now)

    def _overlaps(
        self, person: Person, source: int, track_id: int, track: LinkedTrack
    ) -> list[tuple[int, Sighting]]:
        """Returns the sightings of a person, as other tracks, that overlap with a track."""
        found = []
        for other_source, sighting in person.sightings.items():
            last, start = sighting.last, track.start
            if other_source == source:
                is_overlap = sighting.track_id != track_id and last.time_s >= start.time_s
            else:
                is_overlap = not self._settings.overlapping_views and last.wall_s >= start.wall_s
            if is_overlap:
                found.append((other_source, sighting))
        return found

    def _decide(
        self, source: int, undecided: Sequence[tuple[int, str, LinkedTrack]], now: Moment
    ) -> None:
        """Gives each track the id of a person or a new one: the smallest distances first."""
        pairs = []
        for place, (_, class_name, track) in enumerate(undecided):
            mean = track.mean()
            for number, person in self._people.items():
                if person.class_name == class_name:
                    distance = person.distance(mean)
                    if distance <= self._settings.max_distance:
                        pairs.append((distance, place, number))
        for _, place, number in sorted(pairs):
            track_id, _, track = undecided[place]
            person = self._people[number]
            if track.person == NO_ID and not self._overlaps(person, source, track_id, track):
                self._give(number, track)
                self._join(source, track_id, track, now)
        for track_id, class_name, track in undecided:
            if track.person == NO_ID:
                self._ids += 1
                self._people[self._ids] = Person(class_name, np.zeros(len(track.total)))
                self._give(self._ids, track)
                self._join(source, track_id, track, now)
        while len(self._people) > self._settings.gallery_size:
            self._people.popitem(last=False)

    def _give(self, number: int, track: LinkedTrack) -> None:
        self._decisions += 1
        track.person, track.decision = number, self._decisions
        track.share = np.zeros(len(track.total))
        self._people[number].tracks += 1

    def _join(self, source: int, track_id: int, track: LinkedTrack, now: Moment) -> None:
        """Adds a sighting of a person, and what its track looks like by now."""
        person = self._people[track.person]
        share = track.mean()
        person.total += share - track.share
        track.share = share
        person.sightings[source] = Sighting(track_id, now)
        self._people.move_to_end(track.person)

    def _leave(self, person: Person, track: LinkedTrack) -> None:
        """Takes a track away from a person."""
        person.total -= track.share
        person.tracks -= 1
        track.person = NO_ID

    def _with_global_ids(self, source: int, result: TrackedFrame) -> TrackedFrame:
        known = [self._tracks.get((source, number)) for number in result.tracks.ids.tolist()]
        ids = np.array([NO_ID if t is None else t.person for t in known], np.int64)
        if not np.any(ids != NO_ID):
            return result
        tracks = dataclasses.replace(result.tracks, global_ids=ids)
        return dataclasses.replace(result, tracks=tracks)
