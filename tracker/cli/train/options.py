"""The commands `tracker train ...` and their options.

Nothing heavy is imported before a command runs.
"""

from pathlib import Path
from typing import Annotated

import typer

from tracker.cli.help_groups import GroupedCommand
from tracker.cli.options import NoProgress
from tracker.cli.parsing import command_group, words_of
from tracker.training.settings import MixedPrecision

# Options that several of these commands have.
_Out = Annotated[
    str, typer.Option(help="Folder of the results; the same command resumes a stopped run.")
]
_Backbone = Annotated[
    str | None,
    typer.Option(
        help="cross-stage, efficientnet-lite0, or a keras.applications name such as "
        "resnet50v2. [cross-stage]"
    ),
]
_BackboneWeights = Annotated[
    str | None,
    typer.Option(
        help="Initial weights of the backbone: none, imagenet (downloads), or FILE. [none]"
    ),
]
_FreezeEpochs = Annotated[
    int | None, typer.Option(help="Freeze a trained backbone in so many first epochs. [0]")
]
_InputSize = Annotated[int | None, typer.Option(help="Side of the training images, px. [320]")]
_Patience = Annotated[
    int | None, typer.Option(help="Stop after so many validations without improvement. [never]")
]
_Seed = Annotated[int | None, typer.Option(help="Seed of all random numbers. [0]")]
_Set = Annotated[
    list[str] | None,
    typer.Option("--set", help="Override one key: training.learning_rate=0.001."),
]

train_app = command_group("Train models on your own data.")


def add_commands(app: typer.Typer) -> None:
    """Adds the commands of this module to the program, as a group."""
    app.add_typer(train_app, name="train")


@train_app.command("detector", cls=GroupedCommand)
def train_detector(  # noqa: PLR0913, PLR0917 - one parameter for each option is how Typer works
    out: _Out,
    data: Annotated[
        str | None,
        typer.Option(help="YAML with path, train, val, names: YOLO labels or COCO JSON."),
    ] = None,
    classes: Annotated[
        str | None, typer.Option(help="Classes to learn: person,car. [all in the data]")
    ] = None,
    val_share: Annotated[
        float | None, typer.Option(help="Share of train to hold out if the data name no val. [0.1]")
    ] = None,
    size: Annotated[str | None, typer.Option(help="nano or small. [nano]")] = None,
    heads: Annotated[
        str | None,
        typer.Option(help="anchor-free, or integral as nano and small. [anchor-free]"),
    ] = None,
    backbone: _Backbone = None,
    backbone_weights: _BackboneWeights = None,
    weights: Annotated[
        str | None,
        typer.Option(
            help="Start from nano or small of this package, a .keras detector of the same size, "
            "the .onnx of a NanoDet-Plus (integral heads), or none. [none]"
        ),
    ] = None,
    teacher: Annotated[
        str | None,
        typer.Option(
            help="Detector with integral heads that teaches what labels leave out: FILE, small "
            "or nano."
        ),
    ] = None,
    freeze_epochs: _FreezeEpochs = None,
    epochs: Annotated[int | None, typer.Option(help="Length of the training. [100]")] = None,
    imgsz: _InputSize = None,
    batch: Annotated[int | None, typer.Option(help="Images in a batch. [16]")] = None,
    patience: _Patience = None,
    seed: _Seed = None,
    config: Annotated[
        str | None,
        typer.Option(help="YAML that overrides defaults, see configs/train-detector.yaml."),
    ] = None,
    set_: _Set = None,
    no_progress: NoProgress = False,
) -> None:
    """Train a detector on labelled images; write best.keras, its scores and its card."""
    from tracker.cli.train.detector import DetectorTrainRequest, run_train_detector
    from tracker.cli.train.detector_config import load_train_config

    options = {
        "data.file": data,
        "data.classes": words_of("--classes", classes),
        "data.val_share": val_share,
        "network.size": size,
        "network.heads": heads,
        "network.teacher": builtin_teacher(teacher),
        "network.backbone": backbone,
        "network.backbone_weights": backbone_weights,
        "network.weights": None if weights == "none" else weights,
        "network.input_size": imgsz,
        "batches.batch": batch,
        "training.freeze_epochs": freeze_epochs,
        "training.epochs": epochs,
        "training.patience": patience,
        "seed": seed,
    }
    options |= builtin_start(weights, size=size, backbone=backbone)
    overrides = [*(["network.weights=null"] if weights == "none" else []), *(set_ or ())]
    settings = load_train_config(config, overrides, options)
    run_train_detector(DetectorTrainRequest(settings, Path(out), progress=not no_progress))


def builtin_teacher(teacher: str | None) -> str | None:
    """Returns the file of a teacher; a name of a detector of this package stands for its file.

    Args:
        teacher: Value of `--teacher`.
    """
    from tracker.registry.builtin import TRAINED, detector_files

    return str(detector_files(teacher).keras) if teacher in TRAINED else teacher


def builtin_start(weights: str | None, *, size: str | None, backbone: str | None) -> dict[str, str]:
    """Returns the options that start from a detector of this package; none for other weights.

    Args:
        weights: Value of `--weights`.
        size: Value of `--size`; `None` takes that of the detector.
        backbone: Value of `--backbone`; `None` takes that of the detector.
    """
    from tracker.models.files.detector_file import read_description
    from tracker.registry.builtin import TRAINED, detector_files

    if weights is None or weights not in TRAINED:
        return {}
    path = detector_files(weights).keras
    description = read_description(path)
    return {
        "network.weights": str(path),
        "network.size": description.size.value if size is None else size,
        "network.backbone": description.backbone if backbone is None else backbone,
        "network.heads": description.style.value,
    }


@train_app.command("reid", cls=GroupedCommand)
def train_reid(  # noqa: PLR0913, PLR0917 - one parameter for each option is how Typer works
    out: _Out,
    data: Annotated[
        str | None,
        typer.Option(help="Folder from `train crops`, or with one sub-folder for each identity."),
    ] = None,
    weights: Annotated[
        str | None,
        typer.Option(help="Start from this .keras appearance network, or none. [none]"),
    ] = None,
    backbone: Annotated[
        str | None,
        typer.Option(
            help="residual, efficientnet-lite0, or a keras.applications name such as "
            "mobilenetv2. [residual]"
        ),
    ] = None,
    backbone_weights: _BackboneWeights = None,
    frozen_until: Annotated[
        str | None, typer.Option(help="Freeze the backbone up to this layer. [nothing]")
    ] = None,
    frozen_norms: Annotated[
        bool | None,
        typer.Option(help="Freeze its batch norms. [with --backbone-weights]"),
    ] = None,
    freeze_epochs: _FreezeEpochs = None,
    mixed_precision: Annotated[
        MixedPrecision | None, typer.Option(help="Compute in 16 bits; auto: on a GPU. [auto]")
    ] = None,
    val_share: Annotated[
        float | None,
        typer.Option(help="Share of the identities held out for validation. [0.1]"),
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="Length of the training. [40]")] = None,
    batch: Annotated[int | None, typer.Option(help="Crops in a batch, even. [128]")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Peak learning rate. [0.002]")] = None,
    patience: Annotated[
        int | None, typer.Option(help="Stop after so many epochs without improvement. [never]")
    ] = None,
    seed: _Seed = None,
    config: Annotated[
        str | None,
        typer.Option(help="YAML that overrides defaults, see configs/train-reid.yaml."),
    ] = None,
    set_: _Set = None,
    no_progress: NoProgress = False,
) -> None:
    """Train an appearance network on crops; write best.keras, its scores and its card."""
    from tracker.cli.train.reid import ReidTrainRequest, run_train_reid
    from tracker.cli.train.reid_config import load_reid_config

    options = {
        "data.folder": data,
        "data.val_share": val_share,
        "data.batch": batch,
        "network.backbone": backbone,
        "network.backbone_weights": backbone_weights,
        "network.weights": None if weights == "none" else weights,
        "network.frozen_until": frozen_until,
        "network.frozen_norms": frozen_norms,
        "training.freeze_epochs": freeze_epochs,
        "training.mixed_precision": mixed_precision,
        "training.epochs": epochs,
        "training.learning_rate": learning_rate,
        "training.patience": patience,
        "seed": seed,
    }
    overrides = [*(set_ or ()), *(["network.weights=null"] if weights == "none" else [])]
    settings = load_reid_config(config, overrides, options)
    run_train_reid(ReidTrainRequest(settings, Path(out), progress=not no_progress))


@train_app.command("segmenter", cls=GroupedCommand)
def train_segmenter(  # noqa: PLR0913, PLR0917 - one parameter for each option is how Typer works
    out: _Out,
    data: Annotated[
        str | None,
        typer.Option(help="YAML with path, train, val, names: masks as PNG, or COCO JSON."),
    ] = None,
    head: Annotated[
        str | None,
        typer.Option(
            help="fcn-8s: whole frames; crop-u-net: crops of boxes, with a ShuffleNetV2. [fcn-8s]"
        ),
    ] = None,
    backbone: _Backbone = None,
    size: Annotated[str | None, typer.Option(help="Of cross-stage: nano or small. [small]")] = None,
    backbone_weights: _BackboneWeights = None,
    weights: Annotated[
        str | None, typer.Option(help="Start from this .keras segmenter. [none]")
    ] = None,
    freeze_epochs: _FreezeEpochs = None,
    epochs: Annotated[int | None, typer.Option(help="Length of the training. [60]")] = None,
    imgsz: _InputSize = None,
    batch: Annotated[int | None, typer.Option(help="Images in a batch. [8]")] = None,
    patience: _Patience = None,
    seed: _Seed = None,
    config: Annotated[
        str | None,
        typer.Option(help="YAML that overrides defaults, see configs/train-segmenter.yaml."),
    ] = None,
    set_: _Set = None,
    no_progress: NoProgress = False,
) -> None:
    """Train a segmenter on images with masks; write best.keras, its scores and its card."""
    from tracker.cli.train.segmenter import SegmentTrainRequest, run_train_segmenter
    from tracker.cli.train.segmenter_config import load_segment_config

    options = {
        "data.file": data,
        "data.batch": batch,
        "head": head,
        "network.size": size,
        "network.backbone": backbone,
        "network.backbone_weights": backbone_weights,
        "network.weights": weights,
        "network.input_size": imgsz,
        "training.freeze_epochs": freeze_epochs,
        "training.epochs": epochs,
        "training.patience": patience,
        "seed": seed,
    }
    settings = load_segment_config(config, set_ or (), options)
    run_train_segmenter(SegmentTrainRequest(settings, Path(out), progress=not no_progress))


@train_app.command("labels", cls=GroupedCommand)
def train_labels(  # noqa: PLR0913, PLR0917 - one parameter for each option is how Typer works
    pictures: Annotated[
        list[str],
        typer.Option(
            help="Folder, quoted pattern, image, .txt list of images, or video. Repeatable."
        ),
    ],
    out: _Out,
    teacher: Annotated[
        list[str] | None,
        typer.Option(
            help="Detector that labels: a file or name as `tracker run --detector` takes it. "
            "Repeatable."
        ),
    ] = None,
    labels: Annotated[
        list[str] | None,
        typer.Option(
            help="Human labels of some of the images: YAML as `train detector --data`. Repeatable."
        ),
    ] = None,
    classes: Annotated[
        str | None, typer.Option(help="Classes to label: person,car. [all of the teachers]")
    ] = None,
    size: Annotated[
        list[int] | None,
        typer.Option(help="Long side of teachers for any size, px. Repeatable. [their own]"),
    ] = None,
    names: Annotated[
        str | None,
        typer.Option(help="File of class names for .cfg and .xml without .names beside."),
    ] = None,
    every: Annotated[
        int | None, typer.Option(help="Label every n-th frame of a video. [1]")
    ] = None,
    config: Annotated[
        str | None,
        typer.Option(help="YAML that overrides defaults, see configs/train-labels.yaml."),
    ] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="Override one key: sure=0.4.")
    ] = None,
    no_progress: NoProgress = False,
) -> None:
    """Label images with existing detectors; write data for `train detector`."""
    from tracker.cli.train.labels import LabelRequest, run_train_labels
    from tracker.cli.train.labels_config import load_label_config

    options = {
        "teachers": tuple(teacher) if teacher else None,
        "human.sources": tuple(labels) if labels else None,
        "classes": words_of("--classes", classes),
        "sizes": tuple(size) if size else None,
        "names": names,
        "every": every,
    }
    settings = load_label_config(config, set_ or (), options)
    run_train_labels(LabelRequest(tuple(pictures), settings, Path(out), progress=not no_progress))


@train_app.command("crops", cls=GroupedCommand)
def train_crops(  # noqa: PLR0913, PLR0917 - one parameter for each option is how Typer works
    out: _Out,
    data: Annotated[
        str | None, typer.Option(help="YAML as for `train detector`; its train images are cut.")
    ] = None,
    video: Annotated[list[str] | None, typer.Option(help="Video with tracks. Repeatable.")] = None,
    tracks: Annotated[
        list[str] | None, typer.Option(help="Its tracks, JSON or MOT text; one for each --video.")
    ] = None,
    teacher: Annotated[
        list[str] | None,
        typer.Option(help="OpenVINO .xml appearance network to learn from. Repeatable."),
    ] = None,
    classes: Annotated[str | None, typer.Option(help="Classes to cut: person,car. [all]")] = None,
    margin: Annotated[
        float, typer.Option(help="Margin on each side, as a share of the object's size.")
    ] = 0.125,
    min_score: Annotated[
        float, typer.Option(help="Leave out boxes of tracks with lower scores.")
    ] = 0.3,
    every: Annotated[int, typer.Option(help="Take every n-th frame of a video.")] = 1,
    views: Annotated[
        int,
        typer.Option(help="Augmented views of each crop for teachers; 0: the crop itself."),
    ] = 0,
    threads: Annotated[int, typer.Option(help="CPU threads of a teacher.")] = 1,
    no_progress: NoProgress = False,
) -> None:
    """Cut crops of labelled and tracked objects, with teachers' embeddings, for `train reid`."""
    from tracker.cli.train.crops import CropRequest, run_train_crops
    from tracker.training.crops.cut import CropSettings
    from tracker.training.crops.views import ViewSettings

    request = CropRequest(
        out=Path(out),
        data=None if data is None else Path(data),
        videos=tuple(map(Path, video or ())),
        tracks=tuple(map(Path, tracks or ())),
        teachers=tuple(map(Path, teacher or ())),
        classes=words_of("--classes", classes),
        min_score=min_score,
        every=every,
        threads=threads,
        settings=CropSettings(margin=margin),
        views=ViewSettings(views),
        progress=not no_progress,
    )
    run_train_crops(request)
