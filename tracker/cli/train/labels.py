"""`tracker train labels`: labels images with existing detectors, the teachers.

The output folder gets `images`, `labels`, `ignore` and `found` (see `training.labels.write`),
`data.yaml` for `tracker train detector --data`, `labelling.json` with teachers and settings, and
`frames.csv` with the times of video frames.
"""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic_core import to_jsonable_python

from tracker.cli.train.labels_config import HumanSource, LabelConfig
from tracker.cli.train.progress import CountProgress
from tracker.cli.train.teachers import OpenedTeacher, open_teachers
from tracker.errors import ConfigError, OutputError, nearest
from tracker.evaluation.labels import LabelledImage
from tracker.inference.captured_stderr import native_output_logged
from tracker.training.data_file import read_training_images
from tracker.training.images import FoundImages, FrameFile, find_images, save_frames
from tracker.training.labels.merge import HumanLabels, human_labels
from tracker.training.labels.settings import LabelSettings, common_name
from tracker.training.labels.write import Labelled, label_images
from tracker.util.atomic_file import replace_text
from tracker.util.csv_text import csv_text
from tracker.util.terminal import print_results, print_status
from tracker.version import PROGRAM

logger = logging.getLogger(__name__)

DATA, RECORD, FRAMES = "data.yaml", "labelling.json", "frames.csv"


@dataclass(frozen=True, slots=True)
class LabelRequest:
    """Images, configuration and output folder of a labelling.

    Attributes:
        pictures: Folders, patterns, images, `.txt` lists, video files.
        config: The configuration.
        out: The output folder.
        progress: Whether to show a progress bar.
    """

    pictures: tuple[str, ...]
    config: LabelConfig
    out: Path
    progress: bool = True


def run_train_labels(request: LabelRequest) -> Labelled:
    """Writes the labelled data set, prints a summary, and returns the counts.

    The same request resumes an interrupted labelling. Detections are kept, so that teachers do not
    run again where thresholds change or a teacher is added.

    Raises:
        ConfigError: A setting is wrong, no teacher has a class, or the folder holds another
            labelling.
        SourceError: Images are missing or cannot be read.
        ModelError: A teacher's file is missing, damaged or of an unknown kind.
        DependencyError: The library of a teacher is not installed.
        DataError: A file of an earlier run is damaged.
        OutputError: A file cannot be written.
    """
    config = request.config
    if not config.teachers:
        raise ConfigError(
            "teachers: expected one or more, got none; give --teacher DETECTOR, a file or name as "
            "`tracker run --detector` takes it"
        )
    found = find_images(request.pictures)
    with native_output_logged():
        opened = open_teachers(config.teachers, config.teacher_options())
    return label_found(request, found, opened)


def label_found(
    request: LabelRequest, found: FoundImages, opened: Sequence[OpenedTeacher]
) -> Labelled:
    """Returns the counts, as `run_train_labels`, with loaded teachers."""
    config, out = request.config, request.out
    settings = _label_settings(config, opened)
    human = _human_labels(config.human.sources, found, settings.classes)
    _write_record(request, found, opened, settings)
    try:
        frames = _save_video_frames(found, out, config.every)
        paths = [*found.images, *(frame.path for frame in frames)]
        with CountProgress(len(paths), shown=request.progress) as bar:
            done = label_images(
                paths,
                [entry.teacher for entry in opened],
                out,
                settings=settings,
                progress=bar.done,
                human=human,
            )
    except KeyboardInterrupt:
        logger.warning("interrupted; the same command resumes in %s", out)
        raise
    replace_text(out / DATA, _data_yaml(settings.classes))
    print_results(_summary(done))
    print_status(f"written     {out / DATA}; input of tracker train detector --data")
    return done


def _label_settings(config: LabelConfig, opened: Sequence[OpenedTeacher]) -> LabelSettings:
    names = [entry.teacher.name for entry in opened]
    for name in config.weights:
        if name not in names:
            hint = nearest(name, names) or f"; known: {', '.join(names)}"
            raise ConfigError(f"weights: no teacher has the name {name!r}{hint}")
    weights = {one.teacher.name: one.weight for one in opened if one.weight is not None}
    for name in weights.keys() & config.weights.keys():
        raise ConfigError(
            f"weights.{name}: the teacher itself has weight {weights[name]:g}; leave one of them "
            "out"
        )
    known = [common_name(name) for entry in opened for name in entry.teacher.class_names]
    classes = tuple(dict.fromkeys(known)) if config.classes is None else config.classes
    for name in classes:
        if name not in known:
            raise ConfigError(f"classes: no teacher has {name!r}{nearest(name, known)}")
    return config.label_settings(classes, {**weights, **config.weights})


def _human_labels(
    sources: Sequence[HumanSource], found: FoundImages, classes: Sequence[str]
) -> dict[Path, HumanLabels]:
    """Returns the human labels of the images by their resolved paths.

    Raises:
        ConfigError: A source labels none of the images, or none of the classes.
    """
    wanted = {image.resolve() for image in found.images}
    labels: dict[Path, HumanLabels] = {}
    for number, source in enumerate(sources):
        where = f"human.sources.{number}: {source.data}"
        names, images = read_training_images(source.data, classes=source.classes)
        own: list[LabelledImage] = [one for one in images if one.path.resolve() in wanted]
        if not own:
            raise ConfigError(
                f"{where}: expected labels of the images of --pictures, got those of "
                f"{len(images)} others; name its images there as well, or leave it out"
            )
        if not {common_name(name) for name in names} & set(classes):
            raise ConfigError(
                f"{where}: expected one of the classes to label, got {', '.join(names[:10])}"
                f"{nearest(names[0], classes)}"
            )
        labels = human_labels(own, names, classes) | labels
    return labels


def _write_record(
    request: LabelRequest,
    found: FoundImages,
    opened: Sequence[OpenedTeacher],
    settings: LabelSettings,
) -> None:
    """Writes the record of the labelling, after checking it against an earlier one in the folder.

    Raises:
        ConfigError: The folder holds another labelling, or something else.
        OutputError: The folder cannot be written.
    """
    out, digests = request.out, {entry.teacher.name: entry.digest for entry in opened}
    videos = {str(video): request.config.every for video in found.videos}
    before = _read_record(out)
    for name, digest in digests.items():
        if before["teachers"].get(name, digest) != digest:
            raise ConfigError(
                f"{out}: found/{name} contains detections of another teacher file of this "
                "name; name another --out folder"
            )
    if before["videos"] and before["videos"] != videos:
        raise ConfigError(
            f"{out}: holds a labelling of {_videos_text(before['videos'])}, got "
            f"{_videos_text(videos)}; use the same videos, or name another --out folder"
        )
    _check_images(out, found)
    record = {
        "program": PROGRAM,
        "classes": settings.classes,
        "teachers": {**before["teachers"], **digests},
        "weights": settings.weights,
        "default": [settings.default.sure, settings.default.doubtful],
        "thresholds": {name: [t.sure, t.doubtful] for name, t in settings.thresholds.items()},
        "iou": settings.iou,
        "same_object": settings.same_object,
        "soft": settings.soft,
        "human": to_jsonable_python(request.config.human),
        "videos": videos,
    }
    try:
        out.mkdir(parents=True, exist_ok=True)
        # Until all images are labelled, the folder may contain labels of both settings.
        (out / DATA).unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"{out}: cannot be written: {error.strerror or error}") from error
    replace_text(out / RECORD, json.dumps(record, ensure_ascii=False, indent=2) + "\n")


def _read_record(out: Path) -> Mapping[str, Any]:
    """Returns the record of the labelling in a folder; empty for a new folder."""
    empty: dict[str, Any] = {"teachers": {}, "videos": {}}
    if not out.is_dir() or not any(out.iterdir()):
        return empty
    try:
        record = json.loads((out / RECORD).read_text(encoding="utf-8"))
        return {key: dict(record[key]) for key in empty}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            f"{out}: expected a new or empty folder, or one of an earlier labelling with its "
            f"{RECORD}, got neither ({error}); name another --out folder"
        ) from error


def _videos_text(videos: Mapping[str, int]) -> str:
    frames = [f"every {every}. frame of {video}" for video, every in videos.items()]
    return ", ".join(frames) or "no video"


def _check_images(out: Path, found: FoundImages) -> None:
    """Checks that all images in the folder are among those to be labelled."""
    wanted = {image.name: image for image in found.images}
    images = out / "images"
    for entry in sorted(images.iterdir()) if images.is_dir() else ():
        if not entry.is_symlink():
            continue  # a frame of a video, or the draft of one
        image = wanted.get(entry.name)
        if image is None or image.resolve() != entry.resolve():
            got = "not among the images" if image is None else f"another image, {image}"
            raise ConfigError(
                f"{out}: holds a labelling of other images: {entry.name} is now {got}; name "
                "another --out folder"
            )


def _save_video_frames(found: FoundImages, out: Path, every: int) -> list[FrameFile]:
    """Writes the frames of the videos as images, and their times to a CSV file; returns them."""
    frames: list[FrameFile] = []
    for video in found.videos:
        part = list(save_frames(video, out / "images", every=every))
        print_status(f"frames      {len(part)} of {video}")
        frames += part
    if frames:
        rows: list[tuple[object, ...]] = [("picture", "source", "frame", "time_s")]
        for frame in frames:
            rows.append((frame.path.name, frame.source, frame.index, f"{frame.time_s:.6f}"))
        replace_text(out / FRAMES, csv_text(rows))
    return frames


def _data_yaml(classes: Sequence[str]) -> str:
    record = {"train": "images", "names": list(classes)}
    body = yaml.safe_dump(record, sort_keys=False, allow_unicode=True)
    return f"# Labels by teachers, see {RECORD}.\n{body}"


def _summary(done: Labelled) -> str:
    """Returns one line: images, objects by class, regions to ignore."""
    objects = ", ".join(f"{count} {name}" for name, count in done.labels.items() if count)
    doubtful = sum(done.doubtful.values())
    return (
        f"{_count_text(done.images, 'image')}: {objects or 'no object'}; "
        f"{_count_text(doubtful, 'region')} to ignore"
    )


def _count_text(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
