"""What a folder of crops is: written before the first crop, compared before going on."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tracker.errors import ConfigError
from tracker.training.crops.crop_folder import RECORD, TABLE, replace_file
from tracker.version import PROGRAM


def begin_crops(folder: Path, asked_for: Mapping[str, Any], digests: Mapping[str, str]) -> None:
    """Writes what a folder is; where it is one already, checks that it is the same.

    Args:
        folder: The folder; it need not be there.
        asked_for: Plain JSON types by key. `None` is the same as a key that an earlier release did
            not write.
        digests: SHA-256 of each teacher.

    Raises:
        ConfigError: The folder holds other crops, or something else.
        OutputError: The folder cannot be written.
    """
    before = _begun(folder)
    for key, now in asked_for.items():
        if before and before.get(key) != now:
            raise ConfigError(
                f"{key}: the crops in {folder} were begun with {before.get(key)!r}, got {now!r}; "
                "go on with the same, or name another --out folder"
            )
    known = dict(before.get("teachers", {}))
    for name, digest in digests.items():
        if known.get(name, digest) != digest:
            raise ConfigError(
                f"{folder}: the vectors in asked/{name} are from another file of this "
                "name; name another --out folder"
            )
    record = {
        "program": PROGRAM,
        **asked_for,
        "teachers": {**known, **digests},
        "in_use": list(digests),
    }
    text = json.dumps(record, ensure_ascii=False, indent=2) + "\n"
    replace_file(folder / RECORD, text.encode())
    (folder / TABLE).unlink(missing_ok=True)


def _begun(folder: Path) -> Mapping[str, Any]:
    """Returns the record of the crops that a folder holds; empty where there are none."""
    if not folder.is_dir() or not any(folder.iterdir()):
        return {}
    try:
        return dict(json.loads((folder / RECORD).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise ConfigError(
            f"{folder}: expected a new or empty folder, or one of earlier crops with its {RECORD}, "
            f"got neither ({error}); name another --out folder"
        ) from error
