// Builds elements. Names and paths only ever become text: nothing here takes markup.

/** The element with this id; it must be there. */
export function byId(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no element '${id}'`);
  return found;
}

/**
 * A new element. `options`: `text`, `class`, `on` ({event: handler}), `data` ({key: value}); every other key is an
 * attribute, left out when null or false.
 */
export function make(tag, options = {}, children = []) {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(options)) {
    if (value === null || value === undefined || value === false) continue;
    if (key === "text") element.textContent = value;
    else if (key === "class") element.className = value;
    else if (key === "on") for (const [event, handler] of Object.entries(value)) element.addEventListener(event, handler);
    else if (key === "data") Object.assign(element.dataset, value);
    else element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children);
  return element;
}

/** Replace what is in `element`. */
export function fill(element, children) {
  element.replaceChildren(...children);
}

/** Set the text only where it changes, so that screen readers are not told the same thing again. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Make a canvas as fine as the screen; returns [width, height, pixels per CSS pixel]. */
export function fitCanvas(canvas, width, height) {
  const ratio = window.devicePixelRatio || 1;
  const w = Math.max(1, Math.round(width * ratio));
  const h = Math.max(1, Math.round(height * ratio));
  if (canvas.width !== w || canvas.height !== h) {
    canvas.width = w;
    canvas.height = h;
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
  }
  return [width, height, ratio];
}

let unit = 1;
function measureUnit() {
  unit = (parseFloat(getComputedStyle(document.documentElement).fontSize) || 13) / 13;
}
window.addEventListener("resize", measureUnit);
window.addEventListener("load", measureUnit);

/** How much larger than on a small screen things are drawn, as the text is: the style sheet decides. */
export function enlarged() {
  return unit;
}

/** A font of the page for canvases, `size` in pixels of a small screen. */
export function font(size) {
  return `${Math.round(size * unit)}px system-ui, sans-serif`;
}

/** Run `work` at the next redraw, once however often it is asked for. */
export function oncePerRedraw(work) {
  let waiting = false;
  return () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      work();
    });
  };
}
