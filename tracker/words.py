"""Lists that users type, words with commas between."""

from tracker.errors import ConfigError


def words_of(option: str, text: str | None) -> tuple[str, ...] | None:
    """Returns the words of a list with commas; `None` where there is none.

    Args:
        option: Name of the option, for the message.
        text: What was typed.

    Raises:
        ConfigError: A word is empty.

    Example:
        >>> words_of("--classes", "person, car")
        ('person', 'car')
    """
    if text is None:
        return None
    words = tuple(word.strip() for word in text.split(","))
    if not all(words):
        raise ConfigError(f"{option} {text!r}: expected names with commas between, as person,car")
    return words
