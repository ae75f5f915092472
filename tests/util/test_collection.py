"""The garbage collector is off while modules are loaded, and excludes them afterwards."""

import gc
from collections.abc import Iterator

import pytest

from tracker.util.collection import loading


@pytest.fixture(autouse=True)
def _collector() -> Iterator[None]:
    gc.unfreeze()
    yield
    gc.unfreeze()
    gc.enable()


def test_what_a_block_makes_is_excluded_from_collections() -> None:
    with loading():
        assert not gc.isenabled()
        kept = [[number] for number in range(1000)]
    assert gc.isenabled()
    assert gc.get_freeze_count() >= len(kept)
    assert all(one is not kept for one in gc.get_objects())


def test_the_collector_is_on_after_an_error() -> None:
    with pytest.raises(ValueError, match="wrong"), loading():
        raise ValueError("wrong")
    assert gc.isenabled()
