"""`tracker train segmenter`: trains a segmenter on images with masks and writes its model card.

The output folder gets `best.keras`, `model-card.md`, `config.yaml`, `log.csv` and a
checkpoint to resume from. Data are read and checked before Keras is loaded.
"""

import logging
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tracker.cli.train.progress import StepProgress
from tracker.cli.train.run_folder import advice_on_interrupt, can_resume, write_record
from tracker.cli.train.segmenter_config import SegmentTrainConfig
from tracker.cli.train.shared_config import config_values, config_yaml
from tracker.cli.train.start_network import check_output, check_start, load_keras
from tracker.errors import ConfigError
from tracker.models.files.segmenter_file import (
    SegmenterDescription,
    build_segmenter,
    load_segmenter,
    read_segmenter_description,
    save_segmenter,
)
from tracker.training.observers import EpochReport
from tracker.training.segmenter.batches import SegmentBatches
from tracker.training.segmenter.card import SegmentFacts, score_lines, segment_card
from tracker.training.segmenter.file import SegmentSplits, read_segment_splits
from tracker.training.segmenter.metrics import SegmentScores
from tracker.util.atomic_file import replace_text
from tracker.util.terminal import print_results, print_status

logger = logging.getLogger(__name__)

CARD, CONFIG = "model-card.md", "config.yaml"

_MAY_CHANGE = frozenset(
    {
        "data.file",
        "data.workers",
        "network.weights",
        "training.epochs",
        "training.patience",
        "training.checkpoint_minutes",
        "training.log_steps",
        "training.validate_epochs",
    }
)
"""Keys that may differ when a training is resumed."""

_VALIDATION_BATCH = (
    4  # Scores of a pixel are 4 bytes a class: 80 classes at 512x512 take 84 MB each.
)


@dataclass(frozen=True, slots=True)
class SegmentTrainRequest:
    """Configuration and output folder of a training.

    Attributes:
        config: The complete configuration.
        out: The output folder.
        progress: Whether to show a progress bar.
    """

    config: SegmentTrainConfig
    out: Path
    progress: bool = True


class SegmentProgress(StepProgress):
    """An `Observer` of a segmenter's training.

    Args:
        epochs: Number of epochs.
        batch: Images in a step.
        shown: Whether to show the bar; it also needs a terminal. Lines are always printed.
    """

    def __init__(self, epochs: int, batch: int, *, shown: bool) -> None:
        super().__init__(epochs, batch, things="images", shown=shown)

    def epoch(self, report: EpochReport) -> None:
        """Prints the results of an epoch."""
        facts = self.facts(report)
        if report.images_per_s is not None:
            facts.append(f"{report.images_per_s:.1f} images/s")
        if report.score is not None:
            facts.append(f"mean IoU {100 * report.score:.1f} %")
        self.line(", ".join(facts))


def run_train_segmenter(request: SegmentTrainRequest) -> SegmentScores:
    """Returns the scores of the best segmenter, after writing it and its model card.

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
    # Twice the input size: augmentation scales images up by at most 2.
    splits = read_segment_splits(config.data.file, long_side=2 * config.network.input_size)
    description = SegmenterDescription(
        splits.class_names,
        long_side=config.network.input_size,
        backbone=config.network.backbone,
        size=config.network.size,
        head=config.head,
    )
    config.network.choice().check_file()
    if config.network.weights is not None:
        start = read_segmenter_description(config.network.weights)
        check_start(config.network.weights, _architecture(start), _architecture(description))
    check_output(out)
    record = {"data": _data_record(splits), **config_values(config)}
    resumed = can_resume(out, record, may_change=_MAY_CHANGE)
    _print_data(splits)
    network = _initial_network(config, description, fill=not resumed)
    write_record(out, record)
    replace_text(out / CONFIG, config_yaml(config))
    with advice_on_interrupt(out):
        steps = _train(request, splits, description, network)
    return _evaluate_best(request, splits, steps)


def _train(
    request: SegmentTrainRequest,
    splits: SegmentSplits,
    description: SegmenterDescription,
    network: Any,
) -> int:
    """Trains the network; returns the number of steps."""
    from tracker.training.loop import Outlets
    from tracker.training.segmenter.train import train_segmenter

    config = request.config
    batches = SegmentBatches(
        splits.train,
        size=config.network.input_size,
        batch=config.data.batch,
        augment=config.augment,
        seed=config.seed,
        workers=config.data.workers,
    )
    epochs, batch = config.training.epochs, config.data.batch
    with SegmentProgress(epochs, batch, shown=request.progress) as progress:
        result = train_segmenter(
            network,
            batches,
            config.training,
            Outlets(request.out, partial(save_segmenter, description=description), progress),
            validation=_validation(splits, config),
            class_names=splits.class_names,
        )
    if result.stopped_early:
        print_status(
            f"stopped early: {config.training.patience} validations without a better mean IoU"
        )
    return result.steps


def _initial_network(
    config: SegmentTrainConfig, description: SegmenterDescription, *, fill: bool
) -> Any:
    """Returns the initial network, with the permanently frozen layers of its backbone frozen.

    Args:
        config: Names the source of the weights.
        description: Size, classes and backbone of the segmenter.
        fill: Whether to load weights; a resumed training has them in its checkpoint.
    """
    load_keras(config.seed)
    from tracker.models.backbones.weights import load_backbone
    from tracker.models.fcn.fcn8s import copy_all_but_scores
    from tracker.training.freezing import freeze_for_good

    names, choice = description.class_names, config.network.choice()
    network = build_segmenter(description)
    if fill:
        load_backbone(network, choice)
    if fill and choice.whole is not None:
        source = load_segmenter(choice.whole)
        if read_segmenter_description(choice.whole).class_names == names:
            network.set_weights(source.get_weights())
            print_status(f"start from {choice.whole}, same classes: all weights")
        else:
            copy_all_but_scores(source, network)
            print_status(f"start from {choice.whole}, other classes: the backbone")
    freeze_for_good(network, choice)
    return network


def _evaluate_best(
    request: SegmentTrainRequest, splits: SegmentSplits, steps: int
) -> SegmentScores:
    """Evaluates the saved best network, prints its scores and writes the model card."""
    import keras

    from tracker.training.loop import BEST
    from tracker.training.mixed_precision import policy_of
    from tracker.training.segmenter.train import judge_segmenter

    path, config = request.out / BEST, request.config
    network = load_segmenter(path)
    scores = judge_segmenter(
        lambda images: network.predict_on_batch(images.astype(np.float32) / np.float32(255)),
        _validation(splits, config),
        len(splits.class_names),
    )
    print_results(*score_lines(scores, splits.class_names, images=len(splits.validation)))
    facts = SegmentFacts(
        path=path,
        config_file=CONFIG,
        config=config_yaml(config),
        data_file=str(config.data.file),
        head=config.head.value,
        input_size=config.network.input_size,
        backbone=config.network.choice().card_text(config.training.freeze_epochs),
        parameters=int(network.count_params()),
        trained=f"{steps} steps, with Keras {keras.__version__} on {keras.backend.backend()}, "
        f"computed in {policy_of(config.training.mixed_precision)}",
    )
    replace_text(request.out / CARD, segment_card(facts, splits, scores))
    print_status(f"written     {path}, {request.out / CARD}")
    return scores


def _validation(splits: SegmentSplits, config: SegmentTrainConfig) -> SegmentBatches:
    return SegmentBatches(
        splits.validation, size=config.network.input_size, batch=_VALIDATION_BATCH
    )


def _architecture(description: SegmenterDescription) -> dict[str, str]:
    return {
        "head": description.head.value,
        "backbone": description.backbone,
        "size": description.size.value,
    }


def _print_data(splits: SegmentSplits) -> None:
    """Prints the number of images and the share of each class."""
    for label, part, pixels in (
        ("train", splits.train, splits.train_pixels),
        ("val", splits.validation, splits.validation_pixels),
    ):
        shares = ", ".join(
            f"{share:.1%} {name}"
            for share, name in zip(pixels / pixels.sum(), splits.class_names, strict=True)
        )
        print_status(f"{label:<12}{len(part)} images: {shares}")
        for count, name in zip(pixels, splits.class_names, strict=True):
            if not count:
                logger.warning("%s: no pixel of %r in these images", label, name)


def _data_record(splits: SegmentSplits) -> dict[str, Any]:
    """Returns a description of the data, to recognise it when a training is resumed."""
    return {
        "classes": list(splits.class_names),
        "train": len(splits.train),
        "val": len(splits.validation),
    }
