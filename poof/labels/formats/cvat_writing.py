"""Writing of CVAT for video 1.1; `poof.labels.formats.cvat` says what the file holds.

Every frame of ours is a key frame: a frame that is none would be interpolated by CVAT, and its points thrown away. A
skeleton of CVAT always has all its points, so that points of which nothing is known are written as outside, without our
attribute; where a track ends, all of its points are.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from poof.files import write_text
from poof.labels.formats.capabilities import Capabilities, warn_lost
from poof.labels.model import LabelSet, Points, Skeleton, Source

ATTRIBUTE = "poof"
ABSENT = "absent"
"""What the attribute says in place of a place."""
CAPABILITIES = Capabilities(
    human=True, sources=True, confidence=True, covered=True, absent=True, limbs=True, identities=True, size=True
)

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def save(labels: LabelSet, path: Path) -> None:
    """Write CVAT for video 1.1, atomically; a `PoofWarning` names what does not fit in it."""
    warn_lost(labels, path, "CVAT's XML", CAPABILITIES)
    lines = ['<?xml version="1.0" encoding="utf-8"?>', "<annotations>", "  <version>1.1</version>", *_meta(labels)]
    followed: dict[int, list[int]] = {}
    for frame, instance, _ in labels:
        followed.setdefault(instance, []).append(frame)
    for instance, frames in sorted(followed.items()):
        everything = [labels.instances[frame, instance] for frame in frames]
        human = all(points.by_person[points.decided].all() for points in everything)
        made = "manual" if human else "auto"
        lines.append(f"  <track id={_attr(instance)} label={_attr(labels.skeleton.name)} source={_attr(made)}>")
        for i, (frame, points) in enumerate(zip(frames, everything)):
            lines += _shape(labels.skeleton, frame, points)
            if i + 1 == len(frames) or frames[i + 1] > frame + 1:
                lines += _shape(labels.skeleton, frame + 1, Points.empty(len(points)))  # or CVAT carries it on
        lines.append("  </track>")
    lines.append("</annotations>")
    write_text(path, _CONTROL.sub("?", "\n".join(lines)) + "\n")


def _attr(value: Any) -> str:
    return quoteattr(str(value))


def _meta(labels: LabelSet) -> list[str]:
    """What CVAT says of the task: its labels, its size."""
    skeleton = labels.skeleton
    lines = ["  <meta>", "    <task>", f"      <size>{(labels.frames or [0])[-1] + 1}</size>"]
    lines += ["      <mode>interpolation</mode>", "      <labels>"]
    lines += ["        <label>", f"          <name>{escape(skeleton.name)}</name>", "          <type>skeleton</type>"]
    lines += [
        "          <attributes></attributes>",
        f"          <svg>{escape(svg(skeleton))}</svg>",
        "        </label>",
    ]
    for name in skeleton.keypoints:
        lines += ["        <label>", f"          <name>{escape(name)}</name>", "          <type>points</type>"]
        lines += ["          <attributes>", "            <attribute>", f"              <name>{ATTRIBUTE}</name>"]
        lines += ["              <mutable>True</mutable>", "              <input_type>text</input_type>"]
        lines += ["              <default_value></default_value>", "              <values></values>"]
        lines += ["            </attribute>", "          </attributes>"]
        lines += [f"          <parent>{escape(skeleton.name)}</parent>", "        </label>"]
    lines.append("      </labels>")
    if labels.image_size:
        width, height = labels.image_size
        lines.append(f"      <original_size><width>{width}</width><height>{height}</height></original_size>")
    lines.append("    </task>")
    if labels.info.get("video"):
        lines.append(f"    <source>{escape(str(labels.info['video']))}</source>")
    return [*lines, "  </meta>"]


def svg(skeleton: Skeleton) -> str:
    """The drawing of a skeleton that CVAT's label constructor takes: its points on a circle, joined by its limbs."""
    from math import cos, pi, sin

    count = len(skeleton)
    places = [(50 + 40 * sin(2 * pi * k / count), 50 - 40 * cos(2 * pi * k / count)) for k in range(count)]
    parts = []
    for a, b in skeleton.edges:
        (x1, y1), (x2, y2) = places[a], places[b]
        parts.append(
            f'<line x1="{x1:.2f}" y1="{y1:.2f}" x2="{x2:.2f}" y2="{y2:.2f}" data-type="edge"'
            f' data-node-from="{a + 1}" data-node-to="{b + 1}"></line>'
        )
    for k, (name, (x, y)) in enumerate(zip(skeleton.keypoints, places), 1):
        parts.append(
            f'<circle r="1.5" cx="{x:.2f}" cy="{y:.2f}" data-type="element node" data-element-id="{k}"'
            f' data-node-id="{k}" data-label-name={_attr(name)}></circle>'
        )
    return "\n".join(parts)


def task_labels(skeleton: Skeleton) -> list[dict[str, Any]]:
    """The labels of a task that takes the file, as CVAT's constructor reads them ("Raw")."""
    attribute = {"name": ATTRIBUTE, "mutable": True, "input_type": "text", "values": [""], "default_value": ""}
    parts = [{"name": name, "type": "points", "attributes": [attribute]} for name in skeleton.keypoints]
    return [{"name": skeleton.name, "type": "skeleton", "attributes": [], "sublabels": parts, "svg": svg(skeleton)}]


def _shape(skeleton: Skeleton, frame: int, points: Points) -> list[str]:
    """The key frame of one subject."""
    lines = [f'    <skeleton frame="{frame}" keyframe="1" z_order="0">']
    where = points.extent()
    rest = (0.0, 0.0) if where is None else (float(where[0]), float(where[1]))
    for k, name in enumerate(skeleton.keypoints):
        shown = bool(points.labelled[k] and points.visible[k] > 0)
        x, y = points.xy[k].tolist() if shown else rest
        flags = f'outside="{int(not shown)}" occluded="{int(points.visible[k] == 1)}" keyframe="1"'
        lines.append(f'      <points label={_attr(name)} {flags} points="{x:.3f},{y:.3f}">')
        if shown or points.absent[k]:
            source = Source(int(points.source[k])).label or Source.HUMAN.label
            told = f"{source} {points.confidence[k]:.4f} " + (f"{x:.3f},{y:.3f}" if shown else ABSENT)
            lines.append(f'        <attribute name="{ATTRIBUTE}">{told}</attribute>')
        lines.append("      </points>")
    return [*lines, "    </skeleton>"]
