"""Help of commands, with their options in groups, and the words that complete options."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from typer.core import TyperCommand

_ARGUMENTS = "Arguments"
_OTHERS = "Options"

Groups = dict[str, tuple[str, ...]]
"""Names of parameters by heading, in the order of the help; all others are under `Options`."""

_OUTPUT = (
    *(
        "output",
        "out",
        "json",
        "video",
        "video_scale",
        "video_encoder",
        "mot",
        "csv",
        "zones",
        "events",
        "webhook",
        "mqtt",
    ),
    *("save_dir", "crops", "crops_per_track", "clips", "clip_margin", "show", "embeddings"),
    *("plot", "report", "file_format", "preview", "no_clobber", "resume", "table"),
)
_DETECTION = (
    *("detector", "weights", "names", "classes", "conf", "iou", "imgsz", "slices"),
    *("detect_every", "runtime", "device", "half"),
)
_RUN: Groups = {
    "Source": (
        *("start", "stride", "max_frames", "policy", "reconnect", "detections"),
        *("live", "load", "seconds"),
    ),
    "Output": _OUTPUT,
    "Drawing": (
        *("labels", "color_by", "boxes", "line_scale", "font_scale", "trail"),
        *("background", "segmenter", "blur", "blur_ids"),
    ),
    "Detection": _DETECTION,
    "Tracking": ("embedder", "link"),
}
_SERVE: Groups = {
    "Server": (
        *("host", "port", "token_file", "allow_host", "open_", "zones"),
        *("uploads", "upload_limit", "keep", "as_fast_as_possible", "jpeg_quality"),
    ),
    **{heading: names for heading, names in _RUN.items() if heading != "Output"},
}
_BATCH: Groups = {
    "Output": _OUTPUT,
    "Detection": _DETECTION,
    "Tracking": ("embedder",),
    "Workers": (
        *("workers", "split", "engine", "ray_address"),
        *("cpus_per_worker", "gpus_per_worker", "memory_per_worker"),
    ),
}
_TRAIN: Groups = {
    "Data": ("data", "classes", "val_share"),
    "Network": (
        *("size", "head", "heads", "backbone", "backbone_weights", "weights", "teacher", "imgsz"),
        *("frozen_until", "frozen_norms"),
    ),
    "Training": (
        *("epochs", "batch", "learning_rate", "patience", "freeze_epochs", "mixed_precision"),
    ),
    "Output": ("out",),
}
_LABELS: Groups = {
    "Images": ("pictures", "data", "video", "tracks", "every", "labels"),
    "Detection": ("teacher", "classes", "size", "names", "threads"),
    "Crops": ("margin", "min_score", "views"),
    "Output": ("out",),
}
_REFINE: Groups = {
    "Joining": ("max_gap_s", "max_offset", "max_appearance_distance", "appearance_gap_s"),
    "Dropping and smoothing": ("min_seen", "min_score", "no_smooth"),
    "Recording": ("fps",),
    "Output": _OUTPUT,
}
_EVAL_DETECTOR: Groups = {
    "Data": ("labels", "images", "label_names"),
    "Detection": _DETECTION,
    "Output": ("json",),
}
OPTION_GROUPS: dict[str, Groups] = {
    **dict.fromkeys(("run", "bench", "draw"), _RUN),
    "batch": _BATCH,
    "serve": _SERVE,
    **dict.fromkeys(("train detector", "train reid", "train segmenter"), _TRAIN),
    **dict.fromkeys(("train labels", "train crops"), _LABELS),
    "refine": _REFINE,
    "eval-detector": _EVAL_DETECTOR,
}
"""Groups by command, as typed after `tracker`."""
_OF_OTHER_COMMANDS: Groups = {"Output": _OUTPUT}

COMMAND_GROUPS: Groups = {
    "Commands": ("run", "serve", "batch", "cameras", "bench"),
    "Commands for recorded tracks": (
        *("eval", "refine", "link", "convert"),
        *("draw", "plot", "analyze"),
    ),
    "Commands for models": ("models", "train", "eval-detector", "export"),
    "Commands for settings": ("config", "zones", "doctor"),
}
"""Commands by heading, in the order of the help of the program."""


class GroupedCommand(TyperCommand):
    """A command with its options in groups."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Writes arguments and options, each group under its heading."""
        for heading, records in option_groups(self, ctx):
            with formatter.section(heading):
                formatter.write_dl(records)


def option_groups(command: TyperCommand, ctx: Any) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Yields the headings of a command's help, each with the options and texts below it.

    Args:
        command: The command.
        ctx: Its context, whose `command_path` begins with the name of the program.
    """
    path = ctx.command_path.partition(" ")[2]
    table = OPTION_GROUPS.get(path, _OF_OTHER_COMMANDS)
    group_of = {name: heading for heading, names in table.items() for name in names}
    groups: dict[str, list[tuple[str, str]]] = {
        heading: [] for heading in (_ARGUMENTS, *table, _OTHERS)
    }
    for parameter in command.get_params(ctx):
        record = parameter.get_help_record(ctx)
        if record is None:
            continue
        is_argument = parameter.param_type_name == "argument"
        group = group_of.get(parameter.name or "", _OTHERS)
        groups[_ARGUMENTS if is_argument else group].append(record)
    yield from ((heading, records) for heading, records in groups.items() if records)


def command_groups(texts: Mapping[str, str]) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Yields the headings of a group of commands, each with the commands and texts below it.

    Args:
        texts: Text by command; those of the program are in `COMMAND_GROUPS`.
    """
    if "run" not in texts:
        yield "Commands", list(texts.items())
        return
    for heading, names in COMMAND_GROUPS.items():
        rows = [(name, texts[name]) for name in names if name in texts]
        if rows:
            yield heading, rows


def choices(*words: str) -> Callable[[str], list[str]]:
    """Returns what completes a value that is one of some words.

    Example:
        >>> choices("auto", "litert", "xla")("a")
        ['auto']
    """

    def matching(incomplete: str) -> list[str]:
        return [word for word in words if word.startswith(incomplete)]

    return matching
