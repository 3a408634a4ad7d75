"""`import yolo_tf` costs nothing, and every public name is there."""

import dataclasses
import importlib
import subprocess
import sys

import pytest
from places import ROOT

import yolo_tf


@pytest.mark.parametrize("name", sorted(yolo_tf.PUBLIC))
def test_a_public_name_is_the_module_s_own(name):
    assert getattr(yolo_tf, name) is getattr(importlib.import_module(f"yolo_tf.{yolo_tf.PUBLIC[name]}"), name)
    assert name in dir(yolo_tf)


def test_the_stub_is_the_table_and_nothing_is_passed_over():
    stub = (ROOT / "yolo_tf" / "__init__.pyi").read_text()
    assert len(yolo_tf.PUBLIC) == stub.count(" as ") > 50 and yolo_tf.__all__ == list(yolo_tf.PUBLIC)
    assert {"InputError", "Detections", "ImageDetections", "DetectionDataset", "Quantization", "Comparison"} <= set(
        yolo_tf.PUBLIC
    )
    assert {"predict_image", "draw_detections", "evaluate", "train", "export_detector"} <= set(yolo_tf.PUBLIC)


def test_every_section_of_a_config_is_public():
    sections = {type(getattr(yolo_tf.Config(), field.name)).__name__ for field in dataclasses.fields(yolo_tf.Config)}
    assert len(sections) == 11 and sections <= set(yolo_tf.PUBLIC)


def test_an_unknown_name_lists_the_known():
    with pytest.raises(AttributeError, match="has no attribute 'trane'. Public names: .*train"):
        yolo_tf.trane


def test_importing_the_package_loads_nothing():
    code = "import sys, yolo_tf; assert not {'tensorflow', 'numpy', 'yaml'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
