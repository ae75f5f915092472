"""The queue between a stream's thread and its reader."""

import threading

import pytest

from tracker.sources.mailbox import ClosedError, Mailbox


def test_nothing_comes_in_time() -> None:
    assert Mailbox[int](1).get(0.001) is None


def test_items_come_in_order_and_the_writer_waits_for_room() -> None:
    box = Mailbox[int](2)
    thread = threading.Thread(target=lambda: [box.put(number) for number in range(50)])
    thread.start()
    assert [box.get(5) for _ in range(50)] == list(range(50))
    thread.join(5)
    assert not thread.is_alive()


@pytest.mark.parametrize("waits", ["reader", "writer"])
def test_closing_ends_every_waiting(waits: str) -> None:
    box = Mailbox[int](1)
    if waits == "writer":
        box.put(1)
    ended = threading.Event()

    def wait() -> None:
        with pytest.raises(ClosedError):
            box.get(None) if waits == "reader" else box.put(2)
        ended.set()

    thread = threading.Thread(target=wait)
    thread.start()
    box.close()
    thread.join(5)
    assert ended.is_set()


def test_what_is_closed_stays_closed() -> None:
    box = Mailbox[int](2)
    box.put(1)
    box.close()
    box.close()
    assert box.is_closed
    with pytest.raises(ClosedError):
        box.get(0)
    with pytest.raises(ClosedError):
        box.put(2)
