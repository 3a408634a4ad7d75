import numpy as np
import pytest

from yolo_tf.data.order import class_balance_weights, epoch_order, steps_per_epoch
from yolo_tf.errors import InputError
from yolo_tf.structures import DetectionDataset, ImageRecord


def test_steps_per_epoch_shows_every_image(dataset_of):
    dataset = dataset_of([(16, 24)] * 5)
    assert [steps_per_epoch(dataset, size) for size in (1, 2, 5, 8)] == [5, 3, 1, 1]
    assert [steps_per_epoch(dataset, size, least=2) for size in (1, 2, 5, 8)] == [5, 3, 2, 2]


def test_epoch_order_is_a_permutation_wrapped_to_whole_batches():
    orders = [epoch_order(11, 4, seed=3, epoch=epoch).numpy() for epoch in range(4)]
    for order in orders:
        assert len(order) == 12
        np.testing.assert_array_equal(np.sort(order[:11]), np.arange(11))
        assert order[11] == order[0]
    assert len({tuple(order) for order in orders}) == 4
    np.testing.assert_array_equal(epoch_order(11, 4, seed=3, epoch=2), orders[2])
    assert np.any(epoch_order(11, 4, seed=4, epoch=2) != orders[2])
    assert sorted(np.bincount(epoch_order(3, 8, seed=0, epoch=0))) == [2, 3, 3]  # a batch over the whole data set


def test_few_images_come_again_in_new_orders_until_the_epoch_has_its_steps():
    order = epoch_order(5, 4, seed=3, epoch=1, least_steps=7).numpy()  # 28 places: five whole orders, and three of a sixth
    np.testing.assert_array_equal(np.sort(order[:25].reshape(5, 5)), np.tile(np.arange(5), [5, 1]))
    assert len(order) == 28 and len(set(order[25:])) == 3 and len({tuple(row) for row in order[:25].reshape(5, 5)}) == 5
    np.testing.assert_array_equal(order[:5], epoch_order(5, 4, seed=3, epoch=1)[:5])
    assert np.any(order != epoch_order(5, 4, seed=3, epoch=2, least_steps=7).numpy())
    for enough in (1, 2):  # steps that the images make anyway
        np.testing.assert_array_equal(epoch_order(5, 4, seed=3, epoch=1, least_steps=enough), epoch_order(5, 4, seed=3, epoch=1))


def test_weighted_order_draws_each_image_by_its_share_and_those_of_weight_zero_never():
    weights = np.array([0, 3, 1, 0, 6, 0], float)
    orders = [epoch_order(6, 4, seed=2, epoch=epoch, weights=weights).numpy() for epoch in range(120)]
    assert {len(order) for order in orders} == {8}
    shares = np.bincount(np.concatenate(orders), minlength=6) / 960
    np.testing.assert_allclose(shares, weights / 10, atol=0.05)
    assert shares[[0, 3, 5]].tolist() == [0, 0, 0]
    np.testing.assert_array_equal(epoch_order(6, 4, seed=2, epoch=7, weights=weights), orders[7])


def dataset_with(*class_ids, crowds=()):
    """Returns a DetectionDataset of images with boxes of these classes; no files."""
    records = [
        ImageRecord(
            image_id=str(place),
            path="",
            height=9,
            width=7,
            boxes=np.zeros((len(ids), 4), np.float32),
            class_ids=np.array(ids, np.int32),
            is_crowd=np.array([place in crowds] * len(ids), bool),
        )
        for place, ids in enumerate(class_ids)
    ]
    return DetectionDataset(class_names=("a", "b", "c"), records=tuple(records))


def test_every_class_brings_the_same_weight():
    dataset = dataset_with([0, 0, 1], [0], [], [1, 1], crowds=(3,))
    np.testing.assert_allclose(class_balance_weights(dataset), [1 / 3 + 1 / 3 + 1, 1 / 3, 0, 0])


def test_weights_need_an_object():
    with pytest.raises(InputError, match="none of the 2 training images has an object to weigh it by.*Switch it off"):
        class_balance_weights(dataset_with([], [2], crowds=(1,)))
