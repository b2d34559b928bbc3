// The loupe: the pixels under the cursor, enlarged, with a cross at the exact place.

import { enlarged, fitCanvas, font } from "./dom.js";
import { INK } from "./palette.js";
import { drawCross } from "./marks.js";
import { placed } from "./states.js";
import { colourOf } from "./palette.js";

const SMALL = 176; // CSS pixels on a small screen
const AWAY = 34;

/** Draw the loupe for frame position (x, y), beside the cursor at (sx, sy) of the stage. */
export function drawLoupe(canvas, view, store, { x, y, sx, sy, base, detail, colour, hide }) {
  canvas.hidden = !base;
  if (!base) return;
  const size = Math.round(SMALL * enlarged());
  const [, , ratio] = fitCanvas(canvas, size, size);
  const left = sx + AWAY + size > view.width ? sx - AWAY - size : sx + AWAY;
  const top = sy - AWAY - size < 0 ? sy + AWAY : sy - AWAY - size;
  canvas.style.transform = `translate(${Math.round(Math.max(0, left))}px, ${Math.round(Math.max(0, top))}px)`;

  const scale = Math.max(8, Math.min(48, view.scale * 4));
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.fillStyle = "#0c0d0f";
  context.fillRect(0, 0, size, size);
  context.imageSmoothingEnabled = false;
  const originX = size / 2 - (x + 0.5) * scale;
  const originY = size / 2 - (y + 0.5) * scale;
  context.drawImage(base.entry.bitmap, originX, originY, view.frameWidth * scale, view.frameHeight * scale);
  if (detail) {
    const [rx, ry, rw, rh] = detail.rect;
    context.drawImage(detail.entry.bitmap, originX + rx * scale, originY + ry * scale, rw * scale, rh * scale);
  }
  if (!hide) {
    store.points.get(store.frame, store.subject).forEach((point, k) => {
      if (!placed(point)) return;
      const px = originX + (point.x + 0.5) * scale;
      const py = originY + (point.y + 0.5) * scale;
      if (Math.hypot(px - size / 2, py - size / 2) < 3) return;
      drawCross(context, px, py, 8, colourOf(k));
    });
  }
  drawCross(context, size / 2, size / 2, 40, colour);
  context.font = font(11);
  const words = `${x.toFixed(1)}, ${y.toFixed(1)}`;
  context.fillStyle = INK.halo;
  const high = 17 * enlarged();
  context.fillRect(0, size - high, context.measureText(words).width + 12, high);
  context.fillStyle = INK.white;
  context.textBaseline = "middle";
  context.fillText(words, 6, size - high / 2);
}
