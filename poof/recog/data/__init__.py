"""Clips from lists and videos: list formats, frame sampling, flips, transforms, extraction, checks."""

from poof.recog.data.lists import ClipList, Record, read_list

__all__ = ["ClipList", "Record", "read_list"]
