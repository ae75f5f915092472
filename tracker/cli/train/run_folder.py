"""The output folder of a training: its record, and whether the training in it can be resumed."""

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
"""Name of the file with the data and settings of the training."""


def can_resume(
    out: Path,
    record: Mapping[str, Any],
    *,
    may_change: Collection[str],
    missing: Mapping[str, Any] = MappingProxyType({}),
    renamed: Mapping[str, str] = MappingProxyType({}),
) -> bool:
    """Returns whether a folder holds a checkpoint of this training; false if it holds none.

    Args:
        out: The folder; it may not exist.
        record: Data and settings of the training: plain JSON types by key.
        may_change: Keys that may differ.
        missing: Values of keys that earlier releases did not record.
        renamed: Current key of each key that earlier releases recorded under another name.

    Raises:
        ConfigError: The folder holds another training.
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
    """Checks that the training in a folder is the requested one.

    Args:
        out: The folder.
        before: Recorded data and settings, by key.
        now: Requested data and settings, by key.
        may_change: Keys that may differ.

    Raises:
        ConfigError: A key differs.
    """
    for key, value in now.items():
        if key not in may_change and before.get(key) != value:
            raise ConfigError(
                f"{key}: the training in {out} began with {before.get(key)!r}, got {value!r}; "
                "use the same value, or name another --out folder"
            )


def write_record(out: Path, record: Mapping[str, Any]) -> None:
    """Creates the folder and writes the record of the training.

    Args:
        out: The folder.
        record: Data and settings of the training: plain JSON types by key.

    Raises:
        OutputError: The folder cannot be written.
    """
    make_folder(out)
    replace_text(out / RECORD, json.dumps(record, ensure_ascii=False, indent=2) + "\n")


@contextmanager
def advice_on_interrupt(out: Path) -> Iterator[None]:
    """Logs how to resume the training if Ctrl-C ends the block.

    Args:
        out: The folder of the training.
    """
    try:
        yield
    except KeyboardInterrupt:
        logger.warning("interrupted; the same command resumes from the last checkpoint in %s", out)
        raise


def make_folder(out: Path) -> None:
    """Creates the folder of a training if it does not exist.

    Raises:
        OutputError: The folder cannot be created.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{out}: cannot be created: {error.strerror or error}") from error


def _read_record(out: Path) -> dict[str, Any]:
    try:
        return dict(json.loads((out / RECORD).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise ConfigError(
            f"{out / CHECKPOINT}: expected a readable {RECORD} beside it, which identifies the "
            f"training ({error}); name another --out folder"
        ) from error
