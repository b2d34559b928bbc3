"""For Lightning Pose: frames in ``labeled-data/VIDEO`` and ``CollectedData.csv`` with paths to them."""

from __future__ import annotations

from poof.exchange.export import Export, Order, check_file
from poof.exchange.frames import image_names, write_frames
from poof.labels.formats import lightning_pose, machine_list
from poof.labels.formats.names import Pattern


def export(order: Order) -> Export:
    """Write frames and the table into `order.folder`."""
    names = image_names(order.labels, order.footage, Pattern("img", 8, ".png"))
    paths = {frame: f"labeled-data/{order.video}/{name}" for frame, name in names.items()}
    labels = order.labels.replace(frame_names=paths)
    table = order.folder / "CollectedData.csv"
    if order.folder.is_dir():
        check_file(table, order)
    lightning_pose.check(labels, table)
    written = write_frames(order.footage, names, order.folder / "labeled-data" / order.video, order.track)
    lightning_pose.save(labels, table)
    listed = machine_list.beside(table)
    files = [table, *([listed] if listed.is_file() else [])]
    return Export(
        order.folder, files, len(written), labels.frames, [], f"data_dir: {order.folder}, csv_file: {table.name}"
    )
