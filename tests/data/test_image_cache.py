import gc
import os
import weakref

import numpy as np
import pytest
import tensorflow as tf

from yolo_tf.data.image_cache import cache_bytes, image_loader
from yolo_tf.data.images import read_image, resize_image
from yolo_tf.errors import InputError

SIZES = [(48, 64), (96, 160), (200, 120)]  # (height, width); into (96, 160): 96 x 128, 96 x 160, 96 x 58


@pytest.mark.parametrize("cache", ["none", "files", "images"])
def test_every_cache_gives_the_same_pixels_in_any_order(dataset_of, cache):
    dataset = dataset_of(SIZES)
    load = image_loader(dataset, (96, 160), cache=cache, cache_gib=1.0)
    images = list(tf.data.Dataset.from_tensor_slices([2, 0, 1, 2]).map(load).as_numpy_iterator())
    for image, index in zip(images, [2, 0, 1, 2], strict=True):
        expected = resize_image(read_image(dataset.records[index].path), [96, (128, 160, 58)[index]])
        np.testing.assert_array_equal(image, expected)


@pytest.mark.parametrize("cache", ["files", "images"])
def test_what_is_kept_needs_no_file_and_is_kept_once(dataset_of, cache):
    dataset = dataset_of(SIZES)
    load = image_loader(dataset, (96, 160), cache=cache, cache_gib=1.0)
    expected = load(1).numpy()
    for record in dataset.records:
        os.remove(record.path)
    np.testing.assert_array_equal(load(1), expected)
    assert image_loader(dataset, (96, 160), cache=cache, cache_gib=1.0) is load
    alive = weakref.ref(dataset)
    del dataset, record
    gc.collect()
    assert alive() is None, "a cache must not outlive its data set"


def test_a_cache_above_its_budget_is_refused_with_what_would_fit(dataset_of):
    dataset = dataset_of(SIZES)
    need = cache_bytes(dataset.records, (96, 160))
    assert need["images"] == 3 * 96 * (128 + 160 + 58)
    assert need["files"] == sum(os.path.getsize(record.path) for record in dataset.records) < need["images"]
    enough = need["images"] / 2**30
    image_loader(dataset, (96, 160), cache="images", cache_gib=enough)
    message = r"config.data.cache: images needs \S+ GiB for 3 images. Expected at most data.cache_gib = .* or use data.cache=none"
    with pytest.raises(InputError, match=message):
        image_loader(dataset_of(SIZES), (96, 160), cache="images", cache_gib=need["files"] / 2**31)
    with pytest.raises(InputError, match=r"use data.cache=files \(.* GiB\) or none\.$"):
        image_loader(dataset_of(SIZES), (96, 160), cache="images", cache_gib=0.99 * enough)
