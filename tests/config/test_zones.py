"""`zones.yaml`: reading, writing, and the schema that editors use."""

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from tracker.analytics.settings import (
    AnalyticsSettings,
    Anchor,
    Calibration,
    KnownLength,
    Line,
    Zone,
)
from tracker.config.run import load_config
from tracker.config.zones import load_zones, zones_schema, zones_text
from tracker.errors import ConfigError

DOCS = Path(__file__).parents[2] / "docs"
ALL = AnalyticsSettings(
    size=(640, 480),
    anchors={"car": Anchor.CENTER},
    hysteresis=0.2,
    zones=(
        Zone("yard", ((0.0, 0.0), (90.0, 0.0), (0.0, 90.0)), classes=("car",), dwell_s=5.0,
             max_speed_kmh=30.0, direction=((0.0, 0.0), (10.0, 0.0))),
        Zone("gate", ((5.0, 0.0), (95.0, 0.0), (0.0, 99.0)), inside_share=0.5),
    ),
    lines=(Line("door", ((0.0, 5.0), (50.0, 5.0)), anchor=Anchor.TOP),),
    calibration=Calibration(length=KnownLength(((0.0, 90.0), (50.0, 90.0)), 3.5), tilt_deg=30.0),
)  # fmt: skip


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "zones.yaml"
    path.write_text(zones_text(ALL, comment="made here"), encoding="utf-8")
    assert load_zones(path) == ALL
    # Points stay in one line each.
    assert "points: [[0.0, 5.0], [50.0, 5.0]]" in path.read_text(encoding="utf-8")


def test_the_schema_is_the_one_in_docs_and_accepts_what_is_written() -> None:
    schema = zones_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    assert json.loads((DOCS / "zones.schema.json").read_text(encoding="utf-8")) == schema
    jsonschema.validate(yaml.safe_load(zones_text(ALL)), schema)
    for wrong in ({"linse": []}, {"zones": [{"name": "a"}]}, {"units": "metres"}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, schema)
    assert (
        "Seconds" in schema["properties"]["zones"]["items"]["properties"]["dwell_s"]["description"]
    )


def test_the_example_in_docs_is_right(tmp_path: Path) -> None:
    text = (DOCS / "analytics.md").read_text(encoding="utf-8")
    example = text.split("```yaml\n")[1].split("```")[0]
    path = tmp_path / "zones.yaml"
    path.write_text(example, encoding="utf-8")
    assert load_zones(path).zones
    jsonschema.validate(yaml.safe_load(example), zones_schema())


def test_zones_are_part_of_the_configuration() -> None:
    override = "analytics.lines=[{name: door, points: [[0, 5], [50, 5]]}]"
    config = load_config(overrides=[override])
    assert config.analytics.lines[0].name == "door"
    assert config.to_json()["analytics"]["lines"][0]["points"] == [[0.0, 5.0], [50.0, 5.0]]
    assert "analytics" not in load_config().to_json()
    with pytest.raises(ConfigError, match=r"analytics.lines.0: line 'a': points: expected 2"):
        load_config(overrides=["analytics.lines=[{name: a, points: [[0, 5]]}]"])


def test_a_missing_key_is_named(tmp_path: Path) -> None:
    path = tmp_path / "zones.yaml"
    path.write_text("zones: [{name: a}]")
    with pytest.raises(ConfigError, match=r"zones\.0\.polygon: expected a value, got none$"):
        load_zones(path)
