"""Values that are given in Python, to the sections themselves."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from yolo_tf.config import AugmentConfig, Config, DataConfig, DetectConfig, ModelConfig, TrainConfig
from yolo_tf.errors import InputError


def test_what_means_the_same_becomes_the_same():
    data = DataConfig(dataset=Path("a/b.yaml"), image_size=np.array([96, 160]), classes=["x", "y"], cache_gib=2)
    assert data == DataConfig(dataset="a/b.yaml", image_size=(96, 160), classes=("x", "y"), cache_gib=2.0)
    assert type(data.cache_gib) is float and type(data.image_size[0]) is int and DataConfig(image_size=64).image_size == (64, 64)
    detect = DetectConfig(score_threshold=np.float64(0.5), class_ids=range(2), multi_label=np.bool_(True))
    assert detect == DetectConfig(score_threshold=0.5, class_ids=(0, 1), multi_label=True) and hash(detect)
    assert dataclasses.replace(detect, max_detections=np.int64(7)).max_detections == 7
    assert ModelConfig(anchors=np.ones([2, 1, 2])).anchors == (((1.0, 1.0),), ((1.0, 1.0),))


@pytest.mark.parametrize(
    ("section", "values", "message"),
    [
        (DetectConfig, {"score_threshold": "0.3"}, r"config\.detect\.score_threshold: expected float, got '0\.3' \(str\)"),
        (DetectConfig, {"score_threshold": None}, r"config\.detect\.score_threshold: expected float, got None \(NoneType\)"),
        (DetectConfig, {"max_detections": 3.0}, r"config\.detect\.max_detections: expected int, got 3\.0 \(float\)\. Write 3"),
        (DetectConfig, {"class_ids": 3}, r"config\.detect\.class_ids: expected list, got 3 \(int\)"),
        (DetectConfig, {"multi_label": 1}, r"config\.detect\.multi_label: expected bool, got 1 \(int\)"),
        (DataConfig, {"image_size": "64"}, r"config\.data\.image_size: expected list, got '64' \(str\)"),
        (DataConfig, {"cache": "disk"}, r"config\.data\.cache: got 'disk'\..* Expected one of: none, files, images"),
        (TrainConfig, {"batch_size": "all"}, r"config\.train\.batch_size: expected int, got 'all' \(str\)"),
        (AugmentConfig, {"photometric": {"Grayscale": "x"}}, r"config\.augment\.photometric\.Grayscale: expected float, got 'x'"),
    ],
)
def test_a_value_of_another_kind_is_named(section, values, message):
    with pytest.raises(InputError, match=message):
        section(**values)


def test_arguments_of_the_public_functions_are_named(tmp_path):
    import detector_files

    from yolo_tf import choose_image_size, evaluate, make_eval_dataset, open_detector, predict_image, suppress, train
    from yolo_tf.inference.prediction import PredictOptions
    from yolo_tf.structures import DetectionDataset

    detector, empty = open_detector(detector_files.keras_file()), DetectionDataset(class_names=("a",), records=())
    assert choose_image_size(detector, np.int64(64)) == choose_image_size(detector, [64, 64]) == (64, 64)
    calls = (
        (lambda: predict_image(detector, "a.jpg", image_size="64"), r"image_size: expected list, got '64' \(str\)"),
        (lambda: choose_image_size(detector, (64, 64, 64)), r"image_size: expected 2 values, got \(64, 64, 64\)"),
        (lambda: choose_image_size(detector, 64.0), r"image_size: expected list, got 64\.0 \(float\)"),
        (lambda: open_detector(detector.path, threads="2"), r"threads: expected int, got '2' \(str\)\. Write 2"),
        (lambda: open_detector(detector.path, threads=0), r"threads: got 0\. Expected 1 or more"),
        (lambda: make_eval_dataset(empty, image_size=64, batch_size="8"), r"batch_size: expected int, got '8' \(str\)"),
        (lambda: make_eval_dataset(empty, image_size=64, batch_size=0), r"image_size, batch_size: got \(64, 64\) and 0"),
        (lambda: evaluate(detector, empty, image_size=64), r"candidates: got Detector\. Expected a function, such as `det"),
        (lambda: suppress(None, None, {"score_threshold": 0.3}), r"detect: expected DetectConfig, got \{'score.* \(dict\)"),
        (lambda: PredictOptions(batch_size="8"), r"batch_size: expected int, got '8' \(str\)"),
        (lambda: train("a.yaml", tmp_path / "run"), r"config: expected Config, got 'a\.yaml' \(str\)"),
        (lambda: Config(data={}), r"config\.data: expected DataConfig, got \{\} \(dict\)"),
    )
    for call, message in calls:
        with pytest.raises(InputError, match=message):
            call()
    assert not (tmp_path / "run").exists()
