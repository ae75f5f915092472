"""Keeping native libraries quiet while they load, and their words for whoever debugs.

Comes in: a block of code. Goes out: what C++ code wrote to standard error meanwhile, as log records
of level DEBUG.
"""

import logging
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

logger = logging.getLogger(__name__)


@contextmanager
def native_output_logged() -> Iterator[None]:
    """Sends what is written to file descriptor 2 within the block to the log, level DEBUG.

    Python's own warnings and log records are caught as well, so the block should be short. Without
    a descriptor 2 (closed by a daemon), nothing is redirected.
    """
    if sys.stderr is not None:
        sys.stderr.flush()
    try:
        original = os.dup(2)
    except OSError:
        yield
        return
    with tempfile.TemporaryFile() as captured:
        os.dup2(captured.fileno(), 2)
        try:
            yield
        finally:
            if sys.stderr is not None:
                sys.stderr.flush()
            os.dup2(original, 2)
            os.close(original)
            captured.seek(0)
            for line in captured.read().decode(errors="replace").splitlines():
                logger.debug("%s", line)
