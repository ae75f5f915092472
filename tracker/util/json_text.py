"""JSON text to values, with one kind of error for all faults."""

import json
from typing import Any

from tracker.errors import DataError


def parse_json(content: bytes) -> Any:
    """Returns the value of a JSON text.

    Args:
        content: UTF-8, with or without a byte order mark.

    Raises:
        DataError: It is not JSON; the message has fault and position, not the file.

    Example:
        >>> parse_json(b'{"a": [1, 2.5]}')
        {'a': [1, 2.5]}
    """
    try:
        return json.loads(content)
    except RecursionError:
        reason = "brackets are nested too deeply"
    except UnicodeDecodeError:
        reason = "it is no UTF-8 text"
    except json.JSONDecodeError as error:
        place = f"character {error.colno}"
        if error.lineno > 1:
            place = f"line {error.lineno}, {place}"
        reason = f"{error.msg[:1].lower()}{error.msg[1:]} at {place}"
    except ValueError:
        reason = "a number has too many digits"
    raise DataError(f"not JSON: {reason}")
