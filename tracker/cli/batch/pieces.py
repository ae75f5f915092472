"""Pieces of long videos (`tracker batch --split`), which are jobs of their own."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from tracker.analytics.settings import AnalyticsSettings
from tracker.cli.batch.stored_video import stored_video_info
from tracker.config.build import open_source
from tracker.config.run import Config
from tracker.errors import ConfigError
from tracker.frames import VideoInfo
from tracker.sinks.plain_values import TIME_DECIMALS
from tracker.util.remote import is_remote

OVERLAP_S = 10.0
"""Seconds that a piece begins before its own frames: its tracker has settled when they begin, and
tracks of both pieces are compared there."""

_LONGEST_S = 3_600_000
_DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s?)?")


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a video.

    Attributes:
        number: Its place among the pieces of the video, from 0.
        read_from_s: Time of its first frame.
        start_s: Time from which its frames are its own, and not those of the piece before.
        end_s: Time at which it ends, exclusive; `None` for the end of the video.
    """

    number: int
    read_from_s: float
    start_s: float
    end_s: float | None

    def __str__(self) -> str:
        """As a fragment of an address (W3C Media Fragments)."""
        return f"t={self.start_s:g},{'' if self.end_s is None else f'{self.end_s:g}'}"


def pieces_of(duration_s: float, length_s: float) -> tuple[Piece, ...]:
    """Returns the pieces of a video, at least one; the last has half to one and a half the length.

    Args:
        duration_s: Of the video.
        length_s: Of each piece, without the overlap.

    Example:
        >>> [str(piece) for piece in pieces_of(1500, 600)]
        ['t=0,600', 't=600,1200', 't=1200,']
        >>> pieces_of(1500, 600)[1].read_from_s
        590.0
    """
    count = max(int(duration_s / length_s + 0.5), 1)
    overlap_s = min(OVERLAP_S, length_s / 2)
    # Rounded as times in JSON are: a frame is before a bound by both its time and its record.
    starts = [round(number * length_s, TIME_DECIMALS) for number in range(count)]
    return tuple(
        Piece(
            number,
            round(max(start_s - overlap_s, 0.0), TIME_DECIMALS) if number else 0.0,
            start_s,
            starts[number + 1] if number + 1 < count else None,
        )
        for number, start_s in enumerate(starts)
    )


def planned_pieces(source: str, config: Config, length_s: float) -> tuple[Piece, ...]:
    """Returns the pieces of a video; none where it is short, or its container states no length.

    Args:
        source: The video.
        config: The configuration.
        length_s: Of each piece.

    Raises:
        SourceError: It cannot be read.
    """
    info = stored_video_info(source, config) if is_remote(source) else _info(source, config)
    if info.frame_count is None:
        return ()
    pieces = pieces_of(float(info.frame_count / info.fps), length_s)
    return pieces if len(pieces) > 1 else ()


def _info(path: str, config: Config) -> VideoInfo:
    video = open_source(path, config)
    video.close()
    return video.info


def piece_config(config: Config, piece: Piece) -> Config:
    """Returns the configuration of the run of a piece: events follow from the joined tracks."""
    source = replace(config.source, start_s=piece.read_from_s)
    return replace(config, source=source, analytics=AnalyticsSettings())


def split_facts(length_s: float) -> dict[str, float]:
    """Returns what the header of a joined recording says about its pieces."""
    return {"piece_s": length_s, "overlap_s": min(OVERLAP_S, length_s / 2)}


def split_seconds(text: str) -> float:
    """Returns the seconds of a duration such as `600`, `90s`, `10m` or `1h30m`.

    Raises:
        ConfigError: It is no duration, or below a second.

    Example:
        >>> split_seconds("10m"), split_seconds("1h30m")
        (600.0, 5400.0)
    """
    match = _DURATION.fullmatch(text.strip())
    parts = match.groups() if match else ()
    seconds = sum(float(part or 0) * unit for part, unit in zip(parts, (3600, 60, 1), strict=False))
    if not 1 <= seconds <= _LONGEST_S:
        raise ConfigError(f"--split {text}: expected a duration of 1 s to 1000 h, such as 10m")
    return seconds


def check_splittable(config: Config, *, video: bool) -> None:
    """Checks that pieces give what the whole would.

    Args:
        config: The configuration.
        video: Whether annotated videos are written.

    Raises:
        ConfigError: They do not.
    """
    source = config.source
    reasons: Sequence[tuple[bool, str]] = (
        (video, "--video: ids are known once the pieces are joined; use tracker draw then"),
        (config.link, "link: global ids of pieces differ; use tracker link on the results"),
        (source.stride != 1, "source.stride: pieces would take other frames"),
        (source.start_s != 0 or source.max_frames is not None, "source.start_s and max_frames"),
    )
    for is_wrong, text in reasons:
        if is_wrong:
            raise ConfigError(f"--split does not go with {text}")
