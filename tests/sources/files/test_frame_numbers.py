"""Numbers of frames from the stamps of packets, against a sort."""

from hypothesis import given
from hypothesis import strategies as st

from tracker.sources.files.frame_numbers import RankNumbering, SlotNumbering


def test_nothing_read() -> None:
    numbering = RankNumbering(first_index=0, first_stamp=0)
    numbering.finish()
    assert numbering.skipped == 0


def test_a_lost_frame_leaves_a_gap_once_a_later_one_comes_out() -> None:
    numbering = RankNumbering(first_index=10, first_stamp=100)
    for stamp in (40, 100, 160, 120, 140):  # 40 lies before the start
        numbering.read(stamp)
    assert numbering.decoded(100) == (10, 100)
    assert numbering.decoded(140) == (12, 140)
    assert numbering.skipped == 1
    numbering.finish()
    assert numbering.skipped == 1 + 1  # 120 and 160


def test_without_time_stamps_failures_are_counted() -> None:
    numbering = RankNumbering(first_index=0, first_stamp=None)
    numbering.read(None)
    assert numbering.decoded(None) == (0, None)
    numbering.failed()
    assert numbering.decoded(None) == (2, None)
    assert numbering.skipped == 1


@given(
    st.lists(st.tuples(st.integers(0, 10_000), st.booleans()), unique_by=lambda item: item[0]),
    st.integers(1, 5),
)
def test_a_number_is_the_rank_of_the_time_stamp(frames: list[tuple[int, bool]], ahead: int) -> None:
    """Packets are read up to `ahead` frames early, in any order within that window."""
    frames.sort()
    numbering = RankNumbering(first_index=0, first_stamp=0)
    read = 0
    for rank, (stamp, survives) in enumerate(frames):
        while read <= min(rank + ahead, len(frames) - 1):
            block = frames[read : rank + ahead + 1]
            for waiting, _ in reversed(block):
                numbering.read(waiting)
            read += len(block)
        if survives:
            assert numbering.decoded(stamp) == (rank, stamp)
    numbering.finish()
    assert numbering.skipped == sum(not survives for _, survives in frames)


def test_reordered_slots_are_given_in_order() -> None:
    numbering = SlotNumbering()
    for slot in (0, 2, 3, 9):
        numbering.read(slot)
    shown = [numbering.decoded(slot) for slot in (0, 3, 2, 9)]  # packet 3 is shown before packet 2
    assert shown == [(0, 0), (1, 2), (2, 3), (3, 9)]
    numbering.finish()
    assert numbering.skipped == 0


def test_a_slot_without_a_frame_leaves_a_gap_after_sixteen_more() -> None:
    numbering = SlotNumbering()
    for slot in range(30):
        numbering.read(slot)
    shown = [numbering.decoded(slot) for slot in range(30) if slot != 5]
    assert shown[:5] == [(n, n) for n in range(5)]
    # Packet 22 is the seventeenth after packet 5; until then its place is not known to be empty.
    assert shown[5:21] == [(n, n) for n in range(5, 21)]
    assert shown[21:] == [(n, n) for n in range(22, 30)]
    assert numbering.skipped == 1


def test_slots_still_waiting_at_the_end_were_lost() -> None:
    numbering = SlotNumbering()
    for slot in range(4):
        numbering.read(slot)
    assert numbering.decoded(0) == (0, 0)
    assert numbering.decoded(None) == (1, 1)
    numbering.finish()
    assert numbering.skipped == 3
