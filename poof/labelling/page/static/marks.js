// How a point is drawn. Shape is the state, colour is the keypoint, the size on screen is the same at any zoom.
//
//   filled disc            a label                    thick hollow ring     a label of a covered point
//   thin ring, dot inside  carried; the gap in the    thin ring, no dot     carried, covered
//                          ring grows as it is unsure line with a cross     where flow had put a disputed point

import { enlarged, font } from "./dom.js";
import { COVERED } from "./states.js";
import { INK } from "./palette.js";

const TAU = 2 * Math.PI;
const WIDEST_GAP = 0.72 * TAU;

/** The gap of a carried point's ring in radians: none at confidence 1, most of the ring at 0 or unknown. */
export function gapOf(confidence) {
  const sure = Number.isFinite(confidence) ? Math.min(1, Math.max(0, confidence)) : 0;
  return (1 - sure) * WIDEST_GAP;
}

function ring(context, x, y, radius, width, colour, gap) {
  const start = -TAU / 4 + gap / 2;
  for (const [stroke, thick] of [[INK.halo, width + 2.5], [colour, width]]) {
    context.beginPath();
    context.arc(x, y, radius, start, start + TAU - gap);
    context.strokeStyle = stroke;
    context.lineWidth = thick;
    context.stroke();
  }
}

function dot(context, x, y, radius, colour) {
  context.beginPath();
  context.arc(x, y, radius, 0, TAU);
  context.fillStyle = colour;
  context.fill();
}

/** Draw a point at (x, y) CSS pixels. `held`: it is being moved, so what lies under it must be seen. */
export function drawMark(context, x, y, point, colour, radius, { selected = false, held = false } = {}) {
  if (held) {
    drawCross(context, x, y, radius * 2.4, colour);
    return;
  }
  const covered = point.visible === COVERED;
  if (point.human && !covered) {
    dot(context, x, y, radius + 1.5, INK.halo);
    dot(context, x, y, radius, colour);
    dot(context, x, y, Math.min(1.3, radius / 4), INK.halo);
  } else if (point.human) {
    ring(context, x, y, radius - 0.8, 3, colour, 0);
  } else {
    ring(context, x, y, radius, 1.8, colour, gapOf(point.confidence));
    if (!covered) {
      dot(context, x, y, 2.4, INK.halo);
      dot(context, x, y, 1.5, colour);
    }
  }
  if (selected) drawSelected(context, x, y, radius);
}

function drawSelected(context, x, y, radius) {
  const inner = radius + 4;
  const outer = radius + 9;
  context.beginPath();
  for (let quarter = 0; quarter < 4; quarter += 1) {
    const cos = Math.cos((quarter * TAU) / 4 + TAU / 8);
    const sin = Math.sin((quarter * TAU) / 4 + TAU / 8);
    context.moveTo(x + inner * cos, y + inner * sin);
    context.lineTo(x + outer * cos, y + outer * sin);
  }
  for (const [stroke, width] of [[INK.halo, 4], [INK.white, 1.8]]) {
    context.strokeStyle = stroke;
    context.lineWidth = width;
    context.stroke();
  }
}

/** A fine cross with an open middle. */
export function drawCross(context, x, y, reach, colour) {
  const open = 3;
  context.beginPath();
  for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
    context.moveTo(x + open * dx, y + open * dy);
    context.lineTo(x + reach * dx, y + reach * dy);
  }
  for (const [stroke, width] of [[INK.halo, 3.5], [colour, 1.4]]) {
    context.strokeStyle = stroke;
    context.lineWidth = width;
    context.stroke();
  }
}

/** The line from a disputed point to where flow had put it, with a cross at that end. */
export function drawDispute(context, x, y, flowX, flowY, colour) {
  const reach = 4;
  context.beginPath();
  context.moveTo(x, y);
  context.lineTo(flowX, flowY);
  context.moveTo(flowX - reach, flowY - reach);
  context.lineTo(flowX + reach, flowY + reach);
  context.moveTo(flowX - reach, flowY + reach);
  context.lineTo(flowX + reach, flowY - reach);
  for (const [stroke, width] of [[INK.halo, 3.5], [colour, 1.3]]) {
    context.strokeStyle = stroke;
    context.lineWidth = width;
    context.stroke();
  }
}

/** A name beside a mark. */
export function drawName(context, x, y, text, radius) {
  const unit = enlarged();
  context.font = font(12);
  context.textBaseline = "middle";
  const left = x + radius + 7 * unit;
  const wide = context.measureText(text).width;
  context.fillStyle = INK.halo;
  context.fillRect(left - 3 * unit, y - 9 * unit, wide + 6 * unit, 18 * unit);
  context.fillStyle = INK.white;
  context.fillText(text, left, y + 0.5);
}
