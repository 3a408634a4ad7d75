"""Strict reading: what is right comes back whole, what is wrong is named."""

import dataclasses
import re

import pytest
from places import ROOT

from yolo_tf.config import AUGMENT_LEVELS, MOVED, SECTIONS, Config
from yolo_tf.config.reader import HYP_NAMES, options_table, read_config, write_config
from yolo_tf.config.recipes import RECIPES, recipe_for
from yolo_tf.errors import InputError


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def test_no_file_gives_the_defaults():
    assert read_config() == Config()


def test_file_then_overrides(tmp_path):
    path = write(tmp_path / "a.yaml", "train: {epochs: 7, learning_rate: 1}\ndata: {image_size: [96, 160], classes: [a, b]}\n")
    config = read_config(path, ["train.epochs=3", "augment.photometric={Grayscale: 0.5}", "hardware.xla=true"])
    assert config.train.epochs == 3
    assert config.train.learning_rate == 1.0 and isinstance(config.train.learning_rate, float)
    assert config.data.image_size == (96, 160) and config.data.classes == ("a", "b")
    assert config.augment.photometric == {"Grayscale": 0.5} and config.hardware.xla == "true"
    assert read_config(None, ["data.image_size=64"]).data.image_size == (64, 64)
    assert read_config(None, ["detect.class_ids=[5, 0]"]).detect.class_ids == (5, 0)


def test_paths_are_relative_to_the_file_that_states_them(tmp_path, monkeypatch):
    (tmp_path / "sub").mkdir()
    path = write(tmp_path / "sub" / "a.yaml", "data: {dataset: d.yaml}\n")
    monkeypatch.chdir(tmp_path)
    assert read_config(path).data.dataset == str(tmp_path / "sub" / "d.yaml")
    assert read_config(path, ["data.dataset=e.yaml"]).data.dataset == str(tmp_path / "e.yaml")
    assert read_config(path, ["model.backbone_weights=w.h5"]).model.backbone_weights == str(tmp_path / "w.h5")
    assert read_config(path, ["model.backbone_weights=imagenet"]).model.backbone_weights == "imagenet"


def test_the_resolved_config_reads_back_equal(tmp_path):
    lists = ["model.anchors=[[[1, 2], [3, 4]], [[5, 6], [7, 8.5]]]", "data.classes=[x]", "detect.class_ids=[3, 1]"]
    config = read_config(None, ["augment.level=med", *lists])
    write_config(config, tmp_path / "c.yaml")
    assert read_config(tmp_path / "c.yaml") == config


def test_an_augmentation_level_is_a_start_not_a_lock():
    config = read_config(None, ["augment.level=med", "augment.mixup=0.25"])
    assert (config.augment.scale, config.augment.mixup, config.augment.fliplr) == (0.9, 0.25, 0.5)
    neutral = read_config(None, ["augment.level=none"]).augment
    assert (neutral.mosaic, neutral.hsv_s, neutral.scale, neutral.fliplr) == (0.0, 0.0, 0.0, 0.0)


def test_hyp_of_yolov5_is_translated(tmp_path):
    hyp = "lr0: 0.02\nlrf: 0.1\nbox: 0.07\ncls: 0.3\nobj: 0.7\nhsv_h: 0.1\nmosaic: 0.5\niou_t: 0.2\ncopy_paste: 0.0\n"
    write(tmp_path / "hyp.yaml", hyp)
    config = read_config(write(tmp_path / "a.yaml", "hyp: hyp.yaml\nloss: {box: 0.08}\n"))
    assert (config.train.learning_rate, config.train.final_learning_rate_fraction) == (0.02, 0.1)
    assert (config.loss.classification, config.loss.objectness) == (0.3, 0.7)
    assert config.loss.box == 0.08, "a section of the file wins over its hyp"
    assert (config.augment.hsv_h, config.augment.mosaic) == (0.1, 0.5)


def test_every_hyp_name_points_to_an_option():
    for place in filter(None, HYP_NAMES.values()):
        section, key = place.split(".")
        assert key in {field.name for field in dataclasses.fields(SECTIONS[section])}, place


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("train.epoch=3", "config.train: unknown key 'epoch'. Did you mean 'epochs'?"),
        ("trian.epochs=3", "unknown config section 'trian'. Did you mean 'train'?"),
        ("train.learning_rate=1e-3", "config.train.learning_rate: expected float, got '1e-3' (str). YAML needs a dot"),
        ("train.epochs=2.5", "config.train.epochs: expected int, got 2.5 (float)"),
        ("train.epochs=true", "config.train.epochs: expected int, got True (bool)"),
        ("train.epochs=0", "config.train.epochs: expected a whole number above 0, got 0"),
        ("hardware.xla=tru", "config.hardware.xla: got 'tru'. Did you mean 'true'?"),
        ("train.optimizer=adam", "Did you mean 'adamw'?"),
        ("train.momentum=1.5", "expected 0 <= momentum < 1, got 1.5"),
        ("train.learning_rate=0.0", "expected a number above 0"),
        ("data.image_size=100", "100 is no positive multiple of 32. Expected multiples of the coarsest stride. Use 96."),
        ("data.image_size=[64, 64, 64]", "expected 2 values"),
        ("data.image_size=big", "expected list, got 'big'"),
        ("data.classes=[a, a]", "names repeat"),
        ("data.max_boxes=0", "config.data.max_boxes: expected a number above 0"),
        ("augment.level=medium", "config.augment.level: got 'medium'. Did you mean 'med'?"),
        ("augment.mosaic=2.0", "config.augment.mosaic: expected a probability 0..1, got 2.0"),
        ("augment.hsv_h=1.5", "config.augment.hsv_h: expected 0 <= hsv_h < 1, got 1.5"),
        ("augment.scale=1.0", "expected 0 <= scale < 1"),
        ("augment.perspective=0.1", "expected 0..0.001"),
        ("augment.photometric={Grayscale: 3.0}", "config.augment.photometric.Grayscale: expected a probability"),
        ("augment.photometric=Grayscale", "expected mapping"),
        ("model.anchors=[[a]]", "expected nested list of numbers"),
        ("model.batch_norm_momentum=1.0", "config.model.batch_norm_momentum: expected 0 <= momentum < 1"),
        ("model.depth=0.0", "config.model.depth: expected a number above 0"),
        ("model.drop_path=1.0", "config.model.drop_path: expected 0 <= rate < 1, got 1.0"),
        ("model.drop_path=0.1", "config.model.drop_path: got 0.1 for backbone csp_darknet. Expected 0: ConvNeXt alone has it"),
        ("loss.anchor_ratio_limit=1.0", "expected above 1"),
        ("loss.label_smoothing=1.0", "config.loss.label_smoothing: expected 0..1"),
        ("detect.iou_threshold=1.5", "config.detect.iou_threshold: expected 0..1"),
        ("detect.max_detections=0", "config.detect.max_detections: expected a whole number above 0"),
        ("detect.class_ids=[2, -1]", "config.detect.class_ids: expected numbers from 0, got [2, -1]"),
        ("detect.class_ids=[2, 0, 2]", "config.detect.class_ids: expected each number once, got [2, 0, 2]"),
        ("detect.class_ids=[car]", "config.detect.class_ids: expected int, got 'car' (str)"),
        ("detect.class_ids=2", "config.detect.class_ids: expected list, got 2 (int)"),
        ("epochs=3", "Expected section.key=value"),
        ("train.epochs", "Expected section.key=value"),
        ("train.epochs=[", "is not a YAML value"),
    ],
)
def test_a_wrong_override_is_named(override, message):
    with pytest.raises(InputError, match=re.escape(message)):
        read_config(None, [override])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tarin: {epochs: 3}", "unknown section 'tarin'. Did you mean 'train'?"),
        ("train: 3", "config.train: expected a mapping"),
        ("- a\n- b", "holds a list. Expected a mapping"),
        ("train: {epochs: 3", ":1: is not valid YAML"),
        ("hyp: {lr: 0.1}", "unknown hyperparameter"),
        ("hyp: {copy_paste: 0.5}", "copy_paste: 0.5 is not supported. Expected 0.0"),
        ("hyp: 3", "expected a mapping or the path of one"),
        ("hyp: nowhere.yaml", "nowhere.yaml: cannot be read"),
    ],
)
def test_a_wrong_file_is_named(tmp_path, text, message):
    with pytest.raises(InputError, match=re.escape(message)):
        read_config(write(tmp_path / "a.yaml", text))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match="none.yaml: cannot be read"):
        read_config(tmp_path / "none.yaml")


CONFIGS = sorted(ROOT.glob("configs/*.yaml")) + sorted(ROOT.glob("configs/models/*.yaml"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_config_in_the_repository_reads(path):
    config = read_config(path)
    assert config.model.name
    assert path.read_text(encoding="utf-8").startswith("#"), "the header says the command, the cost and the result"


def test_levels_only_name_options():
    known = {field.name for field in dataclasses.fields(SECTIONS["augment"])}
    assert all(set(changes) <= known for changes in AUGMENT_LEVELS.values())


def test_the_table_of_options_in_the_docs_is_the_dataclasses():
    text = (ROOT / "docs" / "config.md").read_text(encoding="utf-8")
    assert options_table() in text, "write it anew: python scripts/document_options.py"


@pytest.mark.parametrize("level", ["low", "med", "high"])
def test_the_recipes_are_the_levels(tmp_path, level):
    by_recipe = read_config(write(tmp_path / "a.yaml", f"hyp: {ROOT / 'configs' / 'recipes' / f'hyp_{level}.yaml'}\n"))
    by_level = read_config(None, [f"augment.level={level}"])
    assert dataclasses.replace(by_recipe.augment, level=level) == by_level.augment
    assert by_recipe.loss.classification == (0.5 if level == "low" else 0.3)


def test_one_name_needs_no_brackets():
    assert read_config(None, ["transfer.freeze=backbone"]).transfer.freeze == ("backbone",)
    assert read_config(None, ["transfer.freeze=[stage1, stage2]"]).transfer.freeze == ("stage1", "stage2")
    assert read_config(None, ["transfer.freeze=none"]).transfer.freeze == ()


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("transfer.freeze_epochs=3", "got 3, but transfer.freeze names no part. Set both or neither"),
        ("transfer.freeze_epochs=-1", "expected 0 or more, got -1"),
        ("transfer.layer_decay=1.5", "expected 0 < layer_decay <= 1, got 1.5"),
        ("transfer.backbone_learning_rate_multiplier=0.0", "expected a number above 0, got 0.0"),
    ],
)
def test_unusable_transfer_controls(override, message):
    with pytest.raises(InputError, match=re.escape(message)):
        read_config(None, [override])


def test_the_recipe_of_yolov4_csp():
    config = read_config(ROOT / "configs" / "coco_yolov4_csp_s.yaml")
    assert (config.loss.iou, config.loss.classification_per_class, config.train.schedule) == ("giou", False, "cosine")
    assert (config.train.final_learning_rate_fraction, config.loss.box, config.loss.classification) == (0.2, 0.05, 0.5)
    assert config.model == read_config(ROOT / "configs" / "models" / "yolov4_csp_s.yaml").model


def test_a_recipe_fills_in_what_the_config_leaves_out():
    config = read_config(None, ["model.backbone=convnext_tiny", "train.recipe=auto", "train.learning_rate=0.1"])
    assert (config.train.optimizer, config.train.weight_decay, config.train.learning_rate) == ("adamw", 0.05, 0.1)
    assert read_config(None, ["model.backbone=convnext_tiny"]).train.optimizer == "sgd"
    assert read_config(None, ["model.backbone=efficientnetv2b0", "train.recipe=auto"]).model.batch_norm_momentum == 0
    assert read_config(None, ["model.backbone=efficientnetb0", "train.recipe=auto"]).model.batch_norm_momentum == 0.97
    assert read_config(None, ["train.recipe=auto"]) == read_config(None, ["train.recipe=auto", "train.optimizer=sgd"])


def test_every_recipe_sets_options_that_exist():
    for recipe in RECIPES:
        for dotted, value in recipe.settings.items():
            section, key = dotted.split(".")
            assert type(value) is type(getattr(getattr(Config(), section), key)), dotted
        assert recipe_for(f"{recipe.family}_x").settings == recipe.settings and len(recipe.source) > 20


def test_a_number_or_a_word():
    assert read_config(None, ["train.batch_size=auto"]).train.batch_size == "auto"
    assert read_config(None, ["train.batch_size=24"]).train.batch_size == 24
    with pytest.raises(InputError, match="config.train.batch_size: expected int, got 'automatic'"):
        read_config(None, ["train.batch_size=automatic"])


@pytest.mark.parametrize(("old", "new"), MOVED.items())
def test_an_option_that_has_moved_is_answered_with_its_new_place(tmp_path, old, new):
    section, key = new.split(".")
    assert old == f"train.{key}" and key in {field.name for field in dataclasses.fields(SECTIONS[section])}
    (tmp_path / "old.yaml").write_text(f"train: {{{key}: 1}}")
    for given in ({"path": tmp_path / "old.yaml"}, {"overrides": [f"{old}=1"]}):
        with pytest.raises(InputError, match=f"config.{old}: has moved to {new}. .* --migrate FILE"):
            read_config(**given)
