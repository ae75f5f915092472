"""Attempts to reconnect to a lost live source."""

import threading
from collections.abc import Iterator
from itertools import chain, islice

import numpy as np

from tracker.errors import SourceError
from tracker.sources.live.settings import Reconnect


def attempts(
    reconnect: Reconnect, closed: threading.Event, *, lasted_s: float = 0.0
) -> Iterator[int]:
    """Yields the number of each attempt when it is time for it, from 1.

    It ends when there may be no further one, or as soon as `closed` is set.

    Args:
        reconnect: How often and how long to wait.
        closed: Ends the waiting.
        lasted_s: How long the last connection lasted. The first attempt is made at once if that is
            `first_s` or more, so that a source that fails repeatedly is not tried more often.
    """
    rng = np.random.default_rng()  # unseeded on purpose: sources of one site must not act in step
    delays = reconnect.delays(rng)
    if lasted_s >= reconnect.first_s:
        delays = islice(chain([0.0], delays), reconnect.attempts)
    for number, delay in enumerate(delays, start=1):
        if closed.wait(delay):
            return
        yield number


def given_up(source: str, reason: str, reconnect: Reconnect) -> SourceError:
    """Returns the error for a source whose reconnection failed.

    Args:
        source: The source as messages name it.
        reason: Why it was lost, or why the last attempt failed.
        reconnect: The limits of the attempts.
    """
    count = reconnect.attempts or 0
    attempts_made = "1 attempt" if count == 1 else f"{count} attempts"
    made = f"{attempts_made} to reconnect failed" if count else "no attempt to reconnect is allowed"
    return SourceError(
        f"{source}: lost: {reason}; {made}; allow more with "
        "--set source.live.reconnect.attempts=NUMBER"
    )
