"""The configuration of a run from the options of the command line."""

from collections.abc import Mapping, Sequence
from typing import Any

from tracker.cli.parsing import reconnect_attempts, start_seconds, words_of
from tracker.cli.run.image_options import image_settings
from tracker.cli.run.replay import check_replay
from tracker.config.run import Config, load_config, overlay, with_reconnect_attempts
from tracker.errors import ConfigError

_KEYS = {
    "detector": "detector.name",
    "weights": "detector.weights",
    "names": "detector.names",
    "detections": "detector.detections",
    "iou": "detector.network.iou",
    "imgsz": "detector.network.input_size",
    "slices": "detector.slices",
    "device": "detector.network.device",
    "runtime": "detector.network.runtime",
    "detect_every": "detector.every",
    "embedder": "embedder.name",
    "segmenter": "segmenter.file",
    "labels": "draw.labels",
    "color_by": "draw.color_by",
    "boxes": "draw.boxes",
    "line_scale": "draw.line_scale",
    "font_scale": "draw.font_scale",
    "trail": "draw.trail_s",
    "video_scale": "video.scale",
    "video_encoder": "video.encoder",
    "policy": "source.live.policy",
    "max_frames": "source.max_frames",
    "stride": "source.stride",
}
"""Dotted key by option, where the value is taken as it is."""

_OF_NETWORKS = ("iou", "imgsz", "device", "runtime")


def run_config(path: str | None, overrides: Sequence[str], options: Mapping[str, Any]) -> Config:
    """Returns the configuration of a file, overridden by single keys and then by options.

    Args:
        path: A YAML file, or `None`.
        overrides: Overrides such as `tracking.max_age_frames=60`.
        options: Value by the name of the parameter of `tracker run`; `None`, or left out, where
            the option is not given.

    Raises:
        ConfigError: A value is wrong, or options do not go together.
    """
    given = {name: value for name, value in options.items() if value is not None}
    settings = load_config(path, overrides)
    is_motion = (given.get("detector") or settings.detector.name) == "motion"
    _check_network_options(settings, given, is_motion=is_motion)
    changes = {key: given.get(name) for name, key in _KEYS.items()}
    seed, start, zones = given.get("seed"), given.get("start"), given.get("zones")
    confidence = "detector.motion.confidence" if is_motion else "detector.network.confidence"
    changes |= {
        confidence: given.get("conf"),
        "detector.network.classes": words_of("--classes", given.get("classes")),
        "detector.network.half": given.get("half") or None,
        **image_settings(given.get("background"), given.get("blur"), given.get("blur_ids")),
        "source.start_s": None if start is None else start_seconds(start),
        "link": given.get("link") or None,
        "analytics": None if zones is None else _zones_tree(zones),
        "seed": seed,
        "draw.seed": seed,
    }
    settings = overlay(settings, changes)
    if "reconnect" in given:
        settings = with_reconnect_attempts(settings, reconnect_attempts(given["reconnect"]))
    return settings


def _zones_tree(path: str) -> dict[str, Any]:
    """Returns the zones of a file as plain JSON types."""
    from tracker.config.zones import load_zones, zones_tree

    return zones_tree(load_zones(path))


def _check_network_options(settings: Config, given: Mapping[str, Any], *, is_motion: bool) -> None:
    network_options = {f"--{name}": given.get(name) for name in _OF_NETWORKS}
    replayed = given.get("detections") or settings.detector.detections
    if replayed is not None:
        others = {f"--{name}": given.get(name) for name in ("detector", "conf", "slices")}
        check_replay(replayed, others | network_options)
    for option, value in network_options.items():
        if is_motion and value is not None:
            raise ConfigError(
                f"{option} {value}: the motion detector has no network; name a model with "
                "--detector small or a file"
            )
