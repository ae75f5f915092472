"""The work behind `tracker train segmenter`: pictures with masks to a segmenter file and its card.

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
from tracker.cli.train.run_folder import advice_on_interrupt, begin, goes_on
from tracker.cli.train.segmenter_config import SegmentTrainConfig
from tracker.cli.train.shared_config import config_values, config_yaml
from tracker.cli.train.start_network import check_output, check_start, load_keras
from tracker.errors import ConfigError
from tracker.models.files.segmenter_file import (
    SegmenterDescription,
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
"""Keys that may differ when a training goes on."""

_JUDGED_AT_ONCE = 4  # Scores of a pixel are 4 bytes a class: 80 classes at 512x512 take 84 MB each.


@dataclass(frozen=True, slots=True)
class SegmentTrainRequest:
    """What to train, and where the results go.

    Attributes:
        config: The whole configuration.
        out: Folder of the results.
        progress: Whether to show a bar.
    """

    config: SegmentTrainConfig
    out: Path
    progress: bool = True


class SegmentProgress(StepProgress):
    """An `Observer` of a segmenter's training.

    Args:
        epochs: All epochs.
        batch: Pictures in a step.
        shown: Whether to show the bar; it also needs a terminal. Lines are always written.
    """

    def __init__(self, epochs: int, batch: int, *, shown: bool) -> None:
        super().__init__(epochs, batch, things="images", shown=shown)

    def epoch(self, report: EpochReport) -> None:
        """An epoch ended."""
        facts = self.facts(report)
        if report.images_per_s is not None:
            facts.append(f"{report.images_per_s:.1f} images/s")
        if report.score is not None:
            facts.append(f"mean IoU {100 * report.score:.1f} %")
        self.line(", ".join(facts))


def run_train_segmenter(request: SegmentTrainRequest) -> SegmentScores:
    """Returns the scores of the best segmenter, after writing it and its card.

    The same request goes on with a training that was stopped.

    Raises:
        ConfigError: A setting is missing or wrong, or differs from those the training began with.
        SourceError: Data are missing.
        DataError: Data are malformed, or the loss is not finite any more.
        ModelError: The weights to start from, or a checkpoint, do not fit.
        OutputError: A file cannot be written.
        DependencyError: Keras cannot be loaded, or cannot fetch a backbone's weights.
    """
    config, out = request.config, request.out
    if config.data.file is None:
        raise ConfigError("data.file: expected the path of a data file, got none; give --data FILE")
    # Twice the input: what the largest scale of the augmentation can show.
    splits = read_segment_splits(config.data.file, long_side=2 * config.network.input_size)
    description = SegmenterDescription(
        splits.class_names,
        long_side=config.network.input_size,
        backbone=config.network.backbone,
        size=config.network.size,
    )
    config.network.choice().check_file()
    if config.network.weights is not None:
        start = read_segmenter_description(config.network.weights)
        check_start(config.network.weights, _architecture(start), _architecture(description))
    check_output(out)
    record = {"data": _record(splits), **config_values(config)}
    resumed = goes_on(out, record, may_change=_MAY_CHANGE)
    _tell_data(splits)
    network = _network(config, description, fill=not resumed)
    begin(out, record)
    replace_text(out / CONFIG, config_yaml(config))
    with advice_on_interrupt(out):
        steps = _train(request, splits, description, network)
    return _judge(request, splits, steps)


def _train(
    request: SegmentTrainRequest,
    splits: SegmentSplits,
    description: SegmenterDescription,
    network: Any,
) -> int:
    """Returns the steps taken."""
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


def _network(config: SegmentTrainConfig, description: SegmenterDescription, *, fill: bool) -> Any:
    """Returns the network, its backbone frozen where it never learns.

    Args:
        config: Says where weights come from.
        description: What it will be.
        fill: Whether to read weights; a training that goes on has them in its checkpoint.
    """
    load_keras(config.seed)
    from tracker.models.backbones.weights import load_backbone
    from tracker.models.fcn.fcn8s import build_fcn8s, copy_all_but_scores
    from tracker.training.freezing import freeze_for_good

    names, choice = description.class_names, config.network.choice()
    network = build_fcn8s(description.backbone, len(names), size=description.size)
    if fill:
        load_backbone(network, choice)
    if fill and choice.whole is not None:
        source = load_segmenter(choice.whole)
        if read_segmenter_description(choice.whole).class_names == names:
            network.set_weights(source.get_weights())
            print_status(f"start from {choice.whole}, the same classes: all weights")
        else:
            copy_all_but_scores(source, network)
            print_status(f"start from {choice.whole}, other classes: the backbone")
    freeze_for_good(network, choice)
    return network


def _judge(request: SegmentTrainRequest, splits: SegmentSplits, steps: int) -> SegmentScores:
    """Returns the scores of the best network as it lies on disk; prints them, writes the card."""
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
    return SegmentBatches(splits.validation, size=config.network.input_size, batch=_JUDGED_AT_ONCE)


def _architecture(description: SegmenterDescription) -> dict[str, str]:
    return {"backbone": description.backbone, "size": description.size.value}


def _tell_data(splits: SegmentSplits) -> None:
    """Says what is learned from."""
    for label, part, pixels in (
        ("train", splits.train, splits.train_pixels),
        ("val", splits.validation, splits.validation_pixels),
    ):
        shares = ", ".join(
            f"{share:.1%} {name}"
            for share, name in zip(pixels / pixels.sum(), splits.class_names, strict=True)
        )
        print_status(f"{label:<12}{len(part)} pictures: {shares}")
        for count, name in zip(pixels, splits.class_names, strict=True):
            if not count:
                logger.warning("%s: no pixel of %r in these pictures", label, name)


def _record(splits: SegmentSplits) -> dict[str, Any]:
    """Returns what tells one set of data from another."""
    return {
        "classes": list(splits.class_names),
        "train": len(splits.train),
        "val": len(splits.validation),
    }
