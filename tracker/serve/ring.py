"""The last events of a source, numbered."""

import threading
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from typing import Any

from tracker.analytics.events import Event

MOST_EVENTS = 1000


class EventRing:
    """The last events; their numbers rise from 1 and never start again."""

    def __init__(self, capacity: int = MOST_EVENTS) -> None:
        self._lock = threading.Lock()
        self._events: deque[tuple[int, dict[str, Any]]] = deque(maxlen=capacity)
        self._last = 0
        self._by_kind: Counter[str] = Counter()

    @property
    def last(self) -> int:
        """Number of the newest event; 0 before the first."""
        return self._last

    @property
    def by_kind(self) -> Mapping[str, int]:
        """How many events of each kind there were."""
        with self._lock:
            return dict(self._by_kind)

    def add(self, events: Iterable[Event]) -> None:
        """Adds events, in their order."""
        with self._lock:
            for event in events:
                self._last += 1
                self._events.append((self._last, event.to_json()))
                self._by_kind[event.kind.value] += 1

    def after(self, number: int) -> list[tuple[int, dict[str, Any]]]:
        """Returns the events that are kept with a higher number, oldest first.

        Args:
            number: That of an event; one that is higher than all, as after a restart of the
                server, gives all.
        """
        if number == self._last:
            return []
        with self._lock:
            number = 0 if number > self._last else number
            return [(n, event) for n, event in self._events if n > number]
