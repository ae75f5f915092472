"""Class names of a detector, one a line, as darknet keeps them in `*.names`.

Comes in: a text file. Goes out: a tuple of names; a detection's class is an index into it.
"""

from os import PathLike

from tracker.errors import ModelError
from tracker.inference.name_lists import numbered_names
from tracker.models.files.read import read_model_file


def read_class_names(path: str | PathLike[str]) -> tuple[str, ...]:
    """Returns the class names of a file in order, without surrounding blanks.

    Empty lines at the end are not names. A name that stands twice, as in published label maps, is
    numbered: `empty`, `empty (2)`; a warning says so. Whether the number of names fits a model is
    checked where the two meet.

    Args:
        path: UTF-8 text, one name a line.

    Raises:
        ModelError: The file cannot be read, is not UTF-8, holds no name, or an empty line
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
