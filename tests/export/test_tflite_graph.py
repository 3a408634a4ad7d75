import detector_files
import tensorflow as tf

from yolo_tf.export.tflite_graph import read_operations


def test_operations_in_the_order_in_which_they_run():
    function = tf.function(
        lambda x: tf.nn.relu(tf.linalg.matmul(x, tf.ones([5, 3]))) * tf.cast(x[:, :1] > 0, tf.float32),
        input_signature=[tf.TensorSpec([2, 5], tf.float32, name="x")],
    )
    content = tf.lite.TFLiteConverter.from_concrete_functions([function.get_concrete_function()]).convert()
    operations = read_operations(content)
    by_name = {operation.name: operation for operation in operations}
    assert set(by_name) == {"FULLY_CONNECTED", "STRIDED_SLICE", "GREATER", "CAST", "MUL"}
    order = [operation.name for operation in operations]
    assert order[-1] == "MUL" and order.index("STRIDED_SLICE") < order.index("GREATER") < order.index("CAST")
    product = by_name["MUL"]
    assert {tensor.number for tensor in product.inputs} == {
        by_name[name].outputs[0].number for name in ("FULLY_CONNECTED", "CAST")
    }
    assert by_name["GREATER"].outputs[0].dtype == "BOOL" and product.outputs[0].dtype == "FLOAT32"
    # an input that was left out, here the bias, is no tensor
    assert len(by_name["FULLY_CONNECTED"].inputs) == 2


def test_custom_operations_have_their_own_name():
    content = detector_files.converted(lambda x: tf.linalg.det(x[:, :, :, 0]) + tf.reduce_sum(x), allow_custom_ops=True)
    assert any(operation.name.startswith("CUSTOM:") for operation in read_operations(content))
    assert len(read_operations(detector_files.tflite_file().read_bytes())) > 20
