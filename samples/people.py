"""The people of `plaza.mp4`: who they are, where they walk, how they move and how they look."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from stage import FPS, FRAMES, Colour, Image, Layer, Piece, Points, cast, project, shade


@dataclass(frozen=True)
class Person:
    """One walker: looks, and where to be when.

    Attributes:
        route: `(time s, X, Z)` waypoints, walked at even speed between two of them.
    """

    shirt: Colour
    trousers: Colour
    skin: Colour
    hair: Colour
    height_m: float
    route: tuple[tuple[float, float, float], ...]
    bag: Colour | None = None


NAVY, CHARCOAL, SAND = (38, 46, 84), (52, 50, 54), (120, 88, 52)
FAIR, TAN, BROWN = (232, 184, 150), (198, 142, 104), (124, 82, 58)
PEOPLE = (
    # Across the middle in both directions: these two cross.
    Person((206, 44, 44), NAVY, FAIR, (84, 52, 30), 1.78, ((0.5, -8.7, 13.5), (10.4, 7.6, 13.5))),
    Person(
        (34, 92, 186), CHARCOAL, TAN, (32, 26, 24), 1.84, ((0.4, 10.0, 15.8), (10.4, -7.0, 15.2))
    ),
    # Out of the alley and down the square.
    Person(
        (244, 190, 30),
        (70, 40, 96),
        BROWN,
        (24, 20, 20),
        1.70,
        ((0.6, -6.9, 28.4), (1.8, -4.5, 28.2), (5.8, -2.9, 21.0), (10.2, -1.6, 14.6)),
    ),
    # These two meet in front, stop, and turn back.
    Person(
        (30, 140, 74),
        (74, 54, 42),
        FAIR,
        (196, 150, 78),
        1.72,
        ((0.5, -6.2, 8.5), (4.5, -0.68, 8.8), (5.2, -0.66, 8.8), (9.6, -6.6, 9.2)),
    ),
    Person(
        (138, 52, 150),
        NAVY,
        TAN,
        (50, 34, 28),
        1.68,
        ((0.8, 6.2, 9.0), (4.7, 0.68, 8.8), (5.3, 0.66, 8.8), (9.9, 6.4, 8.3)),
    ),
    # In from the right, stands for a while, goes on.
    Person(
        (240, 120, 32),
        (40, 62, 70),
        FAIR,
        (60, 40, 30),
        1.80,
        ((1.7, 8.0, 11.0), (4.6, 3.5, 11.2), (5.9, 3.48, 11.22), (10.4, 2.3, 17.4)),
        bag=(60, 70, 40),
    ),
    # Behind the kiosk.
    Person(
        (24, 150, 160),
        (60, 44, 40),
        BROWN,
        (20, 18, 18),
        1.76,
        ((0.5, 13.6, 21.2), (10.4, -1.0, 21.4)),
        bag=(150, 60, 50),
    ),
    # Behind the tree on the left.
    Person(
        (206, 70, 130), CHARCOAL, FAIR, (120, 62, 30), 1.66, ((0.4, -12.6, 20.6), (10.4, 1.4, 23.0))
    ),
    # In from below, a child.
    Person(
        (236, 240, 244),
        (40, 110, 170),
        TAN,
        (70, 40, 24),
        1.42,
        ((5.6, 1.7, 5.0), (10.4, 0.3, 11.0)),
    ),
)


@dataclass(frozen=True)
class Step:
    """Where a walker is in one frame: place, heading in radians, phase and width of the gait."""

    x: float
    z: float
    heading: float
    phase: float
    swing: float


def smoothed(values: Points, sigma_s: float) -> Points:
    """Returns a series by frame, smoothed in time, ends held."""
    reach = round(4 * sigma_s * FPS)
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / (sigma_s * FPS)) ** 2)
    padded = np.pad(values, reach, mode="edge")
    return np.convolve(padded, weights / weights.sum(), mode="valid")


def walk(person: Person) -> dict[int, Step]:
    """Returns the steps by frame number from 0, for the time of the route."""
    times, xs, zs = np.array(person.route, np.float64).T
    frames = np.arange(round(times[0] * FPS), min(FRAMES, round(times[-1] * FPS) + 1))
    x = smoothed(np.interp(frames / FPS, times, xs), 0.16)
    z = smoothed(np.interp(frames / FPS, times, zs), 0.16)
    dx, dz = np.gradient(x) * FPS, np.gradient(z) * FPS
    speed = np.hypot(dx, dz)
    # Whoever stands keeps looking the way of the last step.
    heading = np.arctan2(dx, dz)
    for k in range(1, len(heading)):
        if speed[k] < 0.25:
            heading[k] = heading[k - 1]
    heading = smoothed(np.unwrap(heading), 0.14)
    phase = np.cumsum(speed) / FPS / (0.84 * person.height_m) * 2 * np.pi
    swing = smoothed(np.clip(speed / 1.3, 0, 1.1), 0.1)
    rows = zip(frames, x, z, heading, phase, swing, strict=True)
    return {int(k): Step(*map(float, values)) for k, *values in rows}


# A rod with round ends: `(2, 3)` world points, radius in metres, colour. A body is a list of them.
Rod = tuple[Points, float, Colour]
UP = np.array([0.0, 1.0, 0.0])


@dataclass(frozen=True)
class Axes:
    """The directions of a body: where it looks, what is on its right, and its height in metres."""

    ahead: Points
    right: Points
    tall: float

    def bent(self, start: Points, lengths: tuple[float, float], angles: Sequence[float]) -> Points:
        """Returns the three joints `(3, 3)` of an arm or leg; angles from hanging, forwards."""
        joints = [start]
        for length, angle in zip(lengths, angles, strict=True):
            way = np.sin(angle) * self.ahead - np.cos(angle) * UP
            joints.append(joints[-1] + length * self.tall * way)
        return np.array(joints)


def pose(person: Person, step: Step) -> list[Rod]:
    """Returns the rods of a person in one moment of the gait, feet on the ground, by distance."""
    ahead = np.array([np.sin(step.heading), 0, np.cos(step.heading)])
    right = np.array([np.cos(step.heading), 0, -np.sin(step.heading)])
    axes = Axes(ahead, right, person.height_m)
    legs, pelvis = _legs(person, step, axes)
    chest = pelvis + person.height_m * (0.265 * UP + 0.02 * ahead)
    rods = legs + _torso(person, axes, pelvis, chest) + _arms(person, step, axes, chest)
    rods += _head(person, axes, chest)
    return sorted(rods, key=lambda rod: project(rod[0].mean(axis=0))[0, 2])


def _legs(person: Person, step: Step, axes: Axes) -> tuple[list[Rod], Points]:
    """Returns the rods of both legs and where the pelvis `(3,)` is when the lower foot stands."""
    tall = axes.tall
    pelvis = np.array([step.x, 0.0, step.z])
    legs = []
    for side in (-1, 1):
        phase = step.phase + (np.pi if side > 0 else 0)
        thigh = 0.46 * step.swing * np.sin(phase)
        # The knee bends while the leg swings forwards.
        shin = thigh - step.swing * (0.12 + 0.80 * max(0.0, np.cos(phase)))
        legs.append(
            axes.bent(pelvis + side * 0.05 * tall * axes.right, (0.25, 0.24), (thigh, shin))
        )
    pelvis[1] = 0.03 * tall - min(leg[2, 1] for leg in legs)
    rods: list[Rod] = []
    for brightness, leg in zip((1.0, 0.86), legs, strict=True):
        hip, knee, ankle = leg + pelvis[1] * UP
        paint = shade(person.trousers, brightness)
        toe = ankle + tall * (0.085 * axes.ahead - 0.008 * UP)
        rods.append((np.array([hip, knee]), 0.046 * tall, paint))
        rods.append((np.array([knee, ankle]), 0.035 * tall, paint))
        rods.append((np.array([ankle, toe]), 0.024 * tall, (44, 34, 32)))
    return rods, pelvis


def _torso(person: Person, axes: Axes, pelvis: Points, chest: Points) -> list[Rod]:
    tall = axes.tall
    waist = pelvis + 0.03 * tall * UP
    shoulders = np.array([chest + side * 0.088 * tall * axes.right for side in (-1, 1)])
    rods: list[Rod] = [
        (np.array([waist, chest]), 0.078 * tall, person.shirt),
        (shoulders, 0.052 * tall, person.shirt),
    ]
    if person.bag:
        back = chest - 0.10 * tall * axes.ahead
        rods.append((np.array([back, back - 0.15 * tall * UP]), 0.062 * tall, person.bag))
    return rods


def _arms(person: Person, step: Step, axes: Axes, chest: Points) -> list[Rod]:
    tall = axes.tall
    rods: list[Rod] = []
    for side, brightness in ((-1, 0.92), (1, 0.78)):
        # An arm swings with the leg of the other side.
        swing = 0.48 * step.swing * np.sin(step.phase + (0 if side > 0 else np.pi))
        shoulder = chest + side * 0.113 * tall * axes.right
        arm = axes.bent(shoulder, (0.165, 0.14), (swing, swing + 0.35))
        paint = shade(person.shirt, brightness)
        rods.append((arm[:2], 0.034 * tall, paint))
        rods.append((arm[1:], 0.028 * tall, paint))
        rods.append((arm[[2, 2]], 0.027 * tall, person.skin))
    return rods


def _head(person: Person, axes: Axes, chest: Points) -> list[Rod]:
    tall = axes.tall
    neck = chest + 0.05 * tall * UP
    head = neck + tall * (0.095 * UP + 0.012 * axes.ahead)
    hair = head + 0.016 * tall * (UP - axes.ahead)
    face = head + tall * (0.014 * axes.ahead - 0.008 * UP)
    return [
        (np.array([neck, head]), 0.034 * tall, person.skin),
        (np.array([hair, hair]), 0.066 * tall, person.hair),
        (np.array([face, face]), 0.058 * tall, person.skin),
    ]


def figure(body: list[Rod], z: float, number: int) -> Piece:
    """Returns the picture of a body, also of what lies outside the frame."""
    seen = np.vstack([project(rod[0]) for rod in body])
    margin = 0.2 * seen[:, 2].max() + 2
    left, top = np.floor(seen[:, :2].min(axis=0) - margin).astype(int)
    right, bottom = np.ceil(seen[:, :2].max(axis=0) + margin).astype(int)
    layer = Layer(int(left), int(top), int(right - left), int(bottom - top))
    for ends, radius, colour in body:
        layer.limb(ends, radius, colour)
    return layer.piece(z, number)


def moving_shadow(bodies: list[list[Rod]]) -> Image:
    """Returns `(H, W)` in 0..1: the shadows of all bodies."""
    layer = Layer()
    for body in bodies:
        for ends, radius, _ in body:
            layer.limb(cast(ends), radius, (0, 0, 0))
    return cv2.GaussianBlur(layer.picture()[..., 3], (0, 0), 0.9)
