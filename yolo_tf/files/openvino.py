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

    image_size = [side.get_length() if side.is_static else None for side in list(compiled.input("images").partial_shape)[1:3]]
    return {"candidates": candidates, "image_size": image_size}


FORMAT = FileFormat(title="OpenVINO", graph=GRAPH, open=open_openvino, one_at_a_time=True)
