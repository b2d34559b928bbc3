"""For Label Studio: frames, tasks that show them from local storage, and the labelling interface."""

from __future__ import annotations

from poof.exchange.export import Export, Order, check_file
from poof.exchange.frames import image_names, write_frames
from poof.files import made_folder, write_text
from poof.labels.formats import label_studio_writing
from poof.labels.formats.names import Pattern

STORAGE = "/data/local-files/?d="
"""How Label Studio addresses a file under LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT."""


def export(order: Order) -> Export:
    """Write frames, tasks and interface into `order.folder`."""
    names = image_names(order.labels, order.footage, Pattern("img", 6, ".png"))
    files = [order.folder / "tasks.json", order.folder / "interface.xml"]
    with made_folder(order.folder, "-o"):
        for file in files:
            check_file(file, order)
        written = write_frames(order.footage, names, order.folder / "images", order.track)
        prefix = f"{STORAGE}{order.folder.absolute().name}/images/"
        label_studio_writing.save(order.labels.replace(frame_names=names), files[0], prefix)
        write_text(files[1], label_studio_writing.interface(order.labels))
    root = order.folder.absolute().parent
    then = f"serve with LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT={root}, set up interface.xml, import tasks.json"
    return Export(order.folder, files, len(written), order.labels.frames, [], then)
