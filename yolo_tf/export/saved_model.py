"""Network -> SavedModel directory that TensorFlow alone can run."""

import keras
import tensorflow as tf

from yolo_tf.decode import decode_predictions
from yolo_tf.suppression import suppress


def write_saved_model(network, path, *, anchors, detect, image_size):
    """Writes a SavedModel with decode and suppression inside, for any batch and any image size.

    Signatures, both of uint8 [B, H, W, 3] RGB named `images`, H and W multiples of the coarsest stride:
    `serving_default` gives boxes float32 [B, K, 4] xyxy input px, scores float32 [B, K] descending, class_ids
    int32 [B, K] and num_detections int32 [B], slots beyond num_detections 0, 0 and -1. `candidates` gives what
    goes into suppression: boxes float32 [B, D, 4] and scores float32 [B, D, C].

    Args:
        network: functional keras.Model in float32, images float32 [B, H, W, 3] 0..255 -> L raw predictions.
        path: the directory to create.
        anchors: AnchorSet.
        detect: DetectConfig; its thresholds become part of the file.
        image_size: not used; the file takes every size.
    """

    def candidates(images):
        predictions = network(tf.cast(images, tf.float32), training=False)
        boxes, scores = decode_predictions(predictions, anchors)
        return {"boxes": boxes, "scores": scores}

    def detections(images):
        found = suppress(*candidates(images).values(), detect)
        return {
            "boxes": found.boxes,
            "scores": found.scores,
            "class_ids": found.class_ids,
            "num_detections": found.num_valid,
        }

    images = [tf.TensorSpec([None, None, None, 3], tf.uint8, name="images")]
    archive = keras.export.ExportArchive()  # without track(network), which stores all weights a second time
    archive.add_endpoint("serving_default", detections, images)  # no jit_compile: 8 times slower on a CPU
    archive.add_endpoint("candidates", candidates, images)
    archive.write_out(str(path), verbose=False)
