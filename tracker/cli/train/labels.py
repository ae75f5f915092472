"""The work behind `tracker train labels`: pictures without labels to a data set with them.

The output folder gets `images`, `labels`, `ignore` and `found` (see `training.labels.write`),
`data.yaml` for `tracker train detector --data`, `labelling.json`, which records how it was made,
and `frames.csv` with the times of videos' frames.
"""

import csv
import io
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tracker.cli.train.labels_config import LabelConfig
from tracker.cli.train.progress import CountProgress
from tracker.errors import ConfigError, OutputError, nearest
from tracker.inference.captured_stderr import native_output_logged
from tracker.training.images import FoundImages, FrameFile, find_images, save_frames
from tracker.training.labels.teacher_files import OpenedTeacher, open_teachers
from tracker.training.labels.write import SYNONYMS, Labelled, LabelSettings, label_images
from tracker.util.atomic_file import replace_text
from tracker.util.terminal import print_results, print_status
from tracker.version import __version__

logger = logging.getLogger(__name__)

DATA, RECORD, FRAMES = "data.yaml", "labelling.json", "frames.csv"


@dataclass(frozen=True, slots=True)
class LabelRequest:
    """What to label, and where the labels go.

    Attributes:
        pictures: Folders, patterns, pictures, `.txt` lists, video files.
        config: How.
        out: Folder of the results.
        progress: Whether to show a bar.
    """

    pictures: tuple[str, ...]
    config: LabelConfig
    out: Path
    progress: bool = True


def run_train_labels(request: LabelRequest) -> Labelled:
    """Returns how much was labelled, after writing the data set and printing a line about it.

    The same request goes on with a labelling that was stopped; more teachers or other thresholds
    cost no second look by the teachers that have seen the pictures.

    Raises:
        ConfigError: A setting is wrong, no teacher knows a class, or the folder holds another
            labelling.
        SourceError: Pictures are missing or cannot be read.
        ModelError: A teacher's file is missing, damaged or of no known kind.
        DependencyError: The library of a teacher is not installed.
        DataError: A file of an earlier run is broken.
        OutputError: A file cannot be written.
    """
    config = request.config
    if not config.teachers:
        raise ConfigError(
            "teachers: expected one file or more, got none; give --teacher FILE (.cfg, .onnx, "
            ".xml or .keras)"
        )
    found = find_images(request.pictures)
    opened: list[OpenedTeacher] = []
    with native_output_logged():
        for path in config.teachers:
            opened += open_teachers(path, config.teacher_options())
    return label_found(request, found, opened)


def label_found(
    request: LabelRequest, found: FoundImages, opened: Sequence[OpenedTeacher]
) -> Labelled:
    """Returns how much was labelled, as `run_train_labels`, by teachers that are open already."""
    config, out = request.config, request.out
    settings = _settings(config, opened)
    _begin(request, found, opened, settings)
    try:
        frames = _frames(found, out, config.every)
        paths = [*found.images, *(frame.path for frame in frames)]
        with CountProgress(len(paths), shown=request.progress) as bar:
            done = label_images(
                paths,
                [one.teacher for one in opened],
                out,
                settings=settings,
                progress=bar.done,
            )
    except KeyboardInterrupt:
        logger.warning("stopped; the same command goes on in %s", out)
        raise
    replace_text(out / DATA, _data_text(settings.classes))
    print_results(_summary(done))
    print_status(f"written     {out / DATA}; tracker train detector --data takes it")
    return done


def _settings(config: LabelConfig, opened: Sequence[OpenedTeacher]) -> LabelSettings:
    names = [one.teacher.name for one in opened]
    for name in config.weights:
        if name not in names:
            hint = nearest(name, names) or f"; known: {', '.join(names)}"
            raise ConfigError(f"weights: no teacher is named {name!r}{hint}")
    known = [SYNONYMS.get(name, name) for one in opened for name in one.teacher.class_names]
    classes = tuple(dict.fromkeys(known)) if config.classes is None else config.classes
    for name in classes:
        if name not in known:
            raise ConfigError(f"classes: no teacher knows {name!r}{nearest(name, known)}")
    return config.label_settings(classes)


def _begin(
    request: LabelRequest,
    found: FoundImages,
    opened: Sequence[OpenedTeacher],
    settings: LabelSettings,
) -> None:
    """Writes what the labelling is; where one is already, checks that it is the same.

    Raises:
        ConfigError: The folder holds another labelling, or something else.
        OutputError: The folder cannot be written.
    """
    out, digests = request.out, {one.teacher.name: one.digest for one in opened}
    videos = {str(video): request.config.every for video in found.videos}
    before = _begun(out)
    for name, digest in digests.items():
        if before["teachers"].get(name, digest) != digest:
            raise ConfigError(
                f"{out}: what it holds under found/{name} was said by another file of this name; "
                "name another --out folder"
            )
    if before["videos"] and before["videos"] != videos:
        raise ConfigError(
            f"{out}: holds a labelling of {_videos_text(before['videos'])}, got "
            f"{_videos_text(videos)}; go on with the same, or name another --out folder"
        )
    _check_pictures(out, found)
    record = {
        "program": f"tracker-pipeline {__version__}",
        "classes": settings.classes,
        "teachers": {**before["teachers"], **digests},
        "weights": settings.weights,
        "default": [settings.default.sure, settings.default.doubtful],
        "thresholds": {name: [t.sure, t.doubtful] for name, t in settings.thresholds.items()},
        "iou": settings.iou,
        "videos": videos,
    }
    try:
        out.mkdir(parents=True, exist_ok=True)
        # Until all pictures are done, labels of two kinds may lie side by side.
        (out / DATA).unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"{out}: cannot be written: {error.strerror or error}") from error
    replace_text(out / RECORD, json.dumps(record, ensure_ascii=False, indent=2) + "\n")


def _begun(out: Path) -> Mapping[str, Any]:
    """Returns the record of the labelling that a folder holds."""
    nothing: dict[str, Any] = {"teachers": {}, "videos": {}}
    if not out.is_dir() or not any(out.iterdir()):
        return nothing
    try:
        record = json.loads((out / RECORD).read_text(encoding="utf-8"))
        return {key: dict(record[key]) for key in nothing}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            f"{out}: expected a new or empty folder, or one of an earlier labelling with its "
            f"{RECORD}, got neither ({error}); name another --out folder"
        ) from error


def _videos_text(videos: Mapping[str, int]) -> str:
    frames = [f"each {every}. frame of {video}" for video, every in videos.items()]
    return ", ".join(frames) or "no video"


def _check_pictures(out: Path, found: FoundImages) -> None:
    """Checks that the folder's pictures are all among those that are labelled now."""
    wanted = {picture.name: picture for picture in found.images}
    images = out / "images"
    for entry in sorted(images.iterdir()) if images.is_dir() else ():
        if not entry.is_symlink():
            continue  # a frame of a video, or the draft of one
        picture = wanted.get(entry.name)
        if picture is None or picture.resolve() != entry.resolve():
            got = "not among the pictures" if picture is None else f"another picture, {picture}"
            raise ConfigError(
                f"{out}: holds a labelling of other pictures: {entry.name} is {got} now; name "
                "another --out folder"
            )


def _frames(found: FoundImages, out: Path, every: int) -> list[FrameFile]:
    """Returns the frames of the videos, written as pictures; tells their times in a file."""
    frames: list[FrameFile] = []
    for video in found.videos:
        part = list(save_frames(video, out / "images", every=every))
        print_status(f"frames      {len(part)} of {video}")
        frames += part
    if frames:
        text = io.StringIO()
        table = csv.writer(text, lineterminator="\n")
        table.writerow(("picture", "source", "frame", "time_s"))
        for frame in frames:
            table.writerow((frame.path.name, frame.source, frame.index, f"{frame.time_s:.6f}"))
        replace_text(out / FRAMES, text.getvalue())
    return frames


def _data_text(classes: Sequence[str]) -> str:
    record = {"train": "images", "names": list(classes)}
    body = yaml.safe_dump(record, sort_keys=False, allow_unicode=True)
    return f"# Labels by teachers, see {RECORD}.\n{body}"


def _summary(done: Labelled) -> str:
    """Returns one line: pictures, objects by class, regions to ignore."""
    counted = ", ".join(f"{count} {name}" for name, count in done.labels.items() if count)
    doubtful = sum(done.doubtful.values())
    return (
        f"{_counted(done.images, 'picture')}: {counted or 'no object'}; "
        f"{_counted(doubtful, 'region')} to ignore"
    )


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
