"""The training loop: steps, averages, checkpoints, validation, patience.

Writes into a folder: `best.keras` (averaged weights, highest score), `last.keras`, `log.csv`, and
`checkpoint.npz`, from which it goes on at the step where it stopped.
"""

import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from tracker.errors import DataError, ModelError, OutputError
from tracker.training.checkpoints import (
    CHECKPOINT,
    Checkpoint,
    Progress,
    read_checkpoint,
    write_checkpoint,
)
from tracker.training.freezing import learning_backbone, set_learning
from tracker.training.learner import AverageWeights, make_optimizer
from tracker.training.mixed_precision import computing_by, policy_of, scaled_by
from tracker.training.observers import EpochReport, NoObserver, Observer
from tracker.training.reid.settings import ReidTrainSettings
from tracker.training.schedule import average_decay
from tracker.training.settings import TrainSettings
from tracker.training.throughput import Meter
from tracker.training.training_log import TrainingLog

logger = logging.getLogger(__name__)

BEST, LAST, LOG = "best.keras", "last.keras", "log.csv"


class LoopBatches(Protocol):
    """Batches by epoch; each has `images`, as many as it teaches."""

    def __len__(self) -> int:
        """Returns the number of batches in an epoch."""
        ...

    def epoch(self, number: int, *, start: int = 0) -> Iterator[Any]:
        """Returns the batches of an epoch, without the first `start`."""
        ...


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a validation found.

    Attributes:
        score: How good the network is; the higher, the better.
        values: For the log, by the names of its columns.
        by_class: AP50 by class, for the log; `None` where there are no classes.
    """

    score: float
    values: Mapping[str, float]
    by_class: Mapping[int, float] | None = None


@dataclass(frozen=True, slots=True)
class Lesson:
    """The task of a training.

    Attributes:
        learner: Returns a learner of the network, compiled with an optimizer.
        train_on: Returns the losses of a batch, `loss` among them, after learning from it.
        judge: Returns the judgement of the network that a learner holds; `None` leaves validation
            out, then there is no best.
        validate_epochs: Epochs between validations; the last epoch always has one.
        columns: Of the log.
        advice: What to try when the loss is not finite any more.
    """

    learner: Callable[[Any], Any]
    train_on: Callable[[Any, Any], dict[str, float]]
    judge: Callable[[Any], Judgement] | None
    validate_epochs: int
    columns: Sequence[str]
    advice: str


@dataclass(frozen=True, slots=True)
class Outlets:
    """Output of a training.

    Attributes:
        folder: Output folder; created if missing.
        save: Writes `best.keras` and `last.keras`.
        observer: Receives progress reports.
    """

    folder: Path
    save: Callable[[Any, Path], None]
    observer: Observer | None = None


@dataclass(frozen=True, slots=True)
class LoopResult:
    """Result of a training.

    Attributes:
        steps: Steps taken, those before a restart included.
        best: Highest score in validation; -1 if there was none.
        stopped_early: Patience ended before the epochs did.
    """

    steps: int
    best: float
    stopped_early: bool


def run_training(
    network: Any,
    batches: LoopBatches,
    settings: TrainSettings | ReidTrainSettings,
    lesson: Lesson,
    outlets: Outlets,
) -> LoopResult:
    """Returns the result; the network then has the final averaged weights.

    If the folder holds a checkpoint, the training goes on from it, with these settings: another
    number of epochs stretches or shrinks the schedule.

    Args:
        network: Of `build_yolo` or `build_reid`. Non-trainable layers stay frozen.
        batches: Training batches.
        settings: How long and how fast.
        lesson: The task of a training.
        outlets: Output of a training.

    Raises:
        ModelError: The checkpoint is not one of this network.
        OutputError: A file cannot be written.
        DataError: The loss is not finite any more.
    """
    folder = outlets.folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be made: {error.strerror or error}") from error
    with TrainingLog(folder / LOG, columns=lesson.columns) as log:
        run = _Run(network, batches, settings, lesson, outlets)
        try:
            run.resume(log)
            return run.train(log)
        finally:
            run.release()


class _Run:
    """State of one training."""

    def __init__(
        self,
        network: Any,
        batches: LoopBatches,
        settings: TrainSettings | ReidTrainSettings,
        lesson: Lesson,
        outlets: Outlets,
    ) -> None:
        self._network, self._batches, self._settings = network, batches, settings
        self._lesson, self._outlets = lesson, outlets
        self._observer: Observer = outlets.observer or NoObserver()
        self._schedule = settings.schedule(len(batches))
        self._averages = AverageWeights(network)
        self._progress = Progress()
        self._saved_at = time.monotonic()
        self._frozen = settings.freeze_epochs > 0
        self._backbone = learning_backbone(network)
        self._policy = policy_of(settings.mixed_precision)
        self._prepare()

    def _prepare(self) -> None:
        """Creates learner and optimizer for the trainable layers."""
        settings = self._settings
        set_learning(self._backbone, learning=not self._frozen)
        optimizer = make_optimizer(weight_decay=settings.weight_decay, clip_norm=settings.clip_norm)
        self._optimizer = scaled_by(optimizer, self._policy)
        self._learner = self._lesson.learner(self._optimizer)

    def _freeze(self, frozen: bool) -> None:
        if frozen != self._frozen:
            self._frozen = frozen
            self._prepare()

    def release(self) -> None:
        """Restores which backbone layers are trainable."""
        set_learning(self._backbone, learning=True)

    def resume(self, log: TrainingLog) -> None:
        """Goes back to the checkpoint in the folder, if there is one."""
        path = self._outlets.folder / CHECKPOINT
        if not path.exists():
            log.forget_after(0)
            return
        state = read_checkpoint(path)
        # The optimizer's state is that of the last step, which may have ended the frozen epochs.
        last_epoch = max(0, state.progress.step - 1) // len(self._batches)
        self._freeze(last_epoch < self._settings.freeze_epochs)
        have = [tuple(v.shape) for v in (*self._network.weights, *self._optimizer.variables)]
        if [a.shape for a in (*state.weights, *state.optimizer)] != have:
            raise ModelError(
                f"{path}: expected the state of {self._network.name}, got that of another "
                "network; name another folder, or remove the checkpoint to train from the start"
            )
        self._network.set_weights(state.weights)
        self._averages.values = state.averages
        for variable, value in zip(self._optimizer.variables, state.optimizer, strict=True):
            variable.assign(value)
        self._progress = state.progress
        log.forget_after(self._progress.step)
        logger.info("training goes on at step %d", self._progress.step)

    def train(self, log: TrainingLog) -> LoopResult:
        """Takes all steps that are left."""
        settings, per_epoch = self._settings, len(self._batches)
        self._observer.begin(self._progress.step, settings.epochs * per_epoch)
        stopped = self._is_stale()
        first = self._progress.step // per_epoch
        for epoch in range(first, 0 if stopped else settings.epochs):
            self._freeze(epoch < settings.freeze_epochs)
            with computing_by(self._network, self._policy):
                loss, speed = self._train_epoch(epoch, log)
            score = None
            is_last = epoch + 1 == settings.epochs
            if is_last or (epoch + 1) % self._lesson.validate_epochs == 0:
                score = self._validate(epoch, log)
            if score is not None:
                self._save()
            self._observer.epoch(EpochReport(epoch, self._progress.step, loss, speed, score))
            stopped = self._is_stale()
            if stopped:
                break
        if not (self._outlets.folder / BEST).exists():
            # Killed after the last step, before its validation.
            self._validate(settings.epochs - 1, log)
        self._save()
        self._network.set_weights(self._averages.values)
        self._outlets.save(self._network, self._outlets.folder / LAST)
        return LoopResult(self._progress.step, self._progress.best, stopped)

    def _is_stale(self) -> bool:
        patience = self._settings.patience
        return patience is not None and self._progress.stale >= patience

    def _train_epoch(self, epoch: int, log: TrainingLog) -> tuple[float | None, float | None]:
        """Returns the mean loss and images a second, of what was left of the epoch."""
        settings = self._settings
        whole, part = Meter(), Meter()
        start = self._progress.step - epoch * len(self._batches)
        for batch in self._batches.epoch(epoch, start=start):
            step = self._progress.step
            rate = self._schedule.learning_rate(step)
            self._optimizer.learning_rate = rate
            losses = self._lesson.train_on(self._learner, batch)
            self._check_finite(losses["loss"], step)
            self._averages.update(self._network, average_decay(step, settings.average_decay))
            self._progress = replace(self._progress, step=step + 1)
            self._observer.step(step + 1, losses["loss"])
            for meter in (whole, part):
                meter.add(losses, len(batch.images))
            if part.count == settings.log_steps:
                log.write(step + 1, epoch, part.values(rate))
                part = Meter()
            if time.monotonic() - self._saved_at > 60 * settings.checkpoint_minutes:
                self._save()
        if part.count:
            log.write(self._progress.step, epoch, part.values(rate))
        return (whole.means()["loss"], whole.images_per_s()) if whole.count else (None, None)

    def _check_finite(self, loss: float, step: int) -> None:
        if not math.isfinite(loss):
            raise DataError(
                f"training: expected a finite loss at step {step}, got {loss}; try "
                f"{self._lesson.advice}"
            )

    def _validate(self, epoch: int, log: TrainingLog) -> float | None:
        """Returns the score of the averaged weights; `None` without validation."""
        if self._lesson.judge is None:
            return None
        weights = self._network.get_weights()
        self._network.set_weights(self._averages.values)
        judgement = self._lesson.judge(self._learner)
        best = self._progress.best
        # Of equals the later one: it has learned more, which its scores show.
        if judgement.score >= best:
            self._outlets.save(self._network, self._outlets.folder / BEST)
        self._network.set_weights(weights)
        self._progress = Progress(
            step=self._progress.step,
            best=max(judgement.score, best),
            stale=0 if judgement.score > best else self._progress.stale + 1,
        )
        log.write(self._progress.step, epoch, judgement.values, judgement.by_class)
        return judgement.score

    def _save(self) -> None:
        state = Checkpoint(
            progress=self._progress,
            weights=self._network.get_weights(),
            averages=self._averages.values,
            optimizer=[np.asarray(variable) for variable in self._optimizer.variables],
        )
        write_checkpoint(self._outlets.folder / CHECKPOINT, state)
        self._saved_at = time.monotonic()
