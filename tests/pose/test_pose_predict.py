"""Prediction: where the subjects are, the mirrored image, ensembles, streaming."""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from card import CARD, card_video
from torch import Tensor, nn
from torch.nn import functional as F

from poof.checkpoints import save_checkpoint
from poof.errors import PoofError, PoofWarning
from poof.labels import LabelSet, Points, Skeleton, Source
from poof.pose import Pair, PoseModel, boxes_from_file, boxes_from_labels, load_model, predict_pose
from poof.pose.crops import normalise
from poof.pose.instance_boxes import Boxes
from poof.pose.mspn import MSPN
from poof.video import ArrayVideo, Damage


class Dots(nn.Module):
    """Stands for a perfect network: the heat maps are what is red, green or blue in the cells of the image."""

    stride = 4

    def heatmaps(self, images: Tensor) -> Tensor:
        """One map per colour, in the convention of the targets: cell i answers for pixels 4i to 4i + 4."""
        rgb = images * torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
        rgb = rgb + torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
        # The pixels whose centres lie in [4i, 4i + 4] with the outer two shared: a mean about 4i + 2.
        weights = torch.tensor([0.125, 0.25, 0.25, 0.25, 0.125])
        kernel = (weights[:, None] * weights)[None, None].expand(3, 1, 5, 5)
        return 255 * F.conv2d(F.pad(rgb, (0, 1, 0, 1)), kernel, stride=4, groups=3)


def dots_model(skeleton: Skeleton, size: tuple[int, int] = (128, 96)) -> PoseModel:
    return PoseModel(Dots(), skeleton, size)  # type: ignore[arg-type]


def dots_video(places: np.ndarray, size: tuple[int, int] = (160, 120), sigma: float = 5.0) -> ArrayVideo:
    """Frames with a red, a green and a blue dot at `places` (T, 3, 2)."""
    yy, xx = np.mgrid[: size[1], : size[0]]
    frames = []
    for three in places:
        planes = [np.exp(-((xx - x) ** 2 + (yy - y) ** 2) / (2 * sigma**2)) for x, y in three]
        frames.append((255 * np.stack(planes, -1)).round().astype(np.uint8))
    return ArrayVideo(frames, name="dots")


SIDES = Skeleton(("left", "nose", "right"), symmetry=((0, 2),))
PLACES = np.array([[[40.3, 30.6], [80.2, 61.9], [120.7, 92.2]], [[50.1, 35.5], [77.4, 57.0], [100.9, 90.3]]])


class Sided(Dots):
    """A network that knows left from right: its left is what is red in an image, blue in the mirrored one."""

    mirrored = False

    def heatmaps(self, images: Tensor) -> Tensor:
        maps = super().heatmaps(images)
        maps = maps[:, [2, 1, 0]] if self.mirrored else maps
        self.mirrored = not self.mirrored
        return maps


@pytest.mark.parametrize("flip", [False, True])
def test_whole_frame_points_come_back_where_they_are(flip: bool) -> None:
    model = PoseModel(Sided() if flip else Dots(), SIDES, (128, 96))  # type: ignore[arg-type]
    labels = predict_pose(dots_video(PLACES), model, flip=flip, device="cpu")
    got = np.stack([points.xy for _, _, points in labels])
    np.testing.assert_allclose(got, PLACES, atol=0.15)
    for _, _, points in labels:
        assert (points.source == Source.PREDICTED).all()
        assert (points.visible == 2).all()
        assert (points.anchor == -1).all()
        assert ((points.confidence > 0.5) & (points.confidence <= 1)).all()
        assert points.box is None
    assert labels.image_size == (160, 120)


def test_the_mirrored_maps_agree_with_the_plain_ones() -> None:
    # A quarter of a cell between them, as the official mirroring leaves, would show here.
    image = torch.from_numpy(dots_video(PLACES, (96, 128)).read([0])[0].transpose(2, 0, 1).copy())[None]
    plain, both = dots_model(SIDES).heatmaps(image, flip=False), PoseModel(Sided(), SIDES, (128, 96)).heatmaps(image)  # type: ignore[arg-type]
    inner = (..., slice(1, -1), slice(1, -1))
    torch.testing.assert_close(plain[inner], both[inner], atol=0.5, rtol=0)


def test_flipping_needs_sides(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    model = dots_model(Skeleton(("a", "b", "c")))
    genuine = model.network.heatmaps
    monkeypatch.setattr(model.network, "heatmaps", lambda images: calls.append(1) or genuine(images))
    model.heatmaps(torch.zeros(1, 3, 128, 96, dtype=torch.uint8), flip=True)
    assert len(calls) == 1
    assert model.mirror is None
    assert dots_model(Skeleton(("LKnee", "tail", "RKnee"))).mirror == [2, 1, 0]


def test_several_subjects_in_boxes_that_move() -> None:
    boxes = {(0, 0): [30, 20, 20, 20], (10, 0): [50, 40, 20, 40], (5, 3): [100, 80, 10, 10]}
    given = Boxes({key: np.array(box) for key, box in boxes.items()}, tracked=True)
    assert given.at(5)[0].tolist() == [40, 30, 20, 30]
    assert given.at(0)[3].tolist() == given.at(20)[3].tolist() == [100, 80, 10, 10]
    assert given.at(20)[0].tolist() == [50, 40, 20, 40]
    loose = Boxes({key: np.array(box) for key, box in boxes.items()}, tracked=False)
    assert list(loose.at(5)) == [3]
    assert loose.at(6) == {}


def test_predicting_in_boxes_from_labels() -> None:
    labels = LabelSet(SIDES)
    for frame in (1, 2):
        labels.add(frame, 7, Points.human(frame, PLACES[frame - 1]))
    video = dots_video(PLACES[[0, 0, 1, 1]])
    result = predict_pose(video, dots_model(SIDES), boxes_from_labels(labels), start=1, flip=False, device="cpu")
    assert list(result.instances) == [(1, 7), (2, 7), (3, 7)]
    for frame, _, points in result:
        np.testing.assert_allclose(points.xy, PLACES[0 if frame < 2 else 1], atol=0.15)
        assert points.box is not None
    # Boxes from the points of the label: 1.2 times their extent.
    assert result.instances[2, 7].box[2] == pytest.approx(1.2 * 50.8, abs=0.01)  # type: ignore[index]


def test_points_stay_inside_the_image() -> None:
    places = np.array([[[1.0, 60.0], [80.0, 118.0], [158.0, 2.0]]])
    given = Boxes({(0, 0): np.array([-40.0, -40, 240, 200])}, tracked=True)
    labels = predict_pose(dots_video(places, sigma=12), dots_model(SIDES), given, flip=False, device="cpu")
    xy = labels.instances[0, 0].xy
    assert (xy >= 0).all()
    assert (xy <= [159, 119]).all()


def trained(skeleton: Skeleton, joint_score: list[float], seed: int, size: tuple[int, int] = (64, 64)) -> PoseModel:
    torch.manual_seed(seed)
    network = MSPN(len(skeleton), 1, body="resnet18").eval()
    return PoseModel(
        network, skeleton, size, validation={"joint_score": joint_score, "score": float(np.nanmean(joint_score))}
    )


def test_an_ensemble_takes_each_joint_from_its_specialist(card: Pair) -> None:
    order = [3, 1, 0, 2]
    shuffled = Skeleton(tuple(CARD.keypoints[i] for i in order))
    first = trained(CARD, [0.9, 0.2, 0.5, float("nan")], 0)
    second = trained(shuffled, [float("nan"), 0.3, 0.1, 0.5], 1, (96, 64))
    one, two, both = (predict_pose(card.video, m, stop=2, device="cpu") for m in (first, second, [first, second]))
    for frame in (0, 1):
        a, b, c = (labels.instances[frame, 0] for labels in (one, two, both))
        # nose: first; left hand: second (its joint 1); right hand: a tie, the first; tail: the better on the whole.
        np.testing.assert_array_equal(c.xy, [a.xy[0], b.xy[1], a.xy[2], a.xy[3]])
        np.testing.assert_array_equal(c.confidence, [a.confidence[0], b.confidence[1], *a.confidence[2:]])
    assert both.info["joints_by_model"] == [["nose", "right_hand", "tail"], ["left_hand"]]


def test_ensembles_that_cannot_be(card: Pair) -> None:
    good, bare = trained(CARD, [0.5] * 4, 0), dots_model(CARD)
    with pytest.raises(PoofError, match="model 2: has no validation accuracy to choose by"):
        predict_pose(card.video, [good, bare])
    with pytest.raises(PoofError, match="model 2: predicts other keypoints than model 1"):
        predict_pose(card.video, [good, trained(Skeleton(("a", "b")), [0.5] * 2, 0)])
    with pytest.raises(PoofError, match="no pose model"):
        predict_pose(card.video, [])


def test_frames_stream_through() -> None:
    alive: list[int] = []

    class Frame(np.ndarray):
        pass

    class Streaming(ArrayVideo):
        def frames(self, start: int = 0, stop: int | None = None) -> Iterator[tuple[int, np.ndarray]]:
            living: list[weakref.ref[np.ndarray]] = []
            for number in range(40):
                image = np.zeros((60, 80, 3), np.uint8).view(Frame)
                living.append(weakref.ref(image))
                alive.append(sum(ref() is not None for ref in living))
                yield number, image

    video = Streaming([np.zeros((60, 80, 3), np.uint8)])
    assert len(predict_pose(video, dots_model(SIDES), batch=4, flip=False, device="cpu")) == 40
    assert max(alive) <= 10


def test_damage_is_said_and_nothing_found_is_an_error() -> None:
    video = dots_video(PLACES)
    video.damage = Damage(2, "truncated")
    with pytest.warns(PoofWarning, match="dots: damaged from frame 2 on .truncated.; predicted up to there"):
        predict_pose(video, dots_model(SIDES), device="cpu")
    count = dots_video(PLACES).count()
    with pytest.raises(PoofError, match=rf"dots: has no frame 50; its frames are 0 to {count - 1}$"):
        predict_pose(dots_video(PLACES), dots_model(SIDES), start=50, device="cpu")
    with pytest.raises(PoofError, match="there is no frame from 1 on and before 1;"):
        predict_pose(dots_video(PLACES), dots_model(SIDES), start=1, stop=1, device="cpu")
    first = Boxes({(0, 0): np.array([1, 1, 9, 9])}, tracked=False)
    with pytest.raises(PoofError, match=f"dots: no subject is in frames 1 to {count - 1}; give boxes"):
        predict_pose(dots_video(PLACES), dots_model(SIDES), first, start=1, device="cpu")


def test_a_model_file_holds_everything(tmp_path: Path) -> None:
    model = trained(SIDES, [0.1, 0.2, float("nan")], 3)
    model.confidence, model.recipe, model.margin = (-2.0, 5.0), {"name": "x"}, 1.5
    save_checkpoint(tmp_path / "model.pt", model.as_dict())
    again = load_model(tmp_path / "model.pt")
    for name in ("skeleton", "input_size", "margin", "recipe", "confidence"):
        assert getattr(again, name) == getattr(model, name)
    crops = torch.randint(0, 256, (1, 3, 64, 64), dtype=torch.uint8)
    assert torch.equal(again.heatmaps(crops), model.heatmaps(crops))
    assert again.trust(np.array([0.4])) == pytest.approx(0.5)
    assert np.isnan(again.validation["joint_score"][2])


def test_files_that_are_no_models(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    with pytest.raises(PoofError, match="there is no such checkpoint"):
        load_model(path)
    path.write_bytes(b"not a checkpoint")
    with pytest.raises(PoofError, match=r"model\.pt: .*is damaged|model\.pt: is no PyTorch checkpoint"):
        load_model(path)
    torch.save([1, 2], path)
    with pytest.raises(PoofError, match="holds a list, not a checkpoint"):
        load_model(path)
    torch.save({"model": Path("x")}, path)
    with pytest.raises(PoofError, match="or holds code beside its weights"):
        load_model(path)
    whole = trained(SIDES, [0.1] * 3, 0).as_dict()
    torch.save(whole | {"version": 99}, path)
    with pytest.raises(PoofError, match="is of version 99, this poof reads 1"):
        load_model(path)
    torch.save({key: value for key, value in whole.items() if key != "skeleton"}, path)
    with pytest.raises(PoofError, match="is an incomplete checkpoint of poof"):
        load_model(path)
    torch.save({"model": whole["network"]}, path)
    with pytest.raises(PoofError, match="has 3 heat maps and no names for them"):
        load_model(path)


def test_box_files(tmp_path: Path) -> None:
    path = tmp_path / "boxes.csv"
    path.write_text("frame,instance,x,y,width,height\n0,1,5,6,7,8\n10,1,15,6,7,8\n")
    assert boxes_from_file(path).at(5)[1].tolist() == [10, 6, 7, 8]
    path.write_text("frame,x,y,width,height\n3,5,6,7,8\n")
    assert list(boxes_from_file(path).at(0)) == [0]
    for text, message in (
        ("frame,x,y,width\n1,2,3,4\n", "has no column height"),
        ("frame,x,y,width,height\n1,2,3,0,4\n", "line 2: frame 1: the box is 0x4 pixels"),
        ("frame,x,y,width,height\n1,2,3,a,4\n", "line 2: is no box"),
        ("frame,x,y,width,height\n1,2,3,4,4\n1,2,3,4,4\n", "line 3: frame 1: instance 0 has two boxes"),
        ("frame,x,y,width,height\n", "holds no box"),
        ("frame,x,y,width,height\ninf,10,10,50,50\n", "line 2: is no box"),
        ("frame,x,y,width,height\n1.5,10,10,50,50\n", "line 2: 1.5 is no frame number"),
        ("frame,x,y,width,height\n-1,10,10,50,50\n", "line 2: frame -1.0 is negative"),
        ("frame,x,y,width,height\n1,1e300,10,50,50\n", "line 2: frame 1: the box is 50x50 pixels, at 1e.300"),
        ("frame,x,y,width,height,instance\n1,1,1,5,5,-2\n", "line 2: frame 1: -2 is no number of an instance"),
        ("", "is empty"),
    ):
        path.write_text(text)
        with pytest.raises(PoofError, match=f"boxes.csv: {message}"):
            boxes_from_file(path)
    with pytest.raises(PoofError, match="there is no such box file"):
        boxes_from_file(tmp_path / "none.csv")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(PoofError, match="is no ordinary file"):
        boxes_from_file(tmp_path / "pipe")


def test_a_box_file_of_a_campaign(data: Path) -> None:
    with pytest.raises(PoofError, match="line 2: is no box; every column needs a number"):
        boxes_from_file(data / "cases" / "fuzz" / "list-boxes-traceback-82ae.csv")


def test_normalised_crops_are_undone_by_the_stand_in() -> None:
    image = torch.zeros(1, 3, 8, 8, dtype=torch.uint8)
    image[0, 1] = 255
    maps = Dots().heatmaps(normalise(image))
    assert maps[0, :, 0, 0].tolist() == pytest.approx([0, 255, 0], abs=1e-3)


def test_prediction_of_a_trained_model_is_labels(card: Pair) -> None:
    labels = predict_pose(card_video(2).video, trained(CARD, [0.1] * 4, 0), device="cpu")
    assert isinstance(labels, LabelSet)
    assert isinstance(labels.instances[1, 0], Points)
    assert labels.info["flip"] is True
