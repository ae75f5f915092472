"""The text format of darknet's cfg files, independent of the meaning of sections.

Functions read one option as a checked value. Every error is a `ModelError` with file, line, section
and option.
"""

import math
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

from tracker.errors import ModelError, nearest

# Nine digits: no real option is longer, and Python refuses to convert integers of 4300 digits.
_INTEGER = re.compile(r"[+-]?[0-9]{1,9}")
_NUMBER = re.compile(r"[+-]?([0-9]{1,30}\.?[0-9]{0,30}|\.[0-9]{1,30})([eE][+-]?[0-9]{1,3})?")
_HEADER = re.compile(r"\[\s*([^\[\]]*?)\s*\]")
_SHOWN_CHARACTERS = 40


@dataclass(frozen=True, slots=True)
class RawOption:
    """One `name=value` line."""

    value: str
    line: int


@dataclass(frozen=True, slots=True)
class RawSection:
    """One `[kind]` with its options; `source` is the file's name in messages."""

    source: str
    kind: str
    line: int
    options: Mapping[str, RawOption]

    def error(self, option: str, problem: str) -> ModelError:
        """Returns an error that names file, line, section and option.

        Args:
            option: The option at fault; one that is absent is reported at the section's line.
            problem: What was expected and what was got.
        """
        line = self.options[option].line if option in self.options else self.line
        return ModelError(f"{self.source}:{line}: [{self.kind}] {_shown(option)}: {problem}")


def split_sections(
    text: str, *, source: str, ignored: Callable[[str], Collection[str]] = lambda _: ()
) -> list[RawSection]:
    """Returns the sections of a cfg text in order.

    Blank lines and lines that start with `#` or `;` are comments, and so is the rest of an option
    after `#`. An option may be repeated with the same value; of an option without influence on the
    output the first value is kept.

    Args:
        text: The text.
        source: Name of the file in messages.
        ignored: Returns the options of a section kind that have no influence on the output.

    Raises:
        ModelError: A malformed line, an option before the first section, or one given twice with
            two values (darknet takes the first, OpenCV the last).
    """
    sections: list[RawSection] = []
    options: dict[str, RawOption] = {}
    for number, raw in enumerate(text.split("\n"), start=1):
        line = raw.split("#", 1)[0].strip()
        if not line or line.startswith(";"):
            continue
        if line.startswith("["):
            header = _HEADER.fullmatch(line)
            if header is None:
                raise ModelError(
                    f"{source}:{number}: expected a section such as [net], got {_shown(line)}"
                )
            options = {}
            sections.append(RawSection(source, header[1], number, options))
            continue
        name, option = _option(line, number, source)
        if not sections:
            raise ModelError(f"{source}:{number}: option {_shown(name)} stands before [net]")
        earlier = options.setdefault(name, option)
        if earlier.value != option.value and name not in ignored(sections[-1].kind):
            raise ModelError(
                f"{source}:{number}: [{_shown(sections[-1].kind)}] {_shown(name)}: given twice, "
                f"{_shown(earlier.value)} on line {earlier.line} and {_shown(option.value)} here"
            )
    return sections


def _option(line: str, number: int, source: str) -> tuple[str, RawOption]:
    name, equals, value = (part.strip() for part in line.partition("="))
    if not (name and equals and value):
        raise ModelError(f"{source}:{number}: expected name=value, got {_shown(line)}")
    return name, RawOption(value, number)


def check_options(
    section: RawSection,
    *,
    read: Iterable[str],
    ignored: Iterable[str],
    neutral: Mapping[str, tuple[str, ...]],
) -> None:
    """Raises unless every option of a section is known.

    Args:
        section: The section.
        read: Options that the caller reads.
        ignored: Options without influence on the network's output.
        neutral: Options that would change the output in an unsupported way, each with the values
            that change nothing.

    Raises:
        ModelError: An option is unknown or has an unsupported value.
    """
    read, ignored = set(read), set(ignored)
    for name, option in section.options.items():
        if name in read or name in ignored or option.value in neutral.get(name, ()):
            continue
        if name in neutral:
            allowed = " or ".join(neutral[name]) or "the option to be absent"
            raise section.error(name, f"not supported: expected {allowed}, got {_got(option)}")
        hint = nearest(name, read | ignored | set(neutral))
        raise section.error(name, f"unknown option{hint}")


def read_integer(
    section: RawSection, name: str, *, default: int | None, low: int, high: int
) -> int:
    """Returns an option as an integer in `[low, high]`; `default=None` makes it required.

    Raises:
        ModelError: The option is missing, not an integer or out of range.
    """
    option = section.options.get(name)
    if option is None:
        if default is None:
            raise section.error(name, f"expected {name}=<integer>, got no such option")
        return default
    if _INTEGER.fullmatch(option.value) and low <= int(option.value) <= high:
        return int(option.value)
    raise section.error(name, f"expected an integer in {low}..{high}, got {_got(option)}")


def read_number(section: RawSection, name: str, *, default: float) -> float:
    """Returns an option as a finite number.

    Raises:
        ModelError: The option is not a finite number.
    """
    option = section.options.get(name)
    if option is None:
        return default
    return _number(section, name, option.value)


def read_integers(section: RawSection, name: str) -> tuple[int, ...] | None:
    """Returns an option as integers separated by commas, or `None` where it is absent.

    Raises:
        ModelError: An item is not an integer.
    """
    option = section.options.get(name)
    if option is None:
        return None
    items = [item.strip() for item in option.value.split(",")]
    for item in items:
        if not _INTEGER.fullmatch(item):
            raise section.error(name, f"expected integers separated by commas, got {_shown(item)}")
    return tuple(int(item) for item in items)


def read_numbers(section: RawSection, name: str) -> tuple[float, ...] | None:
    """Returns an option as numbers separated by commas, or `None` where it is absent.

    Raises:
        ModelError: An item is not a finite number.
    """
    option = section.options.get(name)
    if option is None:
        return None
    return tuple(_number(section, name, item.strip()) for item in option.value.split(","))


def _number(section: RawSection, name: str, text: str) -> float:
    if _NUMBER.fullmatch(text) and math.isfinite(float(text)):
        return float(text)
    raise section.error(name, f"expected a finite number, got {_shown(text)}")


def _got(option: RawOption) -> str:
    return _shown(option.value)


def _shown(text: str) -> str:
    cut = text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "..."
    return cut if cut.isidentifier() and cut.isascii() else repr(cut)
