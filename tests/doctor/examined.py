"""Functions that are examined in another process."""

import os
import signal
import time

from tracker.doctor.check import Check, ok


def fine(*words: str) -> list[Check]:
    print("a library prints this")
    return [ok(word, "fine") for word in words]


def raising() -> list[Check]:
    raise ValueError("no such\nthing")


def ended() -> list[Check]:
    os._exit(3)


def crashed() -> list[Check]:
    os.kill(os.getpid(), signal.SIGSEGV)
    return []


def endless() -> list[Check]:
    time.sleep(60)
    return []
