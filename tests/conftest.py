"""Fixtures shared by the tests: a tiny network of the detector's shape, and the place of real data."""

import gc
import os
from pathlib import Path

import numpy as np
import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


def pytest_collection_modifyitems(items):
    """Whole files from the last to the first: those that train networks come first, and no worker is left with one at the end."""
    items.sort(key=lambda item: item.path, reverse=True)


def pytest_collection_finish():
    """Takes the million objects of the imported packages out of every later search for garbage, a twentieth of the time."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def detector_files_dir(tmp_path_factory):
    """Names the directory where tests/support/detector_files.py makes its files, one for all processes of the test run."""
    own = tmp_path_factory.getbasetemp()
    directory = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "detector_files"
    directory.mkdir(exist_ok=True)
    os.environ["YOLO_TF_TEST_FILES"] = str(directory)


@pytest.fixture(scope="session", autouse=True)
def cache_dir(tmp_path_factory):
    """Keeps what runs remember of images away from the user's own cache, here and in processes that tests start."""
    os.environ["YOLO_TF_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def shared_dir():
    """The directory with real images and recorded tensors; skips when it is not there."""
    root = os.environ.get("YOLO_TF_SHARED", "")
    if not root or not Path(root).is_dir():
        pytest.skip("set YOLO_TF_SHARED to a directory with data/ and golden/")
    return Path(root)


@pytest.fixture(scope="session")
def tiny_anchors():
    """Two anchors on each of three levels."""
    from yolo_tf.heads.anchor.anchors import anchor_set

    return anchor_set((8, 16, 32), [[(10, 14), (20, 12)], [(30, 40), (60, 30)], [(90, 70), (120, 150)]])


@pytest.fixture(scope="session")
def tiny_network():
    """Returns a function that builds a small detector network: images -> three raw predictions, A = 2."""

    def build(num_classes=6, anchors_per_cell=2, seed=0):
        import keras

        keras.utils.set_random_seed(seed)
        images = keras.Input((None, None, 3), name="images")
        x = keras.layers.Rescaling(1 / 255)(images)
        outputs = []
        for index, filters in enumerate((8, 12, 16, 20, 24)):
            x = keras.layers.Conv2D(filters, 3, 2, padding="same", use_bias=False, name=f"stage{index}_conv")(x)
            x = keras.layers.BatchNormalization(momentum=0.97, name=f"stage{index}_batch_norm")(x)
            x = keras.layers.Activation("silu", name=f"stage{index}_silu")(x)
            if index >= 2:
                raw = keras.layers.Conv2D(anchors_per_cell * (5 + num_classes), 1, name=f"head_p{index + 1}")(x)
                raw = keras.ops.stack(keras.ops.split(raw, anchors_per_cell, axis=-1), axis=3)
                outputs.append(keras.layers.Activation("linear", dtype="float32", name=f"p{index + 1}")(raw))
        return keras.Model(images, outputs, name="tiny")

    return build


@pytest.fixture(scope="session")
def random_targets():
    """Returns a function that draws Targets: `counts[i]` boxes in image i, padded to `max_boxes`."""

    def draw(counts, *, image_size, num_classes, max_boxes=9, seed=0):
        import tensorflow as tf

        from yolo_tf.structures import Targets

        rng = np.random.default_rng(seed)
        height, width = image_size
        boxes = np.zeros((len(counts), max_boxes, 4), np.float32)
        class_ids = np.full((len(counts), max_boxes), -1, np.int32)
        for image, count in enumerate(counts):
            size = rng.uniform(4, 0.7 * min(height, width), (count, 2))
            low = rng.uniform(0, 1, (count, 2)) * (np.array([width, height]) - size)
            boxes[image, :count] = np.concatenate([low, low + size], 1)
            class_ids[image, :count] = rng.integers(0, num_classes, count)
        return Targets(tf.constant(boxes), tf.constant(class_ids))

    return draw
