"""The settings of changed images from the options `--background`, `--blur` and `--blur-ids`."""

from pathlib import Path
from typing import Any

from tracker.cli.parsing import words_of
from tracker.errors import ConfigError, nearest

_FACE, _PERSON = "face-region", "person"
_BACKGROUNDS = ("keep", "blur", "remove")


def image_settings(
    background: str | None, blur: str | None, blur_ids: str | None
) -> dict[str, Any]:
    """Returns the dotted keys that the options set; see `background_settings`, `blur_settings`."""
    return background_settings(background) | blur_settings(blur, blur_ids)


def background_settings(background: str | None) -> dict[str, Any]:
    """Returns the dotted keys that the option sets.

    Args:
        background: `keep`, `blur`, `remove`, or the path of an image; `None` if the option is not
            given.

    Raises:
        ConfigError: It is none of these.

    Example:
        >>> background_settings("beach.png")
        {'segmenter.background': 'image', 'segmenter.image': 'beach.png'}
    """
    if background is None:
        return {}
    if background in _BACKGROUNDS:
        return {"segmenter.background": background}
    if not Path(background).suffix:
        raise ConfigError(
            f"--background: expected {', '.join(_BACKGROUNDS)} or an image file such as beach.png, "
            f"got {background!r}{nearest(background, _BACKGROUNDS)}"
        )
    return {"segmenter.background": "image", "segmenter.image": background}


def blur_settings(blur: str | None, blur_ids: str | None) -> dict[str, Any]:
    """Returns the dotted keys that the options set.

    Args:
        blur: Classes with commas between; `face-region` for the heads of persons. `None` if the
            option is not given.
        blur_ids: Ids with commas between; `None` if the option is not given.

    Raises:
        ConfigError: A word is empty, an id is not a number, or both all of a person and the head
            are named.

    Example:
        >>> blur_settings("face-region,car", "3")
        {'blur.classes': ('car', 'person'), 'blur.region': 'face-region', 'blur.ids': (3,)}
    """
    settings: dict[str, Any] = {}
    words = words_of("--blur", blur)
    if words is not None:
        is_face = _FACE in words
        if is_face and _PERSON in words:
            raise ConfigError(f"--blur {blur}: {_PERSON} hides the face too; leave one of them out")
        classes = [word for word in words if word != _FACE] + [_PERSON] * is_face
        settings["blur.classes"] = tuple(classes)
        settings["blur.region"] = _FACE if is_face else "object"
    if blur_ids is not None:
        settings["blur.ids"] = tuple(_id(word, blur_ids) for word in blur_ids.split(","))
    return settings


def _id(word: str, text: str) -> int:
    if not word.strip().isdecimal():
        raise ConfigError(
            f"--blur-ids {text!r}: expected ids of tracks with commas between, as 3,7"
        )
    return int(word)
