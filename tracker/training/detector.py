"""Training of a detector, from the first step to the last, over kills and restarts.

Comes in: a network, batches and settings. Goes out, in a folder: `best.keras` (averaged weights,
highest AP50 in validation), `last.keras`, `log.csv`, TensorBoard's files where it is installed, and
`checkpoint.npz`, from which the same call goes on at the step where it stopped.
"""

import logging
import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from tracker.errors import DataError, ModelError, OutputError
from tracker.models.yolo_shape import yolo_heads
from tracker.training.batches import Batch
from tracker.training.checkpoints import (
    CHECKPOINT,
    Checkpoint,
    Progress,
    read_checkpoint,
    write_checkpoint,
)
from tracker.training.freezing import learning_backbone, set_learning
from tracker.training.learner import (
    AverageWeights,
    DetectorLearner,
    compile_learner,
    make_optimizer,
    train_on,
)
from tracker.training.meter import Meter
from tracker.training.precision import computing_by, policy_of, scaled_by
from tracker.training.schedule import average_decay
from tracker.training.settings import TrainSettings
from tracker.training.training_log import TrainingLog
from tracker.training.validation import VALIDATION_NMS, validate

logger = logging.getLogger(__name__)

BEST, LAST, LOG = "best.keras", "last.keras", "log.csv"


class TrainingBatches(Protocol):
    """Batches by epoch; `batches.Batches` is one."""

    def __len__(self) -> int:
        """Returns the number of batches in an epoch."""
        ...

    def epoch(self, number: int, *, start: int = 0) -> Iterator[Batch]:
        """Returns the batches of an epoch, without the first `start`."""
        ...


@dataclass(frozen=True, slots=True)
class TrainResult:
    """What came out.

    Attributes:
        steps: Steps taken, those before a restart included.
        best_ap50: Highest AP50 in validation; -1 if there was none.
        stopped_early: Patience ended before the epochs did.
    """

    steps: int
    best_ap50: float
    stopped_early: bool


@dataclass(frozen=True, slots=True)
class EpochReport:
    """How an epoch went.

    Attributes:
        epoch: Its number, from 0.
        step: Steps taken so far.
        loss: Mean of the losses since the epoch began or was resumed; `None` if no step was left.
        images_per_s: Pictures learned from in a second; `None` likewise.
        ap50: Of the validation; `None` if there was none.
    """

    epoch: int
    step: int
    loss: float | None
    images_per_s: float | None
    ap50: float | None


class Observer(Protocol):
    """Is told how a training goes."""

    def begin(self, step: int, total: int) -> None:
        """So many of all steps were taken before."""
        ...

    def step(self, step: int, loss: float) -> None:
        """So many steps were taken; the last one had this loss."""
        ...

    def epoch(self, report: EpochReport) -> None:
        """An epoch ended."""
        ...


class NoObserver:
    """Takes no notice."""

    def begin(self, step: int, total: int) -> None:
        """Does nothing."""

    def step(self, step: int, loss: float) -> None:
        """Does nothing."""

    def epoch(self, report: EpochReport) -> None:
        """Does nothing."""


def save_network(network: Any, path: Path) -> None:
    """Writes a network as Keras does; the file is complete or the old one.

    Raises:
        OutputError: It cannot be written.
    """
    # Keras looks at the ending of the name, so the draft needs it too.
    draft = path.with_name(f"part-{path.name}")
    try:
        network.save(draft)
        draft.replace(path)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror or error}") from error


def train_detector(
    network: Any,
    batches: TrainingBatches,
    settings: TrainSettings,
    out_dir: Path,
    *,
    validation: Iterable[Batch] | None = None,
    save: Callable[[Any, Path], None] = save_network,
    observer: Observer | None = None,
) -> TrainResult:
    """Returns how the training went; the network holds the averaged weights of the end.

    If the folder holds a checkpoint, the training goes on from it, with these settings: more or
    fewer epochs than before stretch or shrink the schedule.

    Args:
        network: From `models.yolo.build_yolo`, for any size or that of the batches. Layers that
            are not trainable never learn.
        batches: What to learn from; all pictures have one size.
        settings: How.
        out_dir: Folder of all files; made if it is not there.
        validation: Batches without augmentation, walked through anew in every validation, in a
            size that fits the network; `None` leaves validation out, then there is no best.
        save: Writes `best.keras` and `last.keras`.
        observer: Is told how it goes.

    Raises:
        ConfigError: The warm-up is longer than the training.
        ModelError: The checkpoint is not one of this network.
        OutputError: A file cannot be written.
        DataError: Validation has nothing to find, or the loss is not finite any more.
    """
    try:
        out_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{out_dir}: cannot be made: {error.strerror or error}") from error
    with TrainingLog(out_dir / LOG) as log:
        run = _Run(network, batches, settings, log, _Outlets(out_dir, save, observer))
        try:
            run.resume()
            return run.train(validation)
        finally:
            run.release()


class _Outlets:
    """Where results go."""

    def __init__(
        self, folder: Path, save: Callable[[Any, Path], None], observer: Observer | None
    ) -> None:
        self.folder, self.save = folder, save
        self.observer: Observer = NoObserver() if observer is None else observer


class _Run:
    """The moving parts of one training."""

    def __init__(
        self,
        network: Any,
        batches: TrainingBatches,
        settings: TrainSettings,
        log: TrainingLog,
        outlets: _Outlets,
    ) -> None:
        self._network, self._batches, self._settings = network, batches, settings
        self._outlets, self._log = outlets, log
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
        self._learner = DetectorLearner(
            self._network, settings.assign, box_weight=settings.box_weight
        )
        optimizer = make_optimizer(weight_decay=settings.weight_decay, clip_norm=settings.clip_norm)
        self._optimizer = scaled_by(optimizer, self._policy)
        compile_learner(self._learner, self._optimizer, size=32)

    def _freeze(self, frozen: bool) -> None:
        if frozen != self._frozen:
            self._frozen = frozen
            self._prepare()

    def release(self) -> None:
        """Leaves the backbone as it was found."""
        set_learning(self._backbone, learning=True)

    def resume(self) -> None:
        """Goes back to the checkpoint in the folder, if there is one."""
        path = self._outlets.folder / CHECKPOINT
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

    def train(self, validation: Iterable[Batch] | None) -> TrainResult:
        """Takes all steps that are left."""
        settings, per_epoch = self._settings, len(self._batches)
        self._outlets.observer.begin(self._progress.step, settings.epochs * per_epoch)
        stopped = self._is_stale()
        first = self._progress.step // per_epoch
        for epoch in range(first, 0 if stopped else settings.epochs):
            self._freeze(epoch < settings.freeze_epochs)
            with computing_by(self._network, self._policy):
                start = self._progress.step - epoch * per_epoch
                loss, speed = self._train_epoch(epoch, start=start)
            is_last = epoch + 1 == settings.epochs
            ap50 = None
            if validation is not None and (is_last or (epoch + 1) % settings.validate_epochs == 0):
                ap50 = self._validate(validation, epoch)
                self._save()
            report = EpochReport(epoch, self._progress.step, loss, speed, ap50)
            self._outlets.observer.epoch(report)
            stopped = self._is_stale()
            if stopped:
                break
        if validation is not None and not (self._outlets.folder / BEST).exists():
            # Killed after the last step, before its validation.
            self._validate(validation, settings.epochs - 1)
        self._save()
        self._network.set_weights(self._averages.values)
        self._outlets.save(self._network, self._outlets.folder / LAST)
        return TrainResult(self._progress.step, self._progress.best, stopped)

    def _is_stale(self) -> bool:
        patience = self._settings.patience
        return patience is not None and self._progress.stale >= patience

    def _train_epoch(self, epoch: int, *, start: int) -> tuple[float | None, float | None]:
        """Returns the mean loss and pictures a second."""
        whole, part = Meter(), Meter()
        for batch in self._batches.epoch(epoch, start=start):
            step = self._progress.step
            rate = self._schedule.learning_rate(step)
            self._optimizer.learning_rate = rate
            losses = train_on(self._learner, batch)
            _check_finite(losses, step)
            decay = average_decay(step, self._settings.average_decay)
            self._averages.update(self._network, decay)
            self._progress = replace(self._progress, step=step + 1)
            self._outlets.observer.step(step + 1, losses["loss"])
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

    def _write(self, epoch: int, meter: "Meter", rate: float) -> None:
        values = {**meter.means(), "learning_rate": rate, "images_per_s": meter.images_per_s()}
        self._log.write(self._progress.step, epoch, values)

    def _validate(self, validation: Iterable[Batch], epoch: int) -> float:
        """Returns AP50 of the averaged weights."""
        weights = self._network.get_weights()
        self._network.set_weights(self._averages.values)
        class_count = self._network.outputs[0].shape[-1] - 4
        precision = validate(
            self._learner.predict_on_batch,
            validation,
            heads=yolo_heads(class_count),
            settings=VALIDATION_NMS,
        )
        is_better = precision.map50 > self._progress.best
        # Of equals the later one: it has learned more, which its scores show.
        if precision.map50 >= self._progress.best:
            self._outlets.save(self._network, self._outlets.folder / BEST)
        self._network.set_weights(weights)
        self._progress = Progress(
            step=self._progress.step,
            best=max(precision.map50, self._progress.best),
            stale=0 if is_better else self._progress.stale + 1,
        )
        by_class = {number: scores.ap50 for number, scores in precision.classes.items()}
        values = {"ap50": precision.map50, "ap": precision.map}
        self._log.write(self._progress.step, epoch, values, by_class)
        return precision.map50

    def _save(self) -> None:
        state = Checkpoint(
            progress=self._progress,
            weights=self._network.get_weights(),
            averages=self._averages.values,
            optimizer=[np.asarray(variable) for variable in self._optimizer.variables],
        )
        write_checkpoint(self._outlets.folder / CHECKPOINT, state)
        self._saved_at = time.monotonic()


def _check_finite(losses: dict[str, float], step: int) -> None:
    if not math.isfinite(losses["loss"]):
        raise DataError(
            f"training: expected a finite loss at step {step}, got {losses['loss']}; try a lower "
            "learning rate or a longer warm-up"
        )
