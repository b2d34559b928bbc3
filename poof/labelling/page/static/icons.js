// Small pictures for buttons, drawn here: fonts of other machines lack such signs.

const SVG = "http://www.w3.org/2000/svg";
const PATHS = {
  play: "M4 2.5 13 8 4 13.5Z",
  "play-back": "M12 2.5 3 8 12 13.5Z",
  stop: "M3.5 3.5h9v9h-9Z",
  "next-frame": "M3 3 9.5 8 3 13ZM10.5 3h2v10h-2Z",
  "previous-frame": "M13 3 6.5 8 13 13ZM3.5 3h2v10h-2Z",
  "next-label": "M1.5 3.5 7 8 1.5 12.5ZM11.5 5a3 3 0 1 1 0 6 3 3 0 0 1 0-6Z",
  "previous-label": "M14.5 3.5 9 8 14.5 12.5ZM4.5 5a3 3 0 1 1 0 6 3 3 0 0 1 0-6Z",
};

/** The icon of this name. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", PATHS[name]);
  svg.append(path);
  return svg;
}
