import pytest
from places import ROOT

from yolo_tf.config.reader import config_to_dict, read_config
from yolo_tf.config.recipes import recipe_for

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
    settings = recipe_for("yolov4_csp").settings
    assert len(settings) == 4
    for dotted, value in settings.items():
        section, key = dotted.split(".")
        assert whole[section][key] == by_recipe[section][key] == value


def test_yolov5_s_own_backbone_has_no_recipe():
    assert recipe_for("csp_darknet") is None and recipe_for("csp_darknet_v5") is None
