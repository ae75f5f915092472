"""OpenCV, or a one-line error if its shared libraries are missing.

All modules import OpenCV from here: `from tracker.util.opencv import cv2`.
"""

from tracker.errors import DependencyError

try:
    import cv2
except ImportError as error:
    raise DependencyError(
        f"OpenCV cannot be loaded: {error}. On a machine without a desktop install its system "
        "libraries (Debian, Ubuntu: apt-get install libgl1 libglib2.0-0) or use the headless build "
        "(pip uninstall opencv-python; pip install opencv-python-headless)"
    ) from error

__all__ = ["cv2"]
