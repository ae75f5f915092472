"""`tracker zones`: drawn with scripted clicks and keys, and from files of other tools."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.cli import call, failure
from tests.conftest import write_clip
from tracker.analytics.settings import AnalyticsSettings, Line, Zone
from tracker.cli.zones.command import ZonesRequest, run_zones
from tracker.cli.zones.drawing import Drawing
from tracker.config.zones import load_zones
from tracker.errors import ConfigError, OutputError
from tracker.util.opencv import cv2

SQUARE = ((10.0, 10.0), (50.0, 10.0), (50.0, 50.0), (10.0, 50.0))

CVAT_IMAGES = """<?xml version="1.0"?><annotations><version>1.1</version>
<image id="0" name="a.png" width="160" height="120">
<polygon label="yard" points="10,10;50,10;50,50;10,50"/>
<polyline label="door" points="80.5,119;80.5,0"/>
<box label="yard" xtl="1" ytl="2" xbr="30" ybr="40"/>
</image></annotations>"""

CVAT_VIDEO = """<annotations><meta><task><original_size><width>160</width><height>120</height>
</original_size></task></meta>
<track id="0" label="yard"><polygon frame="0" points="10,10;50,10;50,50;10,50"/>
<polygon frame="9" points="0,0;50,10;50,50;10,50"/></track></annotations>"""

LABELME = {
    "imageWidth": 160,
    "imageHeight": 120,
    "shapes": [
        {"label": "yard", "shape_type": "polygon", "points": [list(p) for p in SQUARE]},
        {"label": "door", "shape_type": "line", "points": [[80.5, 119], [80.5, 0]]},
        {"label": "yard", "shape_type": "rectangle", "points": [[1, 2], [30, 40]]},
        {"label": "dot", "shape_type": "point", "points": [[1, 2]]},
    ],
}


class FakeCanvas:
    """Plays clicks and keys; keeps the number of pictures that it was shown."""

    def __init__(self, *actions: tuple[float, float] | str) -> None:
        self.actions = list(actions)
        self.shown = 0
        self.closed = 0

    def show(self, image: np.ndarray) -> None:
        self.shown += 1

    def action(self) -> tuple[float, float] | str:
        return self.actions.pop(0)

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write_clip(tmp_path / "in.mp4", [np.full((120, 160, 3), 90, np.uint8)] * 3)


def test_what_is_drawn_is_written(clip: Path, tmp_path: Path) -> None:
    out = tmp_path / "zones.yaml"
    canvas = FakeCanvas(*SQUARE, (1.0, 1.0), "u", "\r", "", (80.0, 119.0), (80.0, 0.0), "l", "s")
    line = run_zones(ZonesRequest(str(clip), str(out)), canvas)
    assert line.startswith(f"{out}: 1 zones, 1 lines")
    assert load_zones(out) == AnalyticsSettings(
        size=(160, 120),
        zones=(Zone("zone-1", SQUARE),),
        lines=(Line("line-1", ((80.0, 119.0), (80.0, 0.0))),),
    )
    assert canvas.closed == 1
    assert out.read_text(encoding="utf-8").startswith("# yaml-language-server: $schema=")


def test_quitting_writes_nothing(clip: Path, tmp_path: Path) -> None:
    out = tmp_path / "zones.yaml"
    # Without a finished shape there is nothing to save yet.
    with pytest.raises(OutputError, match="nothing was saved"):
        run_zones(ZonesRequest(str(clip), str(out)), FakeCanvas((1.0, 1.0), "s", "q"))
    assert not out.exists()


def test_an_open_shape_is_not_lost_when_saving(clip: Path, tmp_path: Path) -> None:
    output = tmp_path / "zones.yaml"
    corners = [(1.0, 1.0), (60.0, 1.0), (60.0, 40.0)]
    canvas = FakeCanvas("s", *corners, "\r", (5.0, 5.0), "s", (50.0, 30.0), "s", "l", "s")
    run_zones(ZonesRequest(str(clip), str(output)), canvas)
    settings = load_zones(str(output))
    assert [len(settings.zones), len(settings.lines)] == [1, 1]
    assert settings.lines[0].points == ((5.0, 5.0), (50.0, 30.0))
    assert "nothing to save" in Drawing().unsaved().message


def test_a_double_click_is_one_point() -> None:
    drawing = Drawing().clicked(1, 1).clicked(9, 1)
    assert drawing.clicked(9, 1) == drawing
    assert drawing.clicked(1, 1).points == ((1, 1), (9, 1), (1, 1))


def test_too_few_points_are_said_in_the_window() -> None:
    drawing = Drawing().clicked(1, 1).clicked(9, 1)
    assert drawing.pressed("\r").message == "a zone needs 3 points, this one has 2"
    assert drawing.pressed("x") == drawing
    assert drawing.pressed("l").pressed("u").shapes == ()


@pytest.mark.parametrize(
    ("name", "text"),
    [("a.xml", CVAT_IMAGES), ("a.json", json.dumps(LABELME)), ("v.xml", CVAT_VIDEO)],
)
def test_shapes_of_other_tools(name: str, text: str, tmp_path: Path) -> None:
    source, out = tmp_path / name, tmp_path / "out" / "zones.yaml"
    source.write_text(text, encoding="utf-8")
    assert call("zones", "--from", source, "-o", out) == 0
    settings = load_zones(out)
    assert settings.size == (160, 120)
    assert settings.zones[0] == Zone("yard", SQUARE)
    if name != "v.xml":
        assert settings.zones[1].name == "yard-2"
        assert settings.zones[1].polygon == ((1, 2), (30, 2), (30, 40), (1, 40))
        assert settings.lines == (Line("door", ((80.5, 119.0), (80.5, 0.0))),)


def test_a_preview_shows_the_zones(clip: Path, tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_text(CVAT_IMAGES, encoding="utf-8")
    out, preview = tmp_path / "zones.yaml", tmp_path / "zones.png"
    words = ("--from", tmp_path / "a.xml", "-o", out, "--preview", preview)
    assert call("zones", clip, *words) == 0
    image = cv2.imread(str(preview))
    assert image.shape == (120, 160, 3)
    assert np.abs(image[30, 8:13].astype(int) - 90).max() > 60
    assert np.abs(image[46, 40:44].astype(int) - 90).max() < 12


def test_what_is_wrong_is_said_in_one_line(
    clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, out = tmp_path / "a.xml", tmp_path / "zones.yaml"
    cases = {
        "": "expected XML of CVAT or JSON of LabelMe",
        "<!DOCTYPE a><annotations/>": "got a document type or entities",
        "<html/>": "expected <annotations> as CVAT writes it, got <html>",
        "<annotations/>": "expected polygons or lines, got none",
        CVAT_IMAGES.replace("10,50", "10;50"): "expected 2 numbers, got",
        CVAT_IMAGES.replace("50,10;50,50;", ""): "polygon: expected 3 or more points, got 2",
        '{"shapes": 3}': "expected LabelMe's JSON with a list 'shapes'",
        '{"shapes": [{"points": [[1]]}]}': "shapes[0].points: expected a list of [x, y]",
    }
    for text, message in cases.items():
        source.write_text(text, encoding="utf-8")
        assert message in failure(capsys, "zones", clip, "--from", source, "-o", out)
    assert "expected an image or a video" in failure(capsys, "zones", "-o", out)
    with pytest.raises(ConfigError, match="expected an image"):
        run_zones(ZonesRequest(None, str(out)))
    assert not out.exists()
