// Draws the frame and what is known of it.

import { colourOf, INK } from "./palette.js";
import { drawDispute, drawMark, drawName } from "./marks.js";
import { COVERED, placed, stateOf } from "./states.js";

const TRAIL = 5; // frames each way

/** Draw the picture canvas: the whole frame, and over it the exact pixels where there are some. */
export function drawPicture(context, ratio, view, base, detail) {
  const { width, height } = view;
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  if (!base) return;
  const { bitmap } = base.entry;
  const wide = view.frameWidth * view.scale;
  const high = view.frameHeight * view.scale;
  place(context, bitmap, view.left, view.top, wide, high, ratio);
  if (!detail) return;
  const [x, y, w, h] = detail.rect;
  place(context, detail.entry.bitmap, view.left + x * view.scale, view.top + y * view.scale, w * view.scale, h * view.scale, ratio);
}

function place(context, bitmap, x, y, w, h, ratio) {
  // From three screen pixels a pixel on, a person wants to see the pixels themselves.
  const enlarged = (w * ratio) / bitmap.width;
  context.imageSmoothingEnabled = enlarged < 3;
  context.imageSmoothingQuality = "low";
  context.drawImage(bitmap, x, y, w, h);
}

/** Draw limbs, trails and marks of one frame. `what`: see Stage. */
export function drawPoints(context, ratio, view, store, what) {
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, view.width, view.height);
  if (what.hidden) return;
  const { frame } = what;
  const subjects = store.points.subjects(frame);
  const others = subjects.filter((subject) => subject !== store.subject);
  for (const subject of others) {
    context.globalAlpha = 0.5;
    drawSubject(context, view, store, what, subject, false);
    context.globalAlpha = 1;
  }
  if (what.trails) drawTrails(context, view, store, frame);
  drawSubject(context, view, store, what, store.subject, true);
}

function drawSubject(context, view, store, what, subject, current) {
  const points = withHeld(store.points.get(what.frame, subject), current ? what.held : null);
  drawLimbs(context, view, store, points);
  points.forEach((point, k) => {
    if (!placed(point)) return;
    const [x, y] = view.toScreen(point.x, point.y);
    const away = 40;
    if (x < -away || y < -away || x > view.width + away || y > view.height + away) return;
    const colour = colourOf(k);
    const held = Boolean(current && what.held && what.held.keypoint === k);
    if (stateOf(point) === "disputed" && point.flow) drawDispute(context, x, y, ...view.toScreen(...point.flow), colour);
    const selected = current && k === store.keypoint && !store.playing;
    drawMark(context, x, y, point, colour, what.radius, { selected, held });
    const hovered = what.hover && what.hover.keypoint === k && what.hover.subject === subject;
    if (!held && (what.names || hovered || (selected && what.nameSelected))) {
      drawName(context, x, y, label(store, subject, k, current), what.radius);
    }
  });
}

function label(store, subject, k, current) {
  if (current) return store.names[k] ?? "";
  const found = store.video.subjects.find(({ id }) => id === subject);
  return `${found ? found.name : subject}: ${store.names[k] ?? ""}`;
}

/** The points with the one in hand where it is now. */
function withHeld(points, held) {
  if (!held) return points;
  const copy = points.slice();
  copy[held.keypoint] = { ...(copy[held.keypoint] || { visible: 2 }), x: held.x, y: held.y, human: true };
  return copy;
}

function drawLimbs(context, view, store, points) {
  for (const [a, b] of store.video.skeleton.edges) {
    if (!placed(points[a]) || !placed(points[b])) continue;
    const dashed = points[a].visible === COVERED || points[b].visible === COVERED;
    context.setLineDash(dashed ? [5, 4] : []);
    context.beginPath();
    context.moveTo(...view.toScreen(points[a].x, points[a].y));
    context.lineTo(...view.toScreen(points[b].x, points[b].y));
    for (const [stroke, width] of [[INK.halo, 3.4], ["rgba(222, 227, 233, 0.72)", 1.3]]) {
      context.strokeStyle = stroke;
      context.lineWidth = width;
      context.stroke();
    }
  }
  context.setLineDash([]);
}

/** Where each keypoint was and will be: five frames each way, fading, the past thinner. */
function drawTrails(context, view, store, frame) {
  const line = [];
  for (let n = frame - TRAIL; n <= frame + TRAIL; n += 1) line.push(store.points.get(n, store.subject));
  for (let k = 0; k < store.names.length; k += 1) {
    const colour = colourOf(k);
    for (let i = 0; i + 1 < line.length; i += 1) {
      const from = line[i][k];
      const to = line[i + 1][k];
      if (!placed(from) || !placed(to)) continue;
      const distance = Math.abs(i + 0.5 - TRAIL);
      context.globalAlpha = 0.95 - distance * 0.14;
      context.beginPath();
      context.moveTo(...view.toScreen(from.x, from.y));
      context.lineTo(...view.toScreen(to.x, to.y));
      for (const [stroke, width] of [[INK.halo, 3.6], [colour, i < TRAIL ? 1.2 : 2.2]]) {
        context.strokeStyle = stroke;
        context.lineWidth = width;
        context.stroke();
      }
    }
  }
  context.globalAlpha = 1;
}
