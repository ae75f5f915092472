"""Which runs have checkpoints, from which `--resume` continues."""

import os
from typing import TYPE_CHECKING

from tracker.cli.run.outputs import Outputs, output_files
from tracker.config.run import Config
from tracker.errors import ConfigError
from tracker.sinks.output_file import STDOUT
from tracker.sinks.place import Existing, is_regular
from tracker.sources.live.settings import FramePolicy
from tracker.sources.source_kind import SourceKind, source_kind
from tracker.sources.source_names import source_name

if TYPE_CHECKING:
    from tracker.cli.run.resume import Resumption

_CONTINUED_VIDEOS = (".mp4", ".mov")


def why_not_resumable(source: str, config: Config, outputs: Outputs) -> str | None:
    """Returns why a run of one source cannot continue after an interruption; `None` if it can."""
    files = output_files(outputs, source_name(source)).all
    objects = outputs.objects
    videos = [path for path in files if path.lower().endswith(".mkv")]
    devices = [path for path in files if os.path.exists(path) and not is_regular(path)]
    kind = source_kind(source)
    if kind not in (SourceKind.VIDEO_FILE, SourceKind.IMAGES):
        return f"expected a file, got a {kind.value}, which cannot be read again"
    reasons = {
        "expected an output file, got none": not files,
        f"{STDOUT}: what was written to stdout cannot be continued": STDOUT in files,
        f"{''.join(devices[:1])}: a pipe or a device, which cannot be continued": bool(devices),
        "--crops and --clips have files for each track, which are not continued": bool(
            objects.folders
        ),
        f"{''.join(videos[:1])}: expected {' or '.join(_CONTINUED_VIDEOS)}; a Matroska file "
        "cannot be continued": bool(videos),
        "source.live.policy newest drops frames": config.source.live.policy is FramePolicy.NEWEST,
        "run.checkpoint_s is off": config.run.checkpoint_s is None,
        "a sequence without images is tracked in seconds": _is_blank(source, kind, config),
    }
    return next((reason for reason, holds in reasons.items() if holds), None)


def _is_blank(source: str, kind: SourceKind, config: Config) -> bool:
    if config.detector.detections is None or kind is not SourceKind.IMAGES:
        return False
    from tracker.sources.files.blank import has_no_images

    return has_no_images(source)


def resumption_of(
    source: str, config: Config, outputs: Outputs, *, resume: bool, until_s: float | None = None
) -> "Resumption | None":
    """Returns the checkpoints of a run; `None` where it has none.

    Args:
        source: The source.
        config: The configuration.
        outputs: The outputs.
        resume: Whether the user asks to continue an earlier run.
        until_s: Time of the first frame that is left out; `None` for none.

    Raises:
        ConfigError: The run cannot be continued, and that is asked for.
    """
    reason = why_not_resumable(source, config, outputs)
    if resume and outputs.existing is Existing.REFUSE:
        reason = "--no-clobber keeps existing files, and --resume continues them"
    if reason is None:
        from tracker.cli.run.resume import Resumption

        return Resumption(source, config, outputs, until_s)
    if resume:
        raise ConfigError(f"--resume: {reason}")
    return None
