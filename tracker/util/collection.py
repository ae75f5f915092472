"""Python's garbage collector while a program loads its modules."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def loading() -> Iterator[None]:
    """Turns the collector off in the block, and excludes what the block loads from collections.

    Modules and settings stay until the process ends. To look through them again and again takes 25
    of the 500 ms until the first frame of a run (Python 3.11), and 20 ms of a frame now and then.
    `gc.unfreeze` ends the exclusion.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
