"""A second head for tests, as unlike the first as a head may be: no anchors, two tensors a level, matches that weigh predictions.

One prediction a cell, on every level. Raw predictions are L tensors [B, Y, X, 4] (centre and size of the box) and behind
them L tensors [B, Y, X, 1 + C] (objectness, classes), all logits.
"""

import dataclasses
from typing import ClassVar

import keras
import tensorflow as tf

from yolo_tf.errors import InputError
from yolo_tf.heads import Head
from yolo_tf.layers.blocks import pointwise_conv
from yolo_tf.structures.boxes import cxcywh_to_xyxy


@dataclasses.dataclass(frozen=True)
class Cells:
    """The layout: nothing but levels."""

    strides: tuple
    head: ClassVar[str] = "cell"


def make_layout(model, strides):
    if model.anchors:
        raise InputError(f"config.model.anchors: got {model.anchors} for the head cell. Expected none. Leave them out.")
    return Cells(tuple(strides))


def build(features, layout, *, num_classes, model):
    outputs = {"box": [], "score": []}
    for x, stride in zip(features, layout.strides, strict=True):
        for part, filters in (("box", 4), ("score", 1 + num_classes)):
            raw = pointwise_conv(filters, fan_in=x.shape[-1], name=f"head_{part}_{stride}")(x)
            outputs[part].append(keras.layers.Activation("linear", dtype="float32", name=f"{part}_{stride}")(raw))
    return outputs["box"] + outputs["score"]


def levels(predictions, layout):
    """Yields (stride, columns, boxes [B, Y * X, 4] px, score logits [B, Y * X, 1 + C]) of each level."""
    count = len(layout.strides)
    for stride, raw, scores in zip(layout.strides, predictions[:count], predictions[count:], strict=True):
        batch, rows, columns, _ = tf.unstack(tf.shape(raw))
        places = tf.stack(tf.meshgrid(tf.range(columns), tf.range(rows)), -1)
        places = tf.cast(tf.reshape(places, [1, -1, 2]), tf.float32)
        raw = tf.reshape(tf.cast(raw, tf.float32), [batch, -1, 4])
        boxes = tf.concat([(places + 0.5 + raw[..., :2]) * stride, tf.exp(raw[..., 2:]) * stride], -1)
        scores = tf.reshape(tf.cast(scores, tf.float32), [batch, -1, scores.shape[-1]])
        yield stride, columns, cxcywh_to_xyxy(boxes), scores


def decode(predictions, layout):
    found = [
        (boxes, tf.sigmoid(scores[..., :1]) * tf.sigmoid(scores[..., 1:])) for _, _, boxes, scores in levels(predictions, layout)
    ]
    return tuple(tf.concat(tensors, 1) for tensors in zip(*found, strict=True))


def matches(targets, stride, columns, boxes, scores):
    """Returns which cell [B, M] answers for each box, and how much the answer weighs: the more, the surer it is."""
    centre = (targets.boxes[..., :2] + targets.boxes[..., 2:]) / 2
    place = tf.cast(centre // stride, tf.int32)
    cell = tf.minimum(place[..., 1] * columns + place[..., 0], tf.shape(boxes)[1] - 1)
    sure = tf.sigmoid(tf.gather(scores[..., 0], cell, batch_dims=1))
    return cell, tf.where(targets.class_ids >= 0, tf.stop_gradient(0.5 + sure), 0.0)


def count_matches(targets, image_size, layout, *, loss, predictions):
    return tf.add_n([tf.reduce_sum(matches(targets, *level)[1]) for level in levels(predictions, layout)])


def loss(targets, predictions, layout, *, loss, num_matches=None, plain=False):
    if num_matches is None:
        num_matches = count_matches(targets, None, layout, loss=loss, predictions=predictions)
    parts = {"box": 0.0, "objectness": 0.0, "class": 0.0}
    entropy = tf.nn.sigmoid_cross_entropy_with_logits
    for level in levels(predictions, layout):
        stride, _, boxes, scores = level
        cell, weight = matches(targets, *level)
        apart = tf.abs(tf.gather(boxes, cell, batch_dims=1) - targets.boxes) / stride
        parts["box"] += tf.reduce_sum(tf.reduce_mean(apart, -1) * weight)
        taken = tf.reduce_max(tf.one_hot(cell, tf.shape(boxes)[1]) * tf.cast(weight > 0, tf.float32)[..., None], 1)
        parts["objectness"] += tf.reduce_sum(entropy(labels=taken, logits=scores[..., 0]))
        chosen = tf.gather(scores[..., 1:], cell, batch_dims=1)
        wanted = tf.one_hot(targets.class_ids, chosen.shape[-1])
        parts["class"] += tf.reduce_sum(tf.reduce_mean(entropy(labels=wanted, logits=chosen), -1) * weight)
    return {name: tf.math.divide_no_nan(part, num_matches) for name, part in parts.items()}


def count_objects(teacher):
    scores = teacher[len(teacher) // 2 :]
    return tf.add_n([tf.reduce_sum(tf.sigmoid(tf.cast(raw[..., 0], tf.float32))) for raw in scores])


def distillation_loss(teacher, predictions, layout, *, loss, num_objects=None):
    num_objects = count_objects(teacher) if num_objects is None else num_objects
    apart = [tf.reduce_sum(tf.square(tf.stop_gradient(one) - other)) for one, other in zip(teacher, predictions, strict=True)]
    return tf.add_n(apart) / num_objects


HEAD = Head(
    make_layout=make_layout,
    fit_layout=lambda layout, dataset, **_: ({}, ""),
    geometry=lambda layout: {},
    from_geometry=Cells,
    build=build,
    scale_new=lambda network, loaded, factor: [],
    output_shapes=lambda layout, num_classes: [(None, None, None, n) for n in (4, 1 + num_classes) for _ in layout.strides],
    channel_parts={},
    decode=decode,
    count_candidates=lambda layout, size_hw: [tf.reduce_prod(size_hw // stride) for stride in layout.strides],
    loss_parts=("box", "objectness", "class"),
    loss=loss,
    count_matches=count_matches,
    matches_need_predictions=True,
    place_bytes=lambda layout, num_classes, image_size: 100.0,
    distillation_loss=distillation_loss,
    count_objects=count_objects,
)
