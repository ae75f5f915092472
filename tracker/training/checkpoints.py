"""Checkpoints: all that a training needs to go on where it was killed."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracker.errors import ModelError
from tracker.util.archives import read_npz
from tracker.util.atomic_file import replaced_file
from tracker.util.json_text import parse_json

CHECKPOINT = "checkpoint.npz"
"""Name of the file in the folder of a training."""

_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Progress:
    """Progress of a training.

    Attributes:
        step: Steps taken.
        best: Highest score so far in validation; -1 before the first.
        stale: Validations since then.
    """

    step: int = 0
    best: float = -1.0
    stale: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Checkpoint:
    """The state of a training.

    Attributes:
        progress: Its progress.
        weights: Of the network.
        averages: Averaged weights of the network.
        optimizer: Variables of the optimizer.
    """

    progress: Progress
    weights: list[NDArray[Any]]
    averages: list[NDArray[Any]]
    optimizer: list[NDArray[Any]]


def write_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Writes a checkpoint; the file is complete or the old one.

    Raises:
        OutputError: It cannot be written.
    """
    progress = checkpoint.progress
    header = json.dumps(
        {
            "format": _FORMAT,
            "step": progress.step,
            "best_ap50": progress.best,
            "stale": progress.stale,
        }
    )
    arrays: dict[str, Any] = {"header": np.array(header)}
    for group in ("weights", "averages", "optimizer"):
        values = getattr(checkpoint, group)
        arrays |= {f"{group}_{index}": value for index, value in enumerate(values)}
    with replaced_file(path) as draft, draft.open("wb") as file:
        np.savez(file, **arrays)


def read_checkpoint(path: Path) -> Checkpoint:
    """Returns the state that a checkpoint holds.

    Raises:
        ModelError: It is missing or is no checkpoint of this package.
    """
    try:
        file = read_npz(path)
        header = parse_json(str(file["header"]).encode())
        groups = {
            group: [
                file[f"{group}_{index}"]
                for index in range(sum(name.startswith(f"{group}_") for name in file))
            ]
            for group in ("weights", "averages", "optimizer")
        }
        if header["format"] != _FORMAT:
            raise ModelError(f"{path}: expected a checkpoint of format {_FORMAT}; train again")
        progress = Progress(header["step"], header["best_ap50"], header["stale"])
        return Checkpoint(progress=progress, **groups)
    except (OSError, KeyError, ValueError, TypeError) as error:
        if isinstance(error, ModelError):
            raise
        raise ModelError(
            f"{path}: expected a checkpoint of a training, got something unreadable ({error}); "
            "remove it to train from the start"
        ) from error
