"""From points of the image to metres on the ground, which is taken for a plane.

The map is a homography: Hartley and Zisserman, Multiple View Geometry, 2nd edition, ch. 4 (from
points) and 8.1 (the plane seen by a pinhole camera).
"""

import math

import numpy as np

from tracker.analytics.settings import Calibration, KnownLength, Point
from tracker.errors import ConfigError
from tracker.util.arrays import Float64Array

_WORST_FIT = 0.1
"""Largest mean distance of the fitted points from the given ones, as a share of their extent."""


def homography_of(
    calibration: Calibration, scale: Point, size: tuple[int, int], pixel_aspect: float = 1.0
) -> Float64Array:
    """Returns `(3, 3)` float64 that maps `(x, y, 1)` of the image to metres, up to a factor.

    The third coordinate of the result is above 0 for points on the ground before the camera.

    Args:
        calibration: The calibration.
        scale: Factors for x and y from its image points to pixels.
        size: Width and height of the frame in pixels.
        pixel_aspect: Width of a pixel by its height.

    Raises:
        ConfigError: The points do not determine a map, or one is above the horizon.
    """
    if calibration.length is None or calibration.tilt_deg is None:
        return _from_points(calibration, scale)
    return _from_tilt(calibration, calibration.length, scale, (size, pixel_aspect))


def to_ground(points: Float64Array, homography: Float64Array) -> Float64Array:
    """Returns `(T, 2)` metres of image points `(T, 2)`; NaN for points that are not on the ground.

    Args:
        points: In pixels.
        homography: From `homography_of`.
    """
    mapped = np.hstack([points, np.ones((len(points), 1))]) @ homography.T
    weight = mapped[:, 2:]
    on_ground = weight > 1e-12
    result: Float64Array = np.where(
        on_ground, mapped[:, :2] / np.where(on_ground, weight, 1), np.nan
    )
    return result


def _from_points(calibration: Calibration, scale: Point) -> Float64Array:
    from tracker.util.opencv import cv2

    image = np.array(calibration.image, np.float64) * scale
    ground = np.array(calibration.ground, np.float64)
    wrong = "expected points that span an area, no three of four on one line"
    for name, points in (("image", image), ("ground", ground)):
        if np.linalg.matrix_rank(points - points.mean(axis=0), tol=1e-6 * np.ptp(points)) < 2:
            raise ConfigError(f"calibration.{name}: {wrong}")
    found, _ = cv2.findHomography(image, ground, 0)
    if found is None or not np.isfinite(found).all():
        raise ConfigError(f"calibration.image: {wrong}")
    homography: Float64Array = np.asarray(found, np.float64)
    weights = np.hstack([image, np.ones((len(image), 1))]) @ homography[2]
    if weights.min() <= 0 <= weights.max():
        raise ConfigError(
            "calibration: the horizon passes between the points; check that image and ground list "
            "them in the same order"
        )
    homography = homography if weights[0] > 0 else -homography
    errors = np.linalg.norm(to_ground(image, homography) - ground, axis=1)
    extent = float(np.ptp(ground, axis=0).max())
    if errors.mean() > _WORST_FIT * extent:
        raise ConfigError(
            f"calibration: the points do not fit a plane: mean error {errors.mean():.2f} m; check "
            "that image and ground list them in the same order"
        )
    return homography


def _from_tilt(
    calibration: Calibration,
    length: KnownLength,
    scale: Point,
    camera: tuple[tuple[int, int], float],
) -> Float64Array:
    """Returns the map of a camera without roll, at the height that gives the known length.

    The ray of pixel (u, v) from the centre of the image has the directions u / f to the right,
    cos(tilt) - v / f sin(tilt) ahead and sin(tilt) + v / f cos(tilt) down; at a height h it meets
    the ground after h / down.
    """
    (width, height), aspect = camera
    focal = width * aspect / 2 / math.tan(math.radians(calibration.view_deg) / 2)
    tilt = math.radians(calibration.tilt_deg or 0.0)
    cos, sin = math.cos(tilt), math.sin(tilt)
    to_rays = np.array(
        [
            [aspect / focal, 0, -aspect * width / 2 / focal],
            [0, 1 / focal, -height / 2 / focal],
            [0, 0, 1],
        ]
    )
    from_rays = np.array([[1.0, 0, 0], [0, -sin, cos], [0, cos, sin]])
    unit = from_rays @ to_rays
    ends = to_ground(np.array(length.image, np.float64) * scale, unit)
    if not np.isfinite(ends).all():
        raise ConfigError(
            "calibration.length.image: expected points on the ground, got one above the horizon of "
            f"a camera tilted by {calibration.tilt_deg} degrees"
        )
    measured = float(np.linalg.norm(ends[1] - ends[0]))
    if measured <= 0:
        raise ConfigError("calibration.length.image: expected two different points")
    camera_height = length.metres / measured
    homography: Float64Array = np.diag([camera_height, camera_height, 1.0]) @ unit
    return homography
