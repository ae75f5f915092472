"""Videos that are split into pieces, and joined again."""

import csv
import json
import threading
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.cli import call, lines_of
from tests.cli.batch.breaking import Breaking
from tests.conftest import write_clip
from tracker.cli.batch.jobs import Job, Wanted, jobs_of
from tracker.cli.batch.join import Join
from tracker.cli.batch.local import Pool
from tracker.cli.batch.pieces import Piece, check_splittable, pieces_of, split_facts, split_seconds
from tracker.cli.batch.splits import Splits
from tracker.cli.batch.work import Outcome, Progress, State, process
from tracker.cli.run.outputs import Outputs
from tracker.config.build import build_pipeline
from tracker.config.run import Config, load_config
from tracker.errors import ConfigError, DataError

WHOLE = Piece(0, 0.0, 0.0, None)


def bouncing_square(count: int) -> Iterable[np.ndarray]:
    ground = np.random.default_rng(0).integers(60, 110, (120, 160, 3)).astype(np.uint8)
    for index in range(count):
        image = ground.copy()
        if index >= 10:
            x = left_of(index)
            image[40:80, x : x + 20] = (240, 200, 40)
        yield image


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve seconds, and beside it the detections: the motion detector would begin anew."""
    folder = tmp_path_factory.mktemp("film")
    rows = [f"{n + 1},-1,{left_of(n)},40,20,40,0.9\n" for n in range(10, 300)]
    (folder / "det.txt").write_text("".join(rows), encoding="utf-8")
    return write_clip(folder / "in.mp4", bouncing_square(300))


def left_of(index: int) -> int:
    """The left side of the square: it walks to and fro without a jump."""
    way = 2 * (index - 10) % 240
    return 10 + min(way, 240 - way)


def replayed(film: Path, *words: str) -> Config:
    return load_config(None, (f"detector.detections={film.with_name('det.txt')}", *words))


def config(*words: str) -> Config:
    return load_config(None, ("detector.name=motion", "embedder.name=none", *words))


def worked(job: Job, settings: Config, wanted: Wanted = Wanted()) -> Outcome:  # noqa: B008
    return process(job, build_pipeline(settings), settings, wanted, lambda _: None)


def test_pieces_of_videos() -> None:
    assert pieces_of(100, 600) == (Piece(0, 0.0, 0.0, None),)
    assert pieces_of(899, 600) == (Piece(0, 0.0, 0.0, None),)
    first, second = pieces_of(900, 600)
    assert (first.read_from_s, first.start_s, first.end_s) == (0, 0, 600)
    assert (second.read_from_s, second.start_s, second.end_s) == (590, 600, None)
    assert [piece.read_from_s for piece in pieces_of(12, 4)] == [0, 2, 6]  # half a piece at most


@pytest.mark.parametrize("text", ["", "0", "0.5s", "ten", "10 minutes", "-5", "1m1h"])
def test_durations_that_are_none(text: str) -> None:
    with pytest.raises(ConfigError, match="--split"):
        split_seconds(text)


@pytest.mark.parametrize(
    "word", ["link=true", "source.stride=2", "source.start_s=1", "source.max_frames=5"]
)
def test_settings_that_pieces_do_not_keep(word: str) -> None:
    with pytest.raises(ConfigError, match="--split does not go with"):
        check_splittable(load_config(None, [word]), video=False)
    with pytest.raises(ConfigError, match="--video"):
        check_splittable(load_config(), video=True)
    check_splittable(load_config(), video=False)


def test_a_split_video_has_the_frames_and_the_track_of_the_whole(
    film: Path, tmp_path: Path
) -> None:
    settings = replayed(film)
    whole = Job(str(film), str(tmp_path / "whole"))
    assert worked(whole, settings).state is State.DONE
    job = Job(str(film), str(tmp_path / "split"), split_s=4.0)
    first = worked(job, settings)
    assert (first.state, [str(one) for one in first.pieces]) == (
        State.SPLIT,
        ["t=0,4", "t=4,8", "t=8,"],
    )
    parts = [job.of_piece(piece) for piece in first.pieces]
    assert [worked(part, settings).frames for part in parts] == [100, 150, 150]
    assert worked(parts[1], settings).state is State.SKIPPED
    done = worked(job, settings)
    assert (done.state, done.frames, done.ids) == (State.DONE, 300, 1)
    assert not Path(job.folder_of_pieces).exists()
    assert worked(job, settings).state is State.SKIPPED
    one, other = (lines_of(tmp_path / f"{name}.jsonl") for name in ("whole", "split"))
    assert other[0]["config"].pop("split") == {"piece_s": 4, "overlap_s": 2}
    assert other[0] == one[0]
    frames, joined = ([r for r in lines if r["kind"] == "frame"] for lines in (one, other))
    for mine, theirs in zip(joined, frames, strict=True):
        assert (mine["frame"], mine["time_s"]) == (theirs["frame"], theirs["time_s"])
        ages = [{track["id"]: track["age"] for track in each["tracks"]} for each in (mine, theirs)]
        assert ages[0] == ages[1]
    assert other[-1]["tracks"][0]["first_frame"] == one[-1]["tracks"][0]["first_frame"]


def test_events_are_those_of_the_joined_tracks(film: Path, tmp_path: Path) -> None:
    zone = "analytics.zones=[{name: yard, polygon: [[70, 0], [150, 0], [150, 119], [70, 119]]}]"
    settings, wanted = replayed(film, zone), Wanted(events=True)
    assert worked(Job(str(film), str(tmp_path / "whole")), settings, wanted).state is State.DONE
    job = Job(str(film), str(tmp_path / "split"), split_s=4.0)
    for piece in worked(job, settings, wanted).pieces:
        assert worked(job.of_piece(piece), settings, wanted).state is State.DONE
    assert worked(job, settings, wanted).state is State.DONE
    tables = [events_of(tmp_path / f"{name}.events.csv") for name in ("whole", "split")]
    assert len(tables[0]) > 3
    assert [row[1:] for row in tables[1]] == [row[1:] for row in tables[0]]
    times = [[row[0] for row in table] for table in tables]
    assert times[1] == pytest.approx(times[0], abs=0.01)  # The filter has begun later.
    (yard,) = lines_of(tmp_path / "split.jsonl")[-1]["zones"]
    entries = sum(sum(how.values()) for how in yard["in"].values())
    assert entries == len([row for row in tables[0] if row[1] == "zone_entered"])


def events_of(path: Path) -> list[tuple[float, str, str, str]]:
    rows = csv.DictReader(path.read_text(encoding="utf-8").splitlines())
    return [(float(one["time_s"]), one["event"], one["id"], one["zone"]) for one in rows]


def test_one_piece_is_written_as_it_was(film: Path, tmp_path: Path) -> None:
    settings = config("tracking.report=likely")
    whole = Job(str(film), str(tmp_path / "whole"))
    worked(whole, settings)
    outputs = Outputs(json=str(tmp_path / "joined.jsonl"))
    join = Join(str(film), settings, outputs, split_facts(600))
    join.add(WHOLE, str(tmp_path / "whole.jsonl"))
    join.close(complete=True)
    lines = [(tmp_path / f"{name}.jsonl").read_bytes().splitlines() for name in ("whole", "joined")]
    assert lines[1][1:] == lines[0][1:]
    header: dict[str, Any] = json.loads(lines[1][0])
    assert header["config"].pop("split") == {"piece_s": 600, "overlap_s": 10}
    assert header == json.loads(lines[0][0])


def test_pieces_without_frames_are_left_out_but_not_all_of_them(film: Path, tmp_path: Path) -> None:
    whole = Job(str(film), str(tmp_path / "whole"))
    worked(whole, config())
    join = Join(str(film), config(), Outputs(json=str(tmp_path / "out.jsonl")), split_facts(600))
    join.add(Piece(0, 0.0, 99.0, None), str(tmp_path / "whole.jsonl"))
    with pytest.raises(DataError, match="no piece of it has a frame"):
        join.close(complete=True)


def test_bounds_are_rounded_as_times_are() -> None:
    """Frame 7 of 3 a second is at 2.3333333 s, in the file at 2.333333: in the second piece."""
    first, second = pieces_of(4.0, 2.3333333)
    assert first.end_s == second.start_s == 2.333333
    assert (7 / 3 < first.end_s, round(7 / 3, 6) >= second.start_s) == (False, True)


def test_a_piece_that_another_length_had_begun_starts_over(film: Path, tmp_path: Path) -> None:
    settings = config("run.checkpoint_s=0.000001")
    job = Job(str(film), str(tmp_path / "in.mp4"), split_s=8.0)
    long, short = (job.of_piece(Piece(0, 0.0, 0.0, end_s)) for end_s in (8.0, 0.08))
    broken = build_pipeline(settings, detector=Breaking())
    begun = process(long, broken, settings, Wanted(), lambda _: None)
    recording = Path(f"{long.stem}.jsonl")
    assert begun.state is State.FAILED
    assert len(lines_of(recording)) > 1 + 2
    assert Path(f"{recording}.checkpoint").stat().st_size
    assert (worked(short, settings).frames, long.stem) == (2, short.stem)
    assert [line.get("frame") for line in lines_of(recording)] == [None, 0, 1, None]


def test_frames_beyond_the_end_of_a_piece_are_left_out(film: Path, tmp_path: Path) -> None:
    whole = Job(str(film), str(tmp_path / "whole"))
    worked(whole, config())
    join = Join(str(film), config(), Outputs(json=str(tmp_path / "out.jsonl")), split_facts(4))
    for piece in (Piece(0, 0.0, 0.0, 4.0), Piece(1, 2.0, 4.0, None)):
        join.add(piece, str(tmp_path / "whole.jsonl"))
    join.close(complete=True)
    frames = [one["frame"] for one in lines_of(tmp_path / "out.jsonl") if one["kind"] == "frame"]
    assert frames == list(range(300))


def test_a_recording_with_a_pause_is_split(tmp_path: Path) -> None:
    """Three seconds, a pause of ten, three seconds: two of four pieces have no frame."""
    film = write_clip(tmp_path / "in.mp4", bouncing_square(150), pause=(75, 250))
    settings = config()
    whole, job = (Job(str(film), str(tmp_path / name), split_s=4.0) for name in ("whole", "split"))
    assert worked(replace(whole, split_s=None), settings).frames == 150
    pieces = worked(job, settings).pieces
    assert len(pieces) == 4
    frames = [worked(job.of_piece(piece), settings).frames for piece in pieces]
    assert 0 in frames
    assert worked(job.of_piece(pieces[frames.index(0)]), settings).state is State.SKIPPED
    done = worked(job, settings)
    assert (done.state, done.frames) == (State.DONE, 150)
    one, other = (
        [(line["frame"], line["time_s"]) for line in lines_of(path) if line["kind"] == "frame"]
        for path in (tmp_path / "whole.jsonl", tmp_path / "split.jsonl")
    )
    assert other == one
    before, after = set(), set()
    for line in lines_of(tmp_path / "split.jsonl"):
        if line["kind"] == "frame":
            (before if line["frame"] < 75 else after).update(t["id"] for t in line["tracks"])
    assert before
    assert after
    assert not before & after


def test_progress_of_the_last_piece_counts_what_is_left(film: Path, tmp_path: Path) -> None:
    reports: list[Progress] = []
    job = Job(str(film), str(tmp_path / "in.mp4"), split_s=8.0)
    part = job.of_piece(Piece(1, 6.0, 8.0, None))
    process(part, build_pipeline(config()), config(), Wanted(), reports.append)
    assert (reports[0].frames, reports[0].of) == (1, 150)


def test_what_follows_from_outcomes() -> None:
    job = Job("in.mp4", "out/in.mp4", split_s=4.0)
    splits = Splits([job, Job("b.mp4", "out/b.mp4")])
    plain = Outcome("b.mp4", State.DONE, 10, 1, 2.0)
    assert splits.step(plain).ended == plain
    begun = splits.step(Outcome("in.mp4", State.SPLIT, pieces=pieces_of(12, 4)))
    names = [one.name for one in begun.jobs]
    assert names == ["in.mp4#t=0,4", "in.mp4#t=4,8", "in.mp4#t=8,"]
    assert (splits.video(names[0]), splits.share(names[0])) == ("in.mp4", pytest.approx(1 / 3))
    for name in names[:2]:
        step = splits.step(Outcome(name, State.DONE, 10, 1, 5.0))
        assert (step.ended, step.jobs) == (None, [])
    assert splits.step(Outcome(names[2], State.SKIPPED)).jobs == [job]
    assert splits.step(Outcome("in.mp4", State.DONE, 30, 1, 1.0)).ended == Outcome(
        "in.mp4", State.DONE, 30, 1, 11.0
    )


def test_a_piece_that_fails_fails_the_video() -> None:
    splits = Splits([Job("in.mp4", "out/in.mp4", split_s=4.0)])
    pieces = pieces_of(8, 4)
    names = [one.name for one in splits.step(Outcome("in.mp4", State.SPLIT, pieces=pieces)).jobs]
    assert splits.step(Outcome(names[0], State.FAILED, reason="cut off")).ended is None
    ended = splits.step(Outcome(names[1], State.DONE, seconds=2.0)).ended
    assert ended == Outcome("in.mp4", State.FAILED, seconds=2.0, reason="#t=0,4: cut off")
    twice = splits.step(Outcome("in.mp4", State.SPLIT, pieces=pieces)).ended
    assert twice is not None
    assert twice.state is State.FAILED


def test_a_piece_that_is_made_again_is_named_in_the_outcome_of_the_video() -> None:
    job = Job("in.mp4", "out/in.mp4", split_s=4.0)
    splits = Splits([job])
    pieces = pieces_of(8, 4)
    names = [one.name for one in splits.step(Outcome("in.mp4", State.SPLIT, pieces=pieces)).jobs]
    note = "made again: 0000.jsonl is missing"
    assert splits.step(Outcome(names[0], State.DONE, 10, 1, 1.0, note)).ended is None
    assert splits.step(Outcome(names[1], State.SKIPPED)).jobs == [job]
    ended = splits.step(Outcome("in.mp4", State.DONE, 20, 1, 1.0)).ended
    assert ended == Outcome("in.mp4", State.DONE, 20, 1, 2.0, f"#t=0,4: {note}")


@pytest.mark.slow
def test_two_processes_share_one_video(
    film: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("batch", film, "--out", tmp_path, "--workers", 2, "--split", "4s", "--no-progress")
    assert call(*words, "--detector", "motion") == 0
    assert "1 video: 1 done; 300 frames" in capsys.readouterr().out
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *("batch.json", "in.mp4.done.json", "in.mp4.jsonl", "results.parquet")
    ]
    (row,) = json.loads((tmp_path / "batch.json").read_bytes())
    assert "pieces" not in row
    assert call(*words, "--detector", "motion") == 0
    assert "1 skipped" in capsys.readouterr().out


@pytest.mark.slow
def test_a_signal_between_pieces_leaves_what_the_next_run_joins(film: Path, tmp_path: Path) -> None:
    jobs = jobs_of([str(film)], str(tmp_path), 4.0)
    splits, stop, pool = Splits(jobs), threading.Event(), Pool(config(), Wanted(), 1)
    done = 0
    for outcome in pool.run(jobs, lambda _: None, stop):
        done += outcome.state is State.DONE
        for job in splits.step(outcome).jobs:
            pool.add(job)
        if done:
            stop.set()
    assert 1 <= done < 3
    assert list(Path(jobs[0].folder_of_pieces).glob("*.done.json"))
