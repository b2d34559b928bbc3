"""Exact-frame reading of video files and image folders, and writing of H.264."""

from poof.video.base import ArrayVideo, Damage, Hole, OnDamage, Video
from poof.video.reader import open_video
from poof.video.writer import VideoWriter

__all__ = ["ArrayVideo", "Damage", "Hole", "OnDamage", "Video", "VideoWriter", "open_video"]
