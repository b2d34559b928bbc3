"""poof.toml: what it may hold, what a mistake in it says, and that comments stay when videos are added."""

from __future__ import annotations

from pathlib import Path

import pytest
from project_material import clip, folder_of, part

from poof.errors import PoofError
from poof.labels import save_labels
from poof.labels.model import LabelSet, Points, Skeleton
from poof.projects.project import load
from poof.projects.project_root import find
from poof.projects.setup import add, create

HEAD = 'videos = ["a.mp4"]\n'


def written(folder: Path, text: str) -> Path:
    (folder / "poof.toml").write_text(text)
    return folder / "poof.toml"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (HEAD + 'lables = "x"\n', ("line 2", "'lables'", "did you mean labels?")),
        (HEAD + "[options]\n# one\nradios = 10\n", ("line 4", "[options]", "did you mean radius?")),
        (HEAD + "[options.refine]\nnet = 2\n", ("line 3", "[options.refine]", "did you mean nets?")),
        (HEAD + 'options.flwo = "dis"\n', ("line 2", "did you mean flow?")),
        (HEAD + "options.radius = true\n", ("line 2", "radius must be a whole number")),
        ("videos = 3\n", ("line 1", "videos must be a path in quotes, or a list")),
        (HEAD + '[skeleton]\nname = "x"\n', ("line 2", "keypoints")),
        (HEAD + '[skeleton]\nkeypoints = ["a", "b", "a"]\n', ("line 3", "'a' is given twice")),
        (HEAD + '[skeleton]\nkeypoints = ["nose", "tail"]\nedges = [["nose", "tial"]]\n', ("line 4", "tial", "tail")),
        (HEAD + '[skeleton]\nkeypoints = ["a"]\ncolours = { a = "red" }\n', ("line 4", "#rrggbb")),
        (
            HEAD + '[[skeleton]]\nname="m"\nkeypoints=["a"]\n[[skeleton]]\nname="m"\nkeypoints=["b"]\n',
            ("line 6", "'m'"),
        ),
        (HEAD + '[skeleton]\nkeypoints = ["a\\tb"]\n', ("line 2", "cannot be shown")),
        (HEAD + '[skeleton]\nname = "\\u001b[31m"\nkeypoints = ["a"]\n', ("line 2", "cannot be shown")),
        (HEAD + f"options.radius = {'9' * 5000}\n", ("not valid TOML",)),
        (HEAD + f"x = {'[' * 5000}\n", ("not valid TOML",)),
        (HEAD + 'labels = "~nobody-there/x"\n', ("no such user",)),
        ("videos = [\n]]\n", ("not valid TOML", "line 2")),
    ],
)
def test_mistakes_are_told_with_their_line_and_the_nearest_name(
    tmp_path: Path, text: str, words: tuple[str, ...]
) -> None:
    with pytest.raises(PoofError) as caught:
        load(written(tmp_path, text))
    for word in ("poof.toml", *words):
        assert word in str(caught.value), str(caught.value)


def test_what_a_file_says(tmp_path: Path) -> None:
    (tmp_path / "x y").mkdir()
    for name in ("b.mp4", "a.mp4", "a.overlay.mp4", "x y/c.avi"):
        (tmp_path / name).touch()
    file = written(
        tmp_path,
        'videos = ["*.mp4", "x y/*.avi", "gone.mp4"]\nlabels = ["l", "m.json"]\nresults = "out"\n'
        '[skeleton]\nname = "mouse"\nkeypoints = ["nose", "left ear", "right ear"]\nedges = [["nose", "left ear"]]\n'
        'colours = { nose = "#ff8000" }\n[options]\nradius = 7\nweights = "w.pt"\n[options.refine]\nradius = 3\n',
    )
    project = load(file)
    assert [p.name for p in project.paths()] == ["a.mp4", "b.mp4", "c.avi", "gone.mp4"]
    assert project.labels == (tmp_path / "l", tmp_path / "m.json") and project.results == tmp_path / "out"
    assert project.options_of("propagate") == {"radius": 7, "weights": str(tmp_path / "w.pt")}
    assert project.options_of("refine")["radius"] == 3
    measured = load(written(tmp_path, HEAD + 'options.radius = "auto"\noptions.flow = "auto+"\noptions.seed = 1\n'))
    assert measured.options_of("propagate") == {"radius": "auto", "flow": "auto+", "seed": 1}
    assert measured.options_of("refine") == {"seed": 1}
    (vocabulary,) = project.vocabularies
    assert vocabulary.skeleton == Skeleton(("nose", "left ear", "right ear"), ((0, 1),), ((1, 2),), "mouse")
    assert vocabulary.colours == {"nose": "#ff8000"}
    (tmp_path / "deep" / "er").mkdir(parents=True)
    assert find(tmp_path / "deep" / "er") == file


def test_labels_speak_the_vocabulary_or_are_told_the_nearest_word(tmp_path: Path) -> None:
    project = load(written(tmp_path, HEAD + '[skeleton]\nkeypoints = ["nose", "tail"]\n'))
    named = LabelSet(Skeleton(("tail",)), {(0, 0): Points.empty(1)})
    assert project.vocabulary_of(named, "l.json") is project.vocabularies[0]
    with pytest.raises(PoofError, match=r"l.json: the keypoint 'noze' is not in .*nearest is 'nose'"):
        project.vocabulary_of(LabelSet(Skeleton(("noze", "tail"))), "l.json")


def test_a_new_file_is_made_of_what_is_found_and_comments_stay(tmp_path: Path) -> None:
    folder_of(tmp_path, ["a", "b"])
    file, notes = create(tmp_path, [], [])
    project = load(file)
    assert project.videos == ("*.mp4",) and project.labels == (tmp_path / "labels",)
    assert project.vocabularies[0].skeleton.keypoints == tuple(f"p{k}" for k in range(8))
    assert notes[0].startswith("2 videos, 2 label files, 1 skeleton")
    with pytest.raises(PoofError, match="exists already"):
        create(tmp_path, [], [])
    before = file.read_text()
    outside = tmp_path / "else where"
    outside.mkdir()
    clip(outside / "c.mp4", frames=4)
    assert add(file, [outside / "c.mp4", tmp_path / "a.mp4"]) == ["else where/c.mp4"]
    after = file.read_text()
    assert [line for line in after.splitlines() if line.startswith("#")] == [
        line for line in before.splitlines() if line.startswith("#")
    ]
    assert [p.name for p in load(file).paths()] == ["a.mp4", "b.mp4", "c.mp4"]


def test_names_that_toml_must_quote_come_back(tmp_path: Path) -> None:
    exact = clip(tmp_path / 'a "b".mp4', frames=4)
    names = ('n"o\\se', "täil", "a # b]", *exact.skeleton.keypoints[3:])
    odd = part(exact, (1,)).replace(skeleton=Skeleton(names, ((0, 1),), (), 'a "mouse"'))
    save_labels(odd, tmp_path / "l.json")
    file, notes = create(tmp_path, [tmp_path / 'a "b".mp4'], [tmp_path / "l.json"])
    assert len(notes) == 1, notes
    project = load(file)
    assert project.vocabularies[0].skeleton.keypoints == names
    assert project.paths() == [tmp_path / 'a "b".mp4']


def test_a_dlc_project_gives_its_bodyparts_and_limbs(tmp_path: Path) -> None:
    clip(tmp_path / "m.mp4", frames=4)
    (tmp_path / "config.yaml").write_text(
        "Task: t\nscorer: me\nvideo_sets:\n  m.mp4:\n    crop: 0\nbodyparts: [nose, tail]\nskeleton: [[nose, tail]]\n"
    )
    project = load(create(tmp_path, [], [])[0])
    assert project.vocabularies[0].skeleton.keypoints == ("nose", "tail")
    assert project.vocabularies[0].skeleton.edges == ((0, 1),)


def test_videos_are_found_whatever_the_camera_calls_them_and_the_folder_is_called(tmp_path: Path) -> None:
    folder = tmp_path / "lab [2]"
    folder.mkdir()
    for name in ("a.mp4", "GX010001.MP4", "b.m2ts", "c[1].avi", "notes.txt", "a.poof.overlay.mp4"):
        (folder / name).touch()
    by_ending = {path.name for path in load(written(folder, "")).paths()}
    assert by_ending == {"a.mp4", "GX010001.MP4", "b.m2ts", "c[1].avi"}
    assert [p.name for p in load(written(folder, 'videos = ["*.mp4", "c[1].avi"]\n')).paths()] == [
        "GX010001.MP4", "a.mp4", "c[1].avi"]  # fmt: skip
