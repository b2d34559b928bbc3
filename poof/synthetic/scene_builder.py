"""Scene builder: background, clothing, camera and occluders around a motion, from a domain and a seed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d

from poof.errors import PoofError, names_near
from poof.synthetic.backgrounds import field, hall, rink
from poof.synthetic.camera import Camera
from poof.synthetic.clothing import Clothing
from poof.synthetic.figure import Figure
from poof.synthetic.motion import Motion
from poof.synthetic.occluders import Occluder
from poof.synthetic.scene import Backdrop, Scene
from poof.synthetic.textures import Colour

Array = np.ndarray


@dataclass(frozen=True)
class Domain:
    """A kind of footage: background, clothing, camera work.

    Attributes
    ----------
    background
        Paints the background from (width, height), the y where the ground begins, and a seed.
    outfit
        What players wear, see `OUTFITS`.
    stripes
        Colours of the occluders.
    shake
        Camera tremor in pixels.
    shutter
        Largest exposure, share of the frame interval.
    noise
        Largest sensor noise, grey levels.
    """

    background: Callable[[tuple[int, int], float, int], Array]
    outfit: str
    stripes: tuple[Colour, ...]
    shake: float
    shutter: float
    noise: float


DOMAINS: dict[str, Domain] = {
    "hall": Domain(hall, "court", ((206, 44, 44), (244, 242, 236)), 1.0, 0.4, 2.0),
    "rink": Domain(rink, "ice", ((52, 60, 80), (226, 190, 70)), 2.4, 0.7, 5.0),
    "field": Domain(field, "track", ((236, 234, 226), (60, 110, 170)), 1.6, 0.5, 3.0),
}


def build_scene(
    motion: Motion,
    domain: str = "hall",
    seed: int = 0,
    size: tuple[int, int] = (320, 256),
    frames: int | None = None,
    occluders: int = 1,
) -> Scene:
    """A scene in which one player performs `motion`, filmed so that the whole body stays in the picture.

    Parameters
    ----------
    motion
        Of any size and place; it is scaled so that the pose at its largest fills 70 to 90 % of the image.
    domain
        One of `DOMAINS`: background, clothing, camera work and occluders come from it.
    seed
        Everything that may vary within the domain.
    size
        (width, height) in pixels.
    frames
        By default as many as the motion has.
    occluders
        Number of occluders: the first is a post that the player passes behind, the next ones pass by.

    Raises
    ------
    PoofError
        For a domain that does not exist, or no frames.
    """
    if domain not in DOMAINS:
        raise PoofError(f"no domain '{domain}'; there are {names_near(domain, DOMAINS)}")
    if frames is not None and frames < 1:
        raise PoofError(f"a scene of {frames} frames cannot be built; ask for at least one")
    chosen = DOMAINS[domain]
    rng = np.random.default_rng((seed, 41, sorted(DOMAINS).index(domain)))
    count = int(motion.length) + 1 if frames is None else frames
    width, height = size
    motion = _sized(motion, count, size, rng.uniform(0.70, 0.90))
    scale = float(np.median(motion.scale))

    poses = np.stack([motion.pose(t).joints for t in range(count)])
    low, high = poses.min(1), poses.max(1)
    # The camera follows like a person behind a tripod: late and smoothly, but keeps the body inside.
    centre = gaussian_filter1d((low + high) / 2, 8.0, axis=0, mode="nearest")
    room = np.maximum((np.array(size) - (high - low)) / 2 - 0.11 * scale, 0)
    centre = np.clip(centre, (low + high) / 2 - room, (low + high) / 2 + room)
    zoom = 1 + rng.uniform(-0.04, 0.04) * np.linspace(-1, 1, count)
    roll = rng.uniform(-0.02, 0.02) * np.linspace(-1, 1, count)
    keys = np.column_stack([np.arange(count), centre, zoom, roll])

    reach = np.array(size) * 0.6 + 20
    corner, end = centre.min(0) - reach, centre.max(0) + reach
    extent = tuple(int(min(v, 1600)) for v in end - corner)
    ground = motion.ground if motion.ground is not None else float(high[:, 1].max())
    horizon = float(np.clip(ground - corner[1] - scale * rng.uniform(0.20, 0.42), 0.40 * extent[1], 0.80 * extent[1]))
    horizon = float(np.clip(horizon, 100, max(extent[1] - 60, 101)))
    tall = max(extent[1], 180)
    background = chosen.background((max(extent[0], 240), tall), horizon, seed)
    backdrop = Backdrop(background, (float(corner[0]), float(corner[1])))

    return Scene(
        backdrop=backdrop,
        players=(Figure(motion, Clothing(seed, scale * 1.05, chosen.outfit)),),
        occluders=tuple(_obstacle(n, poses, size, scale, chosen, rng) for n in range(occluders)),
        camera=Camera(keys, chosen.shake * min(height, width) / 360, seed),
        size=size,
        frames=count,
        shutter=chosen.shutter * rng.uniform(0.5, 1.0),
        noise=chosen.noise * rng.uniform(0.4, 1.0),
        flicker=0.02,
        shadow=0.30,
        seed=seed,
        name=f"{domain}-{seed}",
    )


def _sized(motion: Motion, frames: int, size: tuple[int, int], share: float) -> Motion:
    """The motion in image pixels: the largest pose fills `share` of the image."""
    poses = np.stack([motion.pose(t).joints for t in range(frames)])
    # Half a head above, feet below, hands beside what the joints span.
    spans = np.percentile(poses.max(1) - poses.min(1), 97, axis=0) + 0.16 * np.median(motion.scale)
    return motion.scaled(float(share * (np.array(size) / spans).min()))


def _obstacle(
    number: int, poses: Array, size: tuple[int, int], scale: float, chosen: Domain, rng: np.random.Generator
) -> Occluder:
    count = len(poses)
    middle = poses.mean(1)
    if number == 0:
        at = middle[int(rng.uniform(0.2, 0.8) * (count - 1))]
        x = at[0] + rng.choice([-1, 1]) * rng.uniform(0.12, 0.40) * scale
        wide = scale * rng.uniform(0.06, 0.11)
        return Occluder(
            (float(x), float(at[1])), (wide, 4.0 * size[1]), (0.0, 0.0), 1.15, chosen.stripes, scale * 0.2, number
        )
    when = rng.uniform(0.15, 0.85) * (count - 1)
    speed = float(rng.choice([-1, 1]) * rng.uniform(0.03, 0.08) * scale)
    at = middle[int(when)]
    # Like a board carried past the camera: it reaches from somewhere on the body to below the image.
    top = at[1] + rng.uniform(-0.20, 0.25) * scale
    board = (scale * rng.uniform(0.15, 0.32), 2.0 * size[1])
    start = (float(at[0] - speed * when), float(top + board[1] / 2))
    return Occluder(start, board, (speed, 0.0), 1.0, chosen.stripes, scale * 0.12, number)
