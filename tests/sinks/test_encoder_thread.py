"""Images are encoded in order in a thread; its errors reach the caller."""

import errno
import gc
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from tracker.sinks.encoder_thread import NICER, WAITING, EncoderThread
from tracker.util.opencv import cv2


class SlowRecording:
    """A recording that encodes an image when it may, and fails at one of them."""

    sound_problem = ""

    def __init__(self, fails_at: int = -1, error: Exception | None = None) -> None:
        self.may_go_on = threading.Event()
        self.times: list[float] = []
        self.threads: set[int] = set()
        self.native_thread = 0
        self.is_finished = False
        self._fails_at = fails_at
        self._error = error or OSError(errno.ENOSPC, "full")

    def check(self, shape: tuple[int, ...]) -> None:
        if shape != (2, 2, 3):
            raise OSError(0, "another size")

    def add(self, image: np.ndarray, time_s: float) -> None:
        assert self.may_go_on.wait(10)
        if len(self.times) == self._fails_at:
            raise self._error
        self.threads.add(threading.get_ident())
        self.native_thread = threading.get_native_id()
        self.times.append(time_s)

    def holds(self, frames: int) -> bool:
        return len(self.times) >= frames

    def finish(self) -> None:
        self.is_finished = True

    def abandon(self) -> bool:
        return True


def image() -> np.ndarray:
    return np.zeros((2, 2, 3), np.uint8)


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


@pytest.fixture
def recording() -> Iterator[SlowRecording]:
    slow = SlowRecording()
    yield slow
    slow.may_go_on.set()


def test_all_images_are_encoded_in_order_in_one_other_thread(recording: SlowRecording) -> None:
    recording.may_go_on.set()
    thread = EncoderThread(recording)
    for number in range(50):
        thread.add(image(), number / 25)
    thread.finish()
    assert recording.times == [number / 25 for number in range(50)]
    assert len(recording.threads) == 1
    assert threading.get_ident() not in recording.threads
    assert recording.is_finished
    assert thread.holds(50)


def test_a_full_queue_waits_for_the_encoder(recording: SlowRecording) -> None:
    thread = EncoderThread(recording)
    added: list[int] = []

    def add_all() -> None:
        for number in range(WAITING + 3):
            thread.add(image(), float(number))
            added.append(number)

    adding = threading.Thread(target=add_all)
    adding.start()
    # One image is with the encoder, and so many wait.
    until(lambda: len(added) == WAITING + 1)
    adding.join(0.05)
    assert len(added) == WAITING + 1
    assert adding.is_alive()
    recording.may_go_on.set()
    adding.join(10)
    thread.finish()
    assert recording.times == [float(number) for number in range(WAITING + 3)]


@pytest.mark.skipif(sys.platform != "linux", reason="priorities of threads")
def test_the_thread_has_a_lower_priority_than_the_network(recording: SlowRecording) -> None:
    recording.may_go_on.set()
    thread = EncoderThread(recording)
    thread.add(image(), 0.0)
    assert thread.holds(1)
    own = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    encoder = os.getpriority(os.PRIO_PROCESS, recording.native_thread)
    assert encoder == min(own + NICER, 19)
    thread.finish()


def test_a_checkpoint_waits_for_all_images(recording: SlowRecording) -> None:
    thread = EncoderThread(recording)
    for number in range(WAITING):
        thread.add(image(), float(number))
    threading.Timer(0.05, recording.may_go_on.set).start()
    assert thread.holds(WAITING)
    assert len(recording.times) == WAITING
    thread.finish()


def test_a_checkpoint_does_not_wait_after_an_error() -> None:
    recording = SlowRecording(fails_at=0)
    recording.may_go_on.set()
    thread = EncoderThread(recording)
    thread.add(image(), 0.0)
    assert not thread.holds(1)
    assert thread.abandon()


def test_images_are_used_again(recording: SlowRecording) -> None:
    recording.may_go_on.set()
    thread = EncoderThread(recording)
    assert thread.spare_image() is None
    first = image()
    thread.add(first, 0.0)
    assert thread.holds(1)
    assert thread.spare_image() is first
    assert thread.spare_image() is None
    thread.finish()


def test_an_error_is_raised_by_the_next_calls() -> None:
    recording = SlowRecording(fails_at=2)
    before = set(threading.enumerate())
    thread = EncoderThread(recording)
    for number in range(3):
        thread.add(image(), float(number))
    (encoder,) = set(threading.enumerate()) - before
    recording.may_go_on.set()
    encoder.join(10)
    with pytest.raises(OSError, match="full"):
        thread.add(image(), 3.0)
    with pytest.raises(OSError, match="full"):
        thread.finish()
    assert not recording.is_finished
    assert recording.times == [0.0, 1.0]
    assert thread.abandon()


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("broken"), cv2.error("bad size")])
def test_errors_of_all_kinds_are_raised(error: Exception) -> None:
    recording = SlowRecording(0, error)
    recording.may_go_on.set()
    thread = EncoderThread(recording)
    thread.add(image(), 0.0)
    assert not thread.holds(1)
    with pytest.raises(type(error)):
        thread.add(image(), 1.0)
    with pytest.raises(type(error)):
        thread.finish()
    assert thread.abandon()


def test_an_error_of_the_last_image_is_raised_at_the_end() -> None:
    recording = SlowRecording(fails_at=1)
    recording.may_go_on.set()
    thread = EncoderThread(recording)
    thread.add(image(), 0.0)
    until(lambda: len(recording.times) == 1)
    thread.add(image(), 1.0)
    with pytest.raises(OSError, match="full"):
        thread.finish()
    assert not recording.is_finished


def test_images_before_one_of_another_size_are_encoded(recording: SlowRecording) -> None:
    thread = EncoderThread(recording)
    thread.add(image(), 0.0)
    thread.add(image(), 1.0)
    recording.may_go_on.set()
    with pytest.raises(OSError, match="another size"):
        thread.add(np.zeros((4, 4, 3), np.uint8), 2.0)
    assert recording.times == [0.0, 1.0]


def test_abandoning_drops_what_waits(recording: SlowRecording) -> None:
    thread = EncoderThread(recording)
    for number in range(WAITING):
        thread.add(image(), float(number))
    threading.Timer(0.05, recording.may_go_on.set).start()
    assert thread.abandon()
    assert len(recording.times) <= 1


def test_the_thread_ends_when_nothing_refers_to_it(recording: SlowRecording) -> None:
    recording.may_go_on.set()
    before = set(threading.enumerate())
    thread = EncoderThread(recording)
    (started,) = set(threading.enumerate()) - before
    thread.add(image(), 0.0)
    assert started.is_alive()
    del thread
    gc.collect()
    started.join(10)
    assert not started.is_alive()
