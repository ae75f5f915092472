"""SHA-256 digests of model files, recorded with results."""

import hashlib
from os import PathLike

from tracker.models.files.read import read_model_file


def file_digest(path: str | PathLike[str]) -> str:
    """Returns the SHA-256 of a file as 64 hexadecimal digits.

    Args:
        path: Any model file, at least one byte long.

    Raises:
        ModelError: The file is missing, a directory, unreadable or empty.
    """
    return hashlib.sha256(read_model_file(path, what="model file")).hexdigest()
