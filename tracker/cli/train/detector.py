"""`tracker train detector`: trains a detector on labelled images and writes its model card.

The output folder gets `best.keras`, `model-card.md`, `config.yaml`, `log.csv` and a
checkpoint to resume from. Data are read and checked before Keras is loaded.
"""

import json
import logging
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tracker.cli.train.detector_config import TrainConfig, load_train_config
from tracker.cli.train.run_folder import advice_on_interrupt, check_same, make_folder
from tracker.cli.train.shared_config import config_values, config_yaml
from tracker.cli.train.start_network import (
    check_output,
    check_start,
    check_teacher,
    is_published,
    load_keras,
    load_teacher,
    start_detector,
)
from tracker.errors import ConfigError
from tracker.evaluation.average_precision import AveragePrecision
from tracker.evaluation.precision_report import precision_table
from tracker.models.files.detector_file import (
    DetectorDescription,
    load_detector,
    read_description,
    save_detector,
)
from tracker.training.checkpoints import CHECKPOINT
from tracker.training.data_file import (
    DataSplits,
    count_objects,
    read_splits,
    training_set,
    validation_set,
)
from tracker.training.detector.batches import Batches
from tracker.training.detector.model_card import CardFacts, model_card
from tracker.util.atomic_file import replace_text
from tracker.util.terminal import print_status, print_table

logger = logging.getLogger(__name__)

CARD, CONFIG, DATA = "model-card.md", "config.yaml", "data.json"

_MAY_CHANGE = frozenset(
    {
        "data.file",
        "network.weights",
        "batches.workers",
        "training.epochs",
        "training.patience",
        "training.checkpoint_minutes",
        "training.log_steps",
        "training.validate_epochs",
    }
)
"""Keys that may differ when a training is resumed."""


@dataclass(frozen=True, slots=True)
class DetectorTrainRequest:
    """Configuration and output folder of a training.

    Attributes:
        config: The complete configuration.
        out: The output folder.
        progress: Whether to show a progress bar.
    """

    config: TrainConfig
    out: Path
    progress: bool = True


def run_train_detector(request: DetectorTrainRequest) -> AveragePrecision:
    """Returns the average precision of the best detector, after writing it and its model card.

    The same request resumes an interrupted training.

    Raises:
        ConfigError: A setting is missing or wrong, or differs from those the training began with.
        SourceError: Data are missing.
        DataError: Data are malformed, or the loss is no longer finite.
        ModelError: The initial weights or a checkpoint do not fit the network.
        OutputError: A file cannot be written.
        DependencyError: Keras cannot be loaded, or cannot fetch a backbone's weights.
    """
    config, out = request.config, request.out
    if config.data.file is None:
        raise ConfigError("data.file: expected the path of a data file, got none; give --data FILE")
    splits = read_splits(
        config.data.file,
        classes=config.data.classes,
        val_share=config.data.val_share,
        seed=config.seed,
    )
    description = DetectorDescription(
        config.network.size,
        splits.class_names,
        long_side=config.network.input_size,
        backbone=config.network.backbone,
        style=config.network.heads,
    )
    config.network.choice().check_file()
    if config.network.teacher is not None:
        check_teacher(config.network.teacher, splits.class_names)
    if config.network.weights is not None and not is_published(config.network.weights):
        start = read_description(config.network.weights)
        check_start(config.network.weights, _architecture(start), _architecture(description))
    check_output(out)
    record = _data_record(splits)
    resumed = _can_resume(request, record)
    _print_data(splits, config)
    network = _initial_network(config, description, resumed=resumed)
    _write_record(request, record)
    with advice_on_interrupt(out):
        steps = _train(request, splits, description, network)
    return _evaluate_best(request, splits, steps)


def _train(
    request: DetectorTrainRequest,
    splits: DataSplits,
    description: DetectorDescription,
    network: Any,
) -> int:
    """Trains the network; returns the number of steps."""
    from tracker.cli.train.progress import TrainProgress
    from tracker.training.detector.train import train_detector

    config = request.config
    batches = Batches(
        training_set(splits, long_side=config.batches.cache_side),
        size=config.network.input_size,
        batch=config.batches.batch,
        augment=config.augment,
        seed=config.seed,
        max_boxes=config.batches.max_boxes,
        workers=config.batches.workers,
    )
    epochs, batch = config.training.epochs, config.batches.batch
    teacher = config.network.teacher
    with TrainProgress(epochs, batch, shown=request.progress) as progress:
        result = train_detector(
            network,
            batches,
            config.training,
            request.out,
            validation=_validation(splits, config),
            save=partial(save_detector, description=description),
            observer=progress,
            teacher=None if teacher is None else load_teacher(teacher),
        )
    if result.stopped_early:
        print_status(f"stopped early: {config.training.patience} validations without a better AP50")
    return result.steps


def _initial_network(
    config: TrainConfig, description: DetectorDescription, *, resumed: bool
) -> Any:
    load_keras(config.seed)
    return start_detector(description, config.network.choice(), fill=not resumed)


def _evaluate_best(
    request: DetectorTrainRequest, splits: DataSplits, steps: int
) -> AveragePrecision:
    """Evaluates the saved best network, prints its AP and writes the model card."""
    import keras

    from tracker.training.detector.train import BEST
    from tracker.training.detector.validation import VALIDATION_NMS, validate
    from tracker.training.mixed_precision import policy_of

    path = request.out / BEST
    network = load_detector(path)
    precision = validate(
        lambda images: network.predict_on_batch(images.astype(np.float32) / np.float32(255)),
        _validation(splits, request.config),
        heads=read_description(path).heads,
        settings=VALIDATION_NMS,
    )
    print_table(precision_table(precision, splits.class_names, images=len(splits.validation)))
    config = request.config
    facts = CardFacts(
        path=path,
        config_file=CONFIG,
        config=config_yaml(config),
        data_file=str(config.data.file),
        size=config.network.size,
        input_size=config.network.input_size,
        backbone=config.network.choice().card_text(config.training.freeze_epochs),
        steps=steps,
        parameters=int(network.count_params()),
        precision=policy_of(config.training.mixed_precision),
        libraries=(f"Keras {keras.__version__} on {keras.backend.backend()}",),
    )
    replace_text(request.out / CARD, model_card(facts, splits, precision))
    print_status(f"written     {path}, {request.out / CARD}")
    return precision


def _validation(splits: DataSplits, config: TrainConfig) -> Batches:
    return Batches(
        validation_set(splits),
        size=config.network.input_size,
        batch=config.batches.batch,
        max_boxes=max(1, *(len(image.classes) for image in splits.validation)),
    )


def _architecture(description: DetectorDescription) -> dict[str, str]:
    return {
        "heads": description.style.value,
        "backbone": description.backbone,
        "size": description.size.value,
    }


def _print_data(splits: DataSplits, config: TrainConfig) -> None:
    """Prints the number of images and objects; warns where validation will be optimistic."""
    train = [image for images in splits.train for image in images]
    for label, images in (("train", train), ("val", splits.validation)):
        counts = count_objects(images, len(splits.class_names))
        objects = ", ".join(
            f"{count} {name}"
            for count, name in zip(counts, splits.class_names, strict=True)
            if count or len(counts) <= 10
        )
        print_status(f"{label:<12}{len(images)} images: {objects}")
        missing = [
            repr(name) for count, name in zip(counts, splits.class_names, strict=True) if not count
        ]
        if missing:
            rest = f" and {len(missing) - 10} more classes" if len(missing) > 10 else ""
            logger.warning("%s: no %s%s in these images", label, ", ".join(missing[:10]), rest)
    if splits.held_out:
        logger.warning(
            "%s has no val: %d images (data.val_share %g) of train are held out for validation; "
            "images of the same scenes make the scores optimistic",
            config.data.file,
            len(splits.validation),
            config.data.val_share,
        )
    elif splits.shared:
        logger.warning(
            "%s: %d of %d images of val are in train too, so the scores are optimistic",
            config.data.file,
            splits.shared,
            len(splits.validation),
        )


def _data_record(splits: DataSplits) -> dict[str, Any]:
    """Returns a description of the data, to recognise it when a training is resumed."""
    return {
        "classes": list(splits.class_names),
        "train": [len(images) for images in splits.train],
        "weights": list(splits.weights),
        "val": len(splits.validation),
    }


def _can_resume(request: DetectorTrainRequest, record: dict[str, Any]) -> bool:
    """Returns whether the folder holds a checkpoint of this training; false if it holds none.

    Raises:
        ConfigError: The folder holds another training.
    """
    out = request.out
    if not (out / CHECKPOINT).exists():
        return False
    now = {"data": record, **config_values(request.config)}
    check_same(out, _read_record(out), now, may_change=_MAY_CHANGE)
    return True


def _write_record(request: DetectorTrainRequest, record: dict[str, Any]) -> None:
    """Creates the folder and writes data and settings of the training.

    Raises:
        OutputError: The folder cannot be written.
    """
    out = request.out
    make_folder(out)
    replace_text(out / DATA, json.dumps(record, ensure_ascii=False) + "\n")
    replace_text(out / CONFIG, config_yaml(request.config))


def _read_record(out: Path) -> dict[str, Any]:
    """Returns data and settings of the training in a folder."""
    try:
        data = json.loads((out / DATA).read_text(encoding="utf-8"))
        return {"data": data, **config_values(load_train_config(out / CONFIG))}
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"{out / CHECKPOINT}: expected readable {CONFIG} and {DATA} beside it, which identify "
            f"the training ({error}); name another --out folder"
        ) from error
