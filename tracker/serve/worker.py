"""One source in a thread of its own: plays, pauses, waits for what is lost, and plays again."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from tracker.analytics.events import Event
from tracker.errors import ConfigError, TrackerError
from tracker.frames import VideoInfo
from tracker.serve.feeds import Feed, Playing
from tracker.serve.gate import Gate
from tracker.serve.hub import Hub
from tracker.sinks.changed_images import ImageChange
from tracker.tracks import TrackedFrame
from tracker.util.address import mask_words
from tracker.util.text import one_line

_log = logging.getLogger(__name__)

LOST_S = 2.0
"""Seconds without a frame after which a live source counts as lost."""

_CLOSE_S = 1.5
"""Seconds that a thread gets to end; one that a driver blocks is left behind."""


class State(StrEnum):
    """What a source does."""

    STARTING = "starting"
    RUNNING = "running"
    PAUSED = "paused"
    LOST = "lost"
    """A live source delivers no frames, and is waited for."""
    ENDED = "ended"
    FAILED = "failed"


class Recorder(Protocol):
    """Takes the results of one run."""

    def write(self, result: TrackedFrame, events: Sequence[Event]) -> None:
        """Takes one result with its events.

        Raises:
            OutputError: It cannot be written.
        """
        ...

    def finish(self, events: Sequence[Event], *, complete: bool) -> None:
        """Takes the events of the end of the run.

        Raises:
            OutputError: It cannot be written.
        """
        ...


@dataclass(slots=True)
class _Run:
    gate: Gate
    stop: threading.Event
    playing: Playing | None = None

    def end(self) -> None:
        self.stop.set()
        self.gate.end()
        if self.playing is not None:
            self.playing.close()


def _no_change() -> ImageChange | None:
    return None


@dataclass(frozen=True, slots=True, eq=False)
class Work:
    """What a worker plays.

    Attributes:
        feed: Where results come from.
        change: Returns what changes the images of one run, or `None`.
        recorder: Takes the results of the first run as well; `None` for nothing.
        later: Takes the place of the feed once the recorder has ended; `None` to keep it.
        address: The source as the user typed it; messages show it without its secrets.
        hidden: A path that messages show as "the video".
    """

    feed: Feed
    change: Callable[[], ImageChange | None] = _no_change
    recorder: Recorder | None = None
    later: Feed | None = None
    address: str = ""
    hidden: str = ""


class SourceWorker:
    """Plays a source into a hub.

    Args:
        work: What it plays.
        hub: Takes the results.
    """

    def __init__(self, work: Work, hub: Hub) -> None:
        self.feed, self.hub = work.feed, hub
        self._work, self._recorder = work, work.recorder
        self._lock = threading.Lock()
        self._state, self._message = State.STARTING, ""
        self._info: VideoInfo | None = None
        self._run = _Run(Gate(), threading.Event())
        self._again = threading.Event()
        self._closed = threading.Event()
        self._thread = threading.Thread(
            target=self._play_again_and_again, name="tracker-source", daemon=True
        )

    @property
    def state(self) -> State:
        """What the source does."""
        return self._state

    @property
    def message(self) -> str | None:
        """Why it is lost or failed, without secrets."""
        return self._message or None

    @property
    def info(self) -> VideoInfo | None:
        """The facts of the source; `None` before it was opened."""
        return self._info

    @property
    def is_closed(self) -> bool:
        """Whether it was ended for good."""
        return self._closed.is_set()

    @property
    def is_recording(self) -> bool:
        """Whether the results of the first run are being written, or are still to be."""
        return self._recorder is not None

    def note(self, message: str) -> None:
        """Sets the message of a source that is not started yet."""
        self._set(State.STARTING, message)

    def fail(self, message: str) -> None:
        """Sets the state of a source that cannot be started."""
        with self._lock:
            self._set(State.FAILED, message)

    def start(self) -> None:
        """Starts the thread.

        Raises:
            RuntimeError: The system refuses another thread.
        """
        self._thread.start()

    def wait(self) -> None:
        """Waits for the end of the first run."""
        while not self._closed.wait(0.05):
            if self._state in (State.ENDED, State.FAILED):
                return

    def pause(self) -> None:
        """Stops at the current frame; of a live source, frames are dropped until `resume`.

        Raises:
            ConfigError: It does not run.
        """
        with self._lock:
            if self._state not in (State.RUNNING, State.LOST):
                raise ConfigError(f"pause: expected a source that runs, it is {self._state}")
            self._run.gate.pause()
            self._set(State.PAUSED)

    def resume(self) -> None:
        """Goes on after `pause`.

        Raises:
            ConfigError: It is not paused.
        """
        with self._lock:
            if self._state is not State.PAUSED:
                raise ConfigError(f"resume: expected a paused source, it is {self._state}")
            self._run.gate.resume()
            self._set(State.RUNNING)

    def restart(self) -> None:
        """Begins again: a file from its first frame, a live source with a new connection.

        Raises:
            ConfigError: It cannot be read again, or is being recorded.
        """
        with self._lock:
            if not self.feed.can_restart:
                raise ConfigError("restart: standard input can be read once")
            if self._recorder is not None:
                raise ConfigError("restart: the video is being processed; wait for its end")
            self._set(State.STARTING)
            self._again.set()
            run = self._run
        run.end()

    def close(self) -> None:
        """Ends the thread and the hub's; waits at most one and a half seconds."""
        self.ask_to_end()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(_CLOSE_S)
        self.hub.close()

    def ask_to_end(self) -> None:
        """Ends the thread, without waiting for it."""
        self._closed.set()
        self._again.set()
        self._run.end()

    def _play_again_and_again(self) -> None:
        while not self._closed.is_set():
            self._again.clear()
            self._play()
            self._again.wait()

    def _play(self) -> None:
        run = _Run(Gate(), threading.Event())
        with self._lock:
            if self._closed.is_set():
                return
            self._run = run
            self._set(State.STARTING)
        state, message = State.ENDED, ""
        try:
            self.hub.begin()
            self._play_results(run)
        except Exception as error:
            if not isinstance(error, TrackerError):
                _log.exception("a source failed")
            state, message = State.FAILED, _reason(error)
        is_complete = state is State.ENDED and not run.stop.is_set()
        run.end()
        if not self._finished(complete=is_complete):
            return
        with self._lock:
            if not self._again.is_set():
                self._set(state, message)

    def _play_results(self, run: _Run) -> None:
        playing = self.feed.open(run.gate, run.stop, lambda why: self._set(State.LOST, why))
        if playing is None:
            return
        run.playing, self._info = playing, playing.info
        if run.stop.is_set():  # It was ended while it was being opened.
            return
        change = self._work.change() if self.hub.has_image else None
        for result in playing.results(run.stop, lambda: self._check_lost(playing)):
            if change is not None:
                result = change.changed(result)  # noqa: PLW2901
            if self._state in (State.STARTING, State.LOST):
                with self._lock:
                    self._set(State.RUNNING)
            events = self.hub.publish(result)
            if self._recorder is not None:
                self._recorder.write(result, events)

    def _finished(self, *, complete: bool) -> bool:
        """Ends counts and records; returns false where that failed and the state says so."""
        try:
            events = self.hub.finish()
            if self._recorder is not None:
                self._recorder.finish(events, complete=complete)
                self.feed = (self._work.later if complete else None) or self.feed
        except Exception as error:
            if not isinstance(error, TrackerError):
                _log.exception("the results of a source cannot be finished")
            with self._lock:
                self._set(State.FAILED, _reason(error))
            return False
        finally:
            self._recorder = None
        return True

    def _check_lost(self, playing: Playing) -> None:
        if not self.feed.is_live or self._state is not State.RUNNING:
            return
        if time.monotonic() - playing.last_frame_s > LOST_S:
            with self._lock:
                self._set(State.LOST, "no frames come; the connection is tried again")

    def _set(self, state: State, message: str = "") -> None:
        self._state = state
        if self._work.hidden:
            message = message.replace(self._work.hidden, "the video")
        self._message = one_line(mask_words(message, [self._work.address]))
        self.hub.pictures.clients.notify()


def _reason(error: Exception) -> str:
    """Returns the message of an error; that of a bug is for the log alone."""
    is_ours = isinstance(error, TrackerError)
    return str(error) if is_ours else "internal error; the server's log has the details"
