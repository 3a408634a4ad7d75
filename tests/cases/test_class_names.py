"""Class names are what was written, wherever they come from."""

import json

import pytest
from painted_sets import coco_document, put, voc_xml, write, write_coco, yolo_set

from yolo_tf.config.reader import read_config, write_config
from yolo_tf.errors import InputError
from yolo_tf.sources import read_dataset, read_source

CODES = ("02146", "21008", "1_000")


def names_of(yaml_path):
    return read_dataset(read_source(yaml_path), "train").class_names


def test_names_that_yaml_takes_for_numbers(tmp_path):
    yaml_path = yolo_set(tmp_path, yaml="train: images/train\nnames: [02146, 21008, 1_000]\n")
    assert names_of(yaml_path) == CODES
    write(yaml_path, "train: images/train\nnames:\n  0: 007\n  1: 12:30\n  '2': 0x1F\n")
    assert names_of(yaml_path) == ("007", "12:30", "0x1F")
    write(yaml_path, "train: images/train\nnames: [no, on, off]\n")
    assert names_of(yaml_path) == ("no", "on", "off")


def test_classes_to_keep_that_yaml_takes_for_numbers(tmp_path):
    write(tmp_path / "a.yaml", "data: {classes: [02146, 1_000]}\n")
    for config in (read_config(tmp_path / "a.yaml"), read_config(None, ["data.classes=[02146, 1_000]"])):
        assert config.data.classes == ("02146", "1_000")
        write_config(config, tmp_path / "b.yaml")
        assert read_config(tmp_path / "b.yaml") == config
    assert read_config(None, ["data.classes=02146"]).data.classes == ("02146",)
    yaml_path = yolo_set(tmp_path, yaml="train: images/train\nnames: [1_000, 02146]\n")
    dataset = read_dataset(read_source(yaml_path), "train", classes=("02146", "1_000"))
    assert dataset.records[0].class_ids.tolist() == [1, 0]  # 0 and 1 before


def test_names_that_no_later_step_could_write(tmp_path):
    """The halves of a character and a line break are mended in every format; half a character is refused."""
    boxes = put(0, tmp_path / "images/a.jpg")
    yaml_path = write_coco(tmp_path, "a", coco_document([("a.jpg", boxes)], names=["traffic\nlight", "\ud83d\ude97"]))
    assert names_of(yaml_path) == ("traffic light", "\U0001f697")
    put(0, tmp_path / "JPEGImages/a.jpg")
    write(tmp_path / "Annotations/a.xml", voc_xml(boxes, names=["traffic\n   light", "car"]))
    write(tmp_path / "ImageSets/Main/train.txt", "a\n")
    for names in ("", 'names: ["car", "traffic\\nlight"]\n'):
        write(tmp_path / "voc.yaml", f"format: voc\ntrain: train\n{names}")
        assert names_of(tmp_path / "voc.yaml") == ("car", "traffic light")
    yaml_path = yolo_set(tmp_path / "y", yaml='train: images/train\nnames: ["\\ud83d\\ude97", "b\\tc"]\n')
    assert names_of(yaml_path) == ("\U0001f697", "b c")
    for name, word in (("\ud83d", "half a character"), ("a\x07", "control character")):
        document = coco_document([("a.jpg", boxes)], names=["b", name])
        assert json.loads(json.dumps(document)) == document
        with pytest.raises(InputError, match=f"category 2: the class name .* holds .*{word}"):
            names_of(write_coco(tmp_path, "bad", document))
