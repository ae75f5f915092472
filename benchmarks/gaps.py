"""Share of tracks that keep their id over a gap in the stream, against ground truth.

    python benchmarks/gaps.py VIDEO --truth gt.txt --fps 7 --gap-s 1

Every `--every-s` seconds the frames of `--gap-s` seconds are left out, as they are while a stream
is lost; frame times include the gap, as those of a source that reconnected. Counted are people with
a track in the last frame before a gap which is matched again within `--search-s` after it: with the
same id or with another. The same intervals without gaps give the id switches to compare with.

`--fps` is the rate of the scene, where the file plays at another one.
"""

import argparse
import dataclasses
import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from tracker.boxes import pairwise_iou
from tracker.config.build import build_pipeline
from tracker.config.run import load_config
from tracker.frames import Frame, VideoInfo
from tracker.sources.files.video_file import VideoFile
from tracker.track_files.read import read_mot_rows
from tracker.tracks import Tracks

SAME_IOU = 0.5
"""Least overlap of a track and a person of the truth, as MOTA has it."""


class Gapped:
    """A video without the frames of some gaps, at a rate of its own.

    Args:
        video: The video.
        fps: Frames a second.
        gaps: Numbers of the first frame left out and of the first one after it.
    """

    def __init__(self, video: VideoFile, fps: Fraction, gaps: list[tuple[int, int]]) -> None:
        self._video = video
        self._fps = fps
        self._left_out = {n for first, end in gaps for n in range(first, end)}
        self.info: VideoInfo = dataclasses.replace(video.info, fps=fps, time_base=1 / fps)
        self.skipped = 0

    def __iter__(self) -> Iterator[Frame]:
        for frame in self._video:
            if frame.index not in self._left_out:
                yield dataclasses.replace(frame, time_s=float(frame.index / self._fps))

    def close(self) -> None:
        """Closes the video."""
        self._video.close()


def truth_by_frame(path: Path, scale: float) -> dict[int, tuple[Any, Any]]:
    """Returns ids and boxes xyxy in pixels of the video, by frame from 0."""
    rows = read_mot_rows(path)
    rows = rows[rows[:, 6] != 0]
    boxes = np.hstack([rows[:, 2:4], rows[:, 2:4] + rows[:, 4:6]]) * scale
    frames = rows[:, 0].astype(int) - 1
    return {
        int(n): (rows[frames == n, 1].astype(int), boxes[frames == n]) for n in np.unique(frames)
    }


def people(tracks: Tracks, truth: tuple[Any, Any] | None) -> dict[int, int]:
    """Returns the id of the track matched to each ground-truth person, where there is one."""
    if truth is None:
        return {}
    seen = (tracks.misses == 0) & (tracks.ids > 0)
    overlap = pairwise_iou(truth[1], tracks.boxes[seen].astype(np.float64))
    rows, columns = linear_sum_assignment(-np.where(overlap >= SAME_IOU, overlap, 0.0))
    ids = tracks.ids[seen]
    return {
        int(truth[0][row]): int(ids[column])
        for row, column in zip(rows, columns, strict=True)
        if overlap[row, column] >= SAME_IOU
    }


def follow(words: argparse.Namespace, gaps: list[tuple[int, int]]) -> dict[int, dict[int, int]]:
    """Returns the ids of the people of the truth, by frame."""
    overrides = [f"detector.name={words.detector}", f"detector.network.input_size={words.imgsz}"]
    config = load_config(overrides=[*overrides, *words.set])
    pipeline = build_pipeline(config)
    found = {}
    with VideoFile(str(words.video)) as video:
        source = Gapped(video, Fraction(words.fps), gaps)
        truth = truth_by_frame(words.truth, video.info.width / words.truth_width)
        for result in pipeline.run(source):
            index = result.frame.index
            found[index] = people(result.tracks, truth.get(index))
    return found


def survivors(
    found: dict[int, dict[int, int]], gaps: list[tuple[int, int]], search: int
) -> tuple[int, int]:
    """Returns how many kept their id over the gaps, and how many have another one."""
    kept = changed = 0
    for first, end in gaps:
        later: dict[int, int] = {}
        for index in range(end, end + search):
            for person, track in found.get(index, {}).items():
                later.setdefault(person, track)
        for person, track in found.get(first - 1, {}).items():
            if person in later:
                kept += later[person] == track
                changed += later[person] != track
    return kept, changed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("video", type=Path)
    parser.add_argument("--truth", type=Path, required=True)
    parser.add_argument("--truth-width", type=float, required=True, help="of the truth's images")
    parser.add_argument("--fps", required=True, help="frames a second of the scene")
    parser.add_argument("--gap-s", type=float, default=1.0)
    parser.add_argument("--every-s", type=float, default=10.0)
    parser.add_argument("--search-s", type=float, default=1.5)
    parser.add_argument("--detector", default="small")
    parser.add_argument("--imgsz", type=int, default=640)
    parser.add_argument("--set", action="append", default=[])
    words = parser.parse_args()
    fps = float(Fraction(words.fps))
    with VideoFile(str(words.video)) as video:
        count = video.info.frame_count or sys.exit(f"{words.video}: number of frames unknown")
    length = max(round(words.gap_s * fps), 1)
    starts = range(round(words.every_s * fps), count - length, round(words.every_s * fps))
    gaps = [(start, start + length) for start in starts]
    search = round(words.search_s * fps)
    for name, left_out in (("gaps", gaps), ("no gaps", [])):
        kept, changed = survivors(follow(words, left_out), gaps, search)
        total = kept + changed
        print(
            f"{name:<8} {len(gaps)} of {words.gap_s:g} s: {kept} of {total} ids kept, "
            f"{100 * kept / max(total, 1):.1f} %"
        )


if __name__ == "__main__":
    main()
