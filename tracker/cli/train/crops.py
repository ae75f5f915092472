"""`tracker train crops`: crops of labelled objects, and their embeddings by teacher networks."""

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from tracker.cli.train.progress import CountProgress
from tracker.errors import ConfigError, DataError
from tracker.inference.captured_stderr import native_output_logged
from tracker.inference.devices import check_threads
from tracker.models.files.digest import file_digest
from tracker.training.crops.crop_folder import CropRow, cached_vectors, write_crop, write_table
from tracker.training.crops.crop_record import begin_crops
from tracker.training.crops.crop_sources import SourceImage, StillImages, TrackedVideo
from tracker.training.crops.cut import CropSettings, cut, fit_for_crops
from tracker.training.crops.view_folder import write_views
from tracker.training.crops.views import ViewSettings
from tracker.training.data_file import read_training_images
from tracker.training.labels.appearance_teachers import (
    AppearanceTeacher,
    OpenVinoAppearance,
    describe_both_ways,
)
from tracker.training.reid.data import FEWEST_IDENTITIES, fitted
from tracker.training.reid.taught_crops import FEWEST_OBJECTS
from tracker.util.arrays import Float32Array, UInt8Array
from tracker.util.terminal import print_results, print_status

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CropRequest:
    """Data, teachers and output folder of the crops.

    Attributes:
        out: The output folder.
        data: Data file of a detector training, or `None`; its `train` images are used.
        videos: Videos.
        tracks: A file of tracks for each video.
        teachers: OpenVINO appearance networks.
        classes: Names of the classes to crop; `None` for all.
        min_score: Boxes of tracks with lower scores are omitted.
        every: Interval between the frames of a video that are used, in frames.
        threads: CPU threads of a teacher.
        settings: Which objects are cropped, and how.
        views: Number and settings of augmented views of each crop, which the teachers embed; with
            a count of 0 they embed the objects themselves.
        progress: Whether to show a progress bar.
    """

    out: Path
    data: Path | None = None
    videos: tuple[Path, ...] = ()
    tracks: tuple[Path, ...] = ()
    teachers: tuple[Path, ...] = ()
    classes: tuple[str, ...] | None = None
    min_score: float = 0.3
    every: int = 1
    threads: int = 1
    settings: CropSettings = field(default_factory=CropSettings)
    views: ViewSettings = field(default_factory=lambda: ViewSettings(0))
    progress: bool = True


@dataclass(frozen=True, slots=True)
class OpenedAppearance:
    """An appearance network used as teacher, and the SHA-256 of its files."""

    teacher: AppearanceTeacher
    digest: str


def run_train_crops(request: CropRequest) -> int:
    """Writes crops or their views, prints a summary, and returns their number.

    The same request resumes an interrupted run; where a teacher is added, only it is run.

    Raises:
        ConfigError: A setting is wrong, or the folder holds other crops.
        SourceError: An image, video or track file is missing or cannot be read.
        DataError: Labels or tracks are malformed, or no object has a permitted size.
        ModelError: A teacher's file is missing, damaged or not an appearance network.
        DependencyError: OpenVINO is not installed.
        OutputError: A file cannot be written.
    """
    check_threads(request.threads, "--threads")
    opened = []
    with native_output_logged():
        for path in request.teachers:
            digest = "+".join(file_digest(file) for file in (path, path.with_suffix(".bin")))
            teacher = OpenVinoAppearance(path, threads=request.threads)
            opened.append(OpenedAppearance(teacher, digest))
    return cut_crops_for(request, opened)


def cut_crops_for(request: CropRequest, opened: Sequence[OpenedAppearance]) -> int:
    """Returns the number of crops or views, as `run_train_crops`, with loaded teachers."""
    if request.views.count and not opened:
        raise ConfigError(
            "--views: expected --teacher too, got none; only teachers need views, as tracker train "
            "reid augments crops in each epoch itself"
        )
    sources = _open_sources(request)
    _check_distinct([entry.teacher.name for entry in opened])
    _write_record(request, opened)
    teachers = [entry.teacher for entry in opened]
    try:
        rows, vectors = _write_crops(request, sources, [] if request.views.count else teachers)
        summary = _summary(rows)
        if request.views.count:
            rows, vectors = _write_views(request, rows, teachers)
            summary += f"; {len(rows)} views"
    except KeyboardInterrupt:
        logger.warning("interrupted; the same command resumes in %s", request.out)
        raise
    write_table(request.out, rows, vectors)
    print_results(summary)
    print_status(f"written     {request.out}; {_next_step(rows, has_teachers=bool(opened))}")
    return len(rows)


_Source = StillImages | TrackedVideo
_RowsAndVectors = tuple[list[CropRow], dict[str, list[Float32Array]]]
"""Rows of the table, and each teacher's embeddings in parts."""


def _write_crops(
    request: CropRequest, sources: Sequence[_Source], teachers: Sequence[AppearanceTeacher]
) -> _RowsAndVectors:
    rows: list[CropRow] = []
    vectors: dict[str, list[Float32Array]] = {teacher.name: [] for teacher in teachers}
    with CountProgress(sum(map(len, sources)), shown=request.progress) as bar:
        for done, image in enumerate(_labelled_images(sources), start=1):
            new_rows, embeddings = _write_crops_of_image(image, request, teachers)
            rows += new_rows
            for name, part in embeddings.items():
                vectors[name].append(part)
            bar.done(done)
    if not rows:
        raise DataError(
            f"crops: expected objects of at least {request.settings.min_width_px:g}x"
            f"{request.settings.min_height_px:g} pixels, got none"
        )
    return rows, vectors


def _write_views(
    request: CropRequest, rows: Sequence[CropRow], teachers: Sequence[AppearanceTeacher]
) -> _RowsAndVectors:
    total = request.views.count * len(rows)
    with CountProgress(total, shown=request.progress, things="views") as bar:
        return write_views(
            request.out,
            rows,
            teachers,
            views=request.views,
            crops=request.settings,
            done=bar.done,
        )


def _open_sources(request: CropRequest) -> list[_Source]:
    if request.data is None and not request.videos:
        raise ConfigError("crops: expected --data FILE.yaml, or --video with --tracks, got neither")
    if len(request.videos) != len(request.tracks):
        raise ConfigError(
            f"--tracks: expected one for each --video ({len(request.videos)}), got "
            f"{len(request.tracks)}"
        )
    _check_distinct([video.stem for video in request.videos])
    sources: list[_Source] = []
    if request.data is not None:
        names, images = read_training_images(request.data, classes=request.classes)
        sources.append(StillImages(images, names))
    for video, tracks in zip(request.videos, request.tracks, strict=True):
        sources.append(
            TrackedVideo(
                video,
                tracks,
                classes=request.classes,
                min_score=request.min_score,
                every=request.every,
            )
        )
    return sources


def _labelled_images(sources: Sequence[_Source]) -> Iterator[SourceImage]:
    for source in sources:
        yield from source


def _write_crops_of_image(
    image: SourceImage, request: CropRequest, teachers: Sequence[AppearanceTeacher]
) -> tuple[list[CropRow], dict[str, Float32Array]]:
    """Writes the crops of an image; returns their rows, and their embeddings by teacher."""
    settings, out = request.settings, request.out
    chosen = np.flatnonzero(fit_for_crops(image.boxes, image.class_names, settings))
    if not len(chosen):
        return [], {}
    boxes = image.boxes[chosen]
    rows = []
    for number, index in enumerate(chosen.tolist()):
        name = f"{image.name}-{number}.png"
        crop = cut(image.image, image.boxes[index], margin=settings.margin)
        write_crop(out, name, fitted(crop, settings.size))
        group, class_name = image.groups[index], image.class_names[index]
        rows.append(CropRow(name, group, class_name, image.source))
    embeddings = {}
    for teacher in teachers:

        def embed(teacher: AppearanceTeacher = teacher) -> Float32Array:
            return _embed_objects(teacher, image.image, boxes)

        embeddings[teacher.name] = cached_vectors(out, teacher.name, image.name, boxes, embed)
    return rows, embeddings


def _embed_objects(
    teacher: AppearanceTeacher, image: UInt8Array, boxes: Float32Array
) -> Float32Array:
    """Returns a teacher's embeddings `(N, E)` of the objects in an image, without margin."""
    return describe_both_ways(teacher, [cut(image, box, margin=0.0) for box in boxes])


def _check_distinct(names: Sequence[str]) -> None:
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ConfigError(
            f"expected files with different names, got {repeated[0]!r} more than once"
        )


def _write_record(request: CropRequest, opened: Sequence[OpenedAppearance]) -> None:
    settings, views = request.settings, request.views
    # With views, the table lists the views, which have no margin.
    listed = replace(settings, margin=0) if views.count else settings
    record: dict[str, Any] = {
        "data": None if request.data is None else str(request.data),
        "videos": [str(video) for video in request.videos],
        "tracks": [str(tracks) for tracks in request.tracks],
        "classes": None if request.classes is None else list(request.classes),
        "min_score": request.min_score,
        "every": request.every,
        "views": asdict(views) if views.count else None,
        "margin_of_viewed": settings.margin if views.count else None,
        "margin": listed.margin,
        "size": list(listed.size),
    }
    begin_crops(request.out, record, {entry.teacher.name: entry.digest for entry in opened})


def _next_step(rows: Sequence[CropRow], *, has_teachers: bool) -> str:
    """Returns the next command, or why there are too few objects or identities for it."""
    counts = Counter(row.group for row in rows)
    if has_teachers:
        count, needed, what = len(counts), FEWEST_OBJECTS, "objects"
    else:
        count, needed = sum(n > 1 for n in counts.values()), FEWEST_IDENTITIES
        what = "objects with at least two crops"
    if count >= needed:
        return f"input of tracker train reid --data: {count} {what}"
    return f"too few for tracker train reid, which needs {needed} {what}, got {count}; add " + (
        "images" if has_teachers else "--teacher, or tracks (--video and --tracks)"
    )


def _summary(rows: Sequence[CropRow]) -> str:
    """Returns one line: crops, objects, crops by class."""
    counts = Counter(row.class_name for row in rows)
    by_class = ", ".join(f"{count} {name}" for name, count in counts.most_common())
    crops, objects = len(rows), len({row.group for row in rows})
    return f"{crops} crop{'s' * (crops != 1)} of {objects} object{'s' * (objects != 1)}: {by_class}"
