"""The folder of a training: what tells which training it holds, and whether that goes on."""

import json
import logging
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

from tracker.errors import ConfigError, OutputError
from tracker.training.checkpoints import CHECKPOINT
from tracker.util.atomic_file import replace_text

logger = logging.getLogger(__name__)

RECORD = "training.json"
"""Name of the file that says what the training is."""


def goes_on(
    out: Path,
    record: Mapping[str, Any],
    *,
    may_change: Collection[str],
    missing: Mapping[str, Any] = MappingProxyType({}),
    renamed: Mapping[str, str] = MappingProxyType({}),
) -> bool:
    """Returns whether a folder holds this training, which will go on.

    Args:
        out: The folder; it need not be there.
        record: What the training is: plain JSON types by key.
        may_change: Keys that may differ.
        missing: What keys stand for that trainings of earlier releases did not write.
        renamed: Today's key by the one that trainings of earlier releases wrote.

    Raises:
        ConfigError: It holds another one.
    """
    if not (out / CHECKPOINT).exists():
        return False
    written = {renamed.get(key, key): value for key, value in _read_record(out).items()}
    before = {**missing, **written}
    check_same(out, before, json.loads(json.dumps(record)), may_change=may_change)
    return True


def check_same(
    out: Path, before: Mapping[str, Any], now: Mapping[str, Any], *, may_change: Collection[str]
) -> None:
    """Checks that a folder's training is the one that is asked for.

    Args:
        out: The folder.
        before: What its training is, by key.
        now: What is asked for, by key.
        may_change: Keys that may differ.

    Raises:
        ConfigError: It is another one.
    """
    for key, value in now.items():
        if key not in may_change and before.get(key) != value:
            raise ConfigError(
                f"{key}: the training in {out} began with {before.get(key)!r}, got {value!r}; "
                "go on with the same, or name another --out folder"
            )


def begin(out: Path, record: Mapping[str, Any]) -> None:
    """Makes the folder and writes what the training is.

    Args:
        out: The folder.
        record: What the training is: plain JSON types by key.

    Raises:
        OutputError: It cannot be written.
    """
    make_folder(out)
    replace_text(out / RECORD, json.dumps(record, ensure_ascii=False, indent=2) + "\n")


@contextmanager
def advice_on_interrupt(out: Path) -> Iterator[None]:
    """Says how to resume the training if Ctrl-C ends the block.

    Args:
        out: The folder of the training.
    """
    try:
        yield
    except KeyboardInterrupt:
        logger.warning("stopped; the same command goes on from the last checkpoint in %s", out)
        raise


def make_folder(out: Path) -> None:
    """Makes the folder of a training, unless it is there.

    Raises:
        OutputError: It cannot be made.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{out}: cannot be made: {error.strerror or error}") from error


def _read_record(out: Path) -> dict[str, Any]:
    try:
        return dict(json.loads((out / RECORD).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise ConfigError(
            f"{out / CHECKPOINT}: expected {RECORD} beside it to tell which training this is, got "
            f"none that can be read ({error}); name another --out folder"
        ) from error
