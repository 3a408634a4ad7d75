"""Presets fill what a config leaves out, and each says where it comes from."""

import pytest
from places import ROOT

from yolo_tf.config import Config
from yolo_tf.config.presets import AUGMENT_LEVELS, NAMED_RECIPES, RECIPES, Preset, filled, named_presets, recipe_family
from yolo_tf.config.reader import config_to_dict, read_config

CONFIGS = ROOT / "configs"


@pytest.mark.parametrize(
    ("backbone", "momentum"),
    [("nasnetmobile", 0.97), ("inception_v4", 0.97), ("resnet50", 0.97), ("resnet18", 0), ("repvgg_b1g4", 0), ("ghostnet", 0)],
)
def test_batch_norm_momentum_of_a_family(backbone, momentum):
    assert read_config(None, [f"model.backbone={backbone}", "train.recipe=auto"]).model.batch_norm_momentum == momentum


def test_convnext_drops_paths_as_the_paper_trains_tiny():
    assert read_config(None, ["model.backbone=convnext_tiny", "train.recipe=auto"]).model.drop_path == 0.1
    assert read_config(None, ["model.backbone=convnext_tiny", "train.recipe=auto", "model.drop_path=0"]).model.drop_path == 0
    assert read_config(None, ["model.backbone=convnext_tiny"]).model.drop_path == 0


def test_yolov4_csp_has_the_settings_of_its_config():
    whole = config_to_dict(read_config(CONFIGS / "coco_yolov4_csp_s.yaml"))
    by_recipe = config_to_dict(read_config(CONFIGS / "models" / "yolov4_csp_s.yaml", ["train.recipe=auto"]))
    settings = RECIPES["yolov4_csp"].settings
    assert len(settings) == 4
    for dotted, value in settings.items():
        section, key = dotted.split(".")
        assert whole[section][key] == by_recipe[section][key] == value


def test_yolox_s_recipe_goes_with_its_backbone_and_by_name_with_any():
    by_family = read_config(CONFIGS / "models" / "yolox_s.yaml", ["train.recipe=auto", "train.momentum=0.8"])
    by_name = read_config(None, ["train.recipe=yolox"])
    for found in (by_family, by_name):
        assert (found.train.ema_decay, found.train.clip_norm, found.augment.close_mosaic) == (0.9998, 0.0, 15)
        assert found.augment.close_geometry and found.augment.mixup == 1.0
    assert (by_family.train.momentum, by_name.train.momentum) == (0.8, 0.9)
    whole = config_to_dict(read_config(CONFIGS / "coco_yolox_s.yaml"))
    for dotted, value in RECIPES["csp_darknet_yolox"].settings.items():
        section, key = dotted.split(".")
        assert whole[section][key] == value


def test_few_photographs_have_a_recipe_of_their_own_whatever_the_backbone():
    for found in (read_config(None, ["train.recipe=small"]), read_config(CONFIGS / "small_data.yaml")):
        train = found.train
        assert (train.epochs, train.min_steps, train.batch_size, train.nominal_batch_size) == (20, 15, 8, 8)
        assert (train.optimizer, train.learning_rate, train.weight_decay, train.warmup_epochs) == ("adamw", 0.001, 0.05, 0)
        assert (train.ema_decay, train.ema_ramp, found.augment.mosaic) == (0.99, 50, 0.5)
    assert read_config(None, ["train.recipe=small", "train.epochs=7", "augment.mosaic=1.0"]).train.epochs == 7
    assert found.model.weights == "yolox_nano" and found.data.image_size == (320, 320)


def test_yolov5_s_own_backbone_has_no_recipe():
    assert recipe_family("csp_darknet") is None and recipe_family("csp_darknet_v5") is None


def test_an_augmentation_level_is_a_start_not_a_lock():
    config = read_config(None, ["augment.level=med", "augment.mixup=0.25"])
    assert (config.augment.scale, config.augment.mixup, config.augment.fliplr) == (0.9, 0.25, 0.5)
    neutral = read_config(None, ["augment.level=none"]).augment
    assert (neutral.mosaic, neutral.hsv_s, neutral.scale, neutral.fliplr) == (0.0, 0.0, 0.0, 0.0)


def test_a_recipe_fills_in_what_the_config_leaves_out():
    config = read_config(None, ["model.backbone=convnext_tiny", "train.recipe=auto", "train.learning_rate=0.1"])
    assert (config.train.optimizer, config.train.weight_decay, config.train.learning_rate) == ("adamw", 0.05, 0.1)
    assert read_config(None, ["model.backbone=convnext_tiny"]).train.optimizer == "sgd"
    assert read_config(None, ["model.backbone=efficientnetv2b0", "train.recipe=auto"]).model.batch_norm_momentum == 0
    assert read_config(None, ["model.backbone=efficientnetb0", "train.recipe=auto"]).model.batch_norm_momentum == 0.97
    assert read_config(None, ["train.recipe=auto"]) == read_config(None, ["train.recipe=auto", "train.optimizer=sgd"])


@pytest.mark.parametrize("table", [AUGMENT_LEVELS, RECIPES, NAMED_RECIPES], ids=["levels", "recipes", "named"])
def test_every_preset_sets_options_that_exist_and_names_its_source(table):
    for preset in table.values():
        for dotted, value in preset.settings.items():
            section, key = dotted.split(".")
            assert type(value) is type(getattr(getattr(Config(), section), key)), dotted
        assert len(preset.source) > 10
    assert all(dotted.startswith("augment.") for preset in AUGMENT_LEVELS.values() for dotted in preset.settings)


@pytest.mark.parametrize("family", RECIPES)
def test_a_family_is_found_by_the_beginning_of_a_name(family):
    assert recipe_family(f"{family}_x") == family, "a longer name must stand before the shorter one that it begins with"


def test_med_and_high_are_one_object():
    assert AUGMENT_LEVELS["med"] is AUGMENT_LEVELS["high"]
    assert AUGMENT_LEVELS["med"].settings == {"augment.scale": 0.9, "augment.mixup": 0.1}


def test_the_first_preset_that_says_something_counts():
    first, second = (Preset(settings=settings, source="a test") for settings in ({"a.b": 1, "a.c": 2}, {"a.c": 3, "a.d": 4}))
    assert filled({"a.b": 0}, [first, second]) == {"a.b": 0, "a.c": 2, "a.d": 4}


def test_presets_that_a_config_names():
    assert named_presets({}) == [AUGMENT_LEVELS["low"]]
    values = {"augment.level": "none", "train.recipe": "auto", "model.backbone": "convnext_tiny"}
    assert named_presets(values) == [AUGMENT_LEVELS["none"], RECIPES["convnext"]]
    assert named_presets({**values, "train.recipe": "none"}) == [AUGMENT_LEVELS["none"]]
