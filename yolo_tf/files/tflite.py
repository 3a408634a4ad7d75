"""`.tflite` files, for one image size each: the graph, and behind it a ZIP archive with `detector.json`."""

import functools
import warnings

from yolo_tf.files.format import CANDIDATES, DETECTIONS, FileFormat


def open_tflite(path, threads):
    """Opens a `.tflite` file. Where it takes uint8 pixels, float images are rounded for it."""
    import numpy as np

    interpreter = tflite_interpreter(model_path=str(path), num_threads=threads)
    runners = {name: interpreter.get_signature_runner(name) for name in interpreter.get_signature_list()}
    details = runners["candidates"].get_input_details()["images"]
    image_size = tuple(int(side) for side in details["shape"][1:3])

    def call(signature, names, images):
        if details["dtype"] == np.uint8:
            images = np.round(images).clip(0, 255)
        images = images.astype(details["dtype"])
        found = [runners[signature](images=image[None]) for image in images]  # the file holds a batch of one
        return [np.concatenate([answer[name] for answer in found]) for name in names]

    serve = functools.partial(call, "detections", DETECTIONS) if "detections" in runners else None
    return {
        "candidates": functools.partial(call, "candidates", CANDIDATES),
        "image_size": image_size,
        "scores": tuple(map(int, runners["candidates"].get_output_details()["scores"]["shape"])),
        "serve": serve,
    }


def tflite_interpreter(**options):
    """Returns what runs a TFLite file: the interpreter of ai-edge-litert where installed, else TensorFlow's own."""
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        import tensorflow as tf

        Interpreter = tf.lite.Interpreter
    with warnings.catch_warnings():  # TensorFlow's announces its move to ai-edge-litert at every start
        warnings.simplefilter("ignore")
        return Interpreter(**options)


FORMAT = FileFormat(suffix=".tflite", open=open_tflite, one_at_a_time=True)
