// The only module that talks to the server.

/** What the server said no to. `status` is HTTP's, `offline` when it could not be reached, `answer` the whole answer. */
export class ServerError extends Error {
  constructor(message, { status = 0, offline = false, answer = null } = {}) {
    super(message);
    this.status = status;
    this.offline = offline;
    this.answer = answer;
  }
}

/** Answers overtake each other: what was asked earlier must not replace what was asked, and answered, later. */
export class Turns {
  constructor() {
    this.asked = 0;
    this.taken = 0;
  }

  /** To be called when asking; gives a function that takes the answer's turn, and says whether it still has one. */
  next() {
    const turn = ++this.asked;
    return () => {
      if (turn < this.taken) return false;
      this.taken = turn;
      return true;
    };
  }
}

const EVENTS = ["hello", "edit", "skeleton", "propagated", "proposals", "timeline", "work", "job", "video", "saved"];

function tabName() {
  try {
    const kept = sessionStorage.getItem("poof-client");
    // A duplicated tab takes over the session storage of the first: the window's name tells the two apart.
    if (kept && window.name === kept) return kept;
  } catch {
    // Without storage a reload is another client: one's undo steps then count as those of somebody who left.
  }
  const fresh = Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16).padStart(2, "0")).join("");
  try {
    sessionStorage.setItem("poof-client", fresh);
    window.name = fresh;
  } catch {
    // As above.
  }
  return fresh;
}

export class Api {
  constructor() {
    this.client = tabName();
    this.stream = null;
  }

  async request(path, { body, signal, method } = {}) {
    let response;
    try {
      response = await fetch(path, {
        method: method || (body === undefined ? "GET" : "POST"),
        headers: body === undefined ? {} : { "Content-Type": "application/json" },
        body: body === undefined ? undefined : JSON.stringify(body),
        credentials: "same-origin",
        cache: "no-store",
        signal,
      });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new ServerError("poof cannot be reached; is `poof label` still running?", { offline: true });
    }
    if (!response.ok) {
      const answer = await response.json().catch(() => null);
      const words = (answer && answer.error) || `the server answered ${response.status}`;
      throw new ServerError(words, { status: response.status, answer });
    }
    return response;
  }

  async json(path, options) {
    const response = await this.request(path, options);
    return response.status === 204 ? null : response.json();
  }

  session() {
    return this.json("/api/session");
  }

  video(video) {
    return this.json(`/api/videos/${video}?client=${this.client}`);
  }

  points(video, from, to, signal) {
    return this.json(`/api/videos/${video}/points?from=${from}&to=${to}`, { signal });
  }

  timeline(video, from, to, bins) {
    return this.json(`/api/videos/${video}/timeline?from=${from}&to=${to}&bins=${bins}`);
  }

  edit(video, base, edits) {
    return this.json(`/api/videos/${video}/edits`, { body: { client: this.client, base, edits } });
  }

  undo(video) {
    return this.json(`/api/videos/${video}/undo`, { body: { client: this.client } });
  }

  redo(video) {
    return this.json(`/api/videos/${video}/redo`, { body: { client: this.client } });
  }

  proposals(video, skip) {
    return this.json(`/api/videos/${video}/proposals?count=12&skip=${skip.join(",")}`);
  }

  next(video, frame, skip) {
    return this.json(`/api/videos/${video}/next?frame=${frame}&skip=${skip.join(",")}`);
  }

  startJob(job) {
    return this.json("/api/jobs", { body: job });
  }

  stopJob(id) {
    return this.json(`/api/jobs/${id}/stop`, { body: {} });
  }

  /** Where the person is; nobody waits for the answer. */
  eye(place) {
    this.json("/api/eye", { body: { client: this.client, ...place } }).catch(() => {});
  }

  /** The address of a picture: the whole frame made smaller by `scale`, or the rectangle [x, y, w, h] as it is. */
  picture(video, frame, { scale = 1, rect = null, quality = 90, preview = false } = {}) {
    const asked = new URLSearchParams();
    if (scale < 1) asked.set("scale", scale.toFixed(5));
    if (rect) ["x", "y", "w", "h"].forEach((name, i) => asked.set(name, rect[i]));
    if (quality !== 90) asked.set("quality", quality);
    if (preview) asked.set("preview", "1");
    return `/api/videos/${video}/frames/${frame}?${asked}`;
  }

  /** {blob, exact, rect}; blob is null where there is nothing to show yet. */
  async fetchPicture(address, signal) {
    const response = await this.request(address, { signal });
    const blob = response.status === 204 ? null : await response.blob();
    return { blob, exact: blob !== null && response.headers.get("X-Poof-Exact") !== "0" };
  }

  /** Listen to the server: `onEvent(name, data)`, `onLine(up)` as the connection comes and goes. */
  listen(onEvent, onLine) {
    if (this.stream) this.stream.close();
    const stream = new EventSource(`/api/events?client=${this.client}`);
    this.stream = stream;
    for (const name of EVENTS) stream.addEventListener(name, (event) => onEvent(name, JSON.parse(event.data)));
    stream.addEventListener("open", () => onLine(true));
    stream.addEventListener("error", () => {
      onLine(false);
      // A browser gives up for good after some kinds of failure: then start anew.
      if (stream.readyState === EventSource.CLOSED) setTimeout(() => this.stream === stream && this.listen(onEvent, onLine), 1500);
    });
  }
}
