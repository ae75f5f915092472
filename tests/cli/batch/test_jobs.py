"""The videos of a batch and the names of their results."""

from pathlib import Path

import pytest

from tracker.cli.batch.jobs import Job, Wanted, jobs_of
from tracker.errors import ConfigError


@pytest.fixture
def videos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("a/x.mp4", "b/x.mp4", "b/x.avi", "b/deep/y.MKV", "b/notes.txt", "z.mp4"):
        path = tmp_path / "videos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def stems(*patterns: str, out: str = "out") -> dict[str, str]:
    return {job.source: job.stem for job in jobs_of(patterns, out)}


def test_equal_names_in_different_folders_have_different_results(videos: Path) -> None:
    assert stems("videos/**/*.mp4") == {
        "videos/a/x.mp4": "out/a/x.mp4",
        "videos/b/x.mp4": "out/b/x.mp4",
        "videos/z.mp4": "out/z.mp4",
    }


def test_a_folder_is_searched_for_videos(videos: Path) -> None:
    assert sorted(stems("videos").values()) == [
        *("out/a/x.mp4", "out/b/deep/y.MKV", "out/b/x.avi", "out/b/x.mp4", "out/z.mp4")
    ]
    assert stems("videos/b/*") == {"videos/b/x.avi": "out/x.avi", "videos/b/x.mp4": "out/x.mp4"}


def test_each_video_is_there_once(videos: Path) -> None:
    assert stems("videos/z.mp4", "videos/*.mp4") == {"videos/z.mp4": "out/z.mp4"}


def test_results_are_no_sources(videos: Path) -> None:
    assert "videos/b/x.mp4" not in stems("videos", out="videos/b")
    with pytest.raises(ConfigError, match=r"found the 5 videos in the folder of the results, \."):
        jobs_of(["."], ".")


def test_two_spellings_of_one_path_are_one_video(videos: Path) -> None:
    again = ("./videos/z.mp4", str(videos / "videos/../videos/z.mp4"))
    assert stems("videos/z.mp4", *again) == {"videos/z.mp4": "out/z.mp4"}


@pytest.mark.parametrize(
    ("patterns", "message"),
    [
        (["videos/c/*.mp4"], "videos/c/.*expected videos, found none"),
        (["nothing.mp4"], "nothing.mp4: there is no such file"),
        (["nothing/*.mp4"], "mp4: expected videos, found none"),
        (["rtsp://camera/main"], "got a stream; use tracker run"),
        (
            ["videos/a/x.mp4", "videos/b/x.mp4"],
            "b/x.mp4: the results of both would be x.mp4.jsonl; name the folder",
        ),
    ],
)
def test_errors(patterns: list[str], message: str, videos: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        jobs_of(patterns, "out")


def test_braces_of_a_name_are_no_placeholder() -> None:
    outputs = Job("a{name}.mp4", "out/a{name}.mp4").outputs(Wanted(video=True, events=True))
    named = outputs.for_source("other")
    assert named.json == "out/a{name}.mp4.jsonl"
    assert named.video == "out/a{name}.mp4.tracks.mp4"
    assert named.events == "out/a{name}.mp4.events.csv"
