"""The stage of `plaza.mp4`: one pinhole camera, the sun, and pictures that hide each other.

World: metres, X to the right, Y up, Z away from the camera. Every drawn thing is 3-D and goes
through this camera, so sizes, shadows and occlusions agree with each other.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

WIDTH, HEIGHT, FPS, FRAMES = 960, 540, 25, 250
FOCAL_PX, CAMERA_HEIGHT_M, PITCH = 820.0, 5.5, np.deg2rad(21.0)
FACADE_Z = 27.0
# Shadow of a point on the ground: its foot plus its height times this.
SHADOW_X, SHADOW_Z = 0.62, 0.30
OVERSAMPLING = 3

Colour = tuple[int, int, int]
Image = NDArray[np.float32]
Points = NDArray[np.float64]


def project(points: ArrayLike) -> Points:
    """Returns `(N, 3)`: x, y in pixels and pixels a metre, of world points `(N, 3)`."""
    points = np.asarray(points, np.float64).reshape(-1, 3)
    up, ahead = points[:, 1] - CAMERA_HEIGHT_M, points[:, 2]
    depth = ahead * np.cos(PITCH) - up * np.sin(PITCH)
    scale = FOCAL_PX / depth
    x = WIDTH / 2 + points[:, 0] * scale
    y = HEIGHT / 2 - (up * np.cos(PITCH) + ahead * np.sin(PITCH)) * scale
    return np.column_stack([x, y, scale])


def ground_under(x: Image, y: Image) -> tuple[Image, Image]:
    """Returns X and Z on the ground seen at pixels x, y; near the horizon it stays finite."""
    down = np.sin(PITCH) + (y - HEIGHT / 2) / FOCAL_PX * np.cos(PITCH)
    ahead = np.cos(PITCH) - (y - HEIGHT / 2) / FOCAL_PX * np.sin(PITCH)
    distance = CAMERA_HEIGHT_M / np.maximum(down, 0.06)
    return (x - WIDTH / 2) / FOCAL_PX * distance, ahead * distance


def cast(points: ArrayLike) -> Points:
    """Returns where the sun throws world points `(N, 3)` on the ground."""
    points = np.asarray(points, np.float64).reshape(-1, 3)
    y = points[:, 1]
    return np.column_stack([points[:, 0] + SHADOW_X * y, 0 * y, points[:, 2] + SHADOW_Z * y])


def shade(colour: Colour, factor: float) -> Colour:
    """Returns a darker or lighter colour."""
    red, green, blue = (int(np.clip(round(value * factor), 0, 255)) for value in colour)
    return red, green, blue


@dataclass(frozen=True)
class Piece:
    """Something that may hide what lies behind it: a picture and where its foot stands."""

    z: float
    left: int
    top: int
    picture: Image
    person: int = 0


class Layer:
    """A piece of picture with premultiplied alpha, drawn with oversampling.

    Args:
        left: First column in the frame's pixels; may lie outside the frame.
        top: First row.
        width: Columns.
        height: Rows.
    """

    def __init__(
        self, left: int = 0, top: int = 0, width: int = WIDTH, height: int = HEIGHT
    ) -> None:
        self.left, self.top, self.width, self.height = left, top, width, height
        self._big = np.zeros((height * OVERSAMPLING, width * OVERSAMPLING, 4), np.uint8)

    def polygon(self, points: ArrayLike, colour: Colour) -> None:
        """Fills the outline of world points `(N, 3)`."""
        cv2.fillPoly(self._big, [self._fixed(project(points))], (*colour, 255), shift=4)

    def limb(self, ends: ArrayLike, radius_m: float, colour: Colour) -> None:
        """Draws a rod with round ends between two world points `(2, 3)`."""
        seen = project(ends)
        radius = np.maximum(radius_m * seen[:, 2] * OVERSAMPLING, 1.0)
        centres = self._fixed(seen)
        paint = (*colour, 255)
        for centre, size in zip(centres, radius, strict=True):
            cv2.circle(self._big, centre.tolist(), round(size * 16), paint, -1, shift=4)
        along = (centres[1] - centres[0]).astype(np.float64)
        length = np.hypot(*along)
        if length:
            across = np.array([-along[1], along[0]]) / length * 16
            sides = [centres[0] + across * radius[0], centres[1] + across * radius[1]]
            sides += [centres[1] - across * radius[1], centres[0] - across * radius[0]]
            outline = np.round(sides).astype(np.int32)
            cv2.fillConvexPoly(self._big, outline, paint, shift=4)

    def ball(self, centre: ArrayLike, radius_m: float, colour: Colour) -> None:
        """Draws a ball around a world point `(3,)`."""
        self.limb([centre, centre], radius_m, colour)

    def picture(self) -> Image:
        """Returns `(height, width, 4)` float32: colour times alpha in 0..255, alpha in 0..1."""
        small = cv2.resize(self._big, (self.width, self.height), interpolation=cv2.INTER_AREA)
        picture = small.astype(np.float32)
        picture[..., 3] /= 255
        return picture

    def piece(self, z: float, person: int = 0) -> Piece:
        """Returns what was drawn, cut to its bounds, with its foot at Z.

        Args:
            z: Where it stands.
            person: Number of the person it shows, 0 = nobody.
        """
        picture = self.picture()
        rows = np.flatnonzero(picture[..., 3].any(axis=1))
        columns = np.flatnonzero(picture[..., 3].any(axis=0))
        top, left = rows[0], columns[0]
        part = picture[top : rows[-1] + 1, left : columns[-1] + 1]
        return Piece(z, self.left + int(left), self.top + int(top), part, person)

    def _fixed(self, seen: Points) -> NDArray[np.int32]:
        """Returns `(N, 2)` positions in the large picture with four binary places."""
        at = (seen[:, :2] - [self.left, self.top]) * OVERSAMPLING - 0.5
        return np.round(at * 16).astype(np.int32)


def inside(piece: Piece) -> tuple[slice, slice, Image] | None:
    """Returns rows and columns of the frame, and the part of the piece that lies in them."""
    height, width = piece.picture.shape[:2]
    x1, y1 = max(piece.left, 0), max(piece.top, 0)
    x2, y2 = min(piece.left + width, WIDTH), min(piece.top + height, HEIGHT)
    if x1 >= x2 or y1 >= y2:
        return None
    part = piece.picture[y1 - piece.top : y2 - piece.top, x1 - piece.left : x2 - piece.left]
    return slice(y1, y2), slice(x1, x2), part


def paste(frame: Image, piece: Piece) -> None:
    """Puts a piece over the frame `(H, W, 3)`."""
    found = inside(piece)
    if found:
        rows, columns, part = found
        frame[rows, columns] = frame[rows, columns] * (1 - part[..., 3:]) + part[..., :3]
