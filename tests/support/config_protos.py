"""Two configuration messages of TensorFlow Serving that its Python package leaves out, declared by their published fields.

Source: tensorflow_serving/servables/tensorflow/session_bundle_config.proto, tensorflow_serving/config/monitoring_config.proto.
"""

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, wrappers_pb2

FIELD = descriptor_pb2.FieldDescriptorProto
INT64, STRING = "." + wrappers_pb2.Int64Value.DESCRIPTOR.full_name, "." + wrappers_pb2.StringValue.DESCRIPTOR.full_name
# message -> field number -> (name, type, name of the message type, repeated)
MESSAGES = {
    "BatchingParameters": {
        1: ("max_batch_size", FIELD.TYPE_MESSAGE, INT64, False),
        2: ("batch_timeout_micros", FIELD.TYPE_MESSAGE, INT64, False),
        3: ("max_enqueued_batches", FIELD.TYPE_MESSAGE, INT64, False),
        4: ("num_batch_threads", FIELD.TYPE_MESSAGE, INT64, False),
        5: ("thread_pool_name", FIELD.TYPE_MESSAGE, STRING, False),
        6: ("allowed_batch_sizes", FIELD.TYPE_INT64, None, True),
        7: ("pad_variable_length_inputs", FIELD.TYPE_BOOL, None, False),
    },
    "PrometheusConfig": {
        1: ("enable", FIELD.TYPE_BOOL, None, False),
        2: ("path", FIELD.TYPE_STRING, None, False),
    },
    "MonitoringConfig": {1: ("prometheus_config", FIELD.TYPE_MESSAGE, ".test.PrometheusConfig", False)},
}


def _declare():
    file = descriptor_pb2.FileDescriptorProto(name="test/serving_config.proto", package="test", syntax="proto3")
    file.dependency.append(wrappers_pb2.DESCRIPTOR.name)
    for message, fields in MESSAGES.items():
        declared = file.message_type.add(name=message)
        for number, (name, kind, type_name, repeated) in fields.items():
            label = FIELD.LABEL_REPEATED if repeated else FIELD.LABEL_OPTIONAL
            declared.field.add(name=name, number=number, type=kind, type_name=type_name, label=label)
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(wrappers_pb2.DESCRIPTOR.serialized_pb)
    pool.Add(file)
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"test.{name}")) for name in MESSAGES}


_CLASSES = _declare()
BatchingParameters, MonitoringConfig = _CLASSES["BatchingParameters"], _CLASSES["MonitoringConfig"]
