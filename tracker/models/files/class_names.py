"""Reads class names of a detector, one per line, as in darknet's `*.names` files."""

from os import PathLike

from tracker.errors import ModelError
from tracker.inference.name_lists import numbered_names
from tracker.models.files.read import read_model_file


def read_class_names(path: str | PathLike[str]) -> tuple[str, ...]:
    """Returns the class names of a file in order, without surrounding blanks.

    Empty lines at the end are ignored. A repeated name, as in published label maps, is numbered:
    `empty`, `empty (2)`; a warning says so. The caller checks the number of names against the
    model.

    Args:
        path: UTF-8 text, one name per line.

    Raises:
        ModelError: The file cannot be read, is not UTF-8, has no name, or an empty line
            between names (every later class would be off by one).
    """
    try:
        text = read_model_file(path, what="class names").decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ModelError(f"class names {path}: expected UTF-8 text, got {error.reason}") from error
    names = [line.strip() for line in text.rstrip().split("\n")]
    if names == [""]:
        raise ModelError(f"class names {path}: expected one name a line, got only blanks")
    for number, name in enumerate(names, start=1):
        if not name:
            raise ModelError(f"class names {path}:{number}: expected a name, got an empty line")
    return numbered_names(names, what=f"class names {path}")
