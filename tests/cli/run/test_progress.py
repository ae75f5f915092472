"""The progress bar of a run, and its summary."""

import dataclasses
import re

import numpy as np

from tests.sinks.results import make_result, make_run, make_tracks
from tracker.cli.run.progress import RunProgress, RunStatistics, dropped_share, summary

FILE = make_run()
LIVE = make_run(is_live=True)


def counted(run, *, latencies=(), dropped=0):
    statistics = RunStatistics()
    for index, latency in enumerate(latencies):
        statistics.add(make_result(index, run=run, age_s=latency, dropped=dropped))
    return statistics


def facts(run, statistics, outputs=()):
    lines = summary(run.video, statistics, outputs)
    assert all(line[11] == " " for line in lines)
    return {line[:12].strip(): line[12:] for line in lines}


def test_a_run_without_frames():
    lines = facts(LIVE, RunStatistics())
    assert lines["frames"] == "0 in 0.0 s, 0.0 per second"
    assert lines["dropped"] == "none"
    assert not {"latency", "reconnects", "unreadable"} & set(lines)


def test_a_continued_run_counts_all_frames_and_the_new_ones():
    statistics = RunStatistics()
    statistics.continue_from(160, np.array([False, True, True]))
    assert facts(FILE, statistics)["frames"] == "160 in all, 0 new in 0.0 s, 0.0 per second"
    for index in (160, 161):
        statistics.add(make_result(index, make_tracks((2000, (0, 0, 5, 5), 1)), run=FILE))
    lines = facts(FILE, statistics)
    assert lines["frames"].startswith("162 in all, 2 new in ")
    assert lines["tracks"] == "3"


def test_tracks_that_are_not_confirmed_are_not_counted():
    statistics = RunStatistics()
    for index in range(3):
        tracks = make_tracks((-2000 * index - 1, (0, 0, 5, 5), 1), (index + 1, (9, 9, 15, 15), 1))
        statistics.add(make_result(index, tracks, run=FILE))
    assert facts(FILE, statistics)["tracks"] == "3"
    assert len(statistics.has_id) == 1024


def test_summary_of_a_live_run_has_latency():
    latencies = [0.061] * 90 + [0.08] * 6 + [0.095] * 3 + [0.12]
    lines = facts(LIVE, counted(LIVE, latencies=latencies))
    assert lines["latency"] == "p50 61 ms, p95 80, p99 95, longest 120 (from capture to result)"
    assert lines["dropped"] == "none"


def test_summary_of_a_file_has_no_latency():
    lines = facts(FILE, counted(FILE, latencies=[0.1, 0.2]))
    assert list(lines) == ["source", "frames", "tracks", "ms a frame", "written"]


def test_live_source_without_capture_times_has_no_latency():
    assert "latency" not in facts(LIVE, counted(LIVE, latencies=[None, None]))


def test_dropped_frames_are_a_count_and_a_share():
    lines = facts(LIVE, counted(LIVE, latencies=[0.1] * 3, dropped=1))
    assert lines["dropped"] == "1 (25.0 %), the source is faster than the pipeline"
    assert (dropped_share(0, 0), dropped_share(0, 5), dropped_share(5, 0)) == (0, 0, 1)


def test_reconnections_and_undecodable_frames_are_reported():
    statistics = counted(LIVE, latencies=[0.1])
    statistics.reconnects, statistics.skipped = 2, 5
    lines = facts(LIVE, statistics)
    assert (lines["reconnects"], lines["unreadable"]) == ("2", "5 frames")


def test_memory_is_constant():
    statistics = counted(LIVE, latencies=[0.001 * n for n in range(1000)])
    assert (statistics.latency.count, statistics.frames) == (1000, 1000)
    assert not any(isinstance(value, list) for value in vars(statistics).values())


def shown_lines(text):
    """Returns the lines of a terminal, without colours and without the spinner."""
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text).replace("\r", "\n")
    return [
        re.sub(r"^\S ", "", re.sub(" [━╸╺]+ ", " | ", line)).strip() for line in plain.split("\n")
    ]


def test_the_bar_of_a_run_shows_frames_speed_and_tracks(monkeypatch, capsys):
    monkeypatch.setenv("FORCE_COLOR", "1")
    result = dataclasses.replace(make_result(0), track_count=7)
    with RunProgress(FILE.video, 3, shown=True) as bar:
        for _ in range(3):
            bar.add(result)
    last = [line for line in shown_lines(capsys.readouterr().err) if line][-1]
    assert re.fullmatch(r"3/3 frames \| [0-9.]+ fps 0:00:00 7 tracks", last)


def test_a_bar_of_unknown_length_counts_without_an_end(monkeypatch, capsys):
    monkeypatch.setenv("FORCE_COLOR", "1")
    with RunProgress(dataclasses.replace(FILE.video, frame_count=None), None, shown=True) as bar:
        bar.add(make_result(0))
    last = [line for line in shown_lines(capsys.readouterr().err) if line][-1]
    assert last.startswith("1 frames")


def test_without_a_terminal_no_bar_is_shown(capsys):
    with RunProgress(FILE.video, 3, shown=True) as bar:
        bar.add(make_result(0))
    assert capsys.readouterr().err == ""
