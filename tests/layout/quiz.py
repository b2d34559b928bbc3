"""A stranger's quiz: twenty lines of code and what they do; in which file are they? Only the tree is shown.

    python tests/layout/quiz.py            # asks, and counts
    python tests/layout/quiz.py --reader   # how a reader fares who knows no more than words

The files were drawn by chance (seed 24) from all of poof/ with more than 60 lines, one telling line was taken of each.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

QUIZ: tuple[tuple[str, str, str], ...] = (
    (
        "if not output or (len(output) == 1 and output[0].is_dir()):",
        "which label files a command writes for each video of its inputs, when -o names a folder or nothing",
        "poof/cli/inputs.py",
    ),
    (
        "one = look(model, source, output, classes or (), chosen, view, video, common.track(quiet), cells)",
        "the command that explains where an action recognition network looked goes over the videos",
        "poof/cli/recog/explain.py",
    ),
    (
        'raise PoofError(f"{name}: no labelled points; nothing to judge by")',
        "evaluation finds that the truth it is to judge by holds no labelled point",
        "poof/evaluation/truth.py",
    ),
    (
        "name two variants; give one",
        "the name of a flow estimator with options is taken apart, and gives two variants",
        "poof/flow/naming.py",
    ),
    (
        'kept["looks"], kept["looked_at"]',
        "while labelling, what was seen when the whole video was looked over once is read back from disk",
        "poof/labelling/video_scan.py",
    ),
    (
        'done, data = cv2.imencode(".png" if wanted.png else ".jpg", bgr, options)',
        "the labelling page wants the picture of a frame; it is encoded as JPEG or PNG",
        "poof/labelling/pictures.py",
    ),
    (
        'return "first", [Proposal(f, "spread over the video", []) for f in chosen.order], chosen.notes',
        "the labelling page proposes which frames to label first",
        "poof/labelling/proposals.py",
    ),
    (
        'categories = [c for c in categories if c.get("id") in used] or categories',
        "which category of a COCO file has the keypoints, and what is its skeleton",
        "poof/labels/formats/coco_schema.py",
    ),
    (
        "sheet = _from_h5(path, contents) if contents else _from_csv(path)",
        "the table of a DeepLabCut file, csv or h5, is read as one sheet",
        "poof/labels/formats/dlc_sheet.py",
    ),
    (
        'origin = instances["from_predicted"].tolist()',
        "instances of a SLEAP file that a person made from predicted ones",
        "poof/labels/formats/sleap.py",
    ),
    (
        'load_resnet(network, _imagenet(network.body, progress), f"ImageNet\'s {network.body}")',
        "the weights with which training of a pose network begins: ImageNet's",
        "poof/pose/initial.py",
    ),
    (
        "height, width = size[0] // STRIDE, size[1] // STRIDE",
        "the target heat maps that a pose network is trained towards are drawn",
        "poof/pose/targets.py",
    ),
    (
        'right = both["correct_first"].to_numpy(bool), both["correct_second"].to_numpy(bool)',
        "two action recognition networks are compared by the clips that only one gets right",
        "poof/recog/evaluation/compare.py",
    ),
    (
        "along_time = self._along(patches.reshape(n * rows * columns, t, c * p * p))",
        "self-attention of space-time patches along time, in a temporal module",
        "poof/recog/zoo/modules/attention.py",
    ),
    (
        "low, high = weights.amin(-1, keepdim=True), weights.amax(-1, keepdim=True)",
        "class regularisation: the weights of the guessed class are stretched to a range",
        "poof/recog/zoo/modules/class_regularisation.py",
    ),
    (
        'return soft_pool(cells) if kind == "soft" else stochastic_pool(cells, training)',
        "a temporal module pools windows of cells by softmax weights",
        "poof/recog/zoo/modules/softpool.py",
    ),
    (
        '*(("Kinetics-400", rows[0]) for key, rows in KINETICS.items() if key == name),',
        "whole networks of Stergiou's thesis with the accuracies that it published",
        "poof/recog/zoo/networks/stergiou.py",
    ),
    (
        'here = (p.frames, p.size, p.classes) == (model.segments, model.size, model.config["num_classes"])',
        "the profile of an action recognition network: parameters and GMACs beside the published ones",
        "poof/recog/cost/profile.py",
    ),
    (
        "views = np.stack([self._view(around, wide, turn) for turn in self._turns])",
        "refinement asks the networks that learned the appearance of this footage for their maps",
        "poof/refine/appearance.py",
    ),
    (
        "self._frames = from_keyframe(self._video.path, self._index, place)",
        "several decoders of one video, each going on from its keyframe, so that any frame is quickly there",
        "poof/video/random_access.py",
    ),
)
"""Line, what it does, where it is."""


def files() -> list[str]:
    """The tree: every Python file of the package."""
    return sorted(p.relative_to(ROOT).as_posix() for p in (ROOT / "poof").rglob("*.py"))


def homes(line: str) -> list[str]:
    """The files in which a line stands."""
    return [name for name in files() if line in (ROOT / name).read_text()]


def guesses(description: str) -> list[str]:
    """What a reader says who matches words of the description with words of the paths, the likeliest first.

    Folders and file names count alike; a word that is in many paths says little, as in any search engine.
    """
    tree = {name: _words(name.removesuffix(".py")) for name in files()}
    asked = _words(description)

    def worth(name: str) -> float:
        met = tree[name] & asked
        return sum(1 / sum(word in words for words in tree.values()) for word in met) + len(met) / 10

    return sorted(tree, key=lambda name: (-worth(name), len(tree[name]), name))


def _words(text: str) -> set[str]:
    """Words without their endings: networks and network, labelling and labels are one."""
    found = re.findall(r"[a-z]+", text.lower())
    return {re.sub(r"(ations?|ings?|ed|e?s|e|er|ers)$", "", word) if len(word) > 4 else word for word in found} - {
        "poof"
    }


def reader() -> list[tuple[int, str]]:
    """Place of the right file among the guesses (1: the first), and the file."""
    return [(guesses(description).index(home) + 1, home) for _, description, home in QUIZ]


def main() -> None:
    """Ask, or let the reader of words answer."""
    if "--reader" in sys.argv:
        places = reader()
        for place, home in sorted(places):
            print(f"{place:4} {home}")
        first, five = (sum(place <= most for place, _ in places) for most in (1, 5))
        print(f"of {len(QUIZ)}: first of {len(files())} {first}, among the first five {five}")
        return
    print("\n".join(files()))
    right = 0
    for number, (line, description, home) in enumerate(QUIZ, 1):
        said = input(f"\n{number}. {line}\n   {description}\n   file: poof/").strip().removeprefix("poof/")
        right += f"poof/{said}" == home
        print("   right" if f"poof/{said}" == home else f"   no: {home}")
    print(f"\n{right} of {len(QUIZ)}")


if __name__ == "__main__":
    main()
