"""Ground truth of MOTChallenge: scored boxes, distractors, and where the files are."""

import configparser
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import numpy as np

from tracker.errors import DataError, SourceError
from tracker.track_files.mot import LARGEST_FRAME
from tracker.track_files.read import read_mot_rows
from tracker.track_files.recorded_tracks import RecordedTracks
from tracker.util.arrays import BoolArray, Float64Array, Int32Array, Int64Array, frozen
from tracker.util.paths import missing_text
from tracker.util.short_repr import short_repr


class Rules(Enum):
    """The benchmark whose rules decide which rows are scored."""

    MOT15 = "MOT15"
    """Rows with 0 in the 7th column are ignored; there are no classes."""
    MOT17 = "MOT17"
    """Only pedestrians are scored; tracks on distractors are ignored."""
    MOT20 = "MOT20"
    """As MOT17; non-motorised vehicles are distractors as well."""


PEDESTRIAN = 1
"""The class scored by MOT17 and MOT20."""

# Class numbers of MOT16 (arXiv 1603.00831, table 5): person on vehicle, static person,
# distractor, reflection; MOT20 (arXiv 2003.09003) adds non-motorised vehicle.
_DISTRACTORS = {Rules.MOT15: (), Rules.MOT17: (2, 7, 8, 12), Rules.MOT20: (2, 6, 7, 8, 12)}
_CLASSES = 13
_PEOPLE = ("person", "pedestrian")
TRACK_ENDINGS = (".txt", ".jsonl", ".json")


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """The annotated boxes of one sequence; `R` rows sorted by frame, then id.

    Attributes:
        frames: `(R,)` int32 frame number, from 0.
        ids: `(R,)` int64, unique within a frame.
        boxes: `(R, 4)` float64 xyxy in pixels.
        scored: `(R,)` whether the box is scored.
        distractor: `(R,)` whether a track on the box is removed before scoring.
        frame_count: Length of the sequence; `None` without `seqinfo.ini`.
        why_unscored: Why no row is scored; empty where one is.
    """

    frames: Int32Array
    ids: Int64Array
    boxes: Float64Array
    scored: BoolArray
    distractor: BoolArray
    frame_count: int | None
    why_unscored: str = ""

    def __post_init__(self) -> None:
        count = len(self.ids)
        layout = {"frames": "int32", "ids": "int64", "scored": "bool", "distractor": "bool"}
        for name, dtype in layout.items():
            array = frozen(getattr(self, name), dtype=dtype, shape=(count,), name=f"Truth.{name}")
            object.__setattr__(self, name, array)
        boxes = frozen(self.boxes, dtype="float64", shape=(count, 4), name="Truth.boxes")
        object.__setattr__(self, "boxes", boxes)

    def __len__(self) -> int:
        return len(self.ids)


def read_truth(path: str | Path, rules: Rules) -> Truth:
    """Returns the ground truth of one sequence.

    Args:
        path: `gt.txt`; `seqinfo.ini` is searched beside it and one folder up.
        rules: The rules for scored rows and distractors.

    Raises:
        SourceError: A file cannot be read.
        DataError: The rows are malformed, columns are missing, a class is unknown, an id is
            negative, or a frame is after the end of the sequence by `seqinfo.ini`.
    """
    rows = read_mot_rows(path)
    needed = 7 if rules is Rules.MOT15 else 8
    if rows.shape[1] < needed:
        raise DataError(
            f"{path}: {rules.value} rules need {needed} or more columns, got {rows.shape[1]}"
        )
    if np.any(rows[:, 1] < 0):
        raise DataError(f"{path}: expected ids from 0 in a truth file, got {rows[:, 1].min():.0f}")
    rows = rows[np.lexsort((rows[:, 1], rows[:, 0]))]
    # The integer part, as in TrackEval.
    counts = rows[:, 6].astype(np.int64) != 0
    scored = counts
    distractor = np.zeros(len(rows), np.bool_)
    if rules is not Rules.MOT15:
        classes = _classes(rows, path)
        scored = counts & (classes == PEDESTRIAN)
        distractor = np.isin(classes, _DISTRACTORS[rules])
    frame_count = _sequence_length(Path(path))
    if frame_count is not None and len(rows) and rows[-1, 0] > frame_count:
        raise DataError(
            f"{path}: has frame {rows[-1, 0]:.0f}, but seqinfo.ini says seqLength={frame_count}"
        )
    return Truth(
        frames=(rows[:, 0] - 1).astype(np.int32),
        ids=rows[:, 1].astype(np.int64),
        boxes=np.hstack([rows[:, 2:4], rows[:, 2:4] + rows[:, 4:6]]),
        scored=scored,
        distractor=distractor,
        frame_count=frame_count,
        why_unscored="" if scored.any() else _why_unscored(rows, counts, rules),
    )


def _why_unscored(rows: Float64Array, counts: BoolArray, rules: Rules) -> str:
    """Returns the reason why no row is scored; `counts` is `(R,)`, whether column 7 is not 0."""
    if not len(rows):
        return "the file has no rows"
    if not counts.any():
        return f"column 7 is 0 in all {len(rows)} rows"
    kinds = ", ".join(f"{kind:.0f}" for kind in np.unique(rows[counts, 7]))
    return (
        f"{rules.value} scores class {PEDESTRIAN} (pedestrian) in column 8, and the rows with "
        f"column 7 above 0 have class {kinds}; --rules MOT15 scores every class"
    )


def _classes(rows: Float64Array, path: str | Path) -> Int64Array:
    classes = rows[:, 7].astype(np.int64)
    known = (classes == rows[:, 7]) & (classes >= 1) & (classes <= _CLASSES)
    if not np.all(known):
        row = rows[int(np.argmin(known))]
        raise DataError(
            f"{path}: frame {row[0]:.0f}, id {row[1]:.0f}: expected a class from 1 to {_CLASSES} "
            f"in column 8, got {row[7]:g}; MOT15 files have none: try --rules MOT15"
        )
    return classes


def _sequence_length(truth: Path) -> int | None:
    for folder in (truth.parent, truth.parent.parent):
        info = folder / "seqinfo.ini"
        if info.is_file():
            break
    else:
        return None
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(info.read_text(encoding="utf-8-sig"))
        length = parser.getint("Sequence", "seqLength")
    except (OSError, configparser.Error, ValueError) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{info}: expected seqLength=NUMBER under [Sequence]: {reason}") from error
    if not 1 <= length <= LARGEST_FRAME:
        raise DataError(
            f"{info}: expected seqLength from 1 to {LARGEST_FRAME}, got {short_repr(length)}"
        )
    return length


def find_truth(path: str | Path) -> dict[str, Path]:
    """Returns the ground truth file of each sequence, sorted by the sequence's name.

    Args:
        path: A folder with `NAME/gt/gt.txt`, one such sequence folder, or a ground truth file.

    Raises:
        SourceError: There is no ground truth.
    """
    path = Path(path)
    if path.is_file():
        in_sequence = path.parent.name == "gt" and path.name == "gt.txt"
        return {path.resolve().parent.parent.name if in_sequence else path.stem: path}
    if not path.is_dir():
        raise SourceError(f"{path}: no ground truth there; expected a folder with NAME/gt/gt.txt")
    if (path / "gt" / "gt.txt").is_file():
        return {path.resolve().name: path / "gt" / "gt.txt"}
    found = {file.parent.parent.name: file for file in path.glob("*/gt/gt.txt")}
    if not found:
        raise SourceError(f"{path}: expected NAME/gt/gt.txt or gt/gt.txt in it, found neither")
    return dict(sorted(found.items()))


def find_tracks(path: str | Path, names: list[str]) -> dict[str, Path]:
    """Returns the track file of each sequence; files of other sequences are ignored.

    Args:
        path: A folder with `NAME.txt`, `NAME.jsonl` or `NAME.json`, or, for one sequence, a file.
        names: The sequences of the ground truth.

    Raises:
        SourceError: A sequence has no file, or more than one.
    """
    path = Path(path)
    if path.is_file():
        if len(names) != 1:
            raise SourceError(
                f"{path}: one track file, but the ground truth has {len(names)} sequences "
                f"({_name_list(names)}); give a folder, or the ground truth of one sequence"
            )
        return {names[0]: path}
    if not path.is_dir():
        raise SourceError(f"{path}: no such track file or folder: it {missing_text(path)}")
    return {name: _track_file(path, name) for name in names}


def _track_file(folder: Path, name: str) -> Path:
    files = [
        folder / f"{name}{end}" for end in TRACK_ENDINGS if (folder / f"{name}{end}").is_file()
    ]
    if len(files) == 1:
        return files[0]
    if files:
        raise SourceError(
            f"{folder}: more than one track file for sequence {name}: "
            f"{_name_list([file.name for file in files])}; keep one"
        )
    present = sorted(p.name for p in folder.iterdir() if p.suffix in TRACK_ENDINGS and p.is_file())
    raise SourceError(
        f"{folder}: no tracks for sequence {name}: expected {name}.txt, .jsonl or .json; "
        f"found {_name_list(present) or 'no track file'}"
    )


def _name_list(names: list[str]) -> str:
    return ", ".join(names) if len(names) <= 12 else f"{', '.join(names[:12])} and others"


def people_only(tracks: RecordedTracks) -> RecordedTracks:
    """Returns the tracks of people, as MOTChallenge scores them.

    If the recording has a class named person or pedestrian, tracks of other classes are removed; a
    recording without such a class (MOT text, the motion detector) is returned unchanged.
    """
    people = [n for n, name in enumerate(tracks.class_names) if name.lower() in _PEOPLE]
    if not people:
        return tracks
    return tracks.select(np.isin(tracks.classes, people))
