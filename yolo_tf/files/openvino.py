"""OpenVINO directories: the graph, detector.xml, its weights, detector.bin, and beside them `detector.json`."""

from yolo_tf.files.format import CANDIDATES, FileFormat
from yolo_tf.system.openvino_start import load_openvino

GRAPH = "detector.xml"


def open_openvino(path, threads):
    """Opens an OpenVINO directory."""
    options = {
        # on CPUs with AMX it computes in bfloat16 unless told otherwise, which moves boxes by pixels
        "INFERENCE_PRECISION_HINT": "f32",
        "INFERENCE_NUM_THREADS": threads,
    }
    compiled = load_openvino(path).Core().compile_model(path / GRAPH, "CPU", options)

    def candidates(images):
        found = compiled({"images": images.astype("float32")})
        return [found[name] for name in CANDIDATES]

    shapes = [compiled.input("images").partial_shape, compiled.output(CANDIDATES[1]).partial_shape]
    images, scores = ([side.get_length() if side.is_static else None for side in shape] for shape in shapes)
    return {"candidates": candidates, "image_size": images[1:3], "scores": tuple(scores)}


FORMAT = FileFormat(title="OpenVINO", graph=GRAPH, open=open_openvino, one_at_a_time=True)
