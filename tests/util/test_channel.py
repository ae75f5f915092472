"""What goes through a channel, in which order, and how its two sides end each other."""

import threading
import time
from collections.abc import Callable
from queue import Empty

import hypothesis.strategies as st
import pytest
from hypothesis import given

from tracker.util.channel import Cancelled, Channel, Taken, WhenFull

PATIENCE_S = 10


def newest(capacity: int = 1) -> Channel[int]:
    return Channel(capacity, WhenFull.DROP_OLDEST)


def test_nothing_was_put() -> None:
    channel = Channel[int](1)
    assert not channel.is_ready
    with pytest.raises(Empty):
        channel.take(0)
    channel.end()
    assert channel.is_ready
    assert channel.take(0) is None
    assert channel.take(0) is None


def test_one_item_and_the_end() -> None:
    channel = Channel[int](1)
    channel.put(7)
    channel.end()
    assert channel.take(0) == Taken(7, 0)
    assert channel.take(0) is None


def test_the_newest_stays_and_the_end_is_not_lost_with_it() -> None:
    channel = newest()
    for item in range(5):
        channel.put(item)
    channel.end()
    assert channel.take(0) == Taken(4, 4)
    assert channel.take(0) is None


def test_the_count_is_of_items_before_the_one_that_is_taken() -> None:
    channel = newest(capacity=2)
    for item in range(4):
        channel.put(item)
    assert [channel.take(0), channel.take(0)] == [Taken(2, 2), Taken(3, 2)]


def test_an_error_comes_after_what_was_put_before_it() -> None:
    channel = Channel[int](2)
    channel.put(1)
    channel.end(ValueError("broke"))
    channel.end()  # The first end holds.
    assert channel.take(0) == Taken(1, 0)
    with pytest.raises(ValueError, match="broke"):
        channel.take(0)


def test_cancelled_channels_stop_both_sides() -> None:
    for channel in (Channel[int](1), newest()):
        channel.put(1)
        assert not channel.is_cancelled
        channel.cancel()
        channel.cancel()
        assert channel.is_cancelled
        assert channel.is_ready  # `take` would not wait
        with pytest.raises(Cancelled):
            channel.put(2)
        with pytest.raises(Cancelled):
            channel.take(0)
        with pytest.raises(Cancelled):
            channel.wait_for_room()


@pytest.mark.parametrize("wait", ["put", "take", "wait_for_room"])
def test_cancelling_wakes_a_waiting_thread(wait: str) -> None:
    channel, stopped, begins = Channel[int](1), threading.Event(), threading.Event()
    if wait != "take":
        channel.put(0)
    calls = {"put": lambda: channel.put(1), "take": channel.take, "wait_for_room": None}
    call = calls[wait] or channel.wait_for_room

    def work() -> None:
        begins.set()
        with pytest.raises(Cancelled):
            call()
        stopped.set()

    threading.Thread(target=work, daemon=True).start()
    assert begins.wait(PATIENCE_S)
    assert not stopped.wait(0.05)
    channel.cancel()
    assert stopped.wait(PATIENCE_S)


def test_a_wait_for_an_item_ends_after_its_time() -> None:
    begun_s = time.monotonic()
    with pytest.raises(Empty):
        Channel[int](1).take(0.02)
    assert time.monotonic() - begun_s >= 0.02


def test_all_waiting_threads_are_woken() -> None:
    channel, stopped = Channel[int](1), threading.Semaphore(0)

    def take() -> None:
        with pytest.raises(Cancelled):
            channel.take()
        stopped.release()

    threads = [threading.Thread(target=take, daemon=True) for _ in range(4)]
    for thread in threads:
        thread.start()
    channel.cancel()
    assert all(stopped.acquire(timeout=PATIENCE_S) for _ in threads)


def test_a_full_channel_waits_for_room() -> None:
    channel, done = Channel[int](1), threading.Event()

    def work() -> None:
        for item in range(3):
            channel.put(item)
        channel.end()
        done.set()

    threading.Thread(target=work, daemon=True).start()
    assert not done.wait(0.05)
    assert [channel.take(PATIENCE_S) for _ in range(4)] == [
        *(Taken(item, 0) for item in range(3)),
        None,
    ]
    assert done.wait(PATIENCE_S)


@given(st.lists(st.booleans()), st.integers(1, 3))
def test_whatever_the_order_nothing_is_lost_uncounted(puts: list[bool], capacity: int) -> None:
    """Against a plain list: put while true, take while false."""
    channel = newest(capacity)
    waiting: list[int] = []
    put = taken = 0
    last: Taken[int] | None = None
    for is_put in puts:
        if is_put:
            channel.put(put)
            waiting = [*waiting, put][-capacity:]
            put += 1
        elif waiting:
            got = channel.take(0)
            assert got is not None
            assert got.item == waiting.pop(0)
            assert got.item == taken + got.dropped  # all before it were either taken or dropped
            taken, last = taken + 1, got
        else:
            with pytest.raises(Empty):
                channel.take(0)
    channel.end()
    while (got := channel.take(0)) is not None:
        assert got.item == taken + got.dropped
        taken, last = taken + 1, got
    if put:
        assert last is not None
        assert taken + last.dropped == put


@given(st.lists(st.integers(0, 3), min_size=1, max_size=30))
def test_two_threads_lose_nothing_uncounted(pauses: list[int]) -> None:
    """The consumer lets the producer run between its takes, by as many items as drawn."""
    channel, may_put = newest(), threading.Semaphore(0)

    def produce() -> None:
        for item in range(sum(pauses)):
            may_put.acquire()
            channel.put(item)
        channel.end()

    thread = threading.Thread(target=produce, daemon=True)
    thread.start()
    got: list[Taken[int]] = []

    def take(timeout_s: float) -> None:
        try:
            taken = channel.take(timeout_s)
        except Empty:
            return
        if taken is not None:
            got.append(taken)

    for pause in pauses:
        may_put.release(pause) if pause else None
        take(0)
    thread.join(PATIENCE_S)
    assert not thread.is_alive()
    while (taken := channel.take(0)) is not None:
        got.append(taken)
    assert [taken.item for taken in got] == [row + taken.dropped for row, taken in enumerate(got)]
    # The last one is never dropped: what was put is what was taken and what is counted.
    total = sum(pauses)
    assert (len(got) + got[-1].dropped if got else 0) == total


class DueIn:
    """Arrival times whose next item is due in so many seconds."""

    def __init__(self, seconds: float) -> None:
        self.added: list[float] = []
        self._seconds = seconds

    def add(self, now_s: float) -> None:
        self.added.append(now_s)

    def seconds_until_next(self, now_s: float) -> float:
        return self._seconds


def with_one(arrivals: DueIn | None) -> Channel[int]:
    channel = Channel[int](1, WhenFull.DROP_OLDEST, arrivals=arrivals)
    channel.put(1)
    return channel


def test_the_newest_waits_for_one_that_is_due() -> None:
    channel = with_one(DueIn(PATIENCE_S))
    putting = threading.Timer(0.02, channel.put, [2])
    putting.start()
    channel.wait_for_next_if_due()
    assert channel.take() == (2, 1)
    putting.join()


def test_a_due_item_that_is_late_is_not_waited_for() -> None:
    channel = with_one(DueIn(0.01))
    channel.wait_for_next_if_due()
    assert channel.take() == (1, 0)


@pytest.mark.parametrize("end", [Channel.end, Channel.cancel])
def test_nothing_is_due_after_the_end(end: Callable[[Channel[int]], None]) -> None:
    channel = with_one(DueIn(PATIENCE_S))
    ending = threading.Timer(0.02, end, [channel])
    ending.start()
    begun_s = time.monotonic()
    channel.wait_for_next_if_due()
    assert time.monotonic() - begun_s < PATIENCE_S
    ending.join()


def test_nothing_is_waited_for_where_nothing_is() -> None:
    channel = Channel[int](1, WhenFull.DROP_OLDEST, arrivals=DueIn(PATIENCE_S))
    begun_s = time.monotonic()
    channel.wait_for_next_if_due()
    assert time.monotonic() - begun_s < PATIENCE_S


def test_without_arrival_times_nothing_is_due() -> None:
    channel = with_one(None)
    channel.wait_for_next_if_due()
    assert channel.take() == (1, 0)


def test_every_item_is_noted_at_its_time() -> None:
    arrivals = DueIn(0)
    channel = with_one(arrivals)
    between_s = time.monotonic()
    channel.put(2)
    first_s, second_s = arrivals.added
    assert first_s <= between_s <= second_s
