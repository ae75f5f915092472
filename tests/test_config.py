"""The configuration: defaults, files, overrides, and errors that name the key."""

import json
from pathlib import Path

import pytest

from tracker.config import CameraCompensation, Config, load_config, overlay
from tracker.errors import ConfigError
from tracker.tracking.settings import Report

CONFIGS = Path(__file__).parents[1] / "configs"


def test_nothing_given_means_the_defaults() -> None:
    assert load_config() == Config()


def test_a_file_and_then_single_keys(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("tracking:\n  min_iou: 0.4\n  report: all\nsource: {stride: 2}\n")
    config = load_config(file, ["tracking.min_iou=0.5", "detector.network.classes=[person, car]"])
    assert config.tracking.min_iou == 0.5
    assert config.tracking.report is Report.ALL
    assert config.source.stride == 2
    assert config.detector.network.classes == ("person", "car")


def test_overlay_changes_what_is_not_none() -> None:
    config = overlay(Config(), {"source.stride": 3, "seed": None, "tracking.noise.position": 0.1})
    assert (config.source.stride, config.seed, config.tracking.noise.position) == (3, 0, 0.1)


@pytest.mark.parametrize("text", ["off", "'off'", "no", "false"])
def test_a_bare_off_is_what_yaml_reads_as_false(text: str) -> None:
    flow = load_config(overrides=["camera_motion=flow"])
    assert flow.camera_motion is CameraCompensation.FLOW
    config = load_config(overrides=["camera_motion=flow", f"camera_motion={text}"])
    assert config.camera_motion is CameraCompensation.OFF
    assert config.to_json()["camera_motion"] == "off"


def test_it_writes_plain_json() -> None:
    plain = json.loads(json.dumps(Config().to_json()))
    assert plain["tracking"]["report"] == "seen"
    assert plain["detector"]["name"] == "small"


@pytest.mark.parametrize(
    "file",
    sorted(p for p in CONFIGS.glob("*.yaml") if not p.name.startswith(("train-", "models."))),
    ids=lambda p: p.name,
)
def test_shipped_files_are_valid_and_change_something(file: Path) -> None:
    assert load_config(file) != Config()


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("tracking.min_iuo=0.4", "unknown key tracking.min_iuo; did you mean 'min_iou'?"),
        ("trakcing.min_iou=0.4", "unknown key trakcing; did you mean 'tracking'?"),
        ("tracking.zzz=1", "unknown key tracking.zzz; known: confirm_hits, "),
        ("tracking.min_iou=2", "tracking.min_iou: expected 0..1, got 2"),
        ("tracking.min_iou=much", "tracking.min_iou: expected a valid number"),
        ("source.stride=0", "source.stride: expected >= 1, got 0"),
        ("source.stride=1.5", "source.stride: expected a valid integer"),
        ("tracking.report=some", "tracking.report: expected 'seen', 'confirmed' or 'all'"),
        ("camera_motion=on", "camera_motion: expected 'off' or 'flow', got True"),
        ("source.live.reconnect.factor=0.5", "source.live.reconnect.factor: expected"),
        ("tracking=3", "tracking: expected keys below it, got 3"),
        ("tracking.min_iou.x=3", "min_iou"),
        ("tracking", "expected KEY=VALUE"),
        ("seed={", "not readable as YAML"),
    ],
)
def test_a_wrong_key_or_value_is_named(word: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(overrides=[word])
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: [", "line 2: not YAML"),
        ("- 1\n", "expected keys and values, got a list"),
        ("unknown: 1\n", "unknown key unknown"),
    ],
)
def test_a_wrong_file_is_named(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "c.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=message):
        load_config(file)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.yaml: does not exist"):
        load_config(tmp_path / "none.yaml")


def test_an_empty_file_changes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("# nothing yet\n")
    assert load_config(file) == Config()
