"""YOLOv5's hyperparameters under their own names."""

import dataclasses

import pytest
from places import ROOT

from yolo_tf.config import SECTIONS
from yolo_tf.config.hyp import HYP_NAMES, HYP_NEUTRAL, hyp_preset
from yolo_tf.config.reader import read_config
from yolo_tf.errors import InputError


def test_hyp_of_yolov5_is_translated(tmp_path):
    hyp = "lr0: 0.02\nlrf: 0.1\nbox: 0.07\ncls: 0.3\nobj: 0.7\nhsv_h: 0.1\nmosaic: 0.5\niou_t: 0.2\ncopy_paste: 0.0\n"
    (tmp_path / "hyp.yaml").write_text(hyp)
    (tmp_path / "a.yaml").write_text("hyp: hyp.yaml\nloss: {box: 0.08}\n")
    config = read_config(tmp_path / "a.yaml", ["augment.level=med"])
    assert (config.train.learning_rate, config.train.final_learning_rate_fraction) == (0.02, 0.1)
    assert (config.loss.classification, config.loss.objectness) == (0.3, 0.7)
    assert config.loss.box == 0.08, "a section of the file wins over its hyp"
    assert (config.augment.hsv_h, config.augment.mosaic) == (0.1, 0.5)
    assert config.augment.scale == 0.9, "what the hyp leaves out comes from the level"


def test_every_hyp_name_points_to_an_option():
    for place in filter(None, HYP_NAMES.values()):
        section, key = place.split(".")
        assert key in {field.name for field in dataclasses.fields(SECTIONS[section])}, place


@pytest.mark.parametrize("level", ["low", "med", "high"])
def test_the_hyp_files_are_the_levels(tmp_path, level):
    (tmp_path / "a.yaml").write_text(f"hyp: {ROOT / 'configs' / 'hyp' / f'hyp_{level}.yaml'}\n")
    by_hyp = read_config(tmp_path / "a.yaml")
    by_level = read_config(None, [f"augment.level={level}"])
    assert dataclasses.replace(by_hyp.augment, level=level) == by_level.augment
    assert by_hyp.loss.classification == (0.5 if level == "low" else 0.3)


def test_a_hyp_wins_over_the_level(tmp_path):
    (tmp_path / "a.yaml").write_text("hyp: {scale: 0.25}\naugment: {level: high}\n")
    augment = read_config(tmp_path / "a.yaml").augment
    assert (augment.scale, augment.mixup) == (0.25, 0.1)


def test_a_hyp_is_a_preset_whose_source_is_its_place():
    preset = hyp_preset({"lr0": 1, "iou_t": 0.7}, where="a.yaml: hyp")
    assert preset.settings == {"train.learning_rate": 1.0} and preset.source == "a.yaml: hyp"
    assert type(preset.settings["train.learning_rate"]) is float
    assert hyp_preset({"anchors": 3}, where="a.yaml: hyp").settings == {}  # as many as there are of each level
    assert {name for name, place in HYP_NAMES.items() if place is None} == set(HYP_NEUTRAL)


def test_what_nothing_here_can_follow_is_refused():
    with pytest.raises(InputError, match=r"a.yaml: hyp.copy_paste: 0.5 is not supported. Expected 0.0. Remove the line"):
        hyp_preset({"copy_paste": 0.5}, where="a.yaml: hyp")
    with pytest.raises(InputError, match=r"a.yaml: hyp.anchors: 4 is not supported. Expected 3. Remove the line"):
        hyp_preset({"anchors": 4}, where="a.yaml: hyp")
