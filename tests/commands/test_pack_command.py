"""`yolo-tf pack`, and what later commands make of its result."""

import json

import numpy as np
import pytest
from PIL import Image

from yolo_tf import cli
from yolo_tf.sources import read_dataset, read_source

YAML = "train: images/train\nval: images/val\nnames: [box, bar]\n"


@pytest.fixture
def project(tmp_path):
    """A data set in YOLO format: four training images, three of validation, one object each."""
    rng = np.random.default_rng(0)
    for split, count in (("train", 4), ("val", 3)):
        for folder in ("images", "labels"):
            (tmp_path / folder / split).mkdir(parents=True)
        for number in range(count):
            size = (40 + number, 64, 3)
            Image.fromarray(rng.integers(0, 256, size, np.uint8)).save(tmp_path / f"images/{split}/{number}.jpg")
            (tmp_path / f"labels/{split}/{number}.txt").write_text(f"{number % 2} 0.5 0.5 0.25 0.5\n")
    (tmp_path / "data.yaml").write_text(YAML)
    return tmp_path


def pack(project, *options):
    return cli.main(["pack", str(project / "data.yaml"), "--out", str(project / "packed"), *options])


def test_splits_are_packed_one_after_the_other_into_one_data_set(project, capsys):
    assert pack(project, "--shards", "3", "--json", str(project / "r.json")) == 0
    out = capsys.readouterr().out
    assert (
        "\r" not in out
        and out.startswith("train: 4 images (4 with labels, 0 empty, 0 without a label file), ")
        and "\ntrain: 4/4 images, " in out
        and "\ntrain: 4 images, 3 shards, " in out
        and "packed/dataset.yaml" in out
    )
    report = json.loads((project / "r.json").read_text())["train"]
    assert (report["images"], report["shards"]) == (4, 3)
    assert list(read_source(project / "packed/dataset.yaml").splits) == ["train"]
    assert pack(project, "--split", "val") == 0
    packed, plain = (read_source(project / name) for name in ("packed/dataset.yaml", "data.yaml"))
    assert packed.splits == {"train": ("train",), "val": ("val",)}
    for split, count in (("train", 4), ("val", 3)):
        ours, theirs = read_dataset(packed, split), read_dataset(plain, split)
        assert len(ours.records) == count and ours.class_names == theirs.class_names == ("box", "bar")
        for record, original in zip(ours.records, theirs.records, strict=True):
            assert record.image_id == original.image_id and record.byte_offset is not None
            np.testing.assert_array_equal(record.boxes, original.boxes)


@pytest.mark.parametrize(
    "options, message",
    [
        (["--shards", "9"], "--shards: got 9 for 4 images. Expected 1..4"),
        (["--split", "test"], "no test split"),
        (["--path", "nowhere"], "nowhere"),
        (["--out", "."], "holds the data set that is to be packed. Expected another directory. Change --out."),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(project, capsys, monkeypatch, options, message):
    monkeypatch.chdir(project)
    assert pack(project, *options) == 2
    err = capsys.readouterr().err
    assert message in err and err.count("\n") == 1
    assert not (project / "packed" / "dataset.yaml").exists()


def test_splits_of_other_classes_do_not_join_one_data_set(project, capsys):
    assert pack(project) == 0
    (project / "data.yaml").write_text(YAML.replace("box, bar", "box, rod"))
    capsys.readouterr()
    assert pack(project, "--split", "val") == 2
    err = capsys.readouterr().err
    assert "the classes of val are ['box', 'rod'], those of train ['box', 'bar']. Expected the same in one data set" in err
    assert not (project / "packed" / "val").exists()


def test_bad_labels_are_left_out_on_request(project, capsys):
    (project / "labels/train/1.txt").write_text("7 0.5 0.5 0.2 0.2\n")
    assert pack(project) == 2
    assert "class id 7 is out of range" in capsys.readouterr().err
    assert pack(project, "--lenient") == 0
    assert "train: 1 bad labels left out" in capsys.readouterr().out
    dataset = read_dataset(read_source(project / "packed/dataset.yaml"), "train")
    assert [len(record.boxes) for record in dataset.records] == [1, 0, 1, 1]


@pytest.mark.long
def test_packed_data_train_and_evaluate(project, capsys):
    assert pack(project, "--split", "train", "val") == 0
    data = str(project / "packed/dataset.yaml")
    argv = ["train", "--run", str(project / "run"), f"data.dataset={data}", "data.image_size=64", "model.width=0.125"]
    argv += ["model.depth=0.33", "train.epochs=1", "train.batch_size=2", "data.cache=files"]
    assert cli.main(argv) == 0
    best = str(project / "run/best.keras")
    figures = []
    for place in (data, str(project / "data.yaml")):
        assert cli.main(["evaluate", best, "--data", place, "--json", str(project / "e.json")]) == 0
        figures.append(json.loads((project / "e.json").read_text()))
    for name in ("AP", "AP50", "AR100", "images", "boxes"):
        assert figures[0][name] == figures[1][name]
    argv = ["export", best, "--format", "saved_model", "--out", str(project / "exported"), "--data", data]
    assert cli.main(argv) == 0
    assert "val images of" in capsys.readouterr().out
