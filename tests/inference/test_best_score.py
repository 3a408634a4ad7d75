"""How near a detector came where nothing reached the threshold."""

import dataclasses

import detector_files
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from yolo_tf.config import DetectConfig
from yolo_tf.inference.best_score import MOST_LOOKED_AT, best_score
from yolo_tf.inference.detector import Detector
from yolo_tf.inference.prediction import PredictOptions

HEIGHT, WIDTH = detector_files.IMAGE_SIZE


@pytest.fixture
def paths(tmp_path):
    """Forty images whose grey is their number, and a broken one first."""
    found = [tmp_path / f"{number:02d}.png" for number in range(41)]
    found[0].write_bytes(b"no image")
    for number, path in enumerate(found[1:], 1):
        Image.new("RGB", (WIDTH, HEIGHT), (number, number, number)).save(path)
    return found


@pytest.fixture
def detector():
    """Two candidates an image, whose scores of a car and a tram rise with its grey, and of a bus fall."""

    def candidates(images):
        grey = np.asarray(images, np.float32)[:, 0, 0, 0] / 1000
        scores = np.stack([grey, 0.05 - grey, grey / 2], -1)[:, None]
        scores = np.concatenate([scores / 4, scores], 1)
        return tf.zeros([len(grey), 2, 4]), tf.constant(scores)

    return Detector(path="a", kind="keras", spec=detector_files.SPEC, candidates=candidates)


def test_the_best_of_images_spread_over_all(paths, detector):
    """Every third of 41: 0 (broken), 3, ... 39."""
    best = best_score(detector, paths, PredictOptions())
    assert (best.class_name, best.path, best.num_images) == ("bus", paths[3], 13)
    assert best.score == pytest.approx(0.047) and best.num_images <= MOST_LOOKED_AT
    options = PredictOptions(detect=dataclasses.replace(DetectConfig(), class_ids=(0, 2)))
    best = best_score(detector, paths, options)
    assert (best.class_name, best.path) == ("car", paths[39]) and best.score == pytest.approx(0.039)


def test_nothing_that_can_be_read(paths, detector):
    assert best_score(detector, paths[:1], PredictOptions()) is None
