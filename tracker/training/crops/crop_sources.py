"""Where crops come from: labelled images, and videos with their tracks."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tracker.errors import ConfigError, DataError, nearest
from tracker.evaluation.labels import LabelledImage
from tracker.sources.files.video_file import VideoFile
from tracker.track_files.read import read_tracks
from tracker.track_files.recorded_tracks import RecordedTracks
from tracker.training.crops.cut import inside
from tracker.training.datasets import read_image
from tracker.util.arrays import Float32Array, IndexArray, UInt8Array

UNNAMED = "object"
"""Class of tracks whose file names no classes (MOT text)."""


@dataclass(frozen=True, slots=True, eq=False)
class SourceImage:
    """An image with its objects; `N` of them.

    Attributes:
        name: Of its own among all images, fit for a file's name.
        source: The file, for a video with the number of the frame.
        image: `(H, W, 3)` uint8 RGB.
        boxes: `(N, 4)` float32 xyxy in pixels, cut to the image.
        class_names: `N` names.
        groups: `N` names; equal ones, in whatever image, mean the same object.
    """

    name: str
    source: str
    image: UInt8Array
    boxes: Float32Array
    class_names: tuple[str, ...]
    groups: tuple[str, ...]


class StillImages:
    """Labelled images: each object in them is one of its own.

    Args:
        images: The images; regions to ignore and crowds are left out.
        class_names: Names by class number.

    Raises:
        ConfigError: Two images would have the same name.
    """

    def __init__(self, images: Sequence[LabelledImage], class_names: Sequence[str]) -> None:
        self._images, self._class_names = tuple(images), tuple(class_names)
        self._names = image_names([image.path for image in images])

    def __len__(self) -> int:
        return len(self._images)

    def __iter__(self) -> Iterator[SourceImage]:
        for name, labelled in zip(self._names, self._images, strict=True):
            image = read_image(labelled.path)
            scale = np.array([image.shape[1], image.shape[0]] * 2, np.float64)
            objects = ~labelled.crowd
            boxes = inside(labelled.boxes[objects] * scale, image)
            yield SourceImage(
                name=name,
                source=str(labelled.path),
                image=image,
                boxes=boxes,
                class_names=tuple(self._class_names[n] for n in labelled.classes[objects]),
                groups=tuple(f"{name}-{n}" for n in range(len(boxes))),
            )


class TrackedVideo:
    """Frames of a video with tracks: all boxes of a track show the same object.

    Boxes that were only predicted, and those with a low score, are left out.

    Args:
        video: The video.
        tracks: Its tracks: JSON of this package or MOT text.
        classes: Names of the classes to take; `None` takes all. MOT text names none: all are taken.
        min_score: Lower scores are left out.
        every: Take each so many-th frame of the video, from the first on.

    Raises:
        ConfigError: `every` is below 1, or the tracks know none of the classes.
        SourceError: A file cannot be read.
        DataError: The tracks are malformed, or none is left.
    """

    def __init__(
        self,
        video: Path,
        tracks: Path,
        *,
        classes: Sequence[str] | None = None,
        min_score: float = 0.3,
        every: int = 1,
    ) -> None:
        if every < 1:
            raise ConfigError(f"--every: expected at least 1, got {every}")
        self._video, self._tracks, self._every = video, tracks, every
        recorded = read_tracks(tracks)
        if recorded.class_names and classes is not None:
            for name in classes:
                if name not in recorded.class_names:
                    raise ConfigError(
                        f"--classes: {tracks} has no {name!r}{nearest(name, recorded.class_names)}"
                    )
        wanted = recorded.seen & (recorded.scores >= min_score) & (recorded.frames % every == 0)
        if recorded.class_names and classes is not None:
            wanted &= np.isin(recorded.classes, [recorded.class_names.index(n) for n in classes])
        self._rows = recorded.select(wanted)
        if not len(self._rows):
            raise DataError(
                f"{tracks}: expected boxes that were seen with a score of {min_score:g} or more in "
                "the frames that are looked at, got none"
            )

    def __len__(self) -> int:
        return len(np.unique(self._rows.frames))

    def __iter__(self) -> Iterator[SourceImage]:
        rows, last = self._rows, int(self._rows.frames[-1])
        index = -1
        with VideoFile(self._video, stride=self._every) as video:
            for frame in video:
                index = frame.index
                if index > last:
                    break
                of_frame = np.flatnonzero(rows.frames == index)
                if len(of_frame):
                    boxes = video.info.in_frame(rows.boxes[of_frame].astype(np.float32))
                    yield self._image(frame.image, index, of_frame, boxes)
        if index < last:
            raise DataError(
                f"{self._tracks}: has tracks in frame {last}, but {self._video} ends with frame "
                f"{index}; do the two belong together?"
            )

    def _image(
        self, image: UInt8Array, index: int, chosen: IndexArray, boxes: Float32Array
    ) -> SourceImage:
        rows, stem = self._rows, self._video.stem
        return SourceImage(
            name=f"{stem}-{index:06d}",
            source=f"{self._video}#{index}",
            image=image,
            boxes=inside(boxes, image),
            class_names=tuple(_class_name(rows, row) for row in chosen.tolist()),
            groups=tuple(f"{stem}-track{number}" for number in rows.ids[chosen].tolist()),
        )


def image_names(paths: Sequence[Path]) -> tuple[str, ...]:
    """Returns a name for each image: its own without the ending, with its folders if need be.

    Raises:
        ConfigError: Two images would still have the same name.

    Example:
        >>> image_names([Path("a/images/1.jpg"), Path("b/images/1.jpg")])
        ('a-1', 'b-1')
    """
    names = [path.stem for path in paths]
    if len(set(names)) < len(names):
        absolute = [Path(os.path.abspath(path)) for path in paths]
        shared = os.path.commonpath([path.parent for path in absolute])
        parts = [path.relative_to(shared).with_suffix("").parts for path in absolute]
        names = ["-".join(part for part in folder if part != "images") for folder in parts]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ConfigError(f"images: expected different names, got {twice[0]!r} more than once")
    return tuple(names)


def _class_name(rows: RecordedTracks, row: int) -> str:
    return rows.class_names[rows.classes[row]] if rows.class_names else UNNAMED
