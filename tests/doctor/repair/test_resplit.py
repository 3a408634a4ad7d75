"""Images are shared out by films and classes."""

import numpy as np

from yolo_tf.doctor.repair.resplit import names_below, new_splits, sequences


def test_names_of_one_camera_are_no_films():
    assert sequences([f"a/IMG_{number}.jpg" for number in range(30)]) == [-1] * 30
    assert sequences([f"{number % 5}/{number:04d}.jpg" for number in range(30)]) == [number % 5 for number in range(30)]
    films = [f"a/film{number % 6}-frame{number}.jpg" for number in range(30)] + ["a/alone.jpg"]
    assert sequences(films) == [number % 6 for number in range(30)] + [-1]


def test_new_splits_keep_shares_of_images_and_classes():
    rng = np.random.default_rng(0)
    classes = np.stack([rng.integers(0, 9, 300), rng.random(300) < 0.1], 1).astype(int)
    chosen = np.array(new_splits(list(range(300)), [f"{n}" for n in range(300)], classes, {"train": 0.7, "val": 0.3}))
    share = classes[chosen == "val"].sum(0) / classes.sum(0)
    assert abs((chosen == "val").mean() - 0.3) < 0.05 and np.all(np.abs(share - 0.3) < 0.06)


def test_groups_stay_together_and_names_begin_below_the_folder_of_a_split():
    chosen = new_splits([0, 1, 1, 1, 2, 0], [f"{n}" for n in range(6)], np.ones((6, 2), int), {"train": 0.5, "val": 0.5})
    assert chosen[1] == chosen[2] == chosen[3] != chosen[4] == chosen[0] == chosen[5]
    assert names_below(["/a/train/x/1.jpg", "/a/train/2.jpg"]) == ["x/1.jpg", "2.jpg"]
    assert names_below([]) == []
