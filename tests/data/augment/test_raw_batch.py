import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from yolo_tf.config import AugmentConfig, DataConfig, TrainConfig
from yolo_tf.config.reader import read_config
from yolo_tf.data.augment.raw_batch import augments_on, batch_augmenter, resize_batch
from yolo_tf.data.pipeline import make_train_dataset
from yolo_tf.engine.trainer import DetectorTrainer
from yolo_tf.errors import InputError
from yolo_tf.structures import Targets

NOTHING = read_config(None, ["augment.level=none"]).augment
EVERYTHING = AugmentConfig(degrees=15.0, shear=5.0, perspective=0.0005, flipud=0.3, mixup=0.5)
DATA = DataConfig(image_size=(96, 96), max_boxes=7)
TRAIN = TrainConfig(batch_size=4, seed=5)
SIZES = [(48, 64), (96, 96), (200, 120), (60, 200), (30, 30), (90, 80)]  # (height, width)


def stream(dataset, augment, **options):
    return make_train_dataset(dataset, data=DATA, augment=augment, train=TRAIN, **options)


@pytest.mark.slow
def test_the_step_sees_what_the_pipeline_would_have_made(dataset_of):
    """Both ways from the same seeds; as one compiled function a pixel on the edge of a tile may fall to the other side."""
    dataset = dataset_of(SIZES)
    step = tf.function(batch_augmenter(max_boxes=7), jit_compile=True)
    raw = stream(dataset, EVERYTHING, augment_on="accelerator")
    for (images, targets), (batch,) in zip(stream(dataset, EVERYTHING).take(3), raw.take(3), strict=True):
        assert batch.images.dtype == tf.uint8 and batch.images.shape == (4, 96, 96, 3)
        step_images, step_targets = step(batch)
        difference = np.abs(step_images.numpy() - images.numpy())
        assert np.mean(difference > 1e-3) < 1e-3 and difference.mean() < 0.02
        np.testing.assert_array_equal(step_targets.class_ids, targets.class_ids)
        np.testing.assert_allclose(step_targets.boxes, targets.boxes, atol=1e-3)
        assert np.any(targets.class_ids >= 0)
    mapped = raw.map(batch_augmenter(max_boxes=7)).take(2)  # in stages, as the pipeline does it: bit for bit
    for (images, targets), (mapped_images, mapped_targets) in zip(stream(dataset, EVERYTHING).take(2), mapped, strict=True):
        np.testing.assert_array_equal(mapped_images, images)
        np.testing.assert_array_equal(mapped_targets.boxes, targets.boxes)


@pytest.mark.slow
def test_sides_are_drawn_from_seed_and_step_and_boxes_follow(dataset_of):
    dataset = dataset_of([(96, 96)] * 5)
    sides = (64, 96, 128)
    augment = dataclasses.replace(NOTHING, multi_scale=sides)
    whole = list(stream(dataset, augment).take(12).as_numpy_iterator())
    assert {images.shape[1:3] for images, _ in whole} == {(side, side) for side in sides}
    for images, targets in whole:
        side = images.shape[1]
        np.testing.assert_allclose(targets.boxes[:, 0], [np.array([24, 24, 72, 72]) * side / 96] * 4, atol=1e-4)
        rows, columns = np.nonzero(images[0].max(axis=-1) > 130)
        painted = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        np.testing.assert_allclose(painted, targets.boxes[0, 0], atol=1)
    rest = stream(dataset, augment, first_epoch=1, first_step=1).take(9).as_numpy_iterator()  # two steps an epoch
    for (images, _), (again, _) in zip(whole[3:], rest, strict=True):
        np.testing.assert_array_equal(images, again)


@pytest.mark.parametrize(
    "augment_on, compiled",
    [("accelerator", False), ("host", False), ("accelerator", True)],
)
@pytest.mark.slow
def test_a_network_trains_on_sizes_that_change(dataset_of, tiny_network, tiny_anchors, augment_on, compiled):
    augment = dataclasses.replace(AugmentConfig(), multi_scale=(64, 128))
    batches = stream(dataset_of(SIZES), augment, augment_on=augment_on)
    on_device = batch_augmenter(max_boxes=7) if augment_on == "accelerator" else None
    trainer = DetectorTrainer(tiny_network(num_classes=4), tiny_anchors, fused_batch_norm=not compiled, augment=on_device)
    trainer.compile(optimizer=keras.optimizers.Adam(3e-3), jit_compile=compiled)
    losses = trainer.fit(batches, epochs=2, steps_per_epoch=20, shuffle=False, verbose=0).history["loss"]
    assert losses[1] < losses[0]


def test_resizing_keeps_boxes_on_their_pixels():
    images = np.zeros((1, 96, 96, 3), np.float32)
    images[0, 24:60, 12:81] = 200
    targets = Targets(tf.constant([[[12.0, 24, 81, 60], [0, 0, 0, 0]]]), tf.constant([[2, -1]]))
    resized, moved = resize_batch(images, targets, tf.constant([64, 128]))
    rows, columns = np.nonzero(resized[0, ..., 0].numpy() > 100)
    np.testing.assert_allclose(moved.boxes[0, 0], [16, 16, 108, 40])
    assert [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1] == [16, 16, 108, 40]
    assert moved.class_ids.numpy().tolist() == [[2, -1]] and not np.any(moved.boxes[0, 1])


def test_where_images_are_augmented(monkeypatch):
    assert [augments_on(choice) for choice in ("host", "accelerator")] == ["host", "accelerator"]
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: ["a GPU"])
    assert (augments_on("auto"), augments_on("auto", num_replicas=2)) == ("accelerator", "host")
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [])
    assert augments_on("auto") == "host"
    with pytest.raises(InputError, match="augment.device: accelerator with 2 replicas.*Use augment.device=auto"):
        augments_on("accelerator", num_replicas=2)
