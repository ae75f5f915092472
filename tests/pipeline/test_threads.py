"""Threads end with their block, and their errors end their channel."""

import threading

import pytest

from tracker.pipeline.threads import ReadFrame, Workers, read_frames
from tracker.testing import ScriptedSource
from tracker.util.channel import Channel

PATIENCE_S = 10


def test_workers_end_with_their_block_even_if_a_thread_waits() -> None:
    frames = Channel[ReadFrame](1)
    with Workers() as workers:
        workers.add(frames)
        workers.start("tracker-read", lambda: read_frames(ScriptedSource(50), frames), frames)
        taken = frames.take(PATIENCE_S)
        assert taken is not None
        assert taken.item.frame.index == 0
    assert not [t for t in threading.enumerate() if t.name == "tracker-read"]


def test_error_of_a_thread_ends_its_channel() -> None:
    def fail() -> None:
        raise ValueError("broke")

    with Workers() as workers:
        channel = workers.add(Channel[int](1))
        workers.start("tracker-fail", fail, channel)
        with pytest.raises(ValueError, match="broke"):
            channel.take(PATIENCE_S)
