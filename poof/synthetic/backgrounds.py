"""Backdrops: a sports hall, and a plain pattern for measuring."""

from __future__ import annotations

import cv2
import numpy as np

from poof.synthetic.textures import Colour, finish, mottle, octaves, plain

Array = np.ndarray


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
