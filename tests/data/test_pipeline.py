import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from yolo_tf.config import AugmentConfig, DataConfig, TrainConfig
from yolo_tf.config.reader import read_config
from yolo_tf.data.images import read_image
from yolo_tf.data.letterbox import letterbox_image, to_original
from yolo_tf.data.order import epoch_order
from yolo_tf.data.pipeline import (
    first_batches,
    first_plain_epoch,
    make_eval_dataset,
    make_train_dataset,
)
from yolo_tf.errors import InputError
from yolo_tf.structures import DetectionDataset

NOTHING = read_config(None, ["augment.level=none"]).augment
DATA = DataConfig(image_size=(96, 160), max_boxes=7)
SIZES = [(48, 64), (96, 160), (200, 120), (60, 200), (30, 30)]  # (height, width); small, equal, large, wide, square


def batches_of(dataset, count, *, augment=NOTHING, data=DATA, epochs=10, **options):
    train = TrainConfig(batch_size=2, seed=5, epochs=epochs)
    return first_batches(make_train_dataset(dataset, data=data, augment=augment, train=train, **options), count)


def assert_equal_batches(first, second):
    assert len(first) == len(second) > 0
    for (images, targets), (other_images, other_targets) in zip(first, second, strict=True):
        np.testing.assert_array_equal(images, other_images)
        np.testing.assert_array_equal(targets.boxes, other_targets.boxes)
        np.testing.assert_array_equal(targets.class_ids, other_targets.class_ids)


@pytest.mark.parametrize("close_mosaic, epochs, expected", [(10, 100, 90), (10, 20, 16), (10, 4, 4), (0, 50, 50), (3, 50, 47)])
def test_first_plain_epoch(close_mosaic, epochs, expected):
    assert first_plain_epoch(dataclasses.replace(NOTHING, close_mosaic=close_mosaic), epochs) == expected


def test_level_none_gives_the_letterboxed_images_in_epoch_order(dataset_of):
    dataset = dataset_of(SIZES, empty=(3,), crowds=(4,))
    order = np.concatenate([epoch_order(5, 2, seed=5, epoch=epoch) for epoch in range(2)])
    shown = 0
    for images, targets in batches_of(dataset, 6):
        assert images.shape == (2, 96, 160, 3) and targets.boxes.shape == (2, 7, 4)
        for image, boxes, class_ids in zip(images, *targets, strict=True):
            record = dataset.records[order[shown]]
            boxed, scale, offset = letterbox_image(read_image(record.path), DATA.image_size)
            np.testing.assert_array_equal(image, boxed)
            if order[shown] in (3, 4):  # no box, and a crowd
                assert np.all(class_ids == -1)
            else:
                np.testing.assert_array_equal(class_ids, [record.class_ids[0]] + [-1] * 6)
                expected = record.boxes[0] * scale.numpy() + np.tile(offset.numpy(), 2)
                np.testing.assert_allclose(boxes[0], expected, atol=0.5)  # the sides are rounded to whole px
            shown += 1


def test_element_spec_is_static(dataset_of):
    train = TrainConfig(batch_size=2)
    images, targets = make_train_dataset(dataset_of(SIZES), data=DATA, augment=AugmentConfig(), train=train).element_spec
    assert (images.shape, images.dtype) == ((2, 96, 160, 3), tf.float32)
    assert (targets.boxes.shape, targets.boxes.dtype) == ((2, 7, 4), tf.float32)
    assert (targets.class_ids.shape, targets.class_ids.dtype) == ((2, 7), tf.int32)


@pytest.mark.slow
def test_the_same_seed_gives_the_same_batches_with_and_without_cache(dataset_of):
    dataset = dataset_of(SIZES)
    first = batches_of(dataset, 4, augment=AugmentConfig())
    assert_equal_batches(first, batches_of(dataset, 4, augment=AugmentConfig()))
    for cache in ("files", "images"):
        data = dataclasses.replace(DATA, cache=cache)
        assert_equal_batches(first, batches_of(dataset, 4, augment=AugmentConfig(), data=data))
    assert np.any(first[0][0] != first[3][0])


@pytest.mark.slow
def test_first_epoch_continues_where_the_run_stopped(dataset_of):
    dataset = dataset_of(SIZES)
    augment = AugmentConfig(mixup=0.5)
    whole = batches_of(dataset, 9, augment=augment)
    assert_equal_batches(whole[6:], batches_of(dataset, 3, augment=augment, first_epoch=2))


@pytest.mark.parametrize("first_step", [1, *(pytest.param(step, marks=pytest.mark.long) for step in (2, 3, 7))])
def test_first_step_continues_within_the_epoch(dataset_of, first_step):
    """Three steps an epoch; a first step beyond the epoch is one of a later epoch."""
    dataset = dataset_of(SIZES)
    augment = AugmentConfig(mixup=0.5)
    whole = batches_of(dataset, 11, augment=augment)
    rest = batches_of(dataset, 8 - first_step, augment=augment, first_epoch=1, first_step=first_step)
    assert_equal_batches(whole[3 + first_step :], rest)


@pytest.mark.slow
def test_private_threads_change_nothing(dataset_of):
    dataset = dataset_of(SIZES)
    workers = dataclasses.replace(DATA, workers=3)
    batches = make_train_dataset(dataset, data=workers, augment=NOTHING, train=TrainConfig(batch_size=2))
    assert batches.options().threading.private_threadpool_size == 3
    assert_equal_batches(batches_of(dataset, 3), batches_of(dataset, 3, data=workers))


@pytest.mark.slow
def test_image_weights_draw_rare_classes_more_often(dataset_of):
    """Classes of the images: 0 1 2 3 0, the second without box. Weights 1/2, 0, 1, 1, 1/2."""
    dataset = dataset_of(SIZES, empty=(1,))
    weighted = batches_of(dataset, 90, data=dataclasses.replace(DATA, image_weights=True))
    shown = np.concatenate([targets.class_ids[:, 0] for _, targets in weighted])
    np.testing.assert_allclose(np.bincount(shown, minlength=4) / 180, [1 / 3, 0, 1 / 3, 1 / 3], atol=0.1)
    again = batches_of(dataset, 4, data=dataclasses.replace(DATA, image_weights=True), first_epoch=1)
    assert_equal_batches(weighted[3:7], again)


@pytest.mark.slow
def test_mosaic_closes_for_the_last_epochs(dataset_of):
    dataset = dataset_of([(96, 160)] * 4)  # fills the input, so grey or a second rectangle means mosaic
    augment = dataclasses.replace(NOTHING, mosaic=1.0, mixup=1.0, close_mosaic=3)
    open_batches = batches_of(dataset, 4, augment=augment, epochs=10, first_epoch=5)  # epochs 5 and 6
    closed_batches = batches_of(dataset, 4, augment=augment, epochs=10, first_epoch=8)  # 10 - min(3, 10 // 5) = 8
    for images, targets in closed_batches:
        np.testing.assert_array_equal((targets.class_ids >= 0).sum(axis=1), 1)
        np.testing.assert_array_equal(targets.boxes[:, 0], [(40, 24, 120, 72)] * 2)
    assert all((targets.boxes[:, 0] != (40, 24, 120, 72)).any() for _, targets in open_batches)


def test_a_data_set_without_any_box_still_trains(dataset_of):
    for _, targets in batches_of(dataset_of(SIZES[:2], empty=(0, 1)), 2, augment=AugmentConfig()):
        assert np.all(targets.class_ids == -1) and not np.any(targets.boxes)


def test_an_empty_split_is_refused():
    with pytest.raises(InputError, match="the split holds no images. Expected at least one"):
        make_train_dataset(DetectionDataset(class_names=("a",), records=()), data=DATA, augment=NOTHING, train=TrainConfig())


@pytest.mark.parametrize(
    "data, augment, message",
    [
        (dict(service="grpc://localhost:5050", cache="files"), {}, r"config.data.cache: files uses the memory of this process"),
        (
            dict(service="grpc://localhost:5050"),
            dict(photometric={"RandomHue": 0.5}),
            r"config.augment.photometric: RandomHue uses .*Leave one out",
        ),
        ({}, dict(multi_scale=(64, 96)), r"multi_scale: the input is 96 x 160 px .*Expected a square.*Use data.image_size=160"),
        (dict(cache="images", cache_gib=1e-6), {}, r"config.data.cache: images needs .*Expected at most data.cache_gib = 1e-06"),
    ],
    ids=["service and cache", "service and photometric", "sides of no square", "cache above its budget"],
)
def test_options_that_cannot_work_are_refused(dataset_of, data, augment, message):
    with pytest.raises(InputError, match=message):
        batches_of(dataset_of(SIZES), 1, data=dataclasses.replace(DATA, **data), augment=dataclasses.replace(NOTHING, **augment))


def test_eval_dataset_keeps_the_order_and_gives_the_last_short_batch(dataset_of):
    dataset = dataset_of(SIZES)
    batches = list(make_eval_dataset(dataset, image_size=(96, 160), batch_size=2))
    assert [images.shape for images, _, _ in batches] == [(2, 96, 160, 3), (2, 96, 160, 3), (1, 96, 160, 3)]
    assert np.concatenate([indices for _, _, indices in batches]).tolist() == [0, 1, 2, 3, 4]
    for images, letterbox, indices in batches:
        assert images.dtype == tf.float32 and indices.dtype == tf.int32
        for row, index in enumerate(indices.numpy()):
            record = dataset.records[index]
            np.testing.assert_array_equal(images[row], letterbox_image(read_image(record.path), (96, 160))[0])
            assert tuple(letterbox.original_size[row].numpy()) == (record.height, record.width)
        originals = np.stack([dataset.records[index].boxes for index in indices.numpy()])
        in_input = originals * letterbox.scale.numpy()[:, None, None] + np.tile(letterbox.offset.numpy(), 2)[:, None]
        np.testing.assert_allclose(to_original(in_input, letterbox), originals, atol=1e-3)


def test_rect_batches_hold_like_shapes_and_every_image_once(dataset_of):
    """Ratios .75 .6 1.67 .3 1 at side 160: canvases 4 x 6, 6 x 6 and 6 x 4 strides."""
    dataset = dataset_of(SIZES)
    batches = list(make_eval_dataset(dataset, image_size=(160, 160), batch_size=2, rect=True))
    assert [indices.numpy().tolist() for _, _, indices in batches] == [[3, 1], [0, 4], [2]]
    assert [images.shape for images, _, _ in batches] == [(2, 128, 192, 3), (2, 192, 192, 3), (1, 192, 128, 3)]
    scales = np.concatenate([letterbox.scale for _, letterbox, _ in batches])
    offsets = np.concatenate([letterbox.offset for _, letterbox, _ in batches])  # (x, y): half of the free pixels
    np.testing.assert_allclose(scales, [0.8, 1.0, 2.5, 16 / 3, 0.8], rtol=1e-6)
    assert offsets.tolist() == [[16, 40], [16, 16], [16, 36], [16, 16], [16, 16]]
    for images, letterbox, indices in batches:
        for row, index in enumerate(indices.numpy()):
            record = dataset.records[index]
            assert tuple(letterbox.original_size[row].numpy()) == (record.height, record.width)
            rows, columns = np.nonzero(images[row].numpy().max(-1) > 130)  # brighter than grey and background
            painted = np.float32([[columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]])
            only = type(letterbox)(*(part[row : row + 1] for part in letterbox))
            np.testing.assert_allclose(to_original(painted[None], only)[0], record.boxes, atol=1 / scales.min())


def test_rect_needs_a_square(dataset_of):
    with pytest.raises(InputError, match=r"96 x 160 px \(height x width\) is no square.*Use 160 x 160, or leave rect out"):
        make_eval_dataset(dataset_of(SIZES), image_size=(96, 160), batch_size=2, rect=True)


@pytest.mark.parametrize("rect", [False, True])
def test_eval_dataset_of_nothing_is_empty(rect):
    dataset = DetectionDataset(class_names=("a",), records=())
    assert list(make_eval_dataset(dataset, image_size=(160, 160), batch_size=2, rect=rect)) == []
