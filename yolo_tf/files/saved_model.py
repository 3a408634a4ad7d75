"""SavedModel directories, which TensorFlow runs, suppression inside; `detector.json` lies where it leaves room for others."""

import functools

from yolo_tf.files.format import CANDIDATES, DETECTIONS, MEMBER, FileFormat


def open_saved_model(path, threads):
    """Opens a SavedModel directory. It takes whole numbers: float images are rounded for it."""
    import tensorflow as tf

    loaded = tf.saved_model.load(str(path))
    if "candidates" not in loaded.signatures:
        raise KeyError("it has no signature named candidates")

    def call(signature, names, images):
        images = tf.convert_to_tensor(images)
        if images.dtype != tf.uint8:
            images = tf.saturate_cast(tf.round(images), tf.uint8)
        found = loaded.signatures[signature](images=images)  # through `loaded`: a signature alone lets its variables go
        return tuple(found[name] for name in names)

    return {
        "candidates": functools.partial(call, "candidates", CANDIDATES),
        "image_size": loaded.signatures["candidates"].structured_input_signature[1]["images"].shape[1:3],
        "scores": tuple(loaded.signatures["candidates"].structured_outputs["scores"].shape),
        "serve": functools.partial(call, "serving_default", DETECTIONS),
    }


FORMAT = FileFormat(
    title="SavedModel",
    graph="saved_model.pb",
    open=open_saved_model,
    tensorflow=True,
    spec_name=f"assets.extra/{MEMBER}",
)
