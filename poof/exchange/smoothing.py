"""Smoothing of tracks, one coordinate over time: gaps are bridged, outliers and jitter filtered."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np

from poof.errors import PoofError

_SPEED_CUTOFF = 1.0
"""Hz, of the low pass for the speed in the one-euro filter."""

Filter = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Takes a stretch without gaps and its times in seconds; gives the smoothed stretch."""


def stretches(good: np.ndarray) -> Iterator[slice]:
    """The stretches of true values in (N,) bool."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], good, [False]]).astype(np.int8)))
    for first, last in zip(edges[::2].tolist(), edges[1::2].tolist()):
        yield slice(first, last)


def filled(xy: np.ndarray, times: np.ndarray, most: int, never: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Bridge gaps of at most `most` frames by straight lines in time.

    Parameters
    ----------
    xy : (N, 2)
        NaN where there is nothing.
    times : (N,)
        Seconds.
    most
        Frames; longer gaps stay, and those before the first and behind the last point.
    never : (N,) bool
        Frames in which the point is said to be absent: a gap with one of them stays.

    Returns
    -------
    (N, 2)
        The coordinates.
    (N,) bool
        Where they were filled in.
    """
    good = np.isfinite(xy).all(axis=1)
    made = np.zeros(len(xy), bool)
    result = xy.copy()
    for gap in stretches(~good):
        if gap.start == 0 or gap.stop == len(xy) or gap.stop - gap.start > most or never[gap].any():
            continue
        ends = [gap.start - 1, gap.stop]
        for axis in range(2):
            result[gap, axis] = np.interp(times[gap], times[ends], xy[ends, axis])
        made[gap] = True
    return result, made


def parse(text: str) -> tuple[str, Filter]:
    """A filter by its name and numbers, and the line that the log has of it.

    ``median:WINDOW``, ``savgol:WINDOW,ORDER``, ``one-euro:CUTOFF,BETA``; windows in frames, odd.

    Raises
    ------
    PoofError
        If it is none of these.
    """
    name, _, rest = text.partition(":")
    try:
        numbers = [float(part) for part in rest.split(",")] if rest else []
        if not all(math.isfinite(n) and n >= 0 for n in numbers):
            raise ValueError
        if name == "median" and len(numbers) <= 1:
            window = _odd(numbers[0] if numbers else 5)
            return f"median over {window} frames", lambda values, _: _median(values, window)
        if name == "savgol" and len(numbers) <= 2:
            window = _odd(numbers[0] if numbers else 7)
            order = int(numbers[1]) if len(numbers) > 1 else 2
            if order < window:
                line = f"Savitzky-Golay over {window} frames, order {order}"
                return line, lambda values, _: _savgol(values, window, order)
        if name == "one-euro" and len(numbers) <= 2:
            cutoff, beta = (*numbers, *(1.0, 0.0)[len(numbers) :])
            if cutoff > 0:
                return f"one-euro filter, cutoff {cutoff:g} Hz, beta {beta:g}", lambda v, t: one_euro(
                    v, t, cutoff, beta
                )
    except ValueError:
        pass
    raise PoofError(f"--smooth '{text[:40]}': say median:5, savgol:7,2 or one-euro:1,0.01 (windows are odd)")


def _odd(number: float) -> int:
    if number != int(number) or int(number) % 2 == 0 or not 1 <= number <= 10001:
        raise ValueError
    return int(number)


def _median(values: np.ndarray, window: int) -> np.ndarray:
    from scipy.ndimage import median_filter

    return np.asarray(median_filter(values, window, mode="nearest"))


def _savgol(values: np.ndarray, window: int, order: int) -> np.ndarray:
    """A stretch shorter than the window is smoothed over its own length, one too short for the order not at all."""
    from scipy.signal import savgol_filter

    window = min(window, len(values) if len(values) % 2 else len(values) - 1)
    return values if window <= order else np.asarray(savgol_filter(values, window, order))


def one_euro(
    values: np.ndarray, times: np.ndarray, cutoff: float, beta: float, speed_cutoff: float = 1.0
) -> np.ndarray:
    """The filter of Casiez et al. (CHI 2012): a low pass whose cutoff rises with the speed by `beta`."""
    result = values.copy()
    speed = 0.0
    for i in range(1, len(values)):
        step = times[i] - times[i - 1]
        change = (values[i] - values[i - 1]) / step
        speed += _share(_SPEED_CUTOFF, step) * (change - speed)
        result[i] = result[i - 1] + _share(cutoff + beta * abs(speed), step) * (values[i] - result[i - 1])
    return result


def _share(cutoff: float, step: float) -> float:
    """How much of a new value a low pass takes in."""
    return 1 / (1 + 1 / (2 * math.pi * cutoff * step))


def speeds(xy: np.ndarray, times: np.ndarray) -> np.ndarray:
    """(N,) pixels a second by central differences, NaN where there is no neighbour."""
    result = np.full(len(xy), np.nan)
    for part in stretches(np.isfinite(xy).all(axis=1)):
        if part.stop - part.start > 1:
            result[part] = np.hypot(*(np.gradient(xy[part, axis], times[part]) for axis in range(2)))
    return result
