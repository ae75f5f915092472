"""`tracker run --resume`: a run that was interrupted gives the files of one that was not."""

import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

from tests.cli import call, lines_of
from tests.cli.run.resuming import (
    ALL,
    FRAMES,
    config,
    interrupted,
    outputs,
    stamps,
    texts,
    whole,
    with_zones,
)
from tests.conftest import moving_square
from tracker.cli.run.object_files import ObjectFiles
from tracker.cli.run.one import RunRequest
from tracker.cli.run.one import run as run_request
from tracker.cli.run.outputs import Outputs
from tracker.config.run import Config
from tracker.errors import ConfigError, OutputTakenError
from tracker.sinks.json_records import Embeddings

CASES: dict[str, tuple[Callable[[], Config], dict[str, object]]] = {
    "all files": (config, {}),
    "one document": (config, {"json": "out.json", "video": None}),
    "zones, events": (with_zones, {"events": "events.csv"}),
    # The second run breaks with its first frames: its checkpoint is the one that it was given.
    "zones, no video": (with_zones, {"video": None}),
    "event lines, lag": (lambda: with_zones("tracking.lag_frames=7"), {"events": "e.jsonl"}),
    "stride, start, blurred": (
        lambda: config(
            *("source.stride=2", "source.start_s=0.5", "blur.classes=[moving]"),
            "source.max_frames=70",
        ),
        {},
    ),
}


_FAST = ("all files",)
"""Cases of the default run; the others are slow tests."""


@pytest.mark.parametrize(
    "case",
    [case if case in _FAST else pytest.param(case, marks=pytest.mark.slow) for case in CASES],
)
def test_two_interruptions_change_nothing(
    case: str, film: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made, more = CASES[case]
    folders = [tmp_path / "whole", tmp_path / "cut"]
    for folder in folders:
        folder.mkdir()
    first, second = (
        outputs(folder, **{
            key: str(folder / value) if isinstance(value, str) else value
            for key, value in more.items()
        })
        for folder in folders
    )  # fmt: skip
    settings = made()
    assert whole(film, settings, first) == 0
    interrupted(film, settings, second, 91, resume=False)
    assert Path(f"{second.json}.checkpoint").stat().st_size
    interrupted(film, settings, second, 93 if second.video is None else 140, resume=True)
    alone = summary_facts(capsys)
    assert whole(film, settings, second, resume=True) == 0
    continued = summary_facts(capsys)
    counts = re.match(r"([0-9]+) in all, ([0-9]+) new in ", continued["frames"])
    assert counts is not None
    assert alone["frames"].startswith(f"{counts[1]} in ")
    assert int(counts[1]) > int(counts[2]) > 0
    assert continued["tracks"] == alone["tracks"]
    assert texts(folders[1]) == texts(folders[0])
    assert sorted(texts(folders[0])) == sorted(
        Path(str(value)).name for key, value in vars_of(second).items() if key != "video"
    )
    if second.video:
        assert stamps(Path(second.video)) == stamps(Path(str(first.video)))
        assert not Path(f"{second.video}.earlier").exists()


def summary_facts(capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    return {line[:12].strip(): line[12:] for line in capsys.readouterr().err.splitlines()}


def vars_of(out: Outputs) -> dict[str, object]:
    values = {name: getattr(out, name) for name in (*ALL, "events")}
    return {name: value for name, value in values.items() if value is not None}


@pytest.mark.slow
@pytest.mark.parametrize("rotation", [90, 180, -90])
def test_a_clip_of_a_phone_that_was_held_upright_continues(rotation: int, tmp_path: Path) -> None:
    """The stored frames are wide; shown, analysed and written they are as the phone was held."""
    source = tmp_path / "in.mp4"
    with av.open(str(source), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        stream.set_display_rotation(rotation, hflip=False)
        for image in moving_square(FRAMES):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, "rgb24")))
        container.mux(stream.encode(None))
    folders = [tmp_path / "whole", tmp_path / "cut"]
    for folder in folders:
        folder.mkdir()
    assert whole(source, config(), outputs(folders[0])) == 0
    interrupted(source, config(), outputs(folders[1]), 120, resume=False)
    assert Path(f"{outputs(folders[1]).json}.checkpoint").stat().st_size
    assert whole(source, config(), outputs(folders[1]), resume=True) == 0
    assert texts(folders[1]) == texts(folders[0])
    shown = (160, 120) if rotation == 180 else (120, 160)
    for folder in folders:
        assert sizes(folder / "out.mp4") == [shown] * FRAMES


def sizes(path: Path) -> list[tuple[int, int]]:
    with av.open(str(path)) as container:
        return [(frame.width, frame.height) for frame in container.decode(video=0)]


@pytest.mark.slow
def test_a_run_that_is_killed_while_it_copies_its_video(film: Path, tmp_path: Path) -> None:
    """The file of the earlier run is there until its frames are in the new one."""
    settings, out = config(), outputs(tmp_path)
    interrupted(film, settings, out, 130, resume=False)
    video = Path(str(out.video))
    video.rename(f"{video}.earlier")
    video.write_bytes(b"half of a copy")
    assert whole(film, settings, out, resume=True) == 0
    assert len(stamps(video)) == FRAMES
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *("out.csv", "out.jsonl", "out.mp4", "out.txt")
    ]


def test_a_finished_run_is_left_alone(
    film: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = outputs(tmp_path, video=None)
    assert whole(film, config("source.max_frames=12"), out, resume=True) == 0
    before = texts(tmp_path)
    assert lines_of(Path(str(out.json)))[-1]["frames"] == 12
    capsys.readouterr()
    assert whole(film, config("source.max_frames=12"), out, resume=True) == 0
    assert "its outputs are complete; there is nothing to resume" in capsys.readouterr().err
    assert texts(tmp_path) == before


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("tracking.max_age_s=1", "config.tracking.max_age_s is 1.0 now and was 2.0"),
        ("detector.motion.min_area_fraction=0.1", "config.detector.motion.min_area_fraction"),
    ],
)
def test_a_finished_run_of_other_settings_is_refused(
    word: str, message: str, film: Path, tmp_path: Path
) -> None:
    out = outputs(tmp_path, video=None)
    assert whole(film, config("source.max_frames=12"), out) == 0
    before = texts(tmp_path)
    with pytest.raises(ConfigError, match=f"cannot resume: it is complete, and {message}"):
        whole(film, config("source.max_frames=12", word), out, resume=True)
    assert texts(tmp_path) == before


def test_a_draft_of_a_checkpoint_is_removed_at_the_end(film: Path, tmp_path: Path) -> None:
    out = outputs(tmp_path, video=None)
    Path(f"{out.json}.checkpoint.part").write_bytes(b"of a run that was killed")
    assert whole(film, config("run.checkpoint_s=100", "source.max_frames=12"), out) == 0
    assert not list(tmp_path.glob("*.checkpoint*"))


@pytest.mark.parametrize("name", ["json", "video"])
def test_a_finished_run_whose_file_was_cut_since_is_refused(
    name: str, film: Path, tmp_path: Path
) -> None:
    settings, out = config("source.max_frames=70"), outputs(tmp_path)
    assert whole(film, settings, out) == 0
    assert whole(film, settings, out, resume=True) == 0
    path = Path(getattr(out, name))
    os.truncate(path, path.stat().st_size * 2 // 3)
    with pytest.raises(ConfigError, match=f"{path}: cannot resume: it is not complete"):
        whole(film, settings, out, resume=True)


def test_a_run_that_ended_before_its_first_checkpoint_starts_over(
    film: Path, tmp_path: Path
) -> None:
    settings, out = config("run.checkpoint_s=100"), outputs(tmp_path)
    interrupted(film, settings, out, 20, resume=False)
    assert Path(f"{out.json}.checkpoint").read_bytes() == b""
    assert whole(film, settings, out, resume=True) == 0
    assert lines_of(Path(str(out.json)))[-1]["frames"] == FRAMES


def test_nothing_is_left_of_a_run_without_a_result(film: Path, tmp_path: Path) -> None:
    interrupted(film, config(), outputs(tmp_path), 0, resume=False)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def cut(film: Path, tmp_path: Path) -> tuple[Path, Outputs]:
    """A source, and the outputs of an interrupted run of it."""
    source = tmp_path / "in.mp4"
    shutil.copy(film, source)
    out = outputs(tmp_path)
    interrupted(source, config(), out, 120, resume=False)
    return source, out


def edit_source(source: Path, out: Outputs) -> None:
    data = bytearray(source.read_bytes())
    data[len(data) // 2] ^= 1
    source.write_bytes(data)


def shorten(source: Path, out: Outputs) -> None:
    os.truncate(str(out.json), 300)


def lose(source: Path, out: Outputs) -> None:
    Path(str(out.csv)).unlink()


def empty_video(source: Path, out: Outputs) -> None:
    Path(str(out.video)).write_bytes(b"")


def damage(source: Path, out: Outputs) -> None:
    Path(f"{out.json}.checkpoint").write_bytes(b"something else")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (edit_source, "cannot resume: source.digest is"),
        (shorten, "expected [0-9]+ bytes or more, got 300"),
        (lose, "out.csv"),
        (empty_video, "expected [0-9]+ frames or more, got 0"),
        (damage, "not a checkpoint of this version"),
    ],
)
@pytest.mark.slow
def test_what_does_not_fit_is_refused_and_left_alone(
    change: Callable[[Path, Outputs], None], message: str, cut: tuple[Path, Outputs], tmp_path: Path
) -> None:
    source, out = cut
    change(source, out)
    before = texts(tmp_path)
    with pytest.raises((ConfigError, OSError), match=message):
        whole(source, config(), out, resume=True)
    assert texts(tmp_path) == before


def test_other_settings_and_outputs_are_refused(cut: tuple[Path, Outputs], tmp_path: Path) -> None:
    source, _ = cut
    before = texts(tmp_path)
    for settings, others, message in (
        (config("tracking.max_age_s=1"), {}, "config.tracking.max_age_s is 1.0 now and was 2.0"),
        (config(), {"csv": None}, "outputs.csv is None now and was"),
        (config(), {"embeddings": Embeddings.INCLUDE}, "--embeddings"),
    ):
        with pytest.raises(ConfigError, match=message):
            whole(source, settings, outputs(tmp_path, **others), resume=True)
    assert texts(tmp_path) == before


def test_a_run_that_has_not_ended_is_refused(cut: tuple[Path, Outputs]) -> None:
    source, out = cut
    with open(f"{out.json}.checkpoint", "rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(OutputTakenError, match="is writing it"):
            whole(source, config(), out, resume=True)


@pytest.mark.parametrize(
    ("out", "message"),
    [
        (Outputs(json="-"), "stdout cannot be continued"),
        (Outputs(json="a.jsonl", video="a.mkv"), "a Matroska file cannot be continued"),
        (Outputs(json="a.jsonl", objects=ObjectFiles(crops="c")), "--crops and --clips"),
        (Outputs(), "expected an output file, got none"),
    ],
)
def test_what_cannot_be_continued_says_why(out: Outputs, message: str, film: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        whole(film, config(), out, resume=True)


def test_a_live_source_and_several_sources_are_refused(
    film: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ConfigError, match="got a stream, which cannot be read again"):
        run_request(RunRequest(("rtsp://a/b",), config(), Outputs(json="a.jsonl"), resume=True))
    assert call("run", film, film, "--json", "{name}.jsonl", "--resume") == 2
    assert "use tracker batch" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_a_process_that_is_killed(number: int, film: Path, tmp_path: Path) -> None:
    folders = [tmp_path / "whole", tmp_path / "cut"]
    command = [sys.executable, "-m", "tracker", "run", film, "--detector", "motion"]
    command += ["--no-progress", "--set", "run.checkpoint_s=0.01"]
    for folder in folders:
        folder.mkdir()
    files = [["--json", "out.jsonl", "--video", "out.mp4"]] * 2
    subprocess.run([*command, *files[0]], cwd=folders[0], check=True, capture_output=True)
    with subprocess.Popen([*command, *files[1]], cwd=folders[1], stderr=subprocess.DEVNULL) as run:
        saved = folders[1] / "out.jsonl.checkpoint"
        while run.poll() is None and not (saved.exists() and saved.stat().st_size):
            time.sleep(0.002)
        run.send_signal(number)
    if run.returncode:
        assert saved.stat().st_size
        resumed = [*command, *files[1], "--resume"]
        subprocess.run(resumed, cwd=folders[1], check=True, capture_output=True)
    assert texts(folders[1]) == texts(folders[0])
    assert stamps(folders[1] / "out.mp4") == stamps(folders[0] / "out.mp4")
    assert json.loads(texts(folders[1])["out.jsonl"].splitlines()[-1])["complete"] is True
    assert np.all(np.diff(stamps(folders[1] / "out.mp4")) > 0)
