"""The image files that a source names: a folder, a MOT sequence, a pattern, or one image."""

import glob
import logging
import os
import re
import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from tracker.errors import SourceError
from tracker.sources.files.checked_paths import missing
from tracker.sources.files.image_sequence import SEQUENCE_FILE, sequence_rate, sequence_settings
from tracker.sources.source_kind import IMAGE_SUFFIXES, VIDEO_SUFFIXES, is_pattern

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Listing:
    """The files in order, and the rate where a `seqinfo.ini` gives one."""

    files: tuple[Path, ...]
    rate: Fraction | None = None


def list_images(source: str) -> Listing:
    """Returns the images that a source names, in natural order of their names.

    Args:
        source: A folder, a MOT sequence, a glob pattern or one image.

    Raises:
        SourceError: There is none; the message names the files found instead.
    """
    path = Path(source)
    if path.is_dir():
        listing = _list_folder(source, path)
    elif path.exists():
        if path.suffix.lower() not in IMAGE_SUFFIXES:
            raise SourceError(
                f"{source}: expected an image ({_known()}), got {path.suffix or 'no extension'}"
            )
        listing = Listing((path,))
    elif is_pattern(source):
        found = [Path(name) for name in glob.glob(source, recursive=True)]
        listing = Listing(_images(found))
        if not listing.files:
            raise _no_image_matches(source, found)
        _tell_videos(source, found)
    else:
        raise missing(source)
    return listing


def _list_folder(source: str, folder: Path) -> Listing:
    """Returns the images of a plain folder or of a MOT sequence (its folder or its `imDir`)."""
    for sequence in (folder, Path(os.path.abspath(folder)).parent):
        settings = sequence_settings(sequence / SEQUENCE_FILE)
        if settings is None:
            continue
        images = sequence / settings.get("imDir", "img1")
        if sequence != folder and not (images.exists() and images.samefile(folder)):
            continue
        files = _images_in(source, images)
        _compare_length(source, settings.get("seqLength"), len(files))
        return Listing(files, sequence_rate(source, settings.get("frameRate")))
    return Listing(_images_in(source, folder))


def _compare_length(source: str, promised: str | None, found: int) -> None:
    if promised is not None and promised.strip() != str(found):
        _log.warning("%s: seqinfo.ini declares %s images, found %d", source, promised, found)


def _images_in(source: str, folder: Path) -> tuple[Path, ...]:
    try:
        entries = list(folder.iterdir())
    except FileNotFoundError as error:
        raise SourceError(f"{source}: its folder of images {folder} does not exist") from error
    except OSError as error:
        raise SourceError(f"{source}: cannot be listed: {error.strerror}") from error
    files = _images(entries)
    videos = _videos(entries)
    if not files and videos:
        suffixes = {path.suffix for path in videos}
        pattern = f"{shlex.quote(str(folder))}/*{suffixes.pop() if len(suffixes) == 1 else ''}"
        raise SourceError(
            f"{source}: expected a folder of images, got one with {_count(videos)}; name "
            f"the files, which the shell does here: tracker run {pattern} --save-dir out"
        )
    _tell_videos(source, entries)
    if not files:
        inner = next((e.name for e in sorted(entries) if e.is_dir() and _has_images(e)), None)
        hint = f"; the images are in {folder / inner}" if inner else ""
        raise SourceError(f"{source}: holds no image ({_known()}){hint}")
    return files


def _has_images(folder: Path) -> bool:
    try:
        return any(entry.suffix.lower() in IMAGE_SUFFIXES for entry in folder.iterdir())
    except OSError:
        return False


def _images(paths: Iterable[Path]) -> tuple[Path, ...]:
    # Names beginning with a dot are left by other systems ("._img1.jpg") and are no images.
    files = [
        path
        for path in paths
        if path.suffix.lower() in IMAGE_SUFFIXES
        and not path.name.startswith(".")
        and path.is_file()
    ]
    return tuple(sorted(files, key=_natural_key))


def _natural_key(path: Path) -> tuple[list[tuple[int, int, str]], str]:
    """Returns a key that sorts "img2" before "img10"; equal numbers fall back on the text."""
    parts = re.split(r"([0-9]+)", str(path))
    key = [(0, int(part), "") if odd % 2 else (1, 0, part) for odd, part in enumerate(parts)]
    return key, str(path)


def _no_image_matches(source: str, found: list[Path]) -> SourceError:
    """Returns why a pattern gives no image, and what to do about it."""
    videos = _videos(found)
    if len(videos) == 1:
        return SourceError(f"{source}: this pattern matches one video; name it: {videos[0]}")
    if videos:
        return SourceError(
            f"{source}: expected a pattern of images, got {_count(videos)}; leave the quotes "
            f"out, so that the shell names the files: tracker run {source} --save-dir out"
        )
    if found:
        return SourceError(
            f"{source}: {len(found)} names match this pattern, none of them an image ({_known()})"
        )
    folder = os.path.dirname(source)
    if folder and not is_pattern(folder) and not os.path.isdir(folder):
        return missing(folder)
    return SourceError(f"{source}: nothing matches this pattern; check it with ls")


def _tell_videos(source: str, paths: Iterable[Path]) -> None:
    videos = _videos(paths)
    if videos:
        _log.warning("%s: %s beside the images: left out", source, _count(videos))


def _videos(paths: Iterable[Path]) -> list[Path]:
    return sorted(
        path
        for path in paths
        if path.suffix.lower() in VIDEO_SUFFIXES
        and not path.name.startswith(".")
        and path.is_file()
    )


def _count(videos: list[Path]) -> str:
    return f"{len(videos)} video{'s' if len(videos) > 1 else ''}"


def _known() -> str:
    return ", ".join(sorted(suffix[1:] for suffix in IMAGE_SUFFIXES))
