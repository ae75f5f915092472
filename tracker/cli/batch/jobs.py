"""The videos of `tracker batch`, and where the results of each go."""

import glob
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tracker.cli.batch.pieces import Piece
from tracker.cli.run.outputs import Outputs
from tracker.errors import ConfigError
from tracker.sinks.paths import case_is_ignored
from tracker.sources.source_kind import SCHEMES, VIDEO_SUFFIXES, is_pattern
from tracker.util.address import scheme_of, shown_address
from tracker.util.remote import check_address, is_remote, joined, matches, path_in


@dataclass(frozen=True, slots=True)
class Wanted:
    """The files that each video gets, beside JSON Lines.

    Attributes:
        video: Whether there is an annotated video.
        events: Whether there is a table of events.
    """

    video: bool = False
    events: bool = False


@dataclass(frozen=True, slots=True)
class Job:
    """One video.

    Attributes:
        source: Its path.
        stem: Path of its results, without extension.
        split_s: Seconds of the pieces that it is split into if it is longer; `None` for none.
        piece: The piece of it that this is; `None` for the whole.
    """

    source: str
    stem: str
    split_s: float | None = None
    piece: Piece | None = None

    @property
    def name(self) -> str:
        """What progress and outcomes call it."""
        return self.source if self.piece is None else f"{self.source}#{self.piece}"

    @property
    def folder_of_pieces(self) -> str:
        """Holds the results of its pieces until they are joined."""
        return f"{self.stem}.pieces"

    def of_piece(self, piece: Piece) -> "Job":
        """Returns the job of one of its pieces."""
        stem = joined(self.folder_of_pieces, f"{piece.number:04d}")
        return replace(self, stem=stem, split_s=None, piece=piece)

    @property
    def record(self) -> str:
        """The file that says that the results are complete, and of what."""
        return f"{self.stem}.done.json"

    def outputs(self, wanted: Wanted) -> Outputs:
        """Returns the files of the results; a piece has JSON only."""
        if self.piece is not None:
            return Outputs(json=_plain(f"{self.stem}.jsonl"))
        return Outputs(
            json=_plain(f"{self.stem}.jsonl"),
            video=_plain(f"{self.stem}.tracks.mp4") if wanted.video else None,
            events=_plain(f"{self.stem}.events.csv") if wanted.events else None,
        )


def jobs_of(patterns: Sequence[str], out: str, split_s: float | None = None) -> list[Job]:
    """Returns the videos that patterns name, sorted, each once.

    The results of `videos/a/x.mp4`, found by `videos/**/*.mp4` or in the folder `videos`, are
    `OUT/a/x.mp4.jsonl`: names do not depend on what else is found.

    Args:
        patterns: Video files, folders (searched through) and glob patterns.
        out: Folder of the results; nothing in it is a source.
        split_s: Seconds of the pieces that longer videos are split into; `None` for none.

    Raises:
        ConfigError: A pattern matches no video, or two videos would have the same results.
    """
    found: dict[str, str] = {}
    for pattern in patterns:
        root, paths = _matches(pattern)
        every, paths = paths, [path for path in paths if not _is_within(path, out)]
        if not paths:
            raise ConfigError(f"{shown_address(pattern)}: {_why_none(pattern, every, out)}")
        known = {_place(path) for path in found}
        found |= {path: _relative(path, root) for path in paths if _place(path) not in known}
    _check_distinct(found, out)
    return [Job(path, joined(out, name), split_s) for path, name in sorted(found.items())]


def _why_none(pattern: str, every: Sequence[str], out: str) -> str:
    """Returns why a pattern names no video.

    Args:
        pattern: The pattern.
        every: The videos that it names.
        out: The folder of the results, which holds them all.
    """
    if every:
        videos = "video" if len(every) == 1 else f"{len(every)} videos"
        return (
            f"expected videos, found the {videos} in the folder of the results, "
            f"{shown_address(out)}, only, which are left out; name another with --out"
        )
    is_plain = not (is_remote(pattern) or is_pattern(pattern) or os.path.exists(pattern))
    return "there is no such file" if is_plain else "expected videos, found none"


def check_results_folder(out: str) -> None:
    """Checks that results can be written to an address.

    Raises:
        ConfigError: They cannot.
        DependencyError: A library is missing.
    """
    if not out.strip():
        raise ConfigError("--out: expected a folder, got an empty name")
    if not is_remote(out):
        return
    if scheme_of(out) in SCHEMES:
        raise ConfigError(
            f"--out {shown_address(out)}: expected a folder or an object store such as "
            "s3://BUCKET/results, got an address that cannot be written"
        )
    check_address(out)


def _matches(pattern: str) -> tuple[str, list[str]]:
    """Returns the folder that names are relative to, and the videos."""
    if is_remote(pattern):
        return _remote_matches(pattern)
    if os.path.isdir(pattern):
        found = glob.glob(f"{glob.escape(pattern)}/**", recursive=True)
        return pattern, _videos(_without_loops(found))
    if os.path.exists(pattern) or not is_pattern(pattern):
        return os.path.dirname(pattern) or ".", [pattern] if os.path.isfile(pattern) else []
    fixed = []
    for part in Path(pattern).parts[:-1]:
        if is_pattern(part):
            break
        fixed.append(part)
    matches = _without_loops(glob.glob(pattern, recursive=True))
    names_suffix = Path(pattern).suffix not in ("", ".*")
    files = [path for path in matches if os.path.isfile(path)]
    return str(Path(*fixed)) if fixed else ".", files if names_suffix else _videos(files)


def _remote_matches(pattern: str) -> tuple[str, list[str]]:
    scheme = scheme_of(pattern) or ""
    if scheme in SCHEMES and scheme not in {"http", "https"}:
        raise ConfigError(
            f"{shown_address(pattern)}: expected video files, got a stream; use tracker run"
        )
    # What follows "?" in an address of the web is a query, and "[" is in hosts by IPv6.
    is_one = not is_pattern(path_in(pattern))
    if scheme in SCHEMES and is_one:
        return re.split("[?#]", pattern)[0].rpartition("/")[0], [pattern]
    root, files = matches(pattern)
    names_suffix = Path(pattern).suffix not in ("", ".*")
    return root, files if names_suffix else [p for p in files if _is_video(p)]


def _relative(path: str, root: str) -> str:
    if not is_remote(path):
        return os.path.relpath(path, root)
    inner, outer = path_in(path), path_in(root)
    return inner.removeprefix(outer).lstrip("/") if inner != outer else inner.rpartition("/")[2]


def _without_loops(paths: Sequence[str]) -> list[str]:
    """Returns paths without those through a link to a folder that is searched anyway."""
    real: dict[str, str] = {}
    first: dict[tuple[str, str], str] = {}
    for path in sorted(paths, key=lambda one: (one.count(os.sep), one)):
        folder, name = os.path.split(path)
        if folder not in real:
            real[folder] = os.path.realpath(folder)
        first.setdefault((real[folder], name), path)
    return list(first.values())


def _is_video(path: str) -> bool:
    return Path(path).suffix.lower() in VIDEO_SUFFIXES


def _videos(paths: Sequence[str]) -> list[str]:
    return [p for p in paths if _is_video(p) and os.path.isfile(p)]


def _place(path: str) -> str:
    """Returns what two spellings of one path have in common."""
    return path if is_remote(path) else os.path.abspath(path)


def _is_within(path: str, folder: str) -> bool:
    if is_remote(path) or is_remote(folder):
        return path.startswith(f"{folder.rstrip('/')}/")
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))


def _check_distinct(found: Mapping[str, str], out: str) -> None:
    first: dict[str, str] = {}
    ignores_case = not is_remote(out) and case_is_ignored(Path(out))
    for path, name in found.items():
        other = first.setdefault(name.casefold() if ignores_case else name, path)
        if other != path:
            raise ConfigError(
                f"{shown_address(other)} and {shown_address(path)}: the results of both would be "
                f"{name}.jsonl; name the folder above them, so that their folders tell them "
                "apart, or run each with its own --out"
            )


def _plain(path: str) -> str:
    """Returns a path in which braces are no placeholder."""
    return path.replace("{", "{{").replace("}", "}}")
