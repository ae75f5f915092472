"""`tracker train crops`: crops of labelled objects, with the embeddings of teacher networks."""

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
    """What to cut out, and where the crops go.

    Attributes:
        out: Folder of the results.
        data: Data file as of a detector's training, or `None`; its `train` pictures are used.
        videos: Videos.
        tracks: A file of tracks for each video.
        teachers: OpenVINO networks of appearance.
        classes: Names of the classes to cut out; `None` for all.
        min_score: Boxes of tracks with lower scores are left out.
        every: Of a video, each so many-th frame is looked at.
        threads: CPU threads of a teacher.
        settings: Which objects are cut out, and how.
        views: How many views of each crop teachers see, and how they are made; with a count of 0
            they see the objects as they are.
        progress: Whether to show a bar.
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
    """A teacher of appearance, and the SHA-256 of its files."""

    teacher: AppearanceTeacher
    digest: str


def run_train_crops(request: CropRequest) -> int:
    """Returns the number of crops, or of their views, after writing them and printing a line.

    The same request goes on with a run that was stopped; one more teacher is asked for what the
    others have seen already.

    Raises:
        ConfigError: A setting is wrong, or the folder holds other crops.
        SourceError: A picture, video or track file is missing or cannot be read.
        DataError: Labels or tracks are malformed, or no object is fit.
        ModelError: A teacher's file is missing, damaged or no network of appearance.
        DependencyError: OpenVINO is not installed.
        OutputError: A file cannot be written.
    """
    if request.threads < 1:
        raise ConfigError(f"--threads: expected at least 1, got {request.threads}")
    opened = []
    with native_output_logged():
        for path in request.teachers:
            digest = "+".join(file_digest(file) for file in (path, path.with_suffix(".bin")))
            teacher = OpenVinoAppearance(path, threads=request.threads)
            opened.append(OpenedAppearance(teacher, digest))
    return cut_crops_for(request, opened)


def cut_crops_for(request: CropRequest, opened: Sequence[OpenedAppearance]) -> int:
    """Returns the number of crops or views, as `run_train_crops`, with teachers already open."""
    if request.views.count and not opened:
        raise ConfigError(
            "--views: expected --teacher too, got none; views are for teachers, without them "
            "tracker train reid changes the crops anew in each epoch"
        )
    sources = _sources(request)
    _check_names([one.teacher.name for one in opened])
    _begin(request, opened)
    teachers = [one.teacher for one in opened]
    try:
        rows, vectors = _cut_all(request, sources, [] if request.views.count else teachers)
        summary = _summary(rows)
        if request.views.count:
            rows, vectors = _view_all(request, rows, teachers)
            summary += f"; {len(rows)} views"
    except KeyboardInterrupt:
        logger.warning("stopped; the same command goes on in %s", request.out)
        raise
    write_table(request.out, rows, vectors)
    print_results(summary)
    print_status(f"written     {request.out}; {_next_step(rows, has_teachers=bool(opened))}")
    return len(rows)


_Source = StillImages | TrackedVideo
_Taught = tuple[list[CropRow], dict[str, list[Float32Array]]]
"""Rows of the table, and parts of each teacher's vectors."""


def _cut_all(
    request: CropRequest, sources: Sequence[_Source], teachers: Sequence[AppearanceTeacher]
) -> _Taught:
    rows: list[CropRow] = []
    vectors: dict[str, list[Float32Array]] = {teacher.name: [] for teacher in teachers}
    with CountProgress(sum(map(len, sources)), shown=request.progress) as bar:
        for done, picture in enumerate(_pictures(sources), start=1):
            found, said = _cut_picture(picture, request, teachers)
            rows += found
            for name, part in said.items():
                vectors[name].append(part)
            bar.done(done)
    if not rows:
        raise DataError(
            f"crops: expected objects of at least {request.settings.min_width_px:g}x"
            f"{request.settings.min_height_px:g} pixels, got none that is fit"
        )
    return rows, vectors


def _view_all(
    request: CropRequest, rows: Sequence[CropRow], teachers: Sequence[AppearanceTeacher]
) -> _Taught:
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


def _sources(request: CropRequest) -> list[_Source]:
    if request.data is None and not request.videos:
        raise ConfigError("crops: expected --data FILE.yaml, or --video with --tracks, got neither")
    if len(request.videos) != len(request.tracks):
        raise ConfigError(
            f"--tracks: expected one for each --video ({len(request.videos)}), got "
            f"{len(request.tracks)}"
        )
    _check_names([video.stem for video in request.videos])
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


def _pictures(sources: Sequence[_Source]) -> Iterator[SourceImage]:
    for source in sources:
        yield from source


def _cut_picture(
    picture: SourceImage, request: CropRequest, teachers: Sequence[AppearanceTeacher]
) -> tuple[list[CropRow], dict[str, Float32Array]]:
    """Returns the crops of a picture, written, and what each teacher says of them."""
    settings, out = request.settings, request.out
    chosen = np.flatnonzero(fit_for_crops(picture.boxes, picture.class_names, settings))
    if not len(chosen):
        return [], {}
    boxes = picture.boxes[chosen]
    rows = []
    for number, index in enumerate(chosen.tolist()):
        name = f"{picture.name}-{number}.png"
        crop = cut(picture.image, picture.boxes[index], margin=settings.margin)
        write_crop(out, name, fitted(crop, settings.size))
        group, class_name = picture.groups[index], picture.class_names[index]
        rows.append(CropRow(name, group, class_name, picture.source))
    said = {}
    for teacher in teachers:

        def ask(teacher: AppearanceTeacher = teacher) -> Float32Array:
            return _ask(teacher, picture.image, boxes)

        said[teacher.name] = cached_vectors(out, teacher.name, picture.name, boxes, ask)
    return rows, said


def _ask(teacher: AppearanceTeacher, image: UInt8Array, boxes: Float32Array) -> Float32Array:
    """Returns `(N, E)`: what a teacher says of objects as they are in the picture, uncut."""
    return describe_both_ways(teacher, [cut(image, box, margin=0.0) for box in boxes])


def _check_names(names: Sequence[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ConfigError(f"expected files of different names, got {twice[0]!r} more than once")


def _begin(request: CropRequest, opened: Sequence[OpenedAppearance]) -> None:
    settings, views = request.settings, request.views
    # What the table lists is views, where there are any: they have no surroundings.
    listed = replace(settings, margin=0) if views.count else settings
    asked_for: dict[str, Any] = {
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
    begin_crops(request.out, asked_for, {one.teacher.name: one.digest for one in opened})


def _next_step(rows: Sequence[CropRow], *, has_teachers: bool) -> str:
    """Returns what the crops are good for: to learn from, objects must be told apart."""
    counts = Counter(row.group for row in rows)
    if has_teachers:
        found, few, what = len(counts), FEWEST_OBJECTS, "objects"
    else:
        found, few = sum(count > 1 for count in counts.values()), FEWEST_IDENTITIES
        what = "objects with two crops or more"
    if found >= few:
        return f"tracker train reid --data takes it: {found} {what}"
    return (
        f"too little for tracker train reid, which needs {few} {what} and has {found} here; add "
        + ("pictures" if has_teachers else "--teacher, or tracks (--video and --tracks)")
    )


def _summary(rows: Sequence[CropRow]) -> str:
    """Returns one line: crops, objects, crops by class."""
    counts = Counter(row.class_name for row in rows)
    by_class = ", ".join(f"{count} {name}" for name, count in counts.most_common())
    crops, objects = len(rows), len({row.group for row in rows})
    return f"{crops} crop{'s' * (crops != 1)} of {objects} object{'s' * (objects != 1)}: {by_class}"
