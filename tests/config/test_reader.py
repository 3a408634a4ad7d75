"""Strict reading: what is right comes back whole, what is wrong is named."""

import re

import pytest
from places import ROOT

from yolo_tf.config import Config
from yolo_tf.config.reader import read_config, write_config
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


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("train.epoch=3", "config.train: unknown key 'epoch'. Did you mean 'epochs'?"),
        ("trian.epochs=3", "unknown config section 'trian'. Did you mean 'train'?"),
        (
            "train.learning_rate='1e-4'",
            "learning_rate: expected float, got '1e-4' (str). Write 1e-4 without quotes.",
        ),
        ("train.learning_rate=0,02", "config.train.learning_rate: expected float, got '0,02' (str). Write 0.02."),
        ("train.epochs=1e2", "config.train.epochs: expected int, got 100.0 (float). Write 100."),
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
        ("data.fraction=1.5", "config.data.fraction: expected 0..1, got 1.5"),
        ("data.fraction=0.0", "config.data.fraction: got 0, which leaves no images"),
        ("data.cache_gib=0.0", "config.data.cache_gib: expected a number above 0, got 0.0"),
        ("data.workers=-1", "config.data.workers: expected 0..1024, got -1"),
        ("data.workers=1000000000", "config.data.workers: expected 0..1024, got 1000000000"),
        ("data.max_boxes=0", "config.data.max_boxes: expected 1..100000, got 0"),
        ("data.max_boxes=1000000000", "config.data.max_boxes: expected 1..100000, got 1000000000"),
        ("data.image_size=3200000", "config.data.image_size: 3200000 px is too large. Expected up to 16384."),
        ("train.seed=99999999999999999999", "train.seed: expected a whole number up to 4294967295, got 99999999999999999999"),
        ("train.seed=4294967296", "config.train.seed: expected a whole number up to 4294967295, got 4294967296"),
        ("train.batch_size=1000000000", "config.train.batch_size: expected 1..100000, got 1000000000"),
        ("train.learning_rate=.inf", "config.train.learning_rate: expected a finite number, got inf"),
        ("loss.box=.nan", "config.loss.box: expected a finite number, got nan"),
        ("loss.level_balance=[1, .nan, 1]", "config.loss.level_balance: expected a finite number, got nan"),
        ("model.anchors=[[[1, .inf]]]", "config.model.anchors: expected a finite number, got inf"),
        pytest.param("train.learning_rate=1" + "0" * 400, "expected float, got 1000", id="beyond all floats"),
        ("detect.max_candidates=1000000000", "config.detect.max_candidates: expected 0..10000000, got 1000000000"),
        ("augment.level=medium", "config.augment.level: got 'medium'. Did you mean 'med'?"),
        ("augment.mosaic=2.0", "config.augment.mosaic: expected 0..1, got 2.0"),
        ("augment.hsv_h=1.5", "config.augment.hsv_h: expected 0 <= hsv_h < 1, got 1.5"),
        ("augment.scale=1.0", "expected 0 <= scale < 1"),
        ("augment.perspective=0.1", "expected 0..0.001"),
        ("augment.photometric={Grayscale: 3.0}", "config.augment.photometric.Grayscale: expected 0..1, got 3.0"),
        ("augment.photometric=Grayscale", "expected mapping"),
        ("model.anchors=[[a]]", "expected nested list of numbers"),
        ("model.batch_norm_momentum=1.0", "config.model.batch_norm_momentum: expected 0 <= batch_norm_momentum < 1, got 1.0"),
        ("model.depth=0.0", "config.model.depth: expected a number above 0"),
        ("model.drop_path=1.0", "config.model.drop_path: expected 0 <= drop_path < 1, got 1.0"),
        ("model.drop_path=0.1", "config.model.drop_path: got 0.1 for backbone csp_darknet. Expected 0: ConvNeXt alone has it"),
        ("loss.anchor_ratio_limit=1.0", "config.loss.anchor_ratio_limit: expected a number above 1, got 1.0"),
        ("loss.label_smoothing=1.0", "config.loss.label_smoothing: expected 0 <= label_smoothing < 1, got 1.0"),
        ("detect.iou_threshold=1.5", "config.detect.iou_threshold: expected 0..1"),
        ("detect.max_detections=0", "config.detect.max_detections: expected 1..100000"),
        ("detect.max_detections=1000000000", "config.detect.max_detections: expected 1..100000, got 1000000000"),
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


@pytest.mark.parametrize("text", ["1.2.3", ".", "fast", "1,2,3", "1e"])
def test_what_is_no_number_gets_no_hint_how_numbers_are_written(text):
    with pytest.raises(InputError, match=r"learning_rate: expected float, got '.*' \(str\)\.$"):
        read_config(None, [f"train.learning_rate={text}"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tarin: {epochs: 3}", "unknown section 'tarin'. Did you mean 'train'?"),
        ("train: 3", "config.train: expected a mapping"),
        ("train: {a.b: 1}", "config.train: unknown key 'a.b'"),
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


def test_one_name_needs_no_brackets():
    assert read_config(None, ["transfer.freeze=backbone"]).transfer.freeze == ("backbone",)
    assert read_config(None, ["transfer.freeze=[stage1, stage2]"]).transfer.freeze == ("stage1", "stage2")
    assert read_config(None, ["transfer.freeze=none"]).transfer.freeze == ()


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("transfer.freeze_epochs=3", "got 3, but transfer.freeze names no part. Set both or neither"),
        ("transfer.freeze_epochs=-1", "expected 0 or more, got -1"),
        ("run.patience=-1", "config.run.patience: expected 0 or more, got -1"),
        ("train.seed=-1", "config.train.seed: expected 0 or more, got -1"),
        ("augment.close_mosaic=-1", "expected 0 or more, got -1"),
        ("train.clip_norm=-0.5", "expected 0 or more, got -0.5"),
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


def test_a_number_or_a_word():
    assert read_config(None, ["train.batch_size=auto"]).train.batch_size == "auto"
    assert read_config(None, ["train.batch_size=24"]).train.batch_size == 24
    with pytest.raises(InputError, match="config.train.batch_size: expected int, got 'automatic'"):
        read_config(None, ["train.batch_size=automatic"])
