"""What is known of each track: class votes, trail, best image."""

import threading
from collections import Counter, OrderedDict, deque
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tracker.sinks.crop_files import BETTER
from tracker.sinks.crop_image import cut_out, jpeg_bytes
from tracker.sinks.crop_quality import sharpness, visible_quality
from tracker.sinks.plain_values import class_name
from tracker.tracks import TrackedFrame

MOST_TRACKS = 1000
MOST_CROPS = 200
TRAIL_POINTS = 128
_CROP_SIDE = 320
_CROP_QUALITY = 85


@dataclass(slots=True)
class Life:
    """A track since its first frame.

    Attributes:
        first_s: Time of its first frame.
        last_s: Time of its last one.
        class_name: Its class.
        votes: Number of detections by class.
        trail: `(x, y, time)` of its foot points.
    """

    first_s: float
    last_s: float
    class_name: str
    votes: Counter[str] = field(default_factory=Counter)
    trail: deque[tuple[float, float, float]] = field(
        default_factory=lambda: deque(maxlen=TRAIL_POINTS)
    )

    def to_json(self, number: int) -> dict[str, Any]:
        """Returns the object of `/api/tracks/NAME/ID`, without speed and image."""
        total = sum(self.votes.values())
        return {
            "id": number,
            "class": self.class_name,
            "votes": {name: round(n / total, 4) for name, n in self.votes.most_common()},
            "first_s": round(self.first_s, 3),
            "last_s": round(self.last_s, 3),
            "trail": [[round(x, 1), round(y, 1), round(t, 3)] for x, y, t in self.trail],
        }


class Lives:
    """The tracks of one source; those seen last are kept."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lives: OrderedDict[int, Life] = OrderedDict()

    def clear(self) -> None:
        """Removes all tracks: ids start again."""
        with self._lock:
            self._lives.clear()

    def update(self, result: TrackedFrame) -> dict[int, float]:
        """Adds one frame; returns the time of the first frame of each of its tracks, by id."""
        tracks, names, time_s = result.tracks, result.run.class_names, result.frame.time_s
        found = result.detections.classes
        rows = zip(
            tracks.ids.tolist(),
            tracks.boxes.tolist(),
            tracks.classes.tolist(),
            tracks.detection_index.tolist(),
            strict=True,
        )
        firsts = {}
        with self._lock:
            for number, (x1, _, x2, y2), class_index, index in rows:
                life = self._lives.get(number)
                if life is None:
                    life = self._lives[number] = Life(time_s, time_s, "")
                self._lives.move_to_end(number)
                life.last_s = time_s
                life.class_name = class_name(names, class_index)
                if index >= 0:
                    life.votes[class_name(names, int(found[index]))] += 1
                life.trail.append(((x1 + x2) / 2, y2, time_s))
                firsts[number] = round(life.first_s, 3)
            while len(self._lives) > max(MOST_TRACKS, len(firsts)):
                self._lives.popitem(last=False)
        return firsts

    def get(self, number: int) -> dict[str, Any] | None:
        """Returns the object of a track; `None` for an unknown one."""
        with self._lock:
            life = self._lives.get(number)
            return None if life is None else life.to_json(number)


class Crops:
    """The best image of each track, as JPEG; those changed last are kept."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._crops: OrderedDict[int, tuple[float, bytes]] = OrderedDict()

    def clear(self) -> None:
        """Removes all images."""
        with self._lock:
            self._crops.clear()

    def update(self, result: TrackedFrame) -> None:
        """Keeps images of one frame that are clearly better than those before."""
        tracks, image = result.tracks, result.frame.image
        height, width = image.shape[:2]
        matched = (tracks.detection_index >= 0) & (tracks.ids > 0)
        if not matched.any():
            return
        quality = visible_quality(tracks.boxes, tracks.scores, width=width, height=height)
        for row in np.flatnonzero(matched & (quality > 0)).tolist():
            self._add(int(tracks.ids[row]), result, row, float(quality[row]))

    def get(self, number: int) -> bytes | None:
        """Returns the JPEG of a track; `None` where there is none."""
        with self._lock:
            found = self._crops.get(number)
            return None if found is None else found[1]

    def _add(self, number: int, result: TrackedFrame, row: int, visible: float) -> None:
        old = self._crops.get(number)
        best = 0.0 if old is None else BETTER * old[0]
        if visible < best:  # The sharpness is at most 1.
            return
        crop = cut_out(result.frame.image, result.tracks.boxes[row], largest=_CROP_SIDE)
        quality = visible * sharpness(crop) ** 0.5 if crop.size else 0.0
        if quality <= 0 or quality < best:
            return
        content = jpeg_bytes(crop, _CROP_QUALITY)
        with self._lock:
            self._crops[number] = quality, content
            self._crops.move_to_end(number)
            while len(self._crops) > MOST_CROPS:
                self._crops.popitem(last=False)
