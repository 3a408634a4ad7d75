"""What docs/tflite.md and docs/serving.md say of pixels and boxes is what an exported file takes and gives.

The code of the pages is run as it stands: beside the project's own letterbox, and by a process that has a TFLite interpreter,
NumPy and Pillow alone.
"""

import importlib.util
import json
import re
import subprocess
import sys

import detector_files
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from places import ROOT

from yolo_tf.data.images import read_image
from yolo_tf.data.letterbox import letterbox_image, to_original
from yolo_tf.export import export_detector
from yolo_tf.export.tflite import Quantization
from yolo_tf.files.format import CANDIDATES, DETECTIONS
from yolo_tf.inference.detector import open_detector
from yolo_tf.inference.prediction import predict_image
from yolo_tf.pictures.generated_images import generated_images
from yolo_tf.structures import Letterbox

LITERT = "ai-edge-litert==2.3.0"
# (height, width) px: shrunk by a whole factor and by others, wide and tall, enlarged, a rounding edge, as it is, a line
SIZES = [(192, 320), (375, 500), (374, 500), (500, 301), (31, 77), (95, 160), (96, 160), (3, 90)]


def code_of(page, *, having=""):
    """Returns the Python blocks of a page that have a text in them."""
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / page).read_text(encoding="utf-8"), re.DOTALL)
    return [block for block in blocks if having in block]


@pytest.fixture(scope="module")
def contract():
    """The functions of the page: letterbox, weights, to_original."""
    (block,) = code_of("tflite.md", having="def letterbox")
    assert code_of("serving.md", having="def letterbox") == [block]
    functions = {}
    exec(block, functions)
    return functions


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_the_page_letterboxes_as_training_does(contract, size):
    image = generated_images(size, count=1, seed=4)[0].astype(np.uint8)
    expected, scale, offset = (value.numpy() for value in letterbox_image(image, (96, 160)))
    found, found_scale, found_offset = contract["letterbox"](image, 96, 160)
    assert found.dtype == np.float32 and found.shape == (1, 96, 160, 3)
    assert found_scale == pytest.approx(float(scale), rel=1e-6) and found_offset == tuple(offset)
    difference = np.abs(found[0] - expected)  # a mean of exactly a half may fall to either side
    assert difference.max() <= 1 and np.mean(difference > 0) < 2e-3


@pytest.mark.parametrize("page", ["tflite.md", "serving.md"])
@pytest.mark.parametrize("size", [(192, 320), (375, 500), (500, 301), (31, 77), (3, 900)], ids=str)
def test_the_page_says_what_differs_in_the_corner(page, size):
    (block,) = code_of(page, having="def letterbox")
    (lines,) = re.findall(r"```\n(    rows.*?)```", (ROOT / "docs" / page).read_text(encoding="utf-8"), re.DOTALL)
    for line in lines.splitlines():
        block, count = re.subn(rf"^{re.escape(line.partition(' = ')[0])} = .*$", line, block, flags=re.MULTILINE)
        assert count == 1, line
    functions = {}
    exec(block, functions)
    image = generated_images(size, count=1, seed=4)[0].astype(np.uint8)
    found, found_scale, found_offset = functions["letterbox"](image, 96, 160)
    expected, scale, offset = (value.numpy() for value in letterbox_image(image, (96, 160), letterbox="corner"))
    assert found_scale == pytest.approx(float(scale), rel=1e-6) and found_offset == tuple(offset) == (0, 0)
    difference = np.abs(found[0] - expected)
    assert difference.max() <= 1 and np.mean(difference > 0) < 2e-2


def test_the_page_brings_boxes_back_as_evaluation_does(contract):
    image = np.zeros((374, 500, 3), np.uint8)
    _, scale, offset = contract["letterbox"](image, 96, 160)
    boxes = np.array([[16, 0, 144, 96], [30, 10, 50.5, 33], [-40, -9, 300, 200]], np.float32)
    whole = tf.constant([[374, 500]])
    letterbox = Letterbox(scale=tf.constant([scale], tf.float32), offset=tf.constant([offset], tf.float32), original_size=whole)
    found = contract["to_original"](boxes, scale, offset, image)
    np.testing.assert_allclose(found, to_original(boxes[None], letterbox)[0], atol=1e-3)
    np.testing.assert_array_equal(found[2], [0, 0, 500, 374])


def test_a_saved_model_answers_for_the_page_s_pixels(contract):
    """`image_bytes`, which letterboxes in the graph, and `images` of the page's letterbox find the same."""
    image = generated_images((375, 500), count=1, seed=4)[0].astype(np.uint8)
    signatures = tf.saved_model.load(str(detector_files.saved_model())).signatures
    expected = signatures["image_bytes"](image_bytes=[tf.io.encode_png(image)])
    images, scale, offset = contract["letterbox"](image, 96, 160)
    found = signatures["serving_default"](images=tf.constant(images.astype(np.uint8)))
    (count,) = expected["num_detections"].numpy()
    assert count == found["num_detections"].numpy()[0] > 3
    boxes = contract["to_original"](found["boxes"].numpy(), scale, offset, image)[0, :count]
    np.testing.assert_allclose(boxes, expected["boxes"][0, :count], atol=0.5)  # a pixel or two may be rounded the other way
    np.testing.assert_array_equal(found["class_ids"][0, :count], expected["class_ids"][0, :count])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with what the page names: a photograph and a file with suppression inside."""
    folder = tmp_path_factory.mktemp("contract")
    quantization = Quantization(nms=True)
    export_detector(
        detector_files.keras_file(), "tflite", folder / "best_nms.tflite", detect=detector_files.DETECT, quantization=quantization
    )
    Image.fromarray(generated_images((375, 500), count=1, seed=4)[0].astype(np.uint8)).save(folder / "photo.png")
    return folder


def run_the_page(folder, python):
    """Runs the page in `folder` by an interpreter of Python that sees no module of ours, and compares with `predict`."""
    code = "\n".join(code_of("tflite.md")).replace("photo.jpg", "photo.png")  # without losses, whoever decodes it
    code += "\nimport json, sys\nassert not {'tensorflow', 'keras', 'yolo_tf'} & set(sys.modules)"
    code += "\nprint(json.dumps([boxes.tolist(), found['scores'][0].tolist(), found['class_ids'][0].tolist()]))"
    done = subprocess.run([python, "-I", "-W", "ignore", "-c", code], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    boxes, scores, class_ids = map(np.array, json.loads(done.stdout.splitlines()[-1]))
    detector = open_detector(detector_files.keras_file())
    expected = predict_image(detector, folder / "photo.png", detect=detector_files.DETECT).detections
    assert len(boxes) == len(expected.boxes) > 3 and read_image(folder / "photo.png").shape == (375, 500, 3)
    found, wanted = (  # in an order of their own: which of two all but equal scores comes first is open
        rows[np.lexsort(np.round(rows).T)]
        for rows in (
            np.column_stack([boxes, 100 * scores[: len(boxes)], class_ids[: len(boxes)]]),
            np.column_stack([expected.boxes, 100 * expected.scores, expected.class_ids]),
        )
    )
    np.testing.assert_allclose(found, wanted, atol=0.5)


def test_a_process_with_litert_numpy_and_pillow_alone(folder):
    if importlib.util.find_spec("ai_edge_litert") is None:
        pytest.skip("needs pip install 'yolo_tf[litert]'; the long test below installs it for itself")
    run_the_page(folder, sys.executable)
    run_compiled(folder, sys.executable)


COMPILED = """
import sys
import numpy as np
from ai_edge_litert.compiled_model import CompiledModel
from ai_edge_litert.interpreter import Interpreter

interpreter, model = Interpreter(model_path="best_nms.tflite"), CompiledModel.from_file("best_nms.tflite")
for index, (name, sides) in enumerate(model.get_signature_list().items()):
    runner = interpreter.get_signature_runner(name)
    images = np.random.default_rng(0).integers(0, 256, runner.get_input_details()["images"]["shape"]).astype(np.float32)
    expected = runner(images=images)
    inputs, outputs = model.create_input_buffers(index), model.create_output_buffers(index)
    inputs[0].write(images)
    model.run_by_index(index, inputs, outputs)
    for output, buffer in zip(sides["outputs"], outputs, strict=True):
        found = buffer.read(expected[output].size, expected[output].dtype).reshape(expected[output].shape)
        np.testing.assert_array_equal(found, expected[output])
        print(name, output)
"""


def run_compiled(folder, python):
    """Opens the file in LiteRT's CompiledModel: both signatures answer as in the interpreter."""
    done = subprocess.run([python, "-I", "-W", "ignore", "-c", COMPILED], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = {tuple(line.split()) for line in done.stdout.splitlines() if line.startswith(("detections", "candidates"))}
    assert {name for signature, name in found if signature == "detections"} == set(DETECTIONS)
    assert {name for signature, name in found if signature == "candidates"} == set(CANDIDATES)


@pytest.mark.long
@pytest.mark.network
def test_an_environment_with_litert_numpy_and_pillow_alone(folder, tmp_path):
    environment = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    python = environment / "bin" / "python"
    install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*install, LITERT, "numpy", "pillow"], check=True)
    run_the_page(folder, python)
    run_compiled(folder, python)
