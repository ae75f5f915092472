"""What `tracker batch --split` costs: scores of whole videos and of joined pieces.

    python benchmarks/split_loss.py --data ../shared/data --repeat 6

Three videos of pedestrians with truth (PETS09-S2L1, TUD-Campus, TUD-Stadtmitte) in 2 to 4 pieces,
MOT15 rules, and one longer video: PETS09-S2L1 played forward and backward in turns, so that nothing
jumps, in pieces of a third of one pass. Prints a table in Markdown: the scores of the whole video,
and the differences to them.
"""

import argparse
import tempfile
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import av
import numpy as np

from tracker.cli.batch.jobs import Wanted, jobs_of
from tracker.cli.batch.local import Pool
from tracker.cli.batch.splits import Splits
from tracker.config.run import Config, load_config
from tracker.evaluation.metrics import evaluate
from tracker.evaluation.mot_io import Rules, read_mot_rows, read_truth
from tracker.evaluation.similarity import compare
from tracker.sources.files.video_file import VideoFile
from tracker.track_files.read import read_tracks
from tracker.util.arrays import UInt8Array

SEQUENCES = ("PETS09-S2L1", "TUD-Campus", "TUD-Stadtmitte")
SCALES = {"PETS09-S2L1": 0.625}
COLUMNS = ("HOTA", "MOTA", "IDF1", "IDSW")
LONG = "PETS09-S2L1"


def write_truth(path: Path, rows: np.ndarray, frames: int) -> None:
    """Writes truth in the form of MOTChallenge."""
    (path / "gt").mkdir(parents=True)
    np.savetxt(path / "gt" / "gt.txt", rows, fmt="%.10g", delimiter=",")
    (path / "seqinfo.ini").write_text(f"[Sequence]\nseqLength={frames}\n")


def truth_rows(data: Path, name: str) -> np.ndarray:
    """Returns the truth in pixels of the video."""
    rows = read_mot_rows(data / "mot15" / name / "gt" / "gt.txt")
    rows[:, 2:6] *= SCALES.get(name, 1.0)
    return rows


def to_and_fro(
    images: Sequence[UInt8Array], rows: np.ndarray, passes: int
) -> tuple[Iterator[UInt8Array], np.ndarray]:
    """Returns the frames played forward and backward in turns, and their truth."""
    count = len(images)
    parts = []
    for number in range(passes):
        own = rows.copy()
        if number % 2:
            own[:, 0] = count + 1 - own[:, 0]
        own[:, 0] += number * count
        parts.append(own)
    order = ((images if number % 2 == 0 else images[::-1]) for number in range(passes))
    return (image for part in order for image in part), np.concatenate(parts)


def write_video(path: Path, images: Iterator[UInt8Array], rate: int) -> None:
    """Writes images as H.264."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=rate, options={"crf": "16"})
        stream.pix_fmt = "yuv420p"
        for image in images:
            if not stream.codec_context.is_open:
                stream.height, stream.width = image.shape[:2]
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())


def tracked(video: Path, out: Path, config: Config, split_s: float | None) -> Path:
    """Returns the recording of a video."""
    jobs = jobs_of([str(video)], str(out), split_s)
    splits = Splits(jobs)
    pool = Pool(config, Wanted(), 2)
    for outcome in pool.run(jobs, lambda _: None, threading.Event()):
        step = splits.step(outcome)
        if step.ended is not None and step.ended.state != "done":
            raise SystemExit(f"{step.ended}")
        for job in step.jobs:
            pool.add(job)
    return Path(f"{jobs[0].stem}.jsonl")


def scores(truth: Path, recording: Path) -> dict[str, float]:
    """Returns the scores; ratios in percent."""
    expected = read_truth(truth / "gt" / "gt.txt", Rules.MOT15)
    found = evaluate({"one": compare(expected, read_tracks(recording), Rules.MOT15)})
    values = found.combined.values
    return {name: values[name] * (1 if name == "IDSW" else 100) for name in COLUMNS}


def rows_of(
    video: Path, truth: Path, config: Config, duration_s: float, counts: Sequence[int]
) -> Iterator[str]:
    """Yields the rows of the table of one video."""
    with tempfile.TemporaryDirectory() as text:
        whole = scores(truth, tracked(video, Path(text) / "whole", config, None))
        cells = [f"{whole[name]:.1f}" for name in COLUMNS[:-1]] + [f"{whole['IDSW']:.0f}"]
        yield f"| {video.stem}, {duration_s:.0f} s | 1 | " + " | ".join(cells) + " |"
        for count in counts:
            out = Path(text) / str(count)
            joined = scores(truth, tracked(video, out, config, duration_s / count))
            cells = [f"{joined[name] - whole[name]:+.1f}" for name in COLUMNS[:-1]]
            cells.append(f"{joined['IDSW'] - whole['IDSW']:+.0f}")
            yield f"| | {count} | " + " | ".join(cells) + " |"


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--repeat", type=int, default=6, help="passes of the longer video")
    parser.add_argument("--only", nargs="+", choices=[*SEQUENCES, "long"], default=[])
    parser.add_argument("--set", nargs="+", default=[], help="settings, as of tracker run")
    arguments = parser.parse_args()
    config = load_config(None, ["detector.network.classes=[person]", *arguments.set])
    print("| video | pieces | " + " | ".join(COLUMNS) + " |\n|---" * 1 + "|---" * 5 + "|")
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        wanted = arguments.only or [*SEQUENCES, "long"]
        for name in (name for name in SEQUENCES if name in wanted):
            video = arguments.data / "video" / f"{name}.mp4"
            with VideoFile(video) as source:
                frames, rate = source.info.frame_count or 0, source.info.fps
            write_truth(folder / name, truth_rows(arguments.data, name), frames)
            for row in rows_of(video, folder / name, config, float(frames / rate), (2, 3, 4)):
                print(row, flush=True)
        if "long" not in wanted:
            return
        with VideoFile(arguments.data / "video" / f"{LONG}.mp4") as source:
            images, rate = [frame.image for frame in source], source.info.fps
        passes = arguments.repeat
        played, rows = to_and_fro(images, truth_rows(arguments.data, LONG), passes)
        video = folder / "PETS09-S2L1, there and back.mp4"
        write_video(video, played, int(rate))
        count = len(images) * passes
        write_truth(folder / "long", rows, count)
        long = rows_of(video, folder / "long", config, float(count / rate), (3 * passes,))
        for row in long:
            print(row, flush=True)


if __name__ == "__main__":
    main()
