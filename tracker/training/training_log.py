"""The log of a training: a CSV file, and TensorBoard files where it is installed."""

import csv
import importlib
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tracker.errors import OutputError
from tracker.util.atomic_file import replace_text
from tracker.util.closing import Closing

logger = logging.getLogger(__name__)

DETECTOR_COLUMNS = (
    "step",
    "epoch",
    "learning_rate",
    "loss",
    "box_loss",
    "score_loss",
    "images_per_s",
    "ap50",
    "ap",
    "ap50_by_class",
)
"""What a detector's training writes."""


class TrainingLog(Closing):
    """Appends to a CSV file; every line is complete when `write` returns.

    Args:
        path: Of the CSV file; TensorBoard's files go to the folder `tensorboard` beside it.
        columns: Of the CSV file, "step" first.

    Raises:
        OutputError: It cannot be written.
    """

    def __init__(self, path: Path, *, columns: Sequence[str] = DETECTOR_COLUMNS) -> None:
        self._path, self._columns = path, tuple(columns)
        self._board = _board(path.parent / "tensorboard")
        if not path.exists():
            self._append(self._columns, mode="w")

    def write(
        self,
        step: int,
        epoch: int,
        values: Mapping[str, float],
        by_class: Mapping[int, float] | None = None,
    ) -> None:
        """Writes one line.

        Args:
            step: Steps taken.
            epoch: Number of the epoch.
            values: By the names of columns; what is missing stays empty.
            by_class: AP50 by class.

        Raises:
            OutputError: It cannot be written.
        """
        cells: dict[str, Any] = {"step": step, "epoch": epoch}
        cells |= {name: f"{value:.6g}" for name, value in values.items()}
        if by_class is not None:
            cells["ap50_by_class"] = " ".join(f"{n}={v:.4f}" for n, v in by_class.items())
        self._append([cells.get(name, "") for name in self._columns], mode="a")
        logger.info(" ".join(f"{name}={cell}" for name, cell in cells.items()))
        if self._board is not None:
            scalars = dict(values) | {f"ap50/{n}": v for n, v in (by_class or {}).items()}
            for name, value in scalars.items():
                self._board.add_scalar(name, value, step)
            self._board.flush()

    def forget_after(self, step: int) -> None:
        """Takes out the lines of steps that will be taken again.

        Raises:
            OutputError: It cannot be written.
        """
        lines = self._path.read_text(encoding="utf-8").splitlines(keepends=True)
        # A kill may have cut the last line short: it has no step, or no end.
        kept = [line for line in lines[1:] if line.endswith("\n") and _step(line) <= step]
        replace_text(self._path, "".join([lines[0], *kept]))

    def _append(self, cells: Any, *, mode: str) -> None:
        try:
            with self._path.open(mode, newline="", encoding="utf-8") as file:
                csv.writer(file, lineterminator="\n").writerow(cells)
        except OSError as error:
            raise OutputError(f"{self._path}: cannot be written: {error.strerror}") from error

    def close(self) -> None:
        """Closes TensorBoard's file."""
        if self._board is not None:
            self._board.close()
            self._board = None


def _step(line: str) -> int:
    number = line.partition(",")[0]
    return int(number) if number.isdecimal() else 0


def _board(folder: Path) -> Any:
    """Returns TensorBoard's writer, or `None` where TensorBoard is not installed."""
    try:
        summary = importlib.import_module("tensorboard.summary")
    except ImportError:
        return None
    return summary.Writer(str(folder))
