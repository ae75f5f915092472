"""Numbers of frames from the time stamps of packets, against a sort."""

from hypothesis import given
from hypothesis import strategies as st

from tracker.sources.numbering import Numbering


def test_nothing_read() -> None:
    numbering = Numbering(first_index=0, first_pts=0)
    numbering.finish(None)
    assert numbering.skipped == 0
    assert numbering.earliest is None


def test_a_lost_frame_leaves_a_gap_once_a_later_one_comes_out() -> None:
    numbering = Numbering(first_index=10, first_pts=100)
    for pts in (40, 100, 160, 120, 140):  # 40 lies before the start
        numbering.read(pts)
    assert numbering.decoded(100) == 10
    assert numbering.decoded(140) == 12
    assert numbering.skipped == 1
    numbering.finish(declared=20)
    assert numbering.skipped == 1 + 1 + 6  # 120, 160, and numbers 14 to 19 never read


def test_without_time_stamps_failures_are_counted() -> None:
    numbering = Numbering(first_index=0, first_pts=None)
    numbering.read(None)
    assert numbering.decoded(None) == 0
    numbering.failed()
    assert numbering.decoded(None) == 2
    assert numbering.skipped == 1


@given(
    st.lists(st.tuples(st.integers(0, 10_000), st.booleans()), unique_by=lambda item: item[0]),
    st.integers(1, 5),
)
def test_a_number_is_the_rank_of_the_time_stamp(frames: list[tuple[int, bool]], ahead: int) -> None:
    """Packets are read up to `ahead` frames early, in any order within that window."""
    frames.sort()
    numbering = Numbering(first_index=0, first_pts=0)
    read = 0
    for rank, (pts, survives) in enumerate(frames):
        while read <= min(rank + ahead, len(frames) - 1):
            block = frames[read : rank + ahead + 1]
            for stamp, _ in reversed(block):
                numbering.read(stamp)
            read += len(block)
        if survives:
            assert numbering.decoded(pts) == rank
    numbering.finish(len(frames))
    assert numbering.skipped == sum(not survives for _, survives in frames)
