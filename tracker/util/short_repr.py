"""Values of any kind as short text on one line, for messages."""

import math
import reprlib


class _ShortRepr(reprlib.Repr):
    """Shortens lists, strings and numbers of any length and depth."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel = 3
        self.maxstring = self.maxother = 60
        self.maxlist = self.maxtuple = self.maxdict = self.maxset = 5

    def repr_int(self, x: int, level: int) -> str:
        """Returns the digits; above 20 only their number, as Python may refuse to print them."""
        if abs(x) < 10**20:
            return repr(x)
        return f"a number of about {math.ceil(x.bit_length() * math.log10(2))} digits"


_SHORT = _ShortRepr()


def short_repr(value: object) -> str:
    """Returns what `repr` returns, cut to a few dozen characters.

    Example:
        >>> short_repr("a"), short_repr(10**400), short_repr([[[[1]]]])
        ("'a'", 'a number of about 401 digits', '[[[...]]]')
    """
    return " ".join(_SHORT.repr(value).split())
