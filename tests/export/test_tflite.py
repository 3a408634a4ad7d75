import detector_files
import keras
import numpy as np
import pytest
import tensorflow as tf

from yolo_tf.errors import InputError
from yolo_tf.export import export_detector
from yolo_tf.export.tflite import Quantization, check_tflite, write_tflite
from yolo_tf.export.tflite_graph import read_operations
from yolo_tf.pictures.generated_images import generated_images


def test_signature_and_operations():
    content = detector_files.tflite_file().read_bytes()
    interpreter = tf.lite.Interpreter(model_content=content)
    runner = interpreter.get_signature_runner("candidates")
    (images,) = runner.get_input_details().values()
    assert list(runner.get_input_details()) == ["images"]
    assert images["shape"].tolist() == [1, 96, 160, 3] and images["dtype"] is np.float32
    outputs = {name: (value["shape"].tolist(), value["dtype"]) for name, value in runner.get_output_details().items()}
    assert outputs == {"boxes": ([1, 630, 4], np.float32), "scores": ([1, 630, 3], np.float32)}
    names = {operation.name for operation in read_operations(content)}
    assert "CONV_2D" in names and "LOGISTIC" in names
    assert not any(name.startswith(("CUSTOM", "VAR_HANDLE", "READ_VARIABLE")) for name in names)


def test_flex_operations_are_found_and_refused():
    content = detector_files.converted(lambda x: tf.linalg.det(x[:, :, :, 0]) + tf.reduce_sum(x), allow_custom_ops=True)
    with pytest.raises(InputError, match="the file needs CUSTOM:.*Expected built-in operations only"):
        check_tflite(content, num_parameters=0)


def test_missing_weights_are_refused():
    content = detector_files.converted(lambda x: x + 1)
    check_tflite(content, num_parameters=100)
    with pytest.raises(InputError, match="bytes. Expected about 4000000 for 1000000 parameters"):
        check_tflite(content, num_parameters=1_000_000)


def test_a_network_that_tflite_cannot_hold(tmp_path, capfd):
    images = keras.Input((None, None, 3))
    outputs = [keras.layers.Conv2D(16, 1, strides=stride)(images) for stride in (8, 16, 32)]
    outputs = [keras.ops.stack(keras.ops.split(keras.ops.erfinv(raw), 2, axis=-1), axis=3) for raw in outputs]
    with pytest.raises(InputError, match="TFLite: the network does not convert .*Expected built-in operations only") as raised:
        write_tflite(
            keras.Model(images, outputs),
            tmp_path / "no.tflite",
            spec=detector_files.SPEC,
            detect=detector_files.DETECT,
            image_size=(64, 96),
        )
    assert "\n" not in str(raised.value) and not any(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize(
    "precision, weights, count, score_difference", [("float16", "FLOAT16", 8, 1e-3), ("dynamic", "INT8", 3, 0.02)]
)
def test_weights_of_lower_precision(precision, weights, count, score_difference, tmp_path):
    """Of the 8 convolutions 3 have the 1024 weights from which on dynamic range takes int8."""
    out = tmp_path / "out.tflite"
    quantization = Quantization(precision=precision)
    report = export_detector(detector_files.keras_file(), "tflite", out, detect=detector_files.DETECT, quantization=quantization)
    assert 1e-6 < report.score_difference < score_difference and report.same_candidates == 1
    operations = read_operations(out.read_bytes())
    made_by = {tensor.number: operation for operation in operations for tensor in operation.outputs}
    kernels = [operation.inputs[1] for operation in operations if operation.name == "CONV_2D"]
    # float16 ones are brought to float32 by an operation before the convolution
    stored = [made_by[kernel.number].inputs[0] if kernel.number in made_by else kernel for kernel in kernels]
    assert len(stored) == 8 and [tensor.dtype for tensor in stored].count(weights) == count
    assert {operation.outputs[0].dtype for operation in operations if operation.name == "CONV_2D"} == {"FLOAT32"}


SIXTEEN = generated_images((32, 64), count=16)


@pytest.mark.parametrize(
    "options, message",
    [
        (dict(precision="int4"), "unknown precision 'int4'"),
        (dict(precision="int8"), "calibration: got 0 images for `precision` int8. Expected 16 at least, .* Name a data set"),
        (dict(precision="int8", calibration=SIXTEEN[1:]), "calibration: got 15 images"),
        (
            dict(precision="int8", calibration=SIXTEEN, io_type="int8"),
            "io_type: got 'int8'. Expected one of float, uint8. Leave it",
        ),
        (dict(io_type="uint8"), "io_type: does not fit `precision` float32. Expected `precision` int8 with it. Leave one out"),
        (dict(precision="dynamic", calibration=SIXTEEN), "calibration: does not fit `precision` dynamic"),
        (dict(precision="float16", per_layer="e.csv"), "per_layer: does not fit `precision` float16"),
    ],
)
def test_bad_quantization(options, message):
    with pytest.raises(InputError, match=message):
        Quantization(**options)


def test_other_formats_have_one_precision(tmp_path):
    with pytest.raises(InputError, match="precision: does not fit `format` saved_model. Expected `format` tflite. Leave"):
        export_detector(detector_files.keras_file(), "saved_model", tmp_path / "x", quantization=Quantization())
    assert not any(tmp_path.iterdir())
