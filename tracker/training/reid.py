"""Training of an appearance network, from the first step to the last, over kills and restarts.

Comes in: a network, batches and settings. Goes out, in a folder: `best.keras` (averaged weights,
highest score in validation), `last.keras`, `log.csv`, TensorBoard's files where it is installed,
and `checkpoint.npz`, from which the same call goes on at the step where it stopped.
"""

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from tracker.errors import DataError, ModelError, OutputError
from tracker.models.reid_file import save_reid
from tracker.training.checkpoints import (
    CHECKPOINT,
    Checkpoint,
    Progress,
    read_checkpoint,
    write_checkpoint,
)
from tracker.training.freezing import learning_backbone, set_learning
from tracker.training.learner import AverageWeights, make_optimizer
from tracker.training.meter import Meter
from tracker.training.precision import computing_by, policy_of, scaled_by
from tracker.training.reid_batches import ReidBatches
from tracker.training.reid_learner import LOSSES, ReidLearner, compile_reid_learner, train_on
from tracker.training.reid_settings import ReidTrainSettings
from tracker.training.schedule import average_decay
from tracker.training.training_log import TrainingLog

logger = logging.getLogger(__name__)

BEST, LAST, LOG = "best.keras", "last.keras", "log.csv"

_COLUMNS = ("step", "epoch", "learning_rate", "loss", *LOSSES, "images_per_s", "score")


@dataclass(frozen=True, slots=True)
class ReidResult:
    """What came out.

    Attributes:
        steps: Steps taken, those before a restart included.
        best: Highest score in validation.
        stopped_early: Patience ended before the epochs did.
    """

    steps: int
    best: float
    stopped_early: bool


@dataclass(frozen=True, slots=True)
class ReidEpoch:
    """How an epoch went.

    Attributes:
        epoch: Its number, from 0.
        step: Steps taken so far.
        loss: Mean of the losses since the epoch began or was resumed; `None` if no step was left.
        crops_per_s: Crops learned from in a second; `None` likewise.
        score: Of the validation.
    """

    epoch: int
    step: int
    loss: float | None
    crops_per_s: float | None
    score: float


class ReidObserver(Protocol):
    """Is told how a training goes."""

    def begin(self, step: int, total: int) -> None:
        """So many of all steps were taken before."""
        ...

    def step(self, step: int, loss: float) -> None:
        """So many steps were taken; the last one had this loss."""
        ...

    def epoch(self, report: ReidEpoch) -> None:
        """An epoch ended."""
        ...


class SilentObserver:
    """Takes no notice."""

    def begin(self, step: int, total: int) -> None:
        """Does nothing."""

    def step(self, step: int, loss: float) -> None:
        """Does nothing."""

    def epoch(self, report: ReidEpoch) -> None:
        """Does nothing."""


def train_reid(
    network: Any,
    batches: ReidBatches,
    settings: ReidTrainSettings,
    out_dir: Path,
    *,
    judge: Callable[[Any], float],
    save: Callable[[Any, Path], None] = save_reid,
    observer: ReidObserver | None = None,
) -> ReidResult:
    """Returns how the training went; the network holds the averaged weights of the end.

    If the folder holds a checkpoint, the training goes on from it, with these settings: more or
    fewer epochs than before stretch or shrink the schedule.

    Args:
        network: From `models.reid.build_reid`. Layers that are not trainable never learn.
        batches: What to learn from.
        settings: How.
        out_dir: Folder of all files; made if it is not there.
        judge: Tells how good a network is, higher is better; asked after every epoch.
        save: Writes `best.keras` and `last.keras`.
        observer: Is told how it goes.

    Raises:
        ModelError: The checkpoint is not one of this network.
        OutputError: A file cannot be written.
        DataError: The loss is not finite any more.
    """
    try:
        out_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{out_dir}: cannot be made: {error.strerror or error}") from error
    with TrainingLog(out_dir / LOG, columns=_COLUMNS) as log:
        run = _Run(network, batches, settings, log, _Outlets(out_dir, save))
        try:
            run.resume()
            return run.train(judge, SilentObserver() if observer is None else observer)
        finally:
            run.release()


@dataclass(frozen=True, slots=True)
class _Outlets:
    """Where results go."""

    folder: Path
    save: Callable[[Any, Path], None]


class _Run:
    """The moving parts of one training."""

    def __init__(
        self,
        network: Any,
        batches: ReidBatches,
        settings: ReidTrainSettings,
        log: TrainingLog,
        outlets: _Outlets,
    ) -> None:
        self._network, self._batches, self._settings = network, batches, settings
        self._log, self._folder, self._write_network = log, outlets.folder, outlets.save
        self._schedule = settings.schedule(len(batches))
        self._averages = AverageWeights(network)
        self._progress = Progress()
        self._saved_at = time.monotonic()
        self._frozen = settings.freeze_epochs > 0
        self._backbone = learning_backbone(network)
        self._policy = policy_of(settings.mixed_precision)
        self._prepare()

    def _prepare(self) -> None:
        """Makes learner and optimizer for the layers that learn now."""
        settings = self._settings
        set_learning(self._backbone, learning=not self._frozen)
        self._learner = ReidLearner(self._network, settings)
        optimizer = make_optimizer(weight_decay=settings.weight_decay, clip_norm=settings.clip_norm)
        self._optimizer = scaled_by(optimizer, self._policy)
        compile_reid_learner(self._learner, self._optimizer)

    def _freeze(self, frozen: bool) -> None:
        if frozen != self._frozen:
            self._frozen = frozen
            self._prepare()

    def release(self) -> None:
        """Leaves the backbone as it was found."""
        set_learning(self._backbone, learning=True)

    def resume(self) -> None:
        """Goes back to the checkpoint in the folder, if there is one."""
        path = self._folder / CHECKPOINT
        if not path.exists():
            self._log.forget_after(0)
            return
        state = read_checkpoint(path)
        # The optimizer's state is that of the last step, which may have ended the frozen epochs.
        last_epoch = max(0, state.progress.step - 1) // len(self._batches)
        self._freeze(last_epoch < self._settings.freeze_epochs)
        have = [tuple(v.shape) for v in (*self._network.weights, *self._optimizer.variables)]
        if [a.shape for a in (*state.weights, *state.optimizer)] != have:
            raise ModelError(
                f"{path}: expected the state of {self._network.name}, got that of another "
                "network; name another folder, or remove the checkpoint to train anew"
            )
        self._network.set_weights(state.weights)
        self._averages.values = state.averages
        for variable, value in zip(self._optimizer.variables, state.optimizer, strict=True):
            variable.assign(value)
        self._progress = state.progress
        self._log.forget_after(self._progress.step)
        logger.info("training goes on at step %d", self._progress.step)

    def train(self, judge: Callable[[Any], float], observer: ReidObserver) -> ReidResult:
        """Takes all steps that are left."""
        settings, per_epoch = self._settings, len(self._batches)
        observer.begin(self._progress.step, settings.epochs * per_epoch)
        stopped = self._is_stale()
        first = self._progress.step // per_epoch
        for epoch in range(first, 0 if stopped else settings.epochs):
            self._freeze(epoch < settings.freeze_epochs)
            start = self._progress.step - epoch * per_epoch
            with computing_by(self._network, self._policy):
                loss, speed = self._train_epoch(epoch, start, observer)
            score = self._validate(judge, epoch)
            self._save()
            observer.epoch(ReidEpoch(epoch, self._progress.step, loss, speed, score))
            stopped = self._is_stale()
            if stopped:
                break
        if not (self._folder / BEST).exists():
            # Killed after the last step, before its validation.
            self._validate(judge, settings.epochs - 1)
        self._save()
        self._network.set_weights(self._averages.values)
        self._write_network(self._network, self._folder / LAST)
        return ReidResult(self._progress.step, self._progress.best, stopped)

    def _is_stale(self) -> bool:
        patience = self._settings.patience
        return patience is not None and self._progress.stale >= patience

    def _train_epoch(
        self, epoch: int, start: int, observer: ReidObserver
    ) -> tuple[float | None, float | None]:
        """Returns the mean loss and crops a second."""
        whole, part = Meter(), Meter()
        for batch in self._batches.epoch(epoch, start=start):
            step = self._progress.step
            rate = self._schedule.learning_rate(step)
            self._optimizer.learning_rate = rate
            losses = train_on(self._learner, batch)
            if not math.isfinite(losses["loss"]):
                raise DataError(
                    f"training: expected a finite loss at step {step}, got {losses['loss']}; try "
                    "a lower learning rate"
                )
            self._averages.update(self._network, average_decay(step, self._settings.average_decay))
            self._progress = replace(self._progress, step=step + 1)
            observer.step(step + 1, losses["loss"])
            for meter in (whole, part):
                meter.add(losses, len(batch.images))
            if part.count == self._settings.log_steps:
                self._write(epoch, part, rate)
                part = Meter()
            if time.monotonic() - self._saved_at > 60 * self._settings.checkpoint_minutes:
                self._save()
        if part.count:
            self._write(epoch, part, rate)
        return (whole.means()["loss"], whole.images_per_s()) if whole.count else (None, None)

    def _write(self, epoch: int, meter: Meter, rate: float) -> None:
        values = {**meter.means(), "learning_rate": rate, "images_per_s": meter.images_per_s()}
        self._log.write(self._progress.step, epoch, values)

    def _validate(self, judge: Callable[[Any], float], epoch: int) -> float:
        """Returns the score of the averaged weights."""
        weights = self._network.get_weights()
        self._network.set_weights(self._averages.values)
        score = judge(self._network)
        is_better = score > self._progress.best
        # Of equals the later one: it has learned more.
        if score >= self._progress.best:
            self._write_network(self._network, self._folder / BEST)
        self._network.set_weights(weights)
        self._progress = Progress(
            step=self._progress.step,
            best=max(score, self._progress.best),
            stale=0 if is_better else self._progress.stale + 1,
        )
        self._log.write(self._progress.step, epoch, {"score": score})
        return score

    def _save(self) -> None:
        state = Checkpoint(
            progress=self._progress,
            weights=self._network.get_weights(),
            averages=self._averages.values,
            optimizer=[np.asarray(variable) for variable in self._optimizer.variables],
        )
        write_checkpoint(self._folder / CHECKPOINT, state)
        self._saved_at = time.monotonic()
