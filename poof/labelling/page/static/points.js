// The points of one video as far as they were looked at: read in pieces, patched by edits, never shown older than they are.

const PIECE = 64; // frames read at once
const KEEP = 40; // pieces

/** POINTS of the server (arrays over keypoints) as a list of points, null where nothing is known. */
export function unpack(points) {
  return points.state.map((state, k) => {
    const xy = points.xy[k];
    if (state === 0 && !xy) return null;
    const flow = points.flow ? points.flow[k] : null;
    return {
      x: xy ? xy[0] : NaN,
      y: xy ? xy[1] : NaN,
      visible: state,
      human: points.source[k] === "human",
      source: points.source[k],
      confidence: points.confidence[k] ?? NaN,
      disputed: Boolean(points.disputed && points.disputed[k]),
      flow: flow || null,
      anchor: points.anchor ? points.anchor[k] : -1,
      accepted: Boolean(points.accepted && points.accepted[k]),
      presence: points.presence ? points.presence[k] : null,
    };
  });
}

export class PointStore {
  /** `read(from, to)` gives the server's answer; `onChange(from, to)` says that these frames may look different now. */
  constructor(read, onChange) {
    this.read = read;
    this.onChange = onChange;
    this.pieces = new Map(); // number -> {frames: Map(frame -> Map(subject -> points)), revision, stale, loading}
    this.revision = 0; // the newest the page has seen: what an edit is based on
    this.unsent = []; // {frame, subject, keypoint, point}: shown already, not yet confirmed
    this.count = 1;
  }

  reset(count) {
    this.pieces.clear();
    this.count = count;
    this.revision = 0;
    this.unsent = [];
  }

  /** Points of a subject in a frame, by keypoint: what the person sees, edits on their way included. */
  get(frame, subject) {
    const piece = this.pieces.get(Math.floor(frame / PIECE));
    const found = piece && piece.frames.get(frame);
    let points = (found && found.get(subject)) || [];
    for (const edit of this.unsent) {
      if (edit.frame !== frame || edit.subject !== subject) continue;
      points = points.slice();
      points[edit.keypoint] = edit.point;
    }
    return points;
  }

  /** Numbers of the subjects that have something in the frame. */
  subjects(frame) {
    const piece = this.pieces.get(Math.floor(frame / PIECE));
    const found = piece && piece.frames.get(frame);
    const numbers = new Set(found ? found.keys() : []);
    for (const edit of this.unsent) if (edit.frame === frame) numbers.add(edit.subject);
    return [...numbers].sort((a, b) => a - b);
  }

  /** Whether the frame was read. */
  known(frame) {
    const piece = this.pieces.get(Math.floor(frame / PIECE));
    return Boolean(piece && piece.revision >= 0);
  }

  /** Read what is missing or out of date around these frames. */
  need(from, to) {
    const first = Math.max(0, Math.floor(from / PIECE));
    const last = Math.floor(Math.min(this.count - 1, Math.max(from, to)) / PIECE);
    for (let number = first; number <= last; number += 1) {
      const piece = this.pieces.get(number);
      if (!piece || (piece.stale && !piece.loading)) this.load(number);
      else if (piece) {
        this.pieces.delete(number);
        this.pieces.set(number, piece);
      }
    }
    for (const [number, piece] of this.pieces) {
      if (this.pieces.size <= KEEP) break;
      if (!piece.loading && (number < first || number > last)) this.pieces.delete(number);
    }
  }

  /** Waits until the frame was read, or could not be. */
  async whenKnown(frame) {
    this.need(frame, frame);
    const piece = this.pieces.get(Math.floor(frame / PIECE));
    if (piece && piece.revision < 0) await piece.reading;
  }

  load(number) {
    const reading = this.readPiece(number);
    const piece = this.pieces.get(number);
    if (piece) piece.reading = reading;
  }

  async readPiece(number) {
    const piece = this.pieces.get(number) || { frames: new Map(), revision: -1, stale: false, loading: false, reading: null };
    this.pieces.set(number, piece);
    piece.loading = true;
    piece.stale = false;
    const from = number * PIECE;
    const to = Math.min(this.count, from + PIECE) - 1;
    try {
      const answer = await this.read(from, to);
      if (this.pieces.get(number) !== piece) return;
      if (answer.revision >= piece.revision) {
        const frames = new Map();
        for (const points of answer.points) put(frames, points);
        piece.frames = frames;
        piece.revision = answer.revision;
        this.revision = Math.max(this.revision, answer.revision);
        this.onChange(from, to);
      }
    } catch {
      piece.stale = true;
    } finally {
      piece.loading = false;
    }
  }

  /** Results of these frames changed on the server; the old ones stay until the new ones are here. */
  outdate(from, to) {
    for (const [number, piece] of this.pieces) {
      if (number * PIECE <= to && (number + 1) * PIECE > from) piece.stale = true;
    }
  }

  outdateAll() {
    for (const piece of this.pieces.values()) piece.stale = true;
  }

  /** Take over POINTS that came with an answer or an event of this revision. */
  patch(list, revision) {
    let from = Infinity;
    let to = -Infinity;
    for (const points of list) {
      const piece = this.pieces.get(Math.floor(points.frame / PIECE));
      from = Math.min(from, points.frame);
      to = Math.max(to, points.frame);
      if (!piece) continue;
      // What is on its way now may have been read before this edit: it is read once more.
      if (piece.loading) piece.stale = true;
      put(piece.frames, points);
      piece.revision = Math.max(piece.revision, revision);
    }
    this.revision = Math.max(this.revision, revision);
    if (from <= to) this.onChange(from, to);
  }
}

function put(frames, points) {
  if (!frames.has(points.frame)) frames.set(points.frame, new Map());
  const unpacked = unpack(points);
  const subjects = frames.get(points.frame);
  if (unpacked.some(Boolean)) subjects.set(points.subject, unpacked);
  else subjects.delete(points.subject);
}
