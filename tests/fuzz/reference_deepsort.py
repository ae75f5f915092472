"""DeepSORT a second time: one object for each track, full matrices, plain loops, no speed.

Written from the paper (arXiv 1703.07402, sections 2.1 to 2.3 and listing 1), and for what the paper
leaves open from docs/tracking.md and the decisions 0001, 0002 and 0011. It covers the settings of
`configs/paper.yaml`, and the default association and noise with what is learnt of scores, gaps and
the camera's motion turned off (`PAPER` and `JOINT` of `tracker_targets.py`).
"""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from tracker.detections import Detections
from tracker.tracking.settings import Association, ClassPolicy, DeepSortSettings

FACTORS = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
LEAST_SIZE = 1e-3


class AmbiguousError(Exception):
    """A decision hangs on the last digits: two correct programs may decide differently."""


@dataclass
class Filter:
    """A Kalman filter of 8 values with its full covariance."""

    mean: np.ndarray
    covariance: np.ndarray


@dataclass
class Track:
    """A track and all that is known of it."""

    number: int
    filters: list[Filter]
    hits: int = 1
    age: int = 1
    misses: int = 0
    lost: float = 0.0
    confirmed: bool = False
    detection: int = -1
    score: float = 0.0
    gallery: list[np.ndarray] = field(default_factory=list)
    average: np.ndarray | None = None
    stored: int = 0
    votes: dict[int, float] = field(default_factory=dict)
    mean: np.ndarray = field(default_factory=lambda: np.zeros(8))

    @property
    def voted(self) -> int:
        """The class with most votes, the lower one between equals."""
        return min(self.votes, key=lambda name: (-self.votes[name], name))


@dataclass(frozen=True)
class Row:
    """A track as it is reported."""

    number: int
    box: tuple[float, ...]
    velocity: tuple[float, float]
    score: float
    class_id: int
    class_score: float
    age: int
    detection: int


class ReferenceDeepSort:
    """The reference; see the top of this module."""

    def __init__(self, settings: DeepSortSettings, frame_interval_s: float) -> None:
        self.settings = settings
        self.interval_s = frame_interval_s
        self.max_age = settings.max_age_frames
        if self.max_age is None:
            self.max_age = settings.max_age_s / frame_interval_s
        start = settings.noise
        ratio = frame_interval_s * 30.0 if settings.adapt_noise else 1.0
        self.start = {"place": start.position, "rate": start.velocity}
        self.start |= {"aspect": start.aspect, "aspect_rate": start.aspect_velocity}
        self.noise = {
            "place": start.position * math.sqrt(ratio),
            "rate": start.velocity * ratio**1.5,
            "aspect": start.aspect * math.sqrt(ratio),
            "aspect_rate": start.aspect_velocity * ratio**1.5,
        }
        self.measured, self.measured_aspect = start.measurement, start.aspect_measurement
        self.factors = FACTORS if settings.adapt_noise else (1.0,)
        self.log_weights = np.array(
            [[-0.15 * math.log(factor) ** 2 for factor in self.factors] for _ in range(4)]
        )
        self.scale = np.ones(4)
        self.tracks: list[Track] = []
        self.next_number, self.next_provisional = 1, -1

    # --- the filter ---

    @property
    def weights(self) -> np.ndarray:
        """`(4, G)` weight of each model for each coordinate."""
        raised = np.exp(self.log_weights)
        return raised / raised.sum(axis=1, keepdims=True)

    def _deviations(self, noise: dict[str, float], height: float) -> list[float]:
        place, rate = noise["place"] * height, noise["rate"] * height
        places = [place, place, noise["aspect"], place]
        return [*places, rate, rate, noise["aspect_rate"], rate]

    def _measurement_noise(self, height: float) -> np.ndarray:
        deviation = self.measured * height
        return np.diag(np.square([deviation, deviation, self.measured_aspect, deviation]))

    def _initiate(self, measurement: np.ndarray) -> list[Filter]:
        height = measurement[3]
        deviations = self._deviations(self.start, height)
        times = [2, 2, 1, 2, 10, 10, 1, 10]
        spread = np.diag(np.square([a * b for a, b in zip(deviations, times, strict=True)]))
        if self.settings.adapt_noise:
            spread[:4, :4] = self._measurement_noise(height)
            spread[4:, 4:] *= 4.0
        mean = np.concatenate([measurement, np.zeros(4)])
        return [Filter(mean.copy(), spread.copy()) for _ in self.factors]

    def _predict(self, track: Track, dt: float) -> None:
        """`dt` unit steps, or a part of one (decision 0002)."""
        for one, factor in zip(track.filters, self.factors, strict=True):
            noise = np.diag(np.square(self._deviations(self.noise, one.mean[3]))) * factor**2
            whole, part = (int(dt), 0.0) if dt >= 1 else (0, dt)
            for step in [1.0] * whole + [part] * (part > 0):
                move = np.eye(8)
                move[:4, 4:] = step * np.eye(4)
                one.mean = move @ one.mean
                one.covariance = move @ one.covariance @ move.T + noise * step
            one.mean[2:4] = np.maximum(one.mean[2:4], LEAST_SIZE)

    def _combine(self, track: Track) -> None:
        weights = self.weights
        track.mean = np.zeros(8)
        for model, one in enumerate(track.filters):
            for value in range(8):
                track.mean[value] += weights[value % 4, model] * one.mean[value]

    def _innovation_variance(self, track: Track) -> np.ndarray:
        """The diagonal of S in equation 1."""
        if len(track.filters) == 1:
            one = track.filters[0]
            return np.diag(one.covariance)[:4] + np.diag(self._measurement_noise(one.mean[3]))
        weights, variance = self.weights, np.zeros(4)
        for model, one in enumerate(track.filters):
            apart = one.mean[:4] - track.mean[:4]
            variance += weights[:, model] * (np.diag(one.covariance)[:4] + apart**2)
        variance += np.diag(self._measurement_noise(track.mean[3]))
        return variance * self.scale

    def _update(self, matched: list[tuple[Track, np.ndarray]], dt: float) -> None:
        expected, squared = [], []
        for track, measurement in matched:
            is_steady = track.misses == 1 and track.hits >= 3
            own_expected, own_squared = [], []
            for one in track.filters:
                seen = np.eye(4, 8)
                spread = seen @ one.covariance @ seen.T + self._measurement_noise(one.mean[3])
                if (np.diag(spread)[:4] < (1 + 1e-8) * np.diag(one.covariance)[:4]).any():
                    raise AmbiguousError  # rounding decides what is left of the variance
                innovation = measurement - seen @ one.mean
                own_expected.append(np.diag(spread))
                own_squared.append(np.minimum(innovation**2 / np.diag(spread), 16.0))
                gain = one.covariance @ seen.T @ np.linalg.inv(spread)
                one.mean = one.mean + gain @ innovation
                one.covariance = one.covariance - gain @ seen @ one.covariance
                one.mean[2:4] = np.maximum(one.mean[2:4], LEAST_SIZE)
            if is_steady:
                expected.append(own_expected)
                squared.append(own_squared)
        if self.settings.adapt_noise and expected:
            self._learn(np.array(expected), np.array(squared), dt)

    def _learn(self, expected: np.ndarray, squared: np.ndarray, dt: float) -> None:
        """Magill's weights with fading memory (decision 0011); arrays are `(n, G, 4)`."""
        self.log_weights = self.log_weights * math.exp(-dt * self.interval_s / 2.0)
        for own_expected, own_squared in zip(expected, squared, strict=True):
            likelihood = np.log(own_expected) + own_squared / self.scale
            self.log_weights = self.log_weights - 0.25 * likelihood.T
        self.log_weights -= self.log_weights.max(axis=1, keepdims=True)
        count = len(expected)
        seen = (self.weights * squared.sum(axis=0).T).sum(axis=1) / count
        share = 1 - math.exp(-count / 200.0)
        self.scale = self.scale + share * (np.minimum(seen, 9.0) - self.scale)

    # --- one frame ---

    def step(self, detections: Detections, dt: float) -> list[Row]:
        """Returns the confirmed tracks that were matched in this frame, by number."""
        boxes = detections.boxes.astype(np.float64)
        measurements = [_cxcyah(box) for box in boxes]
        for track in self.tracks:
            track.age += 1
            track.misses += 1
            track.lost += min(dt, max(self.max_age / 3, 1.0))
            track.detection = -1
            self._predict(track, dt)
            self._combine(track)
        pairs = self._associate(detections, measurements)
        self._update([(track, measurements[number]) for track, number in pairs], dt)
        for track in self.tracks:
            self._combine(track)
        for track, number in pairs:
            track.hits += 1
            track.misses, track.lost = 0, 0.0
            self._record(track, detections, number)
        self.tracks = [track for track in self.tracks if not self._is_over(track)]
        taken = {number for _, number in pairs}
        for number, measurement in enumerate(measurements):
            if number not in taken:
                self._give_birth(detections, number, measurement)
        for track in self.tracks:
            if not track.confirmed and track.hits >= self.settings.confirm_hits:
                track.confirmed, track.number = True, self.next_number
                self.next_number += 1
        shown = [track for track in self.tracks if track.confirmed and track.misses == 0]
        return [self._row(track) for track in sorted(shown, key=lambda track: track.number)]

    def _is_over(self, track: Track) -> bool:
        if not track.misses:
            return False
        _check_margin(track.lost, self.max_age)
        return not track.confirmed or track.lost > self.max_age

    def _give_birth(self, detections: Detections, number: int, measurement: np.ndarray) -> None:
        track = Track(self.next_provisional, self._initiate(measurement))
        self.next_provisional -= 1
        track.mean = track.filters[0].mean.copy()
        self._record(track, detections, number)
        self.tracks.append(track)

    def _record(self, track: Track, detections: Detections, number: int) -> None:
        track.detection = number
        track.score = float(detections.scores[number])
        name = int(detections.classes[number])
        track.votes[name] = track.votes.get(name, 0.0) + track.score + 1e-9
        vector = detections.embeddings[number].astype(np.float64)
        if not vector.any():
            return
        track.gallery = [*track.gallery, vector][-self.settings.gallery_size :]
        track.stored += 1
        before = np.zeros_like(vector) if track.average is None else track.average
        track.average = before + (vector - before) / min(track.stored, 50)

    def _row(self, track: Track) -> Row:
        x, y, aspect, height = track.mean[:4]
        width = aspect * height
        box = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
        velocity = (track.mean[4] / self.interval_s, track.mean[5] / self.interval_s)
        share = track.votes[track.voted] / sum(track.votes.values())
        return Row(
            *(track.number, box, velocity, track.score, track.voted, share),
            *(track.age, track.detection),
        )

    # --- association ---

    def _associate(
        self, detections: Detections, measurements: list[np.ndarray]
    ) -> list[tuple[Track, int]]:
        free = set(range(len(measurements)))
        open_tracks = list(self.tracks)
        found: list[tuple[Track, int]] = []
        scene = _Scene(self, detections, measurements)

        def match(tracks: list[Track], cost: Any, price: float) -> None:
            pairs = _best(tracks, sorted(free), cost, price)
            found.extend(pairs)
            free.difference_update(number for _, number in pairs)
            for track, _ in pairs:
                open_tracks.remove(track)

        confirmed = [track for track in self.tracks if track.confirmed]
        if self.settings.association is Association.JOINT:
            match(confirmed, scene.joint_cost, 0.0)
            match([track for track in self.tracks if not track.confirmed], scene.joint_cost, 0.0)
            return found
        for cost, price in (
            (scene.appearance_cost, self.settings.max_appearance_distance),
            (scene.motion_cost, self.settings.motion_gate),
        ):
            # Listing 1: the tracks that were matched most recently go first.
            for misses in sorted({track.misses for track in confirmed}):
                turn = [t for t in confirmed if t.misses == misses and t in open_tracks]
                match(turn, cost, price)
        rest = [t for t in open_tracks if not t.confirmed or t.misses == 1]
        match(rest, scene.overlap_cost, 1.0)
        return found


class _Scene:
    """Costs of pairs; `None` for an inadmissible one."""

    def __init__(
        self, tracker: ReferenceDeepSort, detections: Detections, measurements: list[np.ndarray]
    ) -> None:
        self.tracker, self.settings = tracker, tracker.settings
        self.detections, self.measurements = detections, measurements
        self.variances = {id(t): tracker._innovation_variance(t) for t in tracker.tracks}
        known = [vector.any() for vector in detections.embeddings]
        self.known = known
        self.has_appearance = any(known) and any(track.gallery for track in tracker.tracks)

    def _distance(self, track: Track, number: int) -> float:
        """Equation 1."""
        apart = self.measurements[number] - track.mean[:4]
        return float(apart @ np.linalg.inv(np.diag(self.variances[id(track)])) @ apart)

    def _is_same_class(self, track: Track, number: int) -> bool:
        is_any = self.settings.classes is ClassPolicy.ANY
        return is_any or track.voted == int(self.detections.classes[number])

    def _is_comparable(self, track: Track, number: int) -> bool:
        return bool(self.known[number]) and bool(track.gallery)

    def appearance_cost(self, track: Track, number: int) -> float | None:
        if not self._is_comparable(track, number) or not self._is_same_class(track, number):
            return None
        distance = self._distance(track, number)
        _check_margin(distance, self.settings.motion_gate)
        if distance > self.settings.motion_gate:
            return None
        vector = self.detections.embeddings[number].astype(np.float64)
        smallest = min(1 - float(stored @ vector) for stored in track.gallery)
        _check_margin(smallest, self.settings.max_appearance_distance, 1e-5)
        return smallest if smallest <= self.settings.max_appearance_distance else None

    def motion_cost(self, track: Track, number: int) -> float | None:
        if self._is_comparable(track, number) or not self._is_same_class(track, number):
            return None
        distance = self._distance(track, number)
        _check_margin(distance, self.settings.motion_gate)
        return distance if distance <= self.settings.motion_gate else None

    def overlap_cost(self, track: Track, number: int) -> float | None:
        overlap = _iou(_xyxy(track.mean), self.detections.boxes[number].astype(np.float64))
        _check_margin(overlap, self.settings.min_iou)
        is_enough = overlap > 0 and overlap >= self.settings.min_iou
        return 1 - overlap if is_enough and self._is_same_class(track, number) else None

    def joint_cost(self, track: Track, number: int) -> float | None:
        """The negative log likelihood ratio of `docs/tracking.md` and decision 0011."""
        distance = self._distance(track, number)
        _check_margin(distance, 150.0)
        if distance > 150.0 or not self._is_same_class(track, number):
            return None
        cost = 3.5 * math.log1p(distance / 3)
        is_comparable = self._is_comparable(track, number)
        if self.has_appearance and is_comparable and self._is_touching(track):
            cost *= 0.5
        cost += 0.5 * sum(math.log(v) for v in self.variances[id(track)])
        cost -= 3 * math.log(track.mean[3])
        overlap = _iou(_xyxy(track.mean), self.detections.boxes[number].astype(np.float64))
        cost -= math.log(max(overlap, 0.01))
        if is_comparable:
            assert track.average is not None
            vector = self.detections.embeddings[number].astype(np.float64)
            length = max(float(np.linalg.norm(track.average)), 1e-9)
            apart = 1 - float(track.average @ vector) / length
            apart -= self.settings.max_appearance_distance
            _check_margin(apart, 0.3, 1e-5)
            if apart > 0.3:
                return None
            cost += min(max(self.settings.appearance_weight * apart, -5.0), 6.0)
        _check_margin(cost, 0.0, 1e-4)
        return cost if cost <= 0 else None

    def _is_touching(self, track: Track) -> bool:
        """Whether another track of the same stage overlaps the predicted box by 0.6 or more."""
        overlaps = []
        for other in self.tracker.tracks:
            is_near = other is not track and other.confirmed == track.confirmed
            if is_near and any(self._is_in_gate(other, n) for n in range(len(self.measurements))):
                overlaps.append(_iou(_xyxy(track.mean), _xyxy(other.mean)))
                _check_margin(overlaps[-1], 0.6, 1e-5)
        return any(overlap >= 0.6 for overlap in overlaps)

    def _is_in_gate(self, track: Track, number: int) -> bool:
        distance = self._distance(track, number)
        _check_margin(distance, 150.0)
        return distance <= 150.0 and self._is_same_class(track, number)


def _best(
    tracks: list[Track], numbers: list[int], cost: Any, price: float
) -> list[tuple[Track, int]]:
    """The cheapest partial matching, an unmatched pair costing `price` (decision 0001)."""
    if not tracks or not numbers:
        return []
    costs = [[cost(track, number) for number in numbers] for track in tracks]
    matrix = np.array([[price if c is None else c for c in row] for row in costs], float)
    rows, columns = linear_sum_assignment(matrix)
    pairs = zip(rows.tolist(), columns.tolist(), strict=True)
    return [(tracks[r], numbers[c]) for r, c in pairs if costs[r][c] is not None]


def _check_margin(value: float, limit: float, margin: float = 1e-7) -> None:
    if 0 < abs(value - limit) < margin * max(abs(limit), 1.0):
        raise AmbiguousError


def _cxcyah(box: np.ndarray) -> np.ndarray:
    x1, y1, x2, y2 = box
    return np.array([(x1 + x2) / 2, (y1 + y2) / 2, (x2 - x1) / (y2 - y1), y2 - y1])


def _xyxy(mean: np.ndarray) -> np.ndarray:
    x, y, aspect, height = mean[:4]
    width = aspect * height
    return np.array([x - width / 2, y - height / 2, x + width / 2, y + height / 2])


def _iou(first: np.ndarray, second: np.ndarray) -> float:
    width = min(first[2], second[2]) - max(first[0], second[0])
    height = min(first[3], second[3]) - max(first[1], second[1])
    if width <= 0 or height <= 0:
        return 0.0
    both = width * height
    areas = [(b[2] - b[0]) * (b[3] - b[1]) for b in (first, second)]
    return float(both / (areas[0] + areas[1] - both))
