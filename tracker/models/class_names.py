"""Class names of a detector, one a line, as darknet keeps them in `*.names`.

Comes in: a text file. Goes out: a tuple of names; a detection's class is an index into it.
"""

from os import PathLike

from tracker.errors import ModelError
from tracker.models.files import read_model_file


def read_class_names(path: str | PathLike[str]) -> tuple[str, ...]:
    """Returns the class names of a file in order, without surrounding blanks.

    Empty lines at the end are not names. Whether the number of names fits a model is checked
    where the two meet.

    Args:
        path: UTF-8 text, one name a line.

    Raises:
        ModelError: The file cannot be read, is not UTF-8, holds no name, an empty line between
            names (every later class would be off by one), or a name twice.
    """
    try:
        text = read_model_file(path, what="class names").decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ModelError(f"class names {path}: expected UTF-8 text, got {error.reason}") from error
    names = [line.strip() for line in text.rstrip().split("\n")]
    if names == [""]:
        raise ModelError(f"class names {path}: expected one name a line, got only blanks")
    seen: dict[str, int] = {}
    for number, name in enumerate(names, start=1):
        if not name:
            raise ModelError(f"class names {path}:{number}: expected a name, got an empty line")
        if name in seen:
            raise ModelError(
                f"class names {path}:{number}: {name!r} is already the name on line {seen[name]}"
            )
        seen[name] = number
    return tuple(names)
