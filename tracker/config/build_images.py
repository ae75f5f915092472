"""Builds the stages that change images of videos and windows: backgrounds and hidden objects.

They are imported when they are needed: most runs keep images as they are.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tracker.config.run import Config
from tracker.errors import ConfigError
from tracker.models.files.tflite import SUFFIX
from tracker.sinks.background_style import Background
from tracker.sinks.blur_style import BlurRegion
from tracker.sinks.blur_targets import class_indices

if TYPE_CHECKING:
    from tracker.segmentation.crop_segmenter import CropSegmenter
    from tracker.sinks.background import SharedFinder
    from tracker.sinks.changed_images import ImageChange


def build_foreground_finder(config: Config) -> "SharedFinder | CropSegmenter":
    """Returns what separates tracked objects from their background.

    Raises:
        ConfigError: The segmenter does not have a class, or does not take a setting.
        ModelError: The file is missing, damaged, or not a segmenter of this package.
        DependencyError: LiteRT, or TensorFlow where an export is needed, cannot be loaded.
    """
    from tracker.segmentation.crop_segmenter import CropSegmenter
    from tracker.segmentation.segmenter import Segmenter
    from tracker.sinks.background import SharedFinder

    path, settings = config.segmenter.file, config.segmenter.settings()
    if path is None:
        return CropSegmenter.load_builtin(settings)
    if _takes_crops(path):
        return CropSegmenter.load(path, settings)
    return SharedFinder(Segmenter.load(path, settings))


def _takes_crops(path: str) -> bool:
    """Returns whether a segmenter runs on crops of boxes, not on whole frames."""
    if Path(path).suffix == SUFFIX:
        return True
    from tracker.models.files.segmenter_file import SegmenterHead, read_segmenter_description

    return read_segmenter_description(path).head is SegmenterHead.CROP_UNET


def build_image_change(config: Config) -> "ImageChange | None":
    """Returns the stage that changes images, new for each source; `None` where they are kept.

    Raises:
        ConfigError: The segmenter is not needed, or does not have a class, or the image of the
            background cannot be read.
        ModelError: The segmenter's file is missing, damaged, or not one of this package.
        DependencyError: A library that the segmenter needs cannot be loaded.
    """
    choice, blur = config.segmenter, config.blur
    keeps, hides_pixels = choice.background is Background.KEEP, _hides_segmented(config)
    if keeps and choice.file is not None and not hides_pixels:
        raise ConfigError(
            f"--segmenter {choice.file}: not needed, as the background is kept; give "
            "--background blur or remove, --blur with one of its classes, or leave it out"
        )
    if keeps and not blur.is_on:
        return None
    from tracker.sinks.background import Backdrop, SharedFinder
    from tracker.sinks.blur import Blur

    finder = None if keeps and not hides_pixels else build_foreground_finder(config)
    backdrop = None if keeps or finder is None else Backdrop(finder, choice.style())
    if not blur.is_on:
        return backdrop
    return Blur(
        blur,
        segmenter=finder if isinstance(finder, SharedFinder) and hides_pixels else None,
        segmented=choice.classes,
        backdrop=backdrop,
    )


def _hides_segmented(config: Config) -> bool:
    """Returns whether objects are hidden by the masks of a segmenter of whole frames."""
    choice, blur = config.segmenter, config.blur
    if not blur.is_on or choice.file is None or blur.region is BlurRegion.FACE:
        return False
    concerns = not blur.classes or bool(set(blur.classes) & set(choice.classes))
    return concerns and not _takes_crops(choice.file)


def check_blur_classes(config: Config, class_names: Sequence[str]) -> None:
    """Checks that the detector finds the classes that are to be hidden.

    Args:
        config: The configuration.
        class_names: Class names of the detector.

    Raises:
        ConfigError: A class is unknown, or filtered out, so that its objects would be visible.
    """
    class_indices(class_names, config.blur.classes)
    kept = config.detector.network.classes
    for name in config.blur.classes:
        if kept is not None and name not in kept:
            raise ConfigError(
                f"blur.classes: {name!r} is not among the classes that are detected "
                f"({', '.join(kept)}), so it would not be hidden; add it to --classes"
            )


def check_image_outputs(config: Config, *, is_drawn: bool) -> None:
    """Checks that there is an output to change images for.

    Args:
        config: The configuration.
        is_drawn: Whether a video is written or shown.

    Raises:
        ConfigError: Images are changed and no output has them.
    """
    asked = []
    if config.segmenter.background is not Background.KEEP:
        is_image = config.segmenter.background is Background.IMAGE
        word = config.segmenter.image if is_image else config.segmenter.background.value
        asked.append(f"--background {word}")
    if config.blur.classes:
        asked.append(f"--blur {','.join(config.blur.classes)}")
    elif config.blur.ids:
        asked.append(f"--blur-ids {','.join(map(str, config.blur.ids))}")
    if asked and not is_drawn:
        raise ConfigError(
            f"{asked[0]}: it changes the video, and none is written or shown; name an output with "
            "--video or --show"
        )
