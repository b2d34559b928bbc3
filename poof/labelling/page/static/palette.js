// Colours of keypoints: Okabe and Ito's set, which stays apart with each common colour vision deficiency, with the dark
// ones lifted so that they are seen on dark footage. Colour says which keypoint, never in what state it is.

const COLOURS = ["#e69f00", "#56b4e9", "#2fbf8f", "#f0e442", "#e8703a", "#d98cb8", "#7f9cf5", "#c9d1d9", "#b5d46b", "#c9a27e"];

/** The colour of a keypoint; repeats after ten, which is why names and numbers stand beside the marks. */
export function colourOf(keypoint) {
  return COLOURS[keypoint % COLOURS.length];
}

export const INK = {
  halo: "rgba(8, 9, 11, 0.78)",
  white: "#ffffff",
  text: "#e6e8eb",
  quiet: "#9aa1ab",
  line: "#33363c",
  warn: "#ffb454",
};
