"""A sink of your own: one line of text when a track begins, and one when it has ended.

python examples/own_sink.py samples/plaza.mp4 events.txt
"""

import sys
from pathlib import Path

import tracker


class Events:
    """Writes the events of a run; `tracker.Sink` lists what a sink needs."""

    def __init__(self, path, *, gone_after_s=1.2):
        self._path, self._gone_after_s = Path(path), gone_after_s
        self._file = None
        self._last_s = {}
        self._lines = 0

    @property
    def status(self):
        return f"{self._path}: {self._lines} events"

    def write(self, result):
        if self._file is None:  # A sink opens at its first result: a run that fails leaves no file.
            self._file = self._path.open("w", encoding="utf-8")
        now_s = result.frame.time_s
        for track_id in result.tracks.ids.tolist():
            if track_id not in self._last_s:
                self._line(now_s, track_id, "begins")
            self._last_s[track_id] = now_s
        for track_id, last_s in list(self._last_s.items()):
            if now_s - last_s > self._gone_after_s:
                self._line(self._last_s.pop(track_id), track_id, "ends")

    def close(self, *, complete=True):
        if self._file is None:
            return
        for track_id, last_s in self._last_s.items():
            self._line(last_s, track_id, "ends" if complete else "is cut off")
        self._file.close()
        self._file = None

    def _line(self, time_s, track_id, event):
        self._file.write(f"{time_s:.2f} s: track {track_id} {event}\n")
        self._lines += 1

    def __enter__(self):
        return self

    def __exit__(self, error_type, error, traceback):
        self.close(complete=error_type is None)


if len(sys.argv) < 3:
    sys.exit(__doc__)

source, path = sys.argv[1:]
with Events(path) as events:
    for result in tracker.track(source):
        events.write(result)
print(events.status)
