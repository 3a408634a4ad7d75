"""An imported YOLOv5n against tensors that were recorded from the original, and its accuracy on coco128.

As a program: `golden_part SHARED MODEL.keras`, the directory of real data and the imported network.
"""

import json
import sys
from pathlib import Path
from typing import NamedTuple

LEVELS = (3, 4, 5)
NEEDED = ("weights/yolov5n.pt", "golden/forward.npz", "golden/loss.npz", "golden/loss.json", "golden/loss_gradients.npz")
# the original's names of layers whose gradients were recorded -> ours
LAYERS = {"model.0.conv": "backbone_stem_conv", "model.0.bn": "backbone_stem_batch_norm"}
LAYERS |= {f"model.24.m.{level}": f"head_p{level + 3}" for level in range(3)}


class Targets(NamedTuple):
    """What `detection_loss` reads of a batch's boxes; its own type is no public name."""

    boxes: object  # float32 [B, M, 4] xyxy, px
    class_ids: object  # int32 [B, M], -1 = no box


def record(checkout):
    """Returns the figures of import, predictions, losses, gradients, and of evaluation where coco128 is there."""
    weights, reference, *_ = checkout.need(*NEEDED)
    found = {"import": checkout.command("import-yolov5", weights, "--out", "yolov5n.keras", "--reference", reference)}
    found |= checkout.work("golden_part", checkout.shared, "yolov5n.keras")
    images = checkout.shared / "data" / "coco128"
    if not images.exists():
        return {**found, "coco128": {"skipped": f"{images} is not there"}}
    words = [
        "evaluate",
        "yolov5n.keras",
        "--data",
        checkout.code / "configs/datasets/coco128.yaml",
        "--path",
        images,
        "--lenient",
    ]
    return {**found, "coco128": checkout.command(*words), "coco128_rect": checkout.command(*words, "--rect")}


def measure(shared, model):
    """Returns all that needs TensorFlow, by what it is about."""
    import keras
    import numpy as np

    network = keras.models.load_model(model, compile=False)
    forward = np.load(shared / "golden" / "forward.npz")
    arrays = np.load(shared / "golden" / "loss.npz")
    numbers = json.loads((shared / "golden" / "loss.json").read_text(encoding="utf-8"))
    gradients = np.load(shared / "golden" / "loss_gradients.npz")
    raw = network(forward["image"][None].astype(np.float32), training=False)
    return {
        "predictions": measure_predictions(raw, forward),
        "detections": measure_detections(raw, forward),
        "losses": measure_losses(arrays, numbers),
        "gradients": measure_gradients(network, arrays, gradients),
        "training_mode": measure_training_mode(network, arrays, numbers),  # the last: it changes the running statistics
    }


def measure_predictions(raw, forward):
    """Returns hashes of raw predictions, boxes and scores, and how far they are from the original's at most."""
    import numpy as np

    from behaviour.hashes import hash_array
    from yolo_tf import COCO_ANCHORS, decode_predictions

    found = {}
    for level, ours in zip(LEVELS, raw, strict=True):
        theirs = forward[f"raw_p{level}"].transpose(0, 2, 3, 1, 4)
        found[f"raw_p{level}"] = {**hash_array(ours.numpy()), "deviation": float(np.abs(ours - theirs).max())}
    boxes, scores = (tensor.numpy()[0] for tensor in decode_predictions(raw, COCO_ANCHORS))
    # Theirs: level, anchor, row, column. Ours: level, row, column, anchor.
    levels = np.split(forward["decoded"], np.cumsum([theirs.shape[1] * theirs.shape[2] * 3 for theirs in raw])[:-1])
    theirs = np.concatenate([level.reshape(3, -1, 85).swapaxes(0, 1).reshape(-1, 85) for level in levels])
    corners = np.concatenate([theirs[:, :2] - theirs[:, 2:4] / 2, theirs[:, :2] + theirs[:, 2:4] / 2], 1)
    found["boxes"] = {**hash_array(boxes), "deviation": float(np.abs(boxes - corners).max())}
    found["scores"] = {**hash_array(scores), "deviation": float(np.abs(scores - theirs[:, 4:5] * theirs[:, 5:]).max())}
    return found


def measure_detections(raw, forward):
    """Returns how many detections there are under two settings, their hashes, and how many have one twin of the original's."""
    import numpy as np

    from behaviour.hashes import hash_array
    from yolo_tf import COCO_ANCHORS, DetectConfig, decode_predictions, suppress

    evaluating = DetectConfig(score_threshold=0.001, iou_threshold=0.6, max_detections=300, max_candidates=4096, multi_label=True)
    found = {}
    for name, detect in (("nms_detect", DetectConfig()), ("nms_evaluate", evaluating)):
        boxes, scores, class_ids, count = (
            tensor.numpy()[0] for tensor in suppress(*decode_predictions(raw, COCO_ANCHORS), detect)
        )
        ours, theirs = np.concatenate([boxes, scores[:, None], class_ids[:, None]], 1)[:count], forward[name]
        near = np.abs(ours[:, None, :4] - theirs[None, :, :4]).max(-1) < 0.05
        near &= np.abs(ours[:, None, 4] - theirs[None, :, 4]) < 1e-4
        near &= ours[:, None, 5] == theirs[None, :, 5]
        found[name] = {**hash_array(ours), "count": int(count), "theirs": len(theirs), "twins": int((near.sum(1) == 1).sum())}
    return found


def targets_of(arrays):
    """Returns the Targets of loss.npz, padded to as many boxes as the fullest image has."""
    import numpy as np
    import tensorflow as tf

    rows, (count, size) = arrays["targets"], arrays["images"].shape[:2]
    of_images = [rows[rows[:, 0] == image] for image in range(count)]
    slots = max(map(len, of_images))
    boxes, class_ids = np.zeros((count, slots, 4), np.float32), np.full((count, slots), -1, np.int32)
    for image, mine in enumerate(of_images):
        centre, half = mine[:, 2:4] * size, mine[:, 4:6] * size / 2
        boxes[image, : len(mine)] = np.concatenate([centre - half, centre + half], 1)
        class_ids[image, : len(mine)] = mine[:, 1]
    return Targets(tf.constant(boxes), tf.constant(class_ids))


def describe_parts(parts, reference):
    """Returns the parts of a loss with all bits, and how far each is from the original's, relative."""
    described = {}
    for name, theirs in (("box", "box"), ("objectness", "obj"), ("class", "cls")):
        value = float(parts[name])
        described[name] = {"value": value.hex(), "deviation": abs(value / reference[theirs] - 1)}
    return described


def measure_losses(arrays, numbers):
    """Returns the loss parts of the original's own predictions, under several settings."""
    import tensorflow as tf

    from yolo_tf import COCO_ANCHORS, LossConfig, detection_loss

    predictions = [tf.constant(arrays[f"raw_p{level}"].transpose(0, 2, 3, 1, 4)) for level in LEVELS]
    reference = numbers["loss_evalBN_gains_train_py_scaled_nc80_320"]
    settings = {
        "default": LossConfig(),
        "last_box": LossConfig(shared_anchor="last"),
        "giou": LossConfig(iou="giou"),
        "focal_smooth": LossConfig(focal_gamma=1.5, label_smoothing=0.1),
        "weighted": LossConfig(objectness_positive_weight=2.0, class_positive_weight=0.5, anchor_ratio_limit=3.0),
    }
    targets = targets_of(arrays)
    return {
        name: describe_parts(detection_loss(targets, predictions, COCO_ANCHORS, loss=loss), reference)
        for name, loss in settings.items()
    }


def measure_training_mode(network, arrays, numbers):
    """Returns the loss parts with the statistics of the batch: by Keras' batch norm, and as `DetectorTrainer` runs it."""
    import tensorflow as tf

    from yolo_tf import COCO_ANCHORS, DetectorTrainer, LossConfig, detection_loss

    reference = numbers["loss_trainBN_gains_train_py_scaled_nc80_320"]
    images, targets, loss = tf.constant(arrays["images"], tf.float32), targets_of(arrays), LossConfig(shared_anchor="last")
    found = {}
    for name, forward in (("keras", network), ("trainer", DetectorTrainer(network, COCO_ANCHORS, loss=loss))):
        parts = detection_loss(targets, forward(images, training=True), COCO_ANCHORS, loss=loss)
        found[name] = describe_parts(parts, reference)
    return found


def measure_gradients(network, arrays, recorded):
    """Returns, for each tensor whose gradient was recorded, the hash of ours, its norm, and the cosine with the original's."""
    import numpy as np
    import tensorflow as tf

    from behaviour.hashes import hash_array
    from yolo_tf import COCO_ANCHORS, LossConfig, detection_loss

    loss = LossConfig(objectness=4.0, shared_anchor="last")  # a gain of 1 after the rescaling to 320 px, as recorded
    variables = {}
    for name in recorded.files:
        layer, leaf = network.get_layer(LAYERS[name.rpartition(".")[0]]), name.rpartition(".")[2]
        variables[name] = layer.bias if leaf == "bias" else layer.gamma if hasattr(layer, "gamma") else layer.kernel

    @tf.function  # eagerly every layer's output would stay in memory twice
    def gradients(images):
        with tf.GradientTape() as tape:
            parts = detection_loss(targets_of(arrays), network(images, training=False), COCO_ANCHORS, loss=loss)
            total = sum(parts.values()) * len(arrays["images"])
        return total, tape.gradient(total, [variable.value for variable in variables.values()])

    total, all_ours = gradients(tf.constant(arrays["images"], tf.float32))
    found = {"total": float(total).hex()}
    for name, ours in zip(variables, all_ours, strict=True):
        ours, theirs = ours.numpy(), recorded[name].astype(np.float64).ravel()
        flat = (ours.transpose(3, 2, 0, 1) if ours.ndim == 4 else ours).ravel().astype(np.float64)
        norms = np.linalg.norm(flat), np.linalg.norm(theirs)
        found[name] = {**hash_array(ours), "norm_ratio": norms[0] / norms[1], "cosine": flat @ theirs / (norms[0] * norms[1])}
    return found


if __name__ == "__main__":
    from behaviour.checkout import print_result

    print_result(measure(Path(sys.argv[1]), sys.argv[2]))
