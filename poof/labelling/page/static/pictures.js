// Pictures of frames: fetched a few at a time, the one under the eye first, kept in a bounded store.

const AT_ONCE = 3;
const KEEP_BYTES = 320e6;
const WIDTHS = [160, 320, 640, 960, 1280, 1600, 1920, 2560, 3840];

/** The scale to ask for when `wanted` device pixels are to be filled by a frame `native` pixels wide; few are used. */
export function scaleFor(wanted, native) {
  const enough = WIDTHS.find((width) => width >= wanted);
  return enough === undefined || enough >= native ? 1 : enough / native;
}

/** What is kept, least recently used thrown away first; `size` of an entry in bytes. */
class Kept {
  constructor(limit) {
    this.limit = limit;
    this.total = 0;
    this.entries = new Map();
  }

  get(key) {
    const entry = this.entries.get(key);
    if (entry) {
      this.entries.delete(key);
      this.entries.set(key, entry);
    }
    return entry;
  }

  put(key, entry) {
    const old = this.entries.get(key);
    if (old) this.drop(key, old);
    this.entries.set(key, entry);
    this.total += entry.size;
    for (const [oldest, value] of this.entries) {
      if (this.total <= this.limit || oldest === key) break;
      this.drop(oldest, value);
    }
  }

  drop(key, entry) {
    this.entries.delete(key);
    this.total -= entry.size;
    entry.bitmap.close();
  }

  clear() {
    for (const [key, entry] of [...this.entries]) this.drop(key, entry);
  }
}

/**
 * Frames of one video as bitmaps. A picture is named by its address; `want` says which are wanted now, most urgent
 * first, and everything else that is still waiting or on its way is given up.
 */
export class Pictures {
  /**
   * `fetchPicture(address, signal)` gives {blob, exact}, blob null where there is nothing yet; `onArrival(address)` is
   * called with each picture or failure. `atOnce` are on their way at a time.
   */
  constructor(fetchPicture, onArrival, atOnce = AT_ONCE) {
    this.atOnce = atOnce;
    this.fetchPicture = fetchPicture;
    this.onArrival = onArrival;
    this.kept = new Kept(KEEP_BYTES);
    this.going = new Map(); // address -> AbortController
    this.queue = [];
    this.failed = new Map(); // address -> words
    this.hurry = false; // whether a quick, coarse picture may come before the exact one
  }

  /** {bitmap, exact} or undefined. */
  get(address) {
    return this.kept.get(address);
  }

  /** Why the picture did not come, or undefined. */
  failure(address) {
    return this.failed.get(address);
  }

  want(addresses) {
    const wanted = new Set(addresses);
    for (const [address, controller] of this.going) if (!wanted.has(address)) controller.abort();
    this.queue = addresses.filter((address) => !this.going.has(address) && !this.isHere(address));
    this.pump();
  }

  isHere(address) {
    const entry = this.kept.entries.get(address);
    return (entry && entry.exact) || this.failed.has(address);
  }

  /** Try again what failed. */
  retry() {
    this.failed.clear();
  }

  /** Forget everything. */
  clear() {
    for (const controller of this.going.values()) controller.abort();
    this.queue = [];
    this.failed.clear();
    this.kept.clear();
  }

  pump() {
    while (this.queue.length && this.going.size < this.atOnce) this.start(this.queue.shift());
  }

  async start(address) {
    const controller = new AbortController();
    this.going.set(address, controller);
    try {
      if (this.hurry && !this.kept.entries.has(address)) {
        const quick = await this.fetchPicture(`${address}&preview=1`, controller.signal);
        if (quick.blob) await this.keep(address, quick);
        if (quick.exact) return;
      }
      await this.keep(address, await this.fetchPicture(address, controller.signal));
    } catch (error) {
      if (!controller.signal.aborted && !error.offline) {
        this.failed.set(address, error.message);
        this.onArrival(address);
      }
    } finally {
      if (this.going.get(address) === controller) this.going.delete(address);
      this.pump();
    }
  }

  async keep(address, { blob, exact }) {
    const bitmap = await createImageBitmap(blob);
    this.kept.put(address, { bitmap, exact, size: 4 * bitmap.width * bitmap.height });
    this.onArrival(address);
  }
}
