"""Whether the compressed pixels of a GIF are those of its image, no fewer and no more (GIF89a, appendix F)."""

from __future__ import annotations

import numpy as np

_LOOK = 8192  # codes at once; encoders clear their table every 4 thousand
_MOST = 1 << 12  # strings in a table


def bytes_behind(data: bytes, code_size: int, pixels: int) -> int | None:
    """How many bytes follow the code that completes an image and the end code behind it.

    Strings are not built, only measured: a code stands for a pixel, or for the string of an earlier code and one more.

    Parameters
    ----------
    data
        The contents of the image's blocks.
    code_size
        Bits of a pixel.
    pixels
        How many the image has.

    Returns
    -------
    int or None
        None if there is a code that means nothing yet, or there are too few pixels.
    """
    content = np.frombuffer(data + bytes(3), np.uint8).astype(np.uint32)
    clear = 1 << code_size
    at, missing, look = 0, pixels, _LOOK
    while missing > 0:
        codes, ends = _codes(content, at, code_size, min(look, 8 * len(data)))
        codes, ends = codes[ends <= 8 * len(data)], ends[ends <= 8 * len(data)]
        marks = np.flatnonzero((codes == clear) | (codes == clear + 1))
        if not len(marks) and len(codes) == look:
            look *= 2
            continue
        count = int(marks[0]) if len(marks) else len(codes)
        lengths = _lengths(codes[:count].astype(np.int64) - clear - 2)
        if lengths is None:
            return None
        reached = np.cumsum(lengths)
        last = int(np.searchsorted(reached, missing))
        if last < count:
            ended = last + 1 < len(codes) and codes[last + 1] == clear + 1
            return len(data) - -(-int(ends[last + ended]) // 8)
        if not len(marks) or codes[count] != clear:
            return None
        missing -= int(reached[-1]) if count else 0
        at, look = int(ends[count]), _LOOK
    return len(data) - -(-at // 8)


def _codes(content: np.ndarray, at: int, code_size: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """(codes, bits at which they end) behind a cleared table, whose growth alone decides how wide each is."""
    strings = (1 << code_size) + 2 + np.maximum(np.arange(count) - 1, 0)
    widths = np.frexp(np.minimum(strings, _MOST - 1))[1]
    ends = at + np.cumsum(widths)
    starts = ends - widths
    first = np.minimum(starts >> 3, len(content) - 3)
    bits = content[first] | content[first + 1] << 8 | content[first + 2] << 16
    return bits >> (starts & 7).astype(np.uint32) & ((1 << widths) - 1).astype(np.uint32), ends


def _lengths(longer: np.ndarray) -> np.ndarray | None:
    """Pixels of each code; `longer` is which earlier code it repeats with one more, negative for a single pixel."""
    places = np.arange(len(longer))
    if (longer >= places).any() or (longer == -1).any() or (longer == -2).any():
        return None
    more = (longer >= 0).astype(np.int64)
    follow = np.where(longer >= 0, longer, places)
    while (more[follow] > 0).any():
        more, follow = more + more[follow], follow[follow]
    return more + 1
