"""Pictures that look alike are found, however they are turned, and others are not."""

import io
import itertools

import numpy as np
import pytest
from PIL import Image
from planted_sets import encoded, picture

from yolo_tf.doctor.fingerprints import THUMBNAIL_SHAPE, WAYS, groups_of, similar_pairs, turned
from yolo_tf.doctor.image_facts import facts_of_bytes


def thumbnail(image, **options):
    facts = facts_of_bytes("x", encoded(image, **options))
    return np.frombuffer(facts.thumbnail, np.uint8).reshape(THUMBNAIL_SHAPE)


CHANGES = {
    "compressed": lambda image: Image.open(io.BytesIO(encoded(image, quality=25))),
    "smaller": lambda image: image.resize((image.width // 2, image.height // 3)),
    "darker": lambda image: image.point(lambda value: int(value * 0.7)),
    "paler": lambda image: image.point(lambda value: 90 + int(value * 0.4)),
}
SIZE = (384, 288)
TURNS = [None, *Image.Transpose]


@pytest.mark.parametrize(("change", "turn"), [*itertools.product(CHANGES, TURNS)])
def test_a_changed_and_turned_picture_is_found(change, turn):
    plain = [thumbnail(picture(seed, SIZE)) for seed in range(9)]
    changed = CHANGES[change](picture(4, SIZE))
    changed = changed if turn is None else changed.transpose(turn)
    pairs = similar_pairs(np.stack([*plain, thumbnail(changed)]))
    assert pairs[:, :2].tolist() == [[4, 9]]
    back = turned(thumbnail(changed)[None].astype(float), WAYS[pairs[0, 2]])[0]
    assert np.corrcoef(back.ravel(), plain[4].ravel())[0, 1] > 0.97


def test_pictures_of_nothing_and_of_others_are_not_alike():
    flat = np.full(THUMBNAIL_SHAPE, 77, np.uint8)
    others = [thumbnail(picture(seed)) for seed in range(40)]
    assert similar_pairs(np.stack([flat, flat, *others])).shape == (0, 3)


def test_the_ways_are_eight_and_all_different():
    plane = np.arange(6.0 * 6).reshape(1, 6, 6)
    assert len({turned(plane, way).tobytes() for way in WAYS}) == 8


def test_groups_join_all_that_any_pair_joins():
    assert groups_of(7, [(1, 4), (5, 6), (4, 5)]) == [0, 1, 2, 3, 1, 1, 1]
