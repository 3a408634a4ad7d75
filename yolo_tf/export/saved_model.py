"""Network -> SavedModel directory that TensorFlow alone can run."""

import keras
import tensorflow as tf

from yolo_tf.data.letterbox import to_original
from yolo_tf.export.encoded_images import OK, letterbox_encoded
from yolo_tf.inference.suppression import suppress


def write_saved_model(network, path, *, spec, detect, image_size):
    """Writes a SavedModel with letterbox, decode and suppression inside, for batches of any size from 1.

    Signatures, with K = detect.max_detections:
    `serving_default`: images uint8 [B, H, W, 3] RGB -> boxes float32 [B, K, 4] xyxy input px, scores float32 [B, K]
        descending, class_ids int32 [B, K], num_detections int32 [B]; slots beyond num_detections 0, 0 and -1.
    `image_bytes`: image_bytes string [B], whole image files of any sizes -> the same four, boxes in px of each file,
        and status int32 [B], a number of encoded_images.py; an image that is not OK has no detections.
    `candidates`: images -> what goes into suppression, boxes float32 [B, D, 4] and scores float32 [B, D, C].
    H and W are multiples of the coarsest stride, or what the network is fixed to.

    Arguments are those of `ExportFormat`: the thresholds of `detect` become part of the file, `image_bytes` letterboxes
    into `image_size`.
    """

    def candidates(images):
        return dict(zip(("boxes", "scores"), _candidates(network, images, spec), strict=True))

    def detections(images):
        return _answer(suppress(*_candidates(network, images, spec), detect))

    def detections_in_files(image_bytes):
        with tf.control_dependencies([tf.debugging.Assert(tf.size(image_bytes) > 0, ["image_bytes: none. Expected 1 or more."])]):
            images, letterbox, status = letterbox_encoded(image_bytes, image_size, letterbox=spec.letterbox)
        found = suppress(*_candidates(network, images, spec), detect)
        num_valid = tf.where(status == OK, found.num_valid, 0)
        filled = tf.sequence_mask(num_valid, detect.max_detections)
        found = found._replace(
            boxes=tf.where(filled[..., None], to_original(found.boxes, letterbox), 0.0),
            scores=tf.where(filled, found.scores, 0.0),
            class_ids=tf.where(filled, found.class_ids, -1),
            num_valid=num_valid,
        )
        return {**_answer(found), "status": status}

    images = [tf.TensorSpec([None, *network.input_shape[1:3], 3], tf.uint8, name="images")]
    image_bytes = [tf.TensorSpec([None], tf.string, name="image_bytes")]
    archive = keras.export.ExportArchive()  # without track(network), which stores all weights a second time
    archive.add_endpoint("serving_default", detections, images)  # no jit_compile: 8 times slower on a CPU
    archive.add_endpoint("image_bytes", detections_in_files, image_bytes)
    archive.add_endpoint("candidates", candidates, images)
    archive.write_out(str(path), verbose=False)


def _candidates(network, images, spec):
    """Returns (boxes, scores) of uint8 images; a wrong shape fails here, with INVALID_ARGUMENT and words, not in some layer."""
    stride = max(spec.strides)
    shape = tf.shape(images)
    fits = (shape[0] > 0) & tf.reduce_all(shape[1:3] > 0) & tf.reduce_all(shape[1:3] % stride == 0)
    wanted = f"images: wrong shape. Expected 1 or more images, height and width multiples of {stride}. Got [B, H, W, 3] ="
    with tf.control_dependencies([tf.debugging.Assert(fits, [wanted, shape], summarize=4)]):
        images = tf.cast(images, tf.float32)
    return spec.decode(network(images, training=False))


def _answer(found):
    """Names the tensors of Detections as a client reads them."""
    return {"boxes": found.boxes, "scores": found.scores, "class_ids": found.class_ids, "num_detections": found.num_valid}
