"""Detection of missing data in video files, by the structure of their containers.

Where a file is broken, FFmpeg looks for the next place that it understands and reads on from there without a word;
where it was cut off, it just ends. Pictures are then missing and all later ones have the wrong number. The files
themselves show it: they are chains of elements without gaps, each with its kind and size in front and the stream that
it belongs to. A chain is followed beside the demuxer, and every picture that the file has must come out of it.
"""

from __future__ import annotations

from pathlib import Path

from poof.video.structure.avi import AviChain
from poof.video.structure.base import Chain, Structure
from poof.video.structure.flv import FlvChain
from poof.video.structure.gif import GifChain
from poof.video.structure.matroska import MatroskaChain
from poof.video.structure.mp4 import Mp4Chain
from poof.video.structure.mpegts import TransportStream

__all__ = [
    "AviChain",
    "Chain",
    "FlvChain",
    "GifChain",
    "MatroskaChain",
    "Mp4Chain",
    "Structure",
    "TransportStream",
    "chain_of",
]

_KINDS: dict[str, type[Structure]] = {
    "matroska,webm": MatroskaChain,
    "avi": AviChain,
    "flv": FlvChain,
    "gif": GifChain,
    "mov,mp4,m4a,3gp,3g2,mj2": Mp4Chain,
    "mpegts": TransportStream,
}


def chain_of(format_name: str, path: Path) -> Structure | None:
    """The structure of a file, by FFmpeg's name of its format; None for formats whose structure is not checked."""
    kind = _KINDS.get(format_name)
    return None if kind is None else kind(path)
