"""For CVAT: annotations to upload into a task that was made from the video, and the labels that the task needs.

CVAT takes the video itself. ``annotations.xml`` (CVAT for video 1.1) has a track for each subject; ``labels.json`` goes
into the constructor ("Raw") when the task is made; ``coco_keypoints.json`` has CVAT's own names of frames.
"""

from __future__ import annotations

import json

from poof.exchange.export import Export, Order, check_file
from poof.files import made_folder, write_text
from poof.labels.formats import coco, cvat
from poof.labels.formats.cvat_writing import task_labels
from poof.labels.formats.names import Pattern


def export(order: Order) -> Export:
    """Write annotations and labels into `order.folder`."""
    names = ("annotations.xml", "labels.json", "coco_keypoints.json")
    files = [order.folder / name for name in names]
    with made_folder(order.folder, "-o"):
        for file in files:
            check_file(file, order)
        cvat.save(order.labels, files[0])
        write_text(files[1], json.dumps(task_labels(order.labels.skeleton), indent=1, ensure_ascii=False) + "\n")
        pattern = Pattern("frame_", 6, ".PNG")
        own = order.footage.frame_names
        frames = {frame: own[frame] if own else pattern.name(frame) for frame in order.labels.frames}
        coco.save(order.labels.replace(frame_names=frames), files[2])
    then = f"make a task of the video with {files[1].name} as raw labels, then upload {files[0].name} as CVAT 1.1"
    return Export(order.folder, files, 0, order.labels.frames, [], then)
