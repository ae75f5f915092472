"""The configuration: defaults, files, overrides, and errors that name the key."""

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from tracker.config.run import CameraCompensation, Config, config_from, load_config, overlay
from tracker.errors import ConfigError
from tracker.tracking.settings import Report
from tracker.util.settings_tree import lay

CONFIGS = Path(__file__).parents[2] / "configs"


def test_nothing_given_means_the_defaults() -> None:
    assert load_config() == Config()


def test_a_file_and_then_single_keys(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("tracking:\n  resume_reach: 0.4\n  report: all\nsource: {stride: 2}\n")
    config = load_config(
        file, ["tracking.resume_reach=0.5", "detector.network.classes=[person, car]"]
    )
    assert config.tracking.resume_reach == 0.5
    assert config.tracking.report is Report.ALL
    assert config.source.stride == 2
    assert config.detector.network.classes == ("person", "car")


def test_overlay_changes_what_is_not_none() -> None:
    config = overlay(Config(), {"source.stride": 3, "seed": None, "tracking.noise.position": 0.1})
    assert (config.source.stride, config.seed, config.tracking.noise.position) == (3, 0, 0.1)


def test_values_of_one_section_change_together() -> None:
    """Neither is allowed without the other; `analytics` takes the place of all that was there."""
    changes = {"segmenter.background": "image", "segmenter.image": "beach.png"}
    assert overlay(Config(), changes).segmenter.style().image == "beach.png"
    square = [[0, 0], [90, 0], [90, 90]]
    first = overlay(Config(), {"analytics": {"zones": [{"name": "a", "polygon": square}]}})
    second = overlay(first, {"analytics": {"zones": [{"name": "b", "polygon": square}]}})
    assert [zone.name for zone in second.analytics.zones] == ["b"]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("seed", True),
        ("embedder.threads", 1.5),
        ("source.stride", 0),
        ("source.live.policy", "b"),
        ("segmenter.background", "blurr"),
        ("segmenter.background", "image"),
        ("detector.slices", "2y2"),
        ("draw.trail_s", float("nan")),
        ("tracking.max_age_frame", 3),
        ("blur.ids", ("x",)),
        ("detector.name", "a\0b"),
        ("analytics", {"zones": [{"name": "a"}]}),
    ],
)
def test_a_changed_value_is_refused_with_the_words_of_a_file(key: str, value: object) -> None:
    tree: dict[str, Any] = {}
    lay(tree, key.split("."), value)
    with pytest.raises(ConfigError) as of_file:
        config_from(tree)
    with pytest.raises(ConfigError) as of_change:
        overlay(Config(), {key: value})
    assert str(of_change.value) == str(of_file.value)


@pytest.mark.parametrize("text", ["off", "'off'", "no", "false"])
def test_a_bare_off_is_what_yaml_reads_as_false(text: str) -> None:
    flow = load_config(overrides=["camera_motion=flow"])
    assert flow.camera_motion is CameraCompensation.FLOW
    config = load_config(overrides=["camera_motion=flow", f"camera_motion={text}"])
    assert config.camera_motion is CameraCompensation.OFF
    assert config.to_json()["camera_motion"] == "off"


def test_it_writes_plain_json() -> None:
    plain = json.loads(json.dumps(Config().to_json()))
    assert plain["tracking"]["report"] == "likely"
    assert plain["detector"]["name"] == "small"


@pytest.mark.parametrize("file", [None, *CONFIGS.glob("*camera.yaml")])
def test_it_writes_what_pydantic_writes(file: Path | None) -> None:
    config = load_config(file)
    plain = TypeAdapter(Config).dump_python(config, mode="json")
    del plain["tracking"]["track_distance"], plain["analytics"]
    assert json.dumps(config.to_json()) == json.dumps(plain)


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
        ("tracking.zzz=1", "unknown key tracking.zzz; known: association, "),
        ("tracking.min_iou=2", "tracking.min_iou: expected 0..1, got 2"),
        ("tracking.min_iou=much", "tracking.min_iou: expected a valid number"),
        ("source.stride=0", "source.stride: expected 1 to 100000, got 0"),
        ("source.stride=1.5", "source.stride: expected a valid integer"),
        (
            "tracking.report=some",
            "tracking.report: expected 'likely', 'seen', 'confirmed' or 'all'",
        ),
        ("camera_motion=on", "camera_motion: expected 'auto', 'off' or 'flow', got True"),
        ("source.stride=1000000000", "source.stride: expected 1 to 100000, got 1000000000"),
        ("source.image_fps=1.0e-9", "source.image_fps: expected 0.0001 to 1000000, got 1e-09"),
        ("source.live.reconnect.factor=0.5", "source.live.reconnect.factor: expected"),
        ("source.live.reconnect.factor=1.0e+300", "factor: expected a number from 1 to 1000"),
        ("source.live.reconnect.longest_s=1.0e+9", "first_s, which is 0.5, up to 86400, got"),
        ("source.live.stall_s=1.0e+300", "source.live.stall_s: expected seconds > 0, up to 86400"),
        ("batch.wait_s=1.0e+300", "batch.wait_s: expected seconds from 0 to 60, got 1e+300"),
        ("seed=99999999999", "seed: expected a number of 32 bits, got 99999999999"),
        ("video.scale=1.0e-9", "video.scale: expected a number in [0.05, 1], got 1e-09"),
        ("draw.line_scale=1.0e+6", "draw.line_scale: expected a number from 0.1 to 20.0, got"),
        ("draw.font_scale=0.01", "draw.font_scale: expected a number from 0.1 to 20.0, got"),
        ("segmenter.threads=1000000", "segmenter.threads: expected 1 to 1024, got 1000000"),
        ("segmenter.input_size=1048576", "a positive multiple of 32, at most 8192, got 1048576"),
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
    ("word", "message"),
    [
        ('source.stride="3"', "source.stride: expected a valid integer, got '3'; a number stands"),
        ("source.stride=true", "source.stride: expected a valid integer, got True"),
        ("source.stride=3.0", "source.stride: expected a valid integer, got 3.0"),
        ("tracking.min_iou=true", "tracking.min_iou: expected a valid number, got True"),
        ("tracking.min_iou='0.3'", "tracking.min_iou: expected a valid number, got '0.3'"),
        ("detector.offline=1", "detector.offline: expected a valid boolean, got 1"),
        ("detector.offline='yes'", "detector.offline: expected a valid boolean, got 'yes'"),
        ("detector.name=5", "detector.name: expected a valid string, got 5"),
        ("detector.network.classes=[no]", "expected a valid string, got False; YAML reads no, off"),
        ("detector.name=2020-01-01", "detector.name: expected a plain value"),
        ("tracking.noise.position=.inf", "tracking.noise.position: expected a finite number"),
        ("tracking.noise.position=-.inf", "tracking.noise.position: expected a finite number"),
        ("tracking.noise.position=.nan", "tracking.noise.position: expected a finite number"),
        ("detector.scales=[1, .inf]", "detector.scales.1: expected a finite number, got inf"),
        (f"seed={10**30}", "seed: expected at most 9007199254740992, got a number of about 31"),
        (f"seed=0x{'f' * 9000}", "got a number of about 10838 digits"),
        ('detector.name="a\\0b"', "detector.name: expected text without NUL"),
        ("tracking={min_iou: 0.2, min_iou: 0.3}", "key 'min_iou' occurs twice"),
        (f"seed={'[' * 10_000}", "expected at most 40 levels of nesting"),
    ],
)
def test_settings_are_strict_about_types(word: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(overrides=[word])
    assert message in str(caught.value)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 300


def test_whole_numbers_are_numbers_and_words_are_choices() -> None:
    words = ["tracking.max_age_frames=60", "detector.offline=yes", "detector.scales=[1, 2]"]
    config = load_config(overrides=[*words, "segmenter.cache_dir=/x", "tracking.report=all"])
    assert config.tracking.max_age_frames == 60.0
    assert config.detector.offline is True
    assert config.detector.scales == (1.0, 2.0)
    assert config.segmenter.cache_dir == Path("/x")
    changes = {"segmenter.cache_dir": Path("/x"), "tracking.report": Report.ALL, "seed": 1}
    assert overlay(config, {"seed": 1}) == overlay(load_config(overrides=words), changes)


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
