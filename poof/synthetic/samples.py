"""Scenes ready for use, by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from poof.errors import PoofError, names_near
from poof.synthetic.backgrounds import hall, pattern, rink
from poof.synthetic.camera import Camera, SteadyMap
from poof.synthetic.clip import Clip, Spliced
from poof.synthetic.clothing import Clothing
from poof.synthetic.figure import Figure
from poof.synthetic.gait import run
from poof.synthetic.motion import Motion
from poof.synthetic.occluders import Occluder
from poof.synthetic.player import BackdropKeypoints
from poof.synthetic.scene import Backdrop, Scene

Array = np.ndarray


def demo(seed: int = 0) -> Scene:
    """One player runs in, passes behind a goal post, slows, turns round towards the camera and jogs back; 60 frames."""
    motion = run(
        [(-12, 186, 88), (0, 274, 88), (28, 484, 84), (37, 530, 62), (46, 546, 0), (54, 532, -64), (66, 470, -86)],
        height=236,
        ground=374,
        frames=60,
        fps=30,
    )
    post = Occluder(centre=(412, 190), size=(17, 520), parallax=1.12, stripe=44)
    keys = ((0, 400, 226, 1.0, 0), (32, 450, 226, 1.03, 0), (59, 472, 226, 1.06, 0))
    return Scene(
        backdrop=Backdrop(hall((1100, 520), horizon=262, seed=seed), origin=(-60, -20)),
        players=(Figure(motion, Clothing(seed, scale=250)),),
        fps=30.0,
        occluders=(post,),
        camera=Camera(keys, shake=1.6, seed=seed),
        shutter=0.5,
        noise=2.0,
        flicker=0.02,
        shadow=0.35,
        seed=seed,
        name="demo",
    )


def two_players(seed: int = 0) -> Scene:
    """Two players run towards each other and cross, the nearer one in front; 50 frames."""
    far = run([(-12, 100, 86), (50, 565, 86)], height=180, ground=318, frames=50)
    near = run([(-12, 690, -86), (50, 200, -86)], height=224, ground=362, frames=50, phase=2.0)
    players = (
        Figure(far, Clothing(seed + 1, scale=180), depth=0.0),
        Figure(near, Clothing(seed + 2, scale=230), depth=1.0),
    )
    return replace(
        demo(seed),
        players=players,
        occluders=(),
        camera=Camera(((0, 390, 220, 1, 0),), 1.0, seed),
        frames=50,
        name="two-players",
    )


def still(seed: int = 0, noise: float = 0.0) -> Scene:
    """A player who stands, before a camera that does too; 12 frames, all alike unless there is `noise`."""
    moving = demo(seed)
    figure = moving.players[0]
    assert isinstance(figure, Figure)
    held = replace(figure, motion=replace(Motion.held(figure.motion.pose(8)), ground=figure.motion.ground))
    camera = Camera(((0, 390, 226, 1, 0),))
    return replace(moving, players=(held,), camera=camera, frames=12, shutter=0, noise=noise, flicker=0, name="still")


def cut(seed: int = 0) -> Spliced:
    """A hard cut in the middle: 20 frames of a player in a hall, then 20 of another on an ice rink."""
    before = replace(demo(seed), frames=20, occluders=(), name="cut")
    motion = run([(-12, 520, -80), (20, 230, -86)], height=200, ground=346, frames=20, phase=1.0)
    after = replace(
        demo(seed + 3),
        backdrop=Backdrop(rink((1100, 520), horizon=230, seed=seed), origin=(-300, -20)),
        players=(Figure(motion, Clothing(seed + 4, scale=210, outfit="ice")),),
        camera=Camera(((0, 330, 214, 1, 0),), 1.0, seed + 1),
        occluders=(),
        frames=20,
    )
    return Spliced(before, after)


def _measured(
    name: str, step: Array, size: tuple[int, int], frames: int, seed: int, slide: tuple[float, float] = (0.0, 0.0)
) -> Scene:
    width, height = size
    rng = np.random.default_rng((seed, 31))
    at = rng.uniform([0.25 * width, 0.25 * height], [0.75 * width, 0.75 * height], (8, 2))
    return Scene(
        backdrop=Backdrop(pattern((width + 200, height + 200), seed), origin=(-100, -100)),
        players=(BackdropKeypoints(at, slide),),
        camera=SteadyMap(step),
        size=size,
        frames=frames,
        seed=seed,
        name=name,
    )


def constant(
    seed: int = 0, velocity: tuple[float, float] = (2.25, -1.5), size: tuple[int, int] = (160, 128), frames: int = 12
) -> Scene:
    """A textured plane that moves by `velocity` pixels a frame, eight keypoints on it."""
    return _measured("constant", np.array([[1, 0, velocity[0]], [0, 1, velocity[1]]], float), size, frames, seed)


def affine(seed: int = 0, step: Array | None = None, size: tuple[int, int] = (160, 128), frames: int = 12) -> Scene:
    """A textured plane under the affine map `step` (2, 3) from each frame to the next, eight keypoints on it.

    By default it turns by 0.02 rad, grows by 1.5 % and shears a little about the middle, and moves by (0.8, 0.5).
    """
    if step is None:
        turn = np.array([[1.0148, -0.0210], [0.0190, 1.0152]])
        middle = (np.array(size) - 1) / 2
        step = np.column_stack([turn, middle - turn @ middle + [0.8, 0.5]])
    return _measured("affine", step, size, frames, seed)


def drift(
    seed: int = 0, rate: tuple[float, float] = (0.3, 0.4), size: tuple[int, int] = (160, 128), frames: int = 40
) -> Scene:
    """A constant flow over which the keypoints slide by `rate` pixels a frame.

    Even the exact flow therefore loses them at |rate| pixels a step: k steps from a label the error is k |rate|.
    """
    return _measured("drift", np.array([[1, 0, 0.5], [0, 1, 0.25]], float), size, frames, seed, rate)


def hidden_at_anchor(seed: int = 0, frames: tuple[int, ...] = (10, 31, 52)) -> Scene:
    """A player on the spot whose left wrist and elbow are behind a passing board exactly at `frames`; 63 frames.

    Each board covers them for about two frames on either side.
    """
    motion = run([(0, 380, 30), (63, 400, 55)], height=236, ground=374, frames=63)
    view = Camera(((0, 390, 226, 1, 0),))
    boards = []
    for number, when in enumerate(frames):
        pose = motion.pose(when)
        middle = pose.joints[[3, 5]].mean(0)
        velocity = (24.0, 0.0)
        start = (middle[0] - velocity[0] * when, middle[1])
        boards.append(Occluder(start, (64, 84), velocity, 1.0, ((206, 84, 52), (240, 236, 224)), 21, seed + number))
    figure = Figure(motion, Clothing(seed + 1, scale=240))
    return replace(
        demo(seed),
        players=(figure,),
        occluders=tuple(boards),
        camera=view,
        frames=63,
        flicker=0,
        name="hidden-at-anchor",
    )


SAMPLES: dict[str, Callable[..., Clip]] = {
    "demo": demo,
    "two-players": two_players,
    "still": still,
    "cut": cut,
    "constant": constant,
    "affine": affine,
    "drift": drift,
    "hidden-at-anchor": hidden_at_anchor,
}


def sample(name: str, **options: Any) -> Any:
    """A scene by name.

    Parameters
    ----------
    name
        One of `SAMPLES`.
    options
        `seed` for all; the others as the function of that name takes them.

    Returns
    -------
    Scene
        `Spliced` for 'cut'.

    Raises
    ------
    PoofError
        For another name; it lists the valid ones.
    """
    if name not in SAMPLES:
        raise PoofError(f"no sample '{name}'; there are {names_near(name, SAMPLES)}")
    return SAMPLES[name](**options)
