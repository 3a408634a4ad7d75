"""What a run reads, and whose class numbers it takes."""

import dataclasses
import re

import numpy as np
import pytest

from yolo_tf.config import CompressConfig, Config, DataConfig, ModelConfig
from yolo_tf.data import scan_memory
from yolo_tf.files.keras import save_network
from yolo_tf.files.spec import detector_spec
from yolo_tf.structures import DetectionDataset, ImageRecord
from yolo_tf.terminal import sent_to
from yolo_tf.training.data_sets import fingerprint, in_order_of_files, read_splits


@pytest.fixture
def sets():
    """Two splits of one image: boxes of an emu and two owls, and of a jay."""

    def split(*class_ids):
        boxes = np.tile(np.float32([[1, 2, 5, 9]]), (len(class_ids), 1))
        crowd = np.zeros(len(class_ids), bool)
        record = ImageRecord(
            image_id="a", path="a.png", height=20, width=30, boxes=boxes, class_ids=np.array(class_ids, np.int32), is_crowd=crowd
        )
        return DetectionDataset(class_names=("owl", "emu", "jay"), records=(record,))

    return [split(1, 0, 0), split(2)]


@pytest.fixture
def file_of(tmp_path, tiny_network, tiny_anchors):
    """Returns a function that writes a detector of these classes and returns its path."""

    def write(*names):
        path = tmp_path / f"{'-'.join(names)}.keras"
        save_network(tiny_network(len(names)), detector_spec(class_names=names, image_size=(64, 64), anchors=tiny_anchors), path)
        return str(path)

    return write


def config_of(option, path):
    section, name = option.split(".")
    return Config(**{section: {"model": ModelConfig, "compress": CompressConfig}[section](**{name: path})})


@pytest.mark.parametrize("option", ["model.network", "model.weights", "compress.teacher"])
def test_the_same_classes_take_the_numbers_of_the_file(option, sets, file_of):
    """Owl, emu, jay are 0, 1, 2 in the data set and 1, 2, 0 in the file."""
    path, lines = file_of("jay", "owl", "emu"), []
    with sent_to(lines.append):
        ordered = in_order_of_files(config_of(option, path), sets)
    assert [dataset.class_names for dataset in ordered] == [("jay", "owl", "emu")] * 2
    assert [dataset.records[0].class_ids.tolist() for dataset in ordered] == [[2, 1, 1], [0]]
    (line,) = lines
    assert path in line and "by name: ['jay', 'owl', 'emu']; the data set says ['owl', 'emu', 'jay']" in line
    assert fingerprint(ordered[0]) != fingerprint(sets[0])


@pytest.mark.parametrize("names", [("owl", "emu", "jay"), ("owl", "tit", "jay"), ("owl", "emu")])
def test_all_others_are_left_alone(names, sets, file_of):
    """Whether other classes can be trained on is for whoever opens the file."""
    with sent_to(lambda line: pytest.fail(line)):
        assert in_order_of_files(config_of("model.weights", file_of(*names)), sets) is sets
        assert in_order_of_files(Config(), sets) is sets


def test_a_file_without_names_is_left_alone(sets, tmp_path, tiny_network):
    tiny_network(3).save(tmp_path / "plain.keras")
    assert in_order_of_files(config_of("model.weights", str(tmp_path / "plain.keras")), sets) is sets
    config = dataclasses.replace(Config(), model=ModelConfig(network=str(tmp_path / "none.keras")))
    assert in_order_of_files(config, sets) is sets, "whoever opens it says that there is none"


def test_the_second_run_decodes_no_image_that_the_first_found_whole(tmp_path, monkeypatch):
    """With the same result; `always` decodes them, a cache that cannot be written is said once, and the run goes on."""
    monkeypatch.setattr(scan_memory, "SETTLED_NS", 0)
    monkeypatch.setenv("YOLO_TF_CACHE", str(tmp_path / "cache"))
    text = f"format: shapes\npath: {tmp_path / 'shapes'}\ntrain: 4\nval: 3\nimage_size: 64\n"
    (tmp_path / "data.yaml").write_text(text)
    data = DataConfig(dataset=str(tmp_path / "data.yaml"))

    def read(**options):
        lines = []
        with sent_to(lines.append):
            sets = read_splits(dataclasses.replace(data, **options))
        wanted = r"decoded (\d)/\1 images|not decoded|cannot be kept"  # without those on the way, where the machine is slow
        told = [line for line in lines if re.search(wanted, line)]
        return list(map(fingerprint, sets)), told

    first, told = read()
    assert [line.partition(",")[0] for line in told] == ["train: decoded 4/4 images", "val: decoded 3/3 images"]
    again, told = read(on_bad_image="skip")
    assert again == first and len(told) == 2
    assert told[0].startswith("train: 4 images were found whole before and have not changed since, so they are not decoded now.")
    assert told[1].startswith("val: 3 images") and told[1].endswith("Set data.scan=always to look at them too.")
    always, told = read(scan="always")
    assert always == first and [line.partition(",")[0] for line in told][0] == "train: decoded 4/4 images"
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("YOLO_TF_CACHE", str(tmp_path / "file"))
    nowhere, told = read()
    assert nowhere == first and sum("cannot be kept there" in line for line in told) == 1
