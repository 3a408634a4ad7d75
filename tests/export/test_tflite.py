import detector_files
import keras
import numpy as np
import pytest
import tensorflow as tf

from yolo_tf.errors import InputError
from yolo_tf.export.tflite import check_tflite, operation_names, write_tflite


def convert(function, size=(1, 32, 32, 3), **options):
    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [tf.function(function, input_signature=[tf.TensorSpec(size)]).get_concrete_function()]
    )
    for name, value in options.items():
        setattr(converter, name, value)
    return converter.convert()


def test_signature_and_operations():
    content = detector_files.tflite_file().read_bytes()
    interpreter = tf.lite.Interpreter(model_content=content)
    runner = interpreter.get_signature_runner("candidates")
    (images,) = runner.get_input_details().values()
    assert list(runner.get_input_details()) == ["images"]
    assert images["shape"].tolist() == [1, 96, 160, 3] and images["dtype"] is np.float32
    outputs = {name: (value["shape"].tolist(), value["dtype"]) for name, value in runner.get_output_details().items()}
    assert outputs == {"boxes": ([1, 630, 4], np.float32), "scores": ([1, 630, 3], np.float32)}
    names = operation_names(content)
    assert "CONV_2D" in names and "LOGISTIC" in names
    assert not any(name.startswith(("CUSTOM", "VAR_HANDLE", "READ_VARIABLE")) for name in names)


def test_flex_operations_are_found_and_refused():
    content = convert(lambda x: tf.linalg.det(x[:, :, :, 0]) + tf.reduce_sum(x), allow_custom_ops=True)
    assert any(name.startswith("CUSTOM:") for name in operation_names(content))
    with pytest.raises(InputError, match="the file needs CUSTOM:.*Expected built-in operations only"):
        check_tflite(content, num_parameters=0)


def test_missing_weights_are_refused():
    content = convert(lambda x: x + 1)
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
            anchors=detector_files.ANCHORS,
            detect=detector_files.DETECT,
            image_size=(64, 96),
        )
    assert "\n" not in str(raised.value) and not any(tmp_path.iterdir())
