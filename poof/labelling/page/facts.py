"""Videos, work and jobs as plain values, for the page."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

from poof.labelling.services import Services
from poof.labels import FORMATS as LABEL_FORMATS

LABELS = {"coco": "COCO keypoints JSON", "csv": "table (CSV, a row a point)", "deeplabcut": "DeepLabCut"}
"""How formats are called where the name alone says little."""
COLOURS = (
    "#56b4e9", "#e69f00", "#009e73", "#f0e442", "#cc79a7", "#d55e00", "#0072b2", "#b2df8a",
    "#fb9a99", "#cab2d6", "#ffffb3", "#80b1d3", "#fdb462", "#8dd3c7", "#bebada", "#fccde5",
)  # fmt: skip
"""Okabe and Ito's colours for people who cannot tell some colours, then paler ones."""


def export_formats() -> list[dict[str, str]]:
    """The formats that labels can be exported to."""
    return [
        {"name": name, "ending": module.ENDINGS[0], "label": LABELS.get(name, name)}
        for name, module in LABEL_FORMATS.items()
        if module.ENDINGS
    ]


def video_facts(services: Services, video: int, client: str = "", others: Collection[str] = ()) -> dict[str, Any]:
    """Everything about one video and its session."""
    session = services.group.sessions[video]
    with session.lock:
        document, access = session.document, session.access
        undo, redo = session.history.to_undo(client, others), session.history.to_redo(client, others)
        names = document.keypoints
        symmetry = [list(pair) for pair in document.skeleton().symmetry] if names else []
        damage = access.damage
        path = getattr(session.video, "path", session.video.name)
        return {
            "id": video,
            "name": Path(path).name,
            "path": str(path),
            "width": session.video.size[0],
            "height": session.video.size[1],
            "fps": session.video.fps,
            "frames": access.count,
            "checked": services.checked(video),
            "progress": services.progress(video),
            "preview": services.pictures[video].preview is not None,
            "mark": services.marks[video],
            "variable": services.variable(video),
            "damage": None if damage is None else {"frame": damage.frame, "reason": damage.reason},
            "revision": session.revision,
            "saved": session.saved,
            "labels_file": str(session.labels_file.resolve()),
            "skeleton": {
                "keypoints": names,
                "edges": [list(edge) for edge in document.edges],
                "symmetry": symmetry,
                "name": document.get(("skeleton",))["name"],
            },
            "colours": [COLOURS[k % len(COLOURS)] for k in range(len(names))],
            "subjects": [{"id": number, "name": name} for number, name in document.subjects.items()],
            "undo": None if undo is None else undo.what,
            "redo": None if redo is None else redo.what,
            "notes": list(session.notes),
            "work": work_facts(services, video),
        }


def work_facts(services: Services, video: int) -> dict[str, Any]:
    """How far the propagation behind the page is."""
    return {"video": video, **services.work(video)}


def job_facts(job: Any) -> dict[str, Any]:
    """A job."""
    return {
        "id": job.id,
        "kind": job.kind,
        "video": job.video,
        "state": job.state,
        "stage": job.stage,
        "done": job.done,
        "total": job.total,
        "left": job.left,
        "message": job.message,
        "files": [str(file) for file in job.files],
        "download": f"/api/jobs/{job.id}/files/0" if job.files and job.state == "done" else None,
        "disputes": job.disputes,
    }
