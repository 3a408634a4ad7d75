import dataclasses
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras_cv_here import runs_keras_cv

from yolo_tf.config import DataConfig, TrainConfig
from yolo_tf.config.reader import read_config
from yolo_tf.data.augment.photometric import GEOMETRIC_LAYERS, PHOTOMETRIC_LAYERS, build_photometric
from yolo_tf.data.pipeline import first_batches, make_train_dataset
from yolo_tf.errors import InputError

GROUND = 10  # the value of the dark ground of the painted images


@pytest.fixture
def image():
    rows, columns = np.mgrid[:40, :56]
    smooth = np.stack([rows * 4 + 20, columns * 3 + 10, 150 + 40 * np.sin(rows / 5)], axis=-1)
    return smooth.astype(np.uint8)


@runs_keras_cv
@pytest.mark.parametrize("name", PHOTOMETRIC_LAYERS)
def test_every_layer_changes_colours_and_moves_nothing(image, name):
    apply = build_photometric({name: 1.0}, seed=3)
    image[10:25, 15:40] = (240, 60, 30)  # a painted rectangle
    draws = tf.data.Dataset.range(6).map(lambda number: apply(tf.constant(image), tf.stack([number, 0])))
    changed = np.stack(list(draws.as_numpy_iterator()))
    assert changed.shape == (6, 40, 56, 3) and changed.dtype == np.uint8
    assert np.abs(changed.astype(float) - image).mean() > 0.1
    # the rectangle's edge stays between the same pixels: the steepest step of every row inside it
    if name not in ("Equalization", "Posterization"):  # these make steps of their own
        steps = np.abs(np.diff(changed[:, 12:23].astype(float), axis=2)).sum(axis=-1)
        columns = np.argmax(steps[..., 5:25].mean(axis=(0, 1))) + 5
        assert columns == 14


@runs_keras_cv
def test_probability_zero_leaves_the_pixels_alone(image):
    apply = build_photometric({"Grayscale": 0.0, "RandomHue": 0.0}, seed=3)
    np.testing.assert_array_equal(apply(tf.constant(image), tf.constant([1, 2])), image)
    np.testing.assert_array_equal(build_photometric({}, seed=3)(image, None), image)


@runs_keras_cv
def test_the_probability_is_met(image):
    apply = build_photometric({"Grayscale": 0.25}, seed=3)
    changed = tf.data.Dataset.range(400).map(lambda number: tf.reduce_any(apply(image, [7, number]) != image))
    assert np.mean(list(changed.as_numpy_iterator())) == pytest.approx(0.25, abs=0.06)


@runs_keras_cv
def test_photometric_layers_run_in_the_stream(dataset_of):
    """All images are grey, half of them brighter or darker, as their dark ground tells; a second run gives the same."""
    dataset, nothing = dataset_of([(48, 64), (96, 160), (200, 120)]), read_config(None, ["augment.level=none"]).augment
    augment = dataclasses.replace(nothing, photometric={"Grayscale": 1.0, "RandomBrightness": 0.5})
    options = dict(data=DataConfig(image_size=(64, 96)), train=TrainConfig(batch_size=2, seed=5))
    runs = []
    for _ in range(2):
        keras.utils.set_random_seed(5)
        runs.append(first_batches(make_train_dataset(dataset, augment=augment, **options), 5))
    for (images, targets), (same_images, same_targets) in zip(*runs, strict=True):
        assert np.ptp(images, axis=-1).max() == 0 and np.all(targets.class_ids[:, 0] >= 0)
        np.testing.assert_array_equal(images, same_images)
        np.testing.assert_array_equal(targets.boxes, same_targets.boxes)
        np.testing.assert_array_equal(targets.class_ids, same_targets.class_ids)
    left_alone = [image.min() == GROUND for images, _ in runs[0] for image in images]
    assert 1 < sum(left_alone) < 9


@pytest.mark.parametrize("name", ["RandomShear", "RandomCutout", "Mosaic"])
def test_layers_that_move_or_hide_pixels_are_refused(name):
    with pytest.raises(InputError, match=rf"photometric: {name} moves, hides or mixes pixels but not their boxes.*Use degrees"):
        build_photometric({name: 0.5}, seed=0)


def test_unknown_layers_are_refused_with_the_nearest_name():
    with pytest.raises(InputError, match=r"photometric: unknown .*'GaussianBlur'.*Did you mean 'RandomGaussianBlur'"):
        build_photometric({"GaussianBlur": 0.5}, seed=0)


@runs_keras_cv
def test_both_lists_name_layers_of_keras_cv():
    import keras_cv

    assert not set(PHOTOMETRIC_LAYERS) & set(GEOMETRIC_LAYERS)
    assert all(hasattr(keras_cv.layers, name) for name in (*PHOTOMETRIC_LAYERS, *GEOMETRIC_LAYERS))


def test_a_keras_that_is_too_new_for_keras_cv_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "keras_cv", None)
    with pytest.raises(InputError, match=r"photometric: keras-cv cannot be imported with Keras 3.* Expected Keras before 3\.16"):
        build_photometric({"Grayscale": 0.5}, seed=0)
