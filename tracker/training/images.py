"""Images to label, from what a person names: folders, patterns, files, lists, videos."""

import glob
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tracker.errors import SourceError
from tracker.sources.files.checked_paths import missing
from tracker.sources.files.video_file import VideoFile
from tracker.sources.source_kind import IMAGE_SUFFIXES, SourceKind, is_pattern, source_kind
from tracker.util.atomic_file import make_parent, replace_bytes
from tracker.util.opencv import cv2

_QUALITY = 95
"""Of the JPEG files that frames become."""


@dataclass(frozen=True, slots=True)
class FoundImages:
    """What words name.

    Attributes:
        images: Image files, in the order of the words, each once.
        videos: Video files, likewise.
    """

    images: tuple[Path, ...]
    videos: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class FrameFile:
    """A frame of a video as an image file.

    Attributes:
        path: The file.
        source: The video as it was named.
        index: Number of the frame in the video, from 0.
        time_s: Seconds after the video's first frame.
    """

    path: Path
    source: str
    index: int
    time_s: float


def find_images(words: Sequence[str]) -> FoundImages:
    """Returns the images and videos that words name.

    A folder stands for the images in it (not in its sub-folders), a pattern for those that it
    matches, a `.txt` file for the paths in its lines.

    Args:
        words: Folders, patterns, images, `.txt` lists, video files.

    Raises:
        SourceError: A word names nothing, a folder holds no image, or a list cannot be read.
    """
    images: dict[Path, None] = {}
    videos: dict[Path, None] = {}
    for word in words:
        path = Path(word)
        if path.suffix.lower() == ".txt":
            images |= dict.fromkeys(_listed(path))
        elif source_kind(word) is SourceKind.IMAGES:
            images |= dict.fromkeys(_images(word))
        elif path.is_file():
            videos[path] = None
        else:
            raise missing(word)
    if not images and not videos:
        raise SourceError("images: expected at least one, got none")
    return FoundImages(tuple(images), tuple(videos))


def save_frames(video: Path, folder: Path, *, every: int) -> Iterator[FrameFile]:
    """Yields frames of a video after writing each as `NAME-INDEX.jpg`; one that is there stays.

    Args:
        video: The file.
        folder: Where to; made if it is not there.
        every: Each so many-th frame, from the first on.

    Raises:
        SourceError: The video cannot be read, or `every` is below 1.
        OutputError: A file cannot be written.
    """
    with VideoFile(video, stride=every) as source:
        for frame in source:
            path = folder / f"{video.stem}-{frame.index:06d}.jpg"
            if not path.exists():
                _write_jpeg(path, frame.image)
            yield FrameFile(path, frame.source, frame.index, frame.time_s)


def _images(word: str) -> list[Path]:
    path = Path(word)
    if path.is_dir():
        found = [entry for entry in path.iterdir() if _is_image(entry)]
        if not found:
            raise SourceError(f"{word}: holds no image ({_known()}); name a folder of images")
    elif path.is_file():
        found = [path]
    elif is_pattern(word):
        found = [entry for entry in map(Path, glob.glob(word, recursive=True)) if _is_image(entry)]
        if not found:
            raise SourceError(f"{word}: no image ({_known()}) matches this pattern")
    else:
        raise missing(word)
    return sorted(found)


def _is_image(path: Path) -> bool:
    # Names beginning with a dot are left by other systems ("._a.jpg") and are no images.
    is_image = path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")
    return is_image and path.is_file()


def _known() -> str:
    return ", ".join(sorted(suffix[1:] for suffix in IMAGE_SUFFIXES))


def _listed(path: Path) -> list[Path]:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"{path}: expected paths of images, one a line: {error}") from error
    found = [path.parent / line.strip() for line in lines if line.strip()]
    for number, image in enumerate(found, start=1):
        if not _is_image(image):
            raise SourceError(f"{path}: entry {number}, {image}, is no image ({_known()})")
    return found


def _write_jpeg(path: Path, image: object) -> None:
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)  # type: ignore[call-overload]
    _, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    make_parent(path)
    replace_bytes(path, data.tobytes())
