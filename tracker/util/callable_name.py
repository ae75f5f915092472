"""Names of user-supplied functions and objects in messages and results."""

import functools
import inspect


def callable_name(value: object) -> str:
    """Returns `function NAME`, or `object CLASS` for anything that is no function.

    Example:
        >>> def find_balls(image): ...
        >>> callable_name(find_balls), callable_name(functools.partial(find_balls))
        ('function find_balls', 'function find_balls')
    """
    if isinstance(value, functools.partial):
        return callable_name(value.func)
    if inspect.isroutine(value):
        return f"function {value.__name__}"
    return f"object {type(value).__name__}"
