"""The effective configuration with origins, the meaning of keys, and the JSON Schema."""

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from tests.cli import call, failure
from tracker.config.describe import config_lines, config_schema, explained, setting_keys
from tracker.config.run import load_config
from tracker.errors import ConfigError

CONFIGS = Path(__file__).parents[2] / "configs"


def test_what_is_shown_is_a_configuration_file(tmp_path: Path) -> None:
    words = ["tracking.max_age_s=4.5", "detector.name=nano", "detector.network.classes=[person]"]
    path = tmp_path / "shown.yaml"
    path.write_text("\n".join(config_lines(None, words)) + "\n", encoding="utf-8")
    assert load_config(path) == load_config(overrides=words)


def test_comments_name_the_origin_of_what_is_changed(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("tracking: {max_age_s: 3, confirm_hits: 4}\nsource: {stride: 2}\n")
    lines = config_lines(path, ["tracking.max_age_s=4", "draw.labels=id"])
    shown = {line.strip() for line in lines}
    assert f"stride: 2  # {path}" in shown
    assert f"confirm_hits: 4  # {path}" in shown
    assert "max_age_s: 4.0  # --set" in shown
    assert "labels: id  # --set" in shown
    assert "boxes: full" in shown
    changed = config_lines(path, ["tracking.max_age_s=4", "draw.labels=id"], only_changed=True)
    assert sorted(line.split("#")[0].rstrip() for line in changed) == sorted(
        [
            *("source:", "  stride: 2", "tracking:", "  max_age_s: 4.0"),
            *("  confirm_hits: 4", "draw:", "  labels: id"),
        ]
    )
    assert config_lines(None, only_changed=True) == []


def test_a_list_of_an_entry_is_shown_in_one_line() -> None:
    line = "analytics.lines=[{name: door, points: [[0, 5], [50, 5]]}]"
    (shown,) = [line for line in config_lines(None, [line]) if "door" in line]
    assert shown.startswith("  lines: [{")
    assert shown.endswith("  # --set")


@pytest.mark.parametrize("key", setting_keys())
def test_every_key_is_explained(key: str) -> None:
    head, text, *_ = explained(key)
    assert head == f"{key}:"
    assert len(text.strip()) > 8


def test_the_explanation_of_a_choice() -> None:
    assert explained("draw.color_by") == [
        "draw.color_by:",
        "  What the colour of a track depends on: `id`, `class` or `zone`.",
        "  id     Global id, or id where there is none: one object has one colour.",
        "  class  The class: all persons have one colour.",
        "  zone   The first zone that the track is in; grey outside of all.",
        "  default: id",
        "  on the command line: --set draw.color_by=VALUE",
    ]


def test_sections_list_the_keys_below_them() -> None:
    assert any(line.startswith("  draw.trail_s ") for line in explained("draw"))
    assert any(line.startswith("  tracking ") for line in explained(None))
    zone = explained("analytics.zones.dwell_s")
    assert not any("--set" in line for line in zone), "an entry of a list has no key of its own"
    assert "  required" in explained("analytics.zones.name")


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("tracking.max_age", "unknown key tracking.max_age; did you mean 'max_age_s'?"),
        ("trackin.max_age_s", "unknown key trackin.max_age_s; did you mean 'tracking'?"),
        ("seed.x", "unknown key seed.x"),
        ("zzz", "unknown key zzz; known there: seed, source,"),
    ],
)
def test_unknown_keys_name_the_nearest(key: str, message: str) -> None:
    with pytest.raises(ConfigError) as raised:
        explained(key)
    assert str(raised.value).startswith(message)


def test_the_schema_accepts_what_the_program_accepts() -> None:
    schema = config_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    for path in sorted(CONFIGS.glob("*.yaml")):
        if path.stem.startswith(("train", "models")):
            continue
        jsonschema.validate(yaml.safe_load(path.read_text(encoding="utf-8")), schema)
    jsonschema.validate(yaml.safe_load("\n".join(config_lines(None))), schema)
    for wrong in (
        {"trackin": {}},
        {"tracking": {"max_age_s": "long"}},
        {"draw": {"labels": "all"}},
        {"source": {"stride": 1.5}},
    ):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, schema)


def test_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("config", "show", "--set", "seed=3", "--changed") == 0
    assert capsys.readouterr().out == "seed: 3  # --set\n"
    assert call("config", "explain", "seed") == 0
    assert capsys.readouterr().out.startswith("seed:\n  Seed of all random draws")
    assert call("config", "schema") == 0
    assert json.loads(capsys.readouterr().out) == config_schema()
    assert failure(capsys, "config", "explain", "sed").startswith("unknown key sed; did you mean")
