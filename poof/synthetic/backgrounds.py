"""Backgrounds: a sports hall, an ice rink, an athletics field, and a pattern for measuring."""

from __future__ import annotations

import cv2
import numpy as np

from poof.synthetic.textures import Colour, finish, mottle, octaves, plain

Array = np.ndarray

_SEATS: tuple[Colour, ...] = (
    (198, 66, 60),
    (62, 96, 164),
    (236, 190, 80),
    (232, 228, 216),
    (72, 142, 112),
    (126, 78, 148),
    (40, 44, 58),
)


def pattern(size: tuple[int, int], seed: int = 0) -> Array:
    """Coloured noise of many octaves (h, w, 3) uint8: every place differs from every other."""
    rng = np.random.default_rng((seed, 11))
    low, high = np.array([[34, 52, 92], [244, 222, 176]], np.float32)
    weight = octaves(size, rng, coarsest=48, finest=3, roughness=0.9)[..., None] * 0.9 + 0.5
    tint = np.stack([octaves(size, rng, coarsest=40, finest=5, roughness=0.8) for _ in range(3)], -1)
    return finish(low + (high - low) * weight + 90 * tint, soften=0.8)


def hall(size: tuple[int, int], horizon: float, seed: int = 0) -> Array:
    """A sports hall (h, w, 3) uint8: panelled wall with wall bars and banners, planked floor with court lines.

    `size` is (width, height); `horizon` is the y at which wall and floor meet.
    """
    rng = np.random.default_rng((seed, 12))
    width = size[0]
    edge = round(horizon)
    picture = plain(size, (214, 204, 186))
    _wall(picture[:edge], rng)
    _floor(picture[edge:], rng)
    cv2.rectangle(picture, (0, edge - 7), (width, edge), (120, 96, 78), -1)
    cv2.rectangle(picture, (0, edge - 8), (width, edge - 7), (232, 222, 204), -1)
    return finish(picture, soften=0.7)


def _wall(wall: Array, rng: np.random.Generator) -> None:
    height, width = wall.shape[:2]
    wall[:] = mottle(wall, rng, 12.0, coarsest=48, finest=2)
    panels: tuple[Colour, ...] = ((74, 124, 142), (88, 142, 156), (66, 112, 134))
    top = round(height * 0.46)
    for number, x in enumerate(range(0, width, 88)):
        wall[top:, x : x + 88] = panels[number % 3]
        cv2.line(wall, (x, top), (x, height), (44, 84, 100), 2)
    wall[top:] = mottle(wall[top:], rng, 20.0, coarsest=32, finest=2)
    cv2.rectangle(wall, (0, top - 5), (width, top), (240, 196, 84), -1)
    for x in range(60, width, 420):
        _wall_bars(wall, x, round(height * 0.14), 120, height - 14)
    banners: tuple[Colour, ...] = ((196, 64, 60), (60, 94, 160), (238, 174, 60), (62, 138, 104))
    for number, x in enumerate(range(236, width, 210)):
        if (x - 60) % 420 > 130:
            _banner(wall, x, round(height * 0.20), banners[number % 4])


def _wall_bars(wall: Array, x: int, top: int, width: int, bottom: int) -> None:
    cv2.rectangle(wall, (x - 4, top - 4), (x + width + 4, bottom), (150, 112, 74), -1)
    for y in range(top + 2, bottom - 6, 13):
        cv2.rectangle(wall, (x + 4, y), (x + width - 4, y + 7), (104, 78, 54), -1)
        cv2.line(wall, (x + 4, y + 9), (x + width - 4, y + 9), (222, 184, 128), 4)
    for upright in (x, x + width // 2, x + width):
        cv2.line(wall, (upright, top - 4), (upright, bottom), (190, 148, 98), 7)


def _banner(wall: Array, x: int, top: int, colour: Colour) -> None:
    corners = np.array([[x, top], [x + 52, top], [x + 52, top + 60], [x + 26, top + 76], [x, top + 60]], np.int32)
    cv2.fillPoly(wall, [corners], colour)
    cv2.circle(wall, (x + 26, top + 28), 14, (246, 240, 226), -1, cv2.LINE_AA)
    cv2.circle(wall, (x + 26, top + 28), 8, colour, -1, cv2.LINE_AA)


def _floor(floor: Array, rng: np.random.Generator) -> None:
    height, width = floor.shape[:2]
    # Planks run away from the camera to one vanishing point above the wall's foot; rows get longer towards us.
    columns, rows = np.meshgrid(np.arange(width) - width / 2, np.arange(height))
    away = 90.0 / (rows + 60.0)
    plank = np.floor(columns * away / 17.0).astype(int)
    joint = np.floor(away * 1300.0 / 190.0 + (plank * 7919 % 97) / 97.0).astype(int)
    tone = ((plank * 73856093) ^ (joint * 19349663)) % 1000 / 1000.0
    floor[:] = np.array([204, 150, 92], np.float32) + (tone[..., None] - 0.5) * np.array([44, 40, 34], np.float32)
    seam = np.abs(columns * away / 17.0 - np.round(columns * away / 17.0)) < 0.03 / away.clip(0.3) * 0.6
    floor[seam] *= 0.80
    floor[:] = mottle(floor, rng, 22.0, coarsest=24, finest=2)
    floor *= (0.86 + 0.20 * np.linspace(0, 1, height))[:, None, None]
    for y, thick, colour in ((0.16, 4, (240, 236, 222)), (0.59, 8, (66, 110, 170))):
        cv2.line(floor, (0, round(y * height)), (width, round(y * height)), colour, thick, cv2.LINE_AA)
    vanish = (width / 2, -60.0)
    for share in (-0.30, 0.05, 0.38):
        foot = np.array([width / 2 + share * width * 1.5, height])
        head = foot + (np.array(vanish) - foot) * height / (height + 60.0)
        narrow, wide = np.array([2, 0]), np.array([8, 0])
        strip = np.array([head - narrow, head + narrow, foot + wide, foot - wide], np.int32)
        cv2.fillPoly(floor, [strip], (206, 70, 58), cv2.LINE_AA)


def rink(size: tuple[int, int], horizon: float, seed: int = 0) -> Array:
    """An ice rink (h, w, 3) uint8: stands full of people, glass, boards with coloured panels, scratched ice with lines.

    `size` is (width, height); `horizon` is the y at which boards and ice meet.
    """
    rng = np.random.default_rng((seed, 13))
    picture = plain(size, (52, 58, 78))
    edge = round(horizon)
    _crowd(picture[: edge - 60], rng)
    _boards(picture[edge - 92 : edge], rng)
    _ice(picture[edge:], rng)
    return finish(picture, soften=0.7)


def _crowd(stand: Array, rng: np.random.Generator) -> None:
    height, width = stand.shape[:2]
    for row, y in enumerate(range(8, height + 12, 17)):
        cv2.rectangle(stand, (0, y + 5), (width, y + 9), (78, 84, 104), -1)
        for x in np.arange(-8, width + 8, 13.0) + 6.5 * (row % 2):
            if rng.random() < 0.12:
                continue
            shirt = np.array(_SEATS[rng.integers(len(_SEATS))]) * rng.uniform(0.55, 0.85)
            skin = np.array((222, 176, 146)) * rng.uniform(0.45, 0.90)
            at = (round(x + rng.uniform(-2, 2)), round(y + rng.uniform(-2, 2)))
            cv2.ellipse(stand, (at[0], at[1] + 7), (6, 7), 0, 180, 360, shirt.tolist(), -1, cv2.LINE_AA)
            cv2.circle(stand, (at[0], at[1] - 3), 4, skin.tolist(), -1, cv2.LINE_AA)
    stand[:] = cv2.GaussianBlur(stand, (0, 0), 1.1)
    stand *= np.linspace(0.62, 1.0, height, dtype=np.float32)[:, None, None]


def _boards(strip: Array, rng: np.random.Generator) -> None:
    height, width = strip.shape[:2]
    top = 34
    # The glass is a pale veil with seams over the crowd behind it.
    strip[:top] = 0.72 * strip[:top] + 0.28 * np.array((206, 222, 232), np.float32)
    for x in range(30, width, 96):
        cv2.line(strip, (x, 0), (x, top), (222, 232, 238), 2)
    strip[top:] = (238, 240, 240)
    for number, x in enumerate(range(-20, width, 132)):
        colour = _SEATS[(number * 2 + 1) % 5]
        cv2.rectangle(strip, (x, top + 6), (x + 118, height - 14), colour, -1)
        ink = (246, 244, 236) if sum(colour) < 480 else (44, 50, 70)
        kind = number % 3
        if kind == 0:
            for k in range(4):
                cv2.circle(strip, (x + 26 + 22 * k, (top + height - 8) // 2), 8, ink, -1, cv2.LINE_AA)
        elif kind == 1:
            for k in range(5):
                left = x + 14 + 20 * k
                corners = [[left, height - 20], [left + 12, height - 20], [left + 22, top + 12], [left + 10, top + 12]]
                cv2.fillPoly(strip, [np.array(corners, np.int32)], ink, cv2.LINE_AA)
        else:
            cv2.rectangle(strip, (x + 14, top + 15), (x + 104, top + 21), ink, -1)
            cv2.rectangle(strip, (x + 14, top + 27), (x + 80, top + 33), ink, -1)
    strip[top:] = mottle(strip[top:], rng, 10.0, coarsest=16)
    cv2.rectangle(strip, (0, top - 5), (width, top), (48, 92, 156), -1)
    cv2.rectangle(strip, (0, height - 9), (width, height), (240, 200, 72), -1)


def _ice(ice: Array, rng: np.random.Generator) -> None:
    height, width = ice.shape[:2]
    ice[:] = np.linspace(0, 1, height)[:, None, None] * np.array([-16, -8, -2], np.float32) + (226, 236, 242)
    # Reflections of the panels: faint, upright, fading towards the camera.
    tint = rng.uniform(-1, 1, (1, width // 60 + 2, 1)) + rng.uniform(-0.35, 0.35, (1, width // 60 + 2, 3))
    glow = cv2.resize(tint, (width, 1), interpolation=cv2.INTER_CUBIC)
    ice += (glow * 16 * np.linspace(1, 0.1, height)[:, None, None]).astype(np.float32)
    ice += 9 * octaves((width, height), rng, coarsest=80, finest=3, roughness=0.8)[..., None]
    for y, thick, colour in ((0.13, 5, (206, 70, 74)), (0.55, 15, (72, 112, 186))):
        cv2.line(ice, (0, round(y * height)), (width, round(y * height)), colour, thick, cv2.LINE_AA)
    centre, axes = (round(width * 0.5), round(height * 0.62)), (250, round(height * 0.26))
    cv2.ellipse(ice, centre, axes, 0, 0, 360, (206, 70, 74), 5, cv2.LINE_AA)
    cv2.ellipse(ice, centre, (14, 5), 0, 0, 360, (206, 70, 74), -1, cv2.LINE_AA)
    marks = np.zeros((height, width), np.float32)
    for _ in range(width * height // 900):
        x, y = rng.uniform(0, width), height * rng.uniform() ** 0.8
        reach = 10 + 60 * y / height
        angles = rng.uniform(0, 360)
        arc = rng.uniform(14, 50)
        middle, half = (round(x), round(y)), (round(reach * rng.uniform(0.6, 2.4)) + 4, round(reach * 0.22) + 2)
        cv2.ellipse(marks, middle, half, 0, angles, angles + arc, rng.uniform(-1, 1), 1, cv2.LINE_AA)
    ice += 24 * marks[..., None]


def field(size: tuple[int, int], horizon: float, seed: int = 0) -> Array:
    """An athletics field (h, w, 3) uint8: sky with clouds, trees, a fence, grass and the lanes of a track.

    `size` is (width, height); `horizon` is the y at which fence and grass meet.
    """
    rng = np.random.default_rng((seed, 14))
    width = size[0]
    edge = round(horizon)
    picture = plain(size, (0, 0, 0))
    sky = picture[:edge]
    sky[:] = np.linspace(0, 1, edge)[:, None, None] * np.array([70, 44, 18], np.float32) + (132, 178, 222)
    cloud = np.clip(octaves((width, edge), rng, coarsest=128, finest=4, roughness=0.62) * 2.2 - 0.1, 0, 1)[..., None]
    sky += cloud * (np.array((246, 246, 244), np.float32) - sky)
    for layer, (height, colour) in enumerate(((150, (92, 132, 104)), (112, (66, 112, 72)), (78, (46, 90, 54)))):
        _trees(picture[:edge], height, colour, 34 - 8 * layer, rng)
    _fence(picture[edge - 46 : edge])
    _track(picture[edge:], rng)
    return finish(picture, soften=0.7)


def _trees(scene: Array, height: int, colour: Colour, crown: int, rng: np.random.Generator) -> None:
    base, width = scene.shape[:2]
    mask = np.zeros((base, width), np.uint8)
    mask[max(base - height // 2, 0) :] = 1
    for x in range(0, width + crown, crown):
        top = base - height + int(rng.integers(0, crown + 1))
        cv2.circle(mask, (x, top + crown), int(crown * rng.uniform(0.8, 1.5)), 1, -1)
        cv2.rectangle(mask, (x - crown // 2, top + crown), (x + crown // 2, base), 1, -1)
    leaves = plain((width, base), colour) + 44 * octaves((width, base), rng, 24, 2, roughness=0.85)[..., None]
    scene[mask > 0] = leaves[mask > 0]


def _fence(strip: Array) -> None:
    height, width = strip.shape[:2]
    for x in range(0, width, 46):
        cv2.line(strip, (x, 0), (x, height), (224, 222, 212), 4)
    for y in (4, 22, 40):
        cv2.line(strip, (0, y), (width, y), (236, 234, 224), 3)


def _track(ground: Array, rng: np.random.Generator) -> None:
    height, width = ground.shape[:2]
    lawn = round(0.16 * height)
    columns = np.arange(width)[None, :, None]
    ground[:lawn] = np.where(columns // 70 % 2 == 0, (108, 156, 74), (92, 140, 64))
    ground[:lawn] += 16 * octaves((width, lawn), rng, 8, 2, roughness=0.9)[..., None]
    ground[lawn:] = (186, 92, 66)
    ground[lawn:] = mottle(ground[lawn:], rng, 26.0, coarsest=32, finest=2)
    ground[lawn:] *= np.linspace(0.88, 1.06, height - lawn)[:, None, None]
    # Lanes grow wider towards the camera.
    y, step = float(lawn), 10.0
    while y < height:
        cv2.line(ground, (0, round(y)), (width, round(y)), (240, 232, 220), max(round(step / 9), 1), cv2.LINE_AA)
        y, step = y + step, step * 1.34
    for number, x in enumerate(range(60, width, 230)):
        foot = x + (x - width // 2) // 3
        cv2.line(ground, (x, lawn), (foot, height), (240, 232, 220), 3 + number % 2, cv2.LINE_AA)
