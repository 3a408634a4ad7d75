"""An int8 file whose first channels reach far beyond one another keeps its first convolutions in float."""

import detector_files
import keras
import numpy as np
import pytest
import tensorflow as tf

from yolo_tf.errors import InputError
from yolo_tf.export import export_detector
from yolo_tf.export.int8_start import FLOAT_STARTS, choose_float_start, names_of_the_start, take_pixels
from yolo_tf.export.parity import Compared, ParityError, Tolerance
from yolo_tf.export.tflite import Quantization, read_facts
from yolo_tf.export.tflite_graph import Operation, Tensor, read_operations
from yolo_tf.inference.detector import open_detector
from yolo_tf.pictures.generated_images import generated_images

CALIBRATION = list(generated_images((96, 160), count=17, seed=9))


@pytest.fixture(scope="module")
def far_apart(tmp_path_factory):
    """Path of a detector one channel of whose stem is thousands of times as large as the others, and is hardly looked at."""
    network = detector_files.build_network()
    first, second = [layer for layer in network.layers if isinstance(layer, keras.layers.Conv2D)][:2]
    norm = next(layer for layer in network.layers if isinstance(layer, keras.layers.BatchNormalization))
    gamma, *rest = norm.get_weights()
    gamma[0] *= 3000
    norm.set_weights([gamma, *rest])
    kernel = second.get_weights()[0]
    kernel[:, :, 0] /= 30000
    second.set_weights([kernel])
    return detector_files.write_detector(network, tmp_path_factory.mktemp("far_apart") / "network.keras")


def export(path, out, **options):
    quantization = Quantization(precision="int8", calibration=CALIBRATION, **options)
    return export_detector(path, "tflite", out, detect=detector_files.DETECT, quantization=quantization)


def test_one_scale_for_channels_far_apart_does_not_pass(far_apart, tmp_path):
    with pytest.raises(ParityError, match="candidates differ so; at most 15.0% may"):
        export(far_apart, tmp_path / "q.tflite", float_start=0)


@pytest.mark.parametrize("io_type, dtype", [("uint8", "UINT8"), ("float", "FLOAT32")])
def test_as_many_first_convolutions_as_needed_stay_in_float(far_apart, io_type, dtype, tmp_path):
    report = export(far_apart, tmp_path / "q.tflite", io_type=io_type)
    assert report.same_candidates > 0.95
    operations = read_operations((tmp_path / "q.tflite").read_bytes())
    convolutions = [one.outputs[0].dtype for one in operations if one.name == "CONV_2D"]
    assert convolutions == ["FLOAT32"] * 2 + ["INT8"] * 9 and read_facts(tmp_path / "q.tflite")["float_start"] == 2
    assert operations[0].inputs[0].dtype == dtype
    images = detector_files.images()[:1]
    boxes, _ = open_detector(tmp_path / "q.tflite").candidates(images)
    network_boxes, _ = open_detector(far_apart).candidates(images)
    assert np.median(np.abs(boxes.numpy() - network_boxes.numpy())) < 1


def test_pixels_have_scale_one_before_a_float_start(far_apart, tmp_path):
    export(far_apart, tmp_path / "float.tflite", float_start=2)
    content = (tmp_path / "float.tflite").read_bytes()
    runners = [
        tf.lite.Interpreter(model_content=one).get_signature_runner("candidates") for one in (content, take_pixels(content))
    ]
    (images,) = runners[1].get_input_details().values()
    assert images["dtype"] is np.uint8 and images["quantization"] == (1.0, 0)
    picture = CALIBRATION[3][None]
    expected, found = runners[0](images=np.float32(picture)), runners[1](images=picture)
    for name in expected:
        np.testing.assert_array_equal(found[name], expected[name])


def test_the_number_is_part_of_the_file_and_of_its_check(far_apart, tmp_path):
    with pytest.raises(InputError, match="float_start: got 11 for a network of 11 convolutions. Expected fewer"):
        export(far_apart, tmp_path / "q.tflite", float_start=11)
    with pytest.raises(InputError, match="float_start: got -1. Expected 0 or more"):
        Quantization(precision="int8", calibration=CALIBRATION, float_start=-1)
    with pytest.raises(InputError, match="float_start: does not fit `precision` float16"):
        Quantization(precision="float16", float_start=0)
    assert not any(tmp_path.iterdir())


def test_names_before_a_convolution():
    tensors = [Tensor((0, number), name, "FLOAT32") for number, name in enumerate("xagbc")]
    image, a, gate, b, c = tensors
    operations = [
        Operation("CONV_2D", (image,), (a,)),
        Operation("LOGISTIC", (a,), (gate,)),
        Operation("DEPTHWISE_CONV_2D", (gate,), (b,)),
        Operation("CONV_2D", (b,), (c,)),
    ]
    assert [names_of_the_start(operations, count) for count in range(3)] == [[], ["a", "g"], ["a", "g", "b"]]
    with pytest.raises(InputError, match="got 3 for a network of 3 convolutions"):
        names_of_the_start(operations, 3)


@pytest.mark.parametrize(
    "differing, chosen", [([7, 9, 9, 9], 0), ([60, 7, 0, 0], 2), ([60, 20, 9, 30], 4), ([60, 50, 70, 40], 8)]
)
def test_the_fewest_that_are_good_enough(monkeypatch, differing, chosen):
    """Of 100 candidates the gate lets 15 differ, so up to 7 are good enough; else the number with which least differ."""
    monkeypatch.setattr("yolo_tf.export.int8_start._candidates", lambda content, samples: [content] * len(samples))
    monkeypatch.setattr(
        "yolo_tf.export.int8_start.compare_candidates",
        lambda expected, found, tolerance, where: Compared(100, ["line"] * found, (0.0, 0.0)),
    )
    answers = dict(zip(FLOAT_STARTS, differing, strict=True))
    samples = ([image] for image in CALIBRATION)
    assert choose_float_start(answers.get, 0, samples, tolerance=Tolerance(0.75, 2.0, 0.15, share=0.85)) == (
        chosen,
        answers[chosen],
    )
