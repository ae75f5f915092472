"""Command-line parsing: comma-separated lists, and hints for options of other programs."""

import math
import os
from collections.abc import Sequence
from typing import Any

import typer
from typer.core import TyperGroup

from tracker.cli.help_groups import GroupedCommand, command_groups
from tracker.errors import ConfigError, nearest
from tracker.util.address import scheme_of, shown_source
from tracker.util.terminal import print_results

HELP = {"help_option_names": ["-h", "--help"]}
"""Typer settings: the options that show the help."""

_COMMANDS_OF_OTHERS = {
    "run": (
        *("track", "detect", "process", "video", "predict", "infer", "inference"),
        *("follow", "play", "start", "webcam", "camera", "stream", "live"),
    ),
    "serve": ("web", "page", "server", "dashboard", "ui", "browser"),
    "batch": ("many", "bulk", "folder", "parallel"),
    "analyze": ("analyse", "analytics", "count", "counts", "report"),
    "zones": ("zone", "roi", "regions", "lines", "polygons"),
    "eval": ("evaluate", "evaluation", "score", "metrics", "val", "validate", "test"),
    "bench": ("benchmark", "speed", "time", "profile"),
    "doctor": ("check", "diagnose", "health", "verify", "selftest", "self-test", "env"),
    "export": ("compile", "quantize"),
    "convert": ("transform", "import", "to-coco", "to-mot", "to-yolo", "to-cvat"),
    "refine": ("smooth", "interpolate", "postprocess"),
    "draw": ("annotate", "render", "overlay"),
    "plot": ("plots", "chart", "heatmap", "report", "visualize", "visualise"),
    "link": ("associate", "match", "merge", "reid", "re-id", "multicam", "multi-camera", "mtmc"),
    "train": ("fit", "training", "finetune", "learn"),
    "models": ("model", "list", "ls"),
    "models pull": ("download", "fetch", "install", "get"),
    "models info": ("info", "show", "inspect"),
    "--help": ("help", "usage"),
    "--version": ("version",),
}
"""Commands of this program, and their names in other programs."""

_NAME_SOURCES = "name sources without an option: tracker run SOURCE"
_NO_SOURCE = (
    "expected a source, got none; name a video file, 0 (a camera), an address, or a folder of "
    "images: tracker run SOURCE"
)
_OPTIONS_OF_OTHERS = {
    _NAME_SOURCES: ("--source", "--input", "-i", "--file", "-f", "--path", "--url"),
    "results go to --json FILE, --csv FILE, --video FILE or --save-dir FOLDER": (
        *("--output", "-o", "--out", "--save", "--save-txt", "--save-vid", "--result", "--results"),
    ),
    "name the folder for results with --save-dir": (
        *("--output-dir", "--output-folder", "--outdir", "--out-dir", "--project", "--folder"),
    ),
    "name the model with --detector": (
        *("--model", "-m", "--cfg", "--yolo", "--network", "--checkpoint", "--model-path"),
    ),
    "the weights of a .cfg are named with --weights": ("-w", "--weight"),
    "name the appearance network with --embedder": ("--reid", "--reid-model", "--reid-weights"),
    "the network input size is --imgsz": (
        *("--img", "--img-size", "--image-size", "--imgsize", "--size", "--input-size"),
    ),
    "the score threshold is --conf": (
        *("--conf-thres", "--conf-threshold", "--confidence", "--threshold", "--score"),
        *("--min-confidence", "--min-score", "--thresh", "-t"),
    ),
    "the IoU threshold of NMS is --iou": ("--iou-thres", "--iou-threshold", "--nms", "--nms-thres"),
    "--show opens a window": ("--view", "--view-img", "--display", "--window", "--gui"),
    "choose with --device cpu or --device gpu": ("--cpu", "--gpu", "--cuda", "-d"),
    "take every n-th frame with --stride": ("--vid-stride", "--skip", "--frame-skip", "--step"),
    "stop after so many frames with --max-frames": ("--frames", "--limit", "-n", "--num-frames"),
    "choose classes with --classes person,car": ("--class", "--filter", "-c"),
    "hide the progress bar with --no-progress": ("--quiet", "-q", "--silent"),
    "--debug shows the traceback of an error": ("--verbose", "-v"),
    "choose with --labels none, id, class or full": (
        *("--hide-labels", "--no-labels", "--hide-label", "--show-labels", "--show-label"),
    ),
    "labels without the score: --labels class": (
        *("--hide-conf", "--hide-score", "--hide-scores", "--no-conf", "--no-scores"),
    ),
    "the thickness of lines is --line-scale": (
        *("--line-width", "--line-thickness", "--thickness", "--bbox-thickness"),
    ),
    "the trail is --trail SECONDS": ("--trails", "--trace", "--draw-trail", "--tail"),
    "a camera is a source: tracker run 0": ("--camera", "--webcam", "--cam"),
}
"""Hints, each with the options of other programs that it answers."""


_LONGEST = 200
"""Characters of a command's line in the help, longer than the first sentence of any."""


class Commands(TyperGroup):
    """A group of commands that suggests a known command for an unknown one."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Returns the name, the command, and the remaining words, as `typer` does.

        Raises:
            ConfigError: There is no such command.
        """
        name = args[0]
        # While a shell completes a line, `typer` deals with what is unfinished.
        if ctx.resilient_parsing or name.startswith("-") or self.get_command(ctx, name) is not None:
            return super().resolve_command(ctx, args)
        hint = _command_hint(name, list(self.commands), path=ctx.command_path)
        raise ConfigError(f"no command {shown_source(name)!r}{hint}")

    def list_commands(self, ctx: Any) -> list[str]:
        """Returns the names; that of `typer` builds every command."""
        return list(self.commands)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Writes the commands, each group under its heading."""
        commands = {name: self.commands[name] for name in self.list_commands(ctx)}
        # The first sentence of each is wrapped, not cut off at the width of the terminal.
        texts = {name: command.get_short_help_str(_LONGEST) for name, command in commands.items()}
        for heading, rows in command_groups(texts):
            with formatter.section(heading):
                formatter.write_dl(rows)


class RunCommand(GroupedCommand):
    """A command that recognises the option names of other programs."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Returns the words that are left over, as `typer` does.

        Raises:
            ConfigError: An option belongs to another program; the message names the one to use.
        """
        words = list(args)  # `typer` empties the list.
        try:
            return super().parse_args(ctx, args)
        except typer.TyperException as error:
            own = {name for param in self.params for name in param.opts}
            hint = _option_hint([word for word in words if word not in own])
            if hint is None and error.format_message().startswith("Missing argument 'source'"):
                hint = _NO_SOURCE
            if hint is None:
                raise
            raise ConfigError(hint) from error


def command_group(about: str) -> typer.Typer:
    """Returns a group of commands that prints its help if no command follows.

    Args:
        about: First line of its help.
    """
    group = typer.Typer(
        cls=Commands,
        help=about,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )
    group.callback(invoke_without_command=True, help=about)(print_help_without_command)
    return group


def print_help_without_command(context: typer.Context) -> None:
    """Prints the help of a group of commands and ends, unless a command follows."""
    if context.invoked_subcommand is None:
        print_results(*context.get_help().split("\n"))
        raise typer.Exit


def usage_error_text(error: typer.TyperException) -> str:
    """Returns the message of a wrong command line.

    Of a missing option or argument it repeats the help, which lists the choices where there are
    some.

    Args:
        error: What parsing the command line raised.
    """
    text = error.format_message()
    param = error.param if isinstance(error, typer.BadParameter) else None
    expected = getattr(param, "help", None)
    if expected and text.startswith("Missing "):
        return f"{text.removesuffix('.')} ({expected.removesuffix('.')})"
    return text


def words_of(option: str, text: str | None) -> tuple[str, ...] | None:
    """Returns the items of a comma-separated list; `None` for `None`.

    Args:
        option: Name of the option, for the message.
        text: The value as typed.

    Raises:
        ConfigError: An item is empty.

    Example:
        >>> words_of("--classes", "person, car")
        ('person', 'car')
    """
    if text is None:
        return None
    words = tuple(word.strip() for word in text.split(","))
    if not all(words):
        raise ConfigError(f"{option} {text!r}: expected comma-separated names, e.g. person,car")
    return words


def size_of(option: str, text: str) -> tuple[int, int]:
    """Returns width and height in pixels of text such as `1920x1080`.

    Args:
        option: Name of the option, for the message.
        text: The value as typed.

    Raises:
        ConfigError: It is no such text.

    Example:
        >>> size_of("--size", "640x480")
        (640, 480)
    """
    width, _, height = text.lower().partition("x")
    if not (width.isdecimal() and height.isdecimal() and 0 < int(width) * int(height) < 2**31):
        raise ConfigError(f"{option} {text!r}: expected WIDTHxHEIGHT in pixels, e.g. 1920x1080")
    return int(width), int(height)


def numbers_of(option: str, text: str) -> tuple[float, ...]:
    """Returns the numbers of a comma-separated list.

    Args:
        option: Name of the option, for the message.
        text: The value as typed.

    Raises:
        ConfigError: An item is no finite number.

    Example:
        >>> numbers_of("--offsets", "0, 12.5")
        (0.0, 12.5)
    """
    try:
        numbers = tuple(float(word) for word in text.split(","))
    except ValueError:
        numbers = ()
    if not numbers or not all(map(math.isfinite, numbers)):
        raise ConfigError(f"{option} {text!r}: expected comma-separated numbers, e.g. 0,12.5")
    return numbers


def reconnect_attempts(text: str) -> int | None:
    """Returns the number of attempts of `--reconnect`; `None` for no limit.

    Raises:
        ConfigError: It is neither a number nor `forever`.
    """
    if text == "forever":
        return None
    if not text.isdecimal():
        raise ConfigError(f"--reconnect {text}: expected a number of attempts >= 0, or forever")
    return int(text)


def start_seconds(text: str) -> float:
    """Returns the seconds of a time of `--start` such as `90`, `1:30` or `0:01:30.5`.

    Raises:
        ConfigError: It is no such time.
    """
    parts = text.split(":")
    try:
        numbers = [float(part) for part in parts]
    except ValueError:
        numbers = []
    if not 1 <= len(numbers) <= 3 or min(numbers) < 0 or any(n >= 60 for n in numbers[1:]):
        raise ConfigError(f"--start {text}: expected seconds, M:SS or H:MM:SS, such as 90 or 1:30")
    total = 0.0
    for number in numbers:
        total = 60 * total + number
    return total


def _command_hint(name: str, known: Sequence[str], *, path: str) -> str:
    is_root = "run" in known
    if is_root and _may_be_source(name):
        return f"; to track it: tracker run {shown_source(name)}"
    if is_root or name in {"download", "fetch", "install", "get", "show", "inspect", "ls"}:
        for command, others in _COMMANDS_OF_OTHERS.items():
            if name.lower() in others:
                return f"; use: tracker {command}"
    hint = nearest(name, known)
    return hint or f"; expected {', '.join(known)}: see {path} --help"


def _may_be_source(name: str) -> bool:
    is_file = os.path.isfile(name) or os.path.splitext(name)[1] != "" or "*" in name
    return name.isdigit() or is_file or scheme_of(name) is not None or os.sep in name


def _option_hint(words: Sequence[str]) -> str | None:
    """Returns a hint for the first word that is an option of another program."""
    for word in words:
        if word == "--":
            return None
        option = word.partition("=")[0]
        for hint, others in _OPTIONS_OF_OTHERS.items():
            if option in others:
                return f"no option {option}; {hint}"
    return None
