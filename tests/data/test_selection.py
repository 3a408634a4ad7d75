import numpy as np
import pytest

from yolo_tf.data.selection import select_records
from yolo_tf.errors import InputError

SIZES = [(32, 48)] * 16


def names_of(dataset):
    return [record.image_id for record in dataset.records]


def test_everything_is_kept_by_default(dataset_of):
    dataset = dataset_of(SIZES, empty=range(10))
    kept, lines = select_records(dataset)
    assert names_of(kept) == names_of(dataset) and lines == []


def test_a_fraction_is_drawn_by_the_seed_and_keeps_the_order(dataset_of):
    dataset = dataset_of(SIZES)
    kept, lines = select_records(dataset, fraction=0.3, seed=4)
    assert len(kept.records) == 5 and names_of(kept) == sorted(names_of(kept))
    assert lines == ["data.fraction=0.3: 11 of 16 training images left out"]
    assert names_of(select_records(dataset, fraction=0.3, seed=4)[0]) == names_of(kept)
    drawn = [names_of(select_records(dataset, fraction=0.3, seed=seed)[0]) for seed in range(40)]
    assert len({tuple(names) for names in drawn}) > 30
    assert np.ptp(np.unique(np.concatenate(drawn), return_counts=True)[1]) < 15  # 12.5 times each on average
    assert len(select_records(dataset, fraction=0.001)[0].records) == 1


@pytest.mark.parametrize("share, kept_background", [(0.25, 2), (0.0, 0), (0.4, 4), (0.62, 9), (0.63, 10), (1.0, 10)])
def test_background_is_limited_to_a_share_of_what_is_kept(dataset_of, share, kept_background):
    dataset = dataset_of(SIZES, empty=(0, 2, 4, 6, 8, 10, 12, 14, 15), crowds=(1,))  # 10 without objects, 6 with
    kept, lines = select_records(dataset, background_fraction=share, seed=3)
    background = sum(bool(record.is_crowd.all()) for record in kept.records)
    assert (background, len(kept.records) - background) == (kept_background, 6)
    assert names_of(kept) == sorted(names_of(kept))
    left_out = [f"data.background_fraction={share:g}: {10 - kept_background} of 10 training images without objects left out"]
    assert lines == (left_out if kept_background < 10 else [])


def test_limited_background_needs_objects(dataset_of):
    with pytest.raises(InputError, match="none of 3 training images has objects, so a limit of 0.5 leaves none.*Set it to 1"):
        select_records(dataset_of(SIZES[:3], empty=(0, 1, 2)), background_fraction=0.5)


def test_a_run_takes_its_share_of_the_training_split_only(dataset_of, tmp_path, capsys):
    from yolo_tf.config import DataConfig
    from yolo_tf.data.packing import pack_dataset
    from yolo_tf.training.data_sets import read_splits

    pack_dataset(dataset_of(SIZES[:9], empty=(0, 1, 2)), tmp_path / "packed")
    (tmp_path / "data.yaml").write_text("format: tfrecord\ntrain: packed\nval: packed\n")
    data = DataConfig(dataset=str(tmp_path / "data.yaml"), fraction=0.7, background_fraction=0.0)
    train_set, val_set = read_splits(data, seed=2)
    expected, lines = select_records(val_set, fraction=0.7, background_fraction=0.0, seed=2)
    assert names_of(train_set) == names_of(expected) and len(val_set.records) == 9 and len(lines) == 2
    out = capsys.readouterr().out.splitlines()
    assert [line for line in out if line.startswith("data.")] == lines
    progress = (line.partition(":")[0] for line in out if not line.startswith("data."))  # on a slow machine several lines each
    assert list(dict.fromkeys(progress)) == ["train", "val"]
