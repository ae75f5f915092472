"""`tracker plot`: files that are images, a report that loads nothing and escapes everything."""

import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from tests.cli import call, failure
from tests.cli.test_convert import records
from tests.conftest import write_clip
from tracker.util.opencv import cv2

NAMES = ["counts", "heat-map", "speeds", "time-line", "trajectories"]
HOSTILE = "<script>alert('$x$')</script>\u2603\x1b"


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    import json

    path = tmp_path / "out.jsonl"
    text = "".join(json.dumps(one) + "\n" for one in records())
    path.write_text(text.replace('"car"', json.dumps(HOSTILE)), encoding="utf-8")
    return path


def colours(path: Path) -> np.ndarray:
    """Returns the median colour of an image, that of its ground."""
    image = cv2.imread(str(path))
    assert image is not None
    assert min(image.shape[:2]) > 200
    return np.median(image.reshape(-1, 3), axis=0)


@pytest.mark.slow
def test_plots_beside_the_recording_light_and_dark(recording: Path, tmp_path: Path) -> None:
    assert call("plot", recording) == 0
    light = tmp_path / "out-plots"
    assert sorted(path.stem for path in light.iterdir()) == NAMES
    assert call("plot", recording, "--dark", "-o", tmp_path / "dark", "--only", "counts") == 0
    assert [path.name for path in (tmp_path / "dark").iterdir()] == ["counts.png"]
    assert colours(light / "counts.png").min() > 250
    assert colours(tmp_path / "dark" / "counts.png").max() < 50


def test_svg_is_the_same_each_time(recording: Path, tmp_path: Path) -> None:
    for folder in ("a", "b"):
        words = ("--format", "svg", "--only", "time-line,speeds", "-o", tmp_path / folder)
        assert call("plot", recording, *words) == 0
    text = (tmp_path / "a" / "time-line.svg").read_text(encoding="utf-8")
    assert text == (tmp_path / "b" / "time-line.svg").read_text(encoding="utf-8")
    assert "<script" not in text


class Page(HTMLParser):
    """Collects tags, attributes and text."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in {"src", "href"}]

    def handle_data(self, data: str) -> None:
        self.text += f"{data}\n"


@pytest.mark.slow
def test_the_report_is_one_file_without_links_or_scripts(recording: Path, tmp_path: Path) -> None:
    report = tmp_path / "deep" / "report.html"
    assert call("plot", recording, "--report", report) == 0
    assert not (tmp_path / "out-plots").exists()
    page = Page()
    text = report.read_text(encoding="utf-8")
    page.feed(text)
    assert {"script", "link", "iframe", "a"}.isdisjoint(page.tags)
    assert page.tags.count("img") == 5
    assert all(link.startswith("data:image/png;base64,") for link in page.links)
    assert "url(" not in text
    assert "http" not in text
    assert page.text.count("<script>alert('$x$')</script>\u2603\\x1b") >= 2
    # The table: track 1 over frames 0, 1 and 3 of 0.1 s, with one gap.
    row = re.search(r"<tr><td>1</td><td>person</td>.*?</tr>", text)
    assert row is not None
    cells = re.findall(r"<td>(.*?)</td>", row[0])
    assert cells[2:8] == ["0.00", "0.40", "0.30", "3", "1", "0.10"]
    assert "line_crossed" in page.text


def test_the_frame_of_the_source_lies_under_the_paths(
    recording: Path, clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    red = np.zeros((48, 64, 3), np.uint8)
    red[:24] = 250
    video = write_clip(tmp_path / "in.mp4", [red] * 2)
    words = ("--source", video, "--only", "trajectories")
    assert call("plot", recording, *words, "-o", tmp_path / "a") == 0
    image = cv2.imread(str(tmp_path / "a" / "trajectories.png"), cv2.IMREAD_GRAYSCALE)
    assert image is not None
    middle = image[:, image.shape[1] * 3 // 4]
    third = len(middle) // 3
    assert np.median(middle[:third]) > np.median(middle[-third:]) + 60
    capsys.readouterr()
    message = failure(capsys, "plot", recording, "--source", clip)
    assert "expected frames of 64x48 as in the recording, got 160x120" in message


def test_events_of_zones_are_plotted(tmp_path: Path) -> None:
    mot = tmp_path / "gt.txt"
    # Through x = 10 from left to right; a line upwards has its right side there.
    mot.write_text("".join(f"{n},1,{4 * n},0,2,20,1,-1,-1,-1\n" for n in range(1, 6)))
    zones = tmp_path / "zones.yaml"
    zones.write_text("lines:\n  - name: door\n    points: [[10, 40], [10, 0]]\n")
    report = tmp_path / "r.html"
    assert call("plot", mot, "--zones", zones, "--report", report, "--only", "counts") == 0
    row = re.search(r"<td>line_crossed</td>.*?</tr>", report.read_text())
    assert row is not None
    assert "<td>door</td>" in row[0]
    assert "<td>in</td>" in row[0]


def test_wrong_words_are_named(
    recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "did you mean 'heat-map'" in failure(capsys, "plot", recording, "--only", "heatmap")
    assert "--format gif: expected png or svg" in failure(
        capsys, "plot", recording, "--format", "gif"
    )
    assert "it is the source itself" in failure(capsys, "plot", recording, "--report", recording)
    empty = tmp_path / "empty.txt"
    empty.write_text("")
    assert "expected tracks to plot, got none" in failure(capsys, "plot", empty)


def test_mot_text_without_rate_and_size(tmp_path: Path) -> None:
    mot = tmp_path / "gt.txt"
    mot.write_text("1,1,0,0,20,30,1,-1,-1,-1\n3,1,4,0,20,30,1,-1,-1,-1\n2,2,0,0,5,5,1,-1,-1,-1\n")
    assert call("plot", mot, "--report", tmp_path / "r.html", "--fps", "10") == 0
    assert "<dd>24 x 30 px</dd>" in (tmp_path / "r.html").read_text()
