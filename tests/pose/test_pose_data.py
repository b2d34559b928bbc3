"""Examples, the crop store, and batches that depend on nothing but the seed and their number."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from card import CARD, card_video

from poof.errors import PoofError
from poof.labels import Points, Skeleton
from poof.pose.augmentation import STRONG, Augmentation
from poof.pose.crops import Crop
from poof.pose.data import CONTEXT, Batches, CropStore, TrainingSet, clear_leftovers, examples_of, loader, still_batches
from poof.pose.splitting import Pair
from poof.video import ArrayVideo

SIZE = (64, 64)


class Counted(ArrayVideo):
    """Counts how many passes are made and how many frames are read."""

    passes = read_frames = 0

    def frames(self, start: int = 0, stop: int | None = None) -> Iterator[tuple[int, np.ndarray]]:
        self.passes += 1
        for item in super().frames(start, stop):
            self.read_frames += 1
            yield item


def test_examples_carry_what_the_loss_needs(card: Pair) -> None:
    points = card.labels.instances[2, 0]
    points.source[1], points.confidence[1], points.visible[3] = 2, 0.25, 1
    card.labels.instances[5, 0].xy[2] = np.nan
    (examples,) = examples_of([card], CARD, SIZE)
    assert [e.frame for e in examples] == list(range(8))
    assert examples[2].weight.tolist() == [1, 0.25, 1, 1]
    assert examples[2].human.tolist() == [True, False, True, True]
    assert examples[2].visible.tolist() == [2, 2, 2, 1]
    assert examples[5].weight.tolist() == [1, 1, 0, 1]
    # The marks span 28 x 46: errors are given in a 256x192 crop of 1.25 times that, 57.5 high.
    assert examples[0].unit == pytest.approx(256 / 57.5)


def test_labels_in_another_order_are_sorted_and_another_skeleton_is_refused(card: Pair) -> None:
    order = [2, 0, 3, 1]
    turned = Skeleton(tuple(CARD.keypoints[i] for i in order))
    examples = examples_of([card, card], turned, SIZE)
    np.testing.assert_array_equal(examples[1][0].xy, card.labels.instances[0, 0].xy[order])
    with pytest.raises(PoofError, match=r"labels of card: is labelled with another skeleton.*lacks paw"):
        examples_of([card], Skeleton((*CARD.keypoints, "paw")), SIZE)


def test_crops_are_cut_in_one_pass_and_stand_where_the_points_do(tmp_path: Path) -> None:
    pairs = [card_video(6, seed=1, name="a"), card_video(5, seed=2, name="b")]
    pairs = [Pair(Counted(p.video._images, name=p.video.name), p.labels) for p in pairs]  # type: ignore[attr-defined]
    pairs[0].labels.instances.pop((0, 0))
    examples = examples_of(pairs, CARD, SIZE)
    store = CropStore(pairs, examples, CONTEXT, tmp_path)
    assert [p.video.passes for p in pairs] == [1, 1]  # type: ignore[attr-defined]
    assert [p.video.read_frames for p in pairs] == [5, 5]  # type: ignore[attr-defined]
    assert len(store) == 10
    assert store.size == (96, 96)
    for index, example in enumerate(store.examples):
        wide: Crop = example.crop.wider(CONTEXT)
        x, y = wide.to_crop(example.xy[0]).round().astype(int)
        red, green, blue = store[index][y, x].astype(int)
        assert red > 200
        assert green < 120
        assert blue < 120
    batches = list(still_batches(CropStore(pairs, examples, 1.0, tmp_path), 4))
    assert [images.shape for _, images in batches] == [(4, 3, 64, 64), (4, 3, 64, 64), (2, 3, 64, 64)]


def test_the_store_leaves_nothing_behind(card: Pair, tmp_path: Path) -> None:
    store = CropStore([card], examples_of([card], CARD, SIZE), 1.0, tmp_path)
    assert list(tmp_path.iterdir())
    if os.fork() == 0:  # a worker that ends must not take the file with it
        del store
        os._exit(0)
    os.wait()
    assert store[0].shape == (64, 64, 3)
    assert list(tmp_path.iterdir())
    del store
    assert not list(tmp_path.iterdir())
    (tmp_path / ".crops-killed").mkdir()
    clear_leftovers(tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_said(card: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(PoofError, match=r"no room for 0.0 GB of crops .*No space left on device"):
        CropStore([card], examples_of([card], CARD, SIZE), 1.0, tmp_path)


def test_labels_beyond_the_end_are_named(card: Pair, tmp_path: Path) -> None:
    card.labels.add(9, 0, Points.human(9, np.array([[1, 1], [5, 9], [9, 9], [9, 1]])))
    with pytest.raises(PoofError, match="card: has no frame 9; its frames are 0 to 7"):
        CropStore([card], examples_of([card], CARD, SIZE), 1.0, tmp_path)


def test_labels_of_another_size_are_refused(card: Pair) -> None:
    with pytest.raises(PoofError, match=r"card: is 120x100, the labels were made at 640x480"):
        examples_of([Pair(card.video, card.labels.replace(image_size=(640, 480)))], CARD, SIZE)


def test_batches_are_full_and_each_round_has_every_example_once() -> None:
    batches = list(Batches(5, 3, seed=7, start=0, stop=10))
    assert [len(batch) for batch in batches] == [3] * 10
    row = [index for batch in batches for index, _ in batch]
    for turn in range(6):
        assert sorted(row[5 * turn : 5 * turn + 5]) == list(range(5))
    assert len({seed for batch in batches for _, seed in batch}) == 30
    assert row[:5] != row[5:10] or row[5:10] != row[10:15]
    assert list(Batches(5, 3, seed=7, start=4, stop=10)) == batches[4:]
    assert list(Batches(5, 3, seed=8, start=0, stop=10)) != batches


@pytest.mark.parametrize("workers", [0, 2])
def test_a_batch_does_not_depend_on_workers_or_on_what_came_before(card: Pair, tmp_path: Path, workers: int) -> None:
    store = CropStore([card], examples_of([card], CARD, SIZE), CONTEXT, tmp_path)
    data = TrainingSet(store, Augmentation(SIZE, STRONG, [0, 2, 1, 3]))
    expected = list(loader(data, Batches(8, 3, 0, 0, 4), 0, False))[2:]
    torch.manual_seed(99)
    got = list(loader(data, Batches(8, 3, 0, 2, 4), workers, False))
    for ours, theirs in zip(got, expected, strict=True):
        assert ours.keys() == theirs.keys()
        for key in ours:
            torch.testing.assert_close(ours[key], theirs[key], rtol=0, atol=0, equal_nan=True)


def test_an_item_leaves_the_random_state_alone(card: Pair, tmp_path: Path) -> None:
    store = CropStore([card], examples_of([card], CARD, SIZE), CONTEXT, tmp_path)
    data = TrainingSet(store, Augmentation(SIZE, STRONG, None))
    torch.manual_seed(3)
    expected = torch.rand(())
    torch.manual_seed(3)
    data[1, 12345]
    assert torch.rand(()) == expected


def test_an_empty_store() -> None:
    store = CropStore([], [], 1.0)
    assert len(store) == 0
