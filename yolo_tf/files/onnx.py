"""`.onnx` files: ONNX Runtime runs them; `detector.json` is an entry of their metadata, which needs no package.

The file is one protocol buffer message: fields one after another, each a key (number and wire type) and a value. A
repeated field may stand anywhere, so an entry of metadata_props is added by bytes at the end, and is found by skipping
the fields before it, the graph with all weights among them.

Source: onnx.proto (ModelProto.metadata_props, StringStringEntryProto); Protocol Buffers, "Encoding".
"""

import mmap

from yolo_tf.files.format import CANDIDATES, FileFormat
from yolo_tf.system.packages import require_package

METADATA_PROPS, KEY, VALUE = 14, 1, 2  # field numbers
VARINT, LENGTH_PREFIXED, FIXED = 0, 2, {1: 8, 5: 4}  # wire types; of those of fixed length, the bytes


def open_onnx(path, threads):
    """Opens an `.onnx` file."""
    onnxruntime = require_package("onnxruntime", where=path, purpose="an .onnx file", extra="onnx", package="onnxruntime")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3  # errors; its warnings are about its own optimisations
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    (scores,) = (output.shape for output in session.get_outputs() if output.name == CANDIDATES[1])
    return {
        "candidates": lambda images: session.run(CANDIDATES, {"images": images.astype("float32")}),
        "image_size": session.get_inputs()[0].shape[1:3],
        "scores": tuple(side if isinstance(side, int) else None for side in scores),
    }


def append_metadata(path, name, text):
    """Adds the entry `name` -> `text` to the metadata of an ONNX file that has none of that name."""
    entry = _encode(KEY, name.encode()) + _encode(VALUE, text.encode())
    with open(path, "ab") as file:
        file.write(_encode(METADATA_PROPS, entry))


def read_metadata(path):
    """Reads the metadata of an ONNX file.

    Returns:
        dict name -> text.

    Raises:
        ValueError: the file is empty, truncated or no protocol buffer message.
    """
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        found = {}
        for number, start, stop in read_fields(data, 0, len(data)):
            if number == METADATA_PROPS:
                entry = {inner: data[first:last].decode() for inner, first, last in read_fields(data, start, stop)}
                found[entry.get(KEY, "")] = entry.get(VALUE, "")
        return found


def _encode(number, content):
    """Returns the bytes of one length-prefixed field."""
    return _encode_varint(number << 3 | LENGTH_PREFIXED) + _encode_varint(len(content)) + content


def _encode_varint(value):
    """Returns a whole number >= 0 in groups of seven bits, lowest first; the top bit says that more follow."""
    groups = []
    while value >= 128:
        groups.append(value & 127 | 128)
        value >>= 7
    return bytes([*groups, value])


def read_fields(data, position, end):
    """Yields (number, first byte of the content, byte behind it) of each field between two positions."""
    while position < end:
        key, position = _decode_varint(data, position, end)
        wire_type = key & 7
        if wire_type == LENGTH_PREFIXED:
            length, position = _decode_varint(data, position, end)
        elif wire_type == VARINT:
            length = _decode_varint(data, position, end)[1] - position
        elif wire_type in FIXED:
            length = FIXED[wire_type]
        else:
            raise ValueError(f"wire type {wire_type} at byte {position}")
        if position + length > end:
            raise ValueError(f"field {key >> 3} ends at byte {position + length} of {end}")
        yield key >> 3, position, position + length
        position += length


def read_varints(data, position, end):
    """Returns the whole numbers of a field, one or many packed behind each other."""
    numbers = []
    while position < end:
        number, position = _decode_varint(data, position, end)
        numbers.append(number)
    return numbers


def _decode_varint(data, position, end):
    """Returns (number, position behind it)."""
    value = 0
    for index in range(position, min(end, position + 10)):
        value |= (data[index] & 127) << 7 * (index - position)
        if data[index] < 128:
            return value, index + 1
    raise ValueError(f"number without an end at byte {position}")


FORMAT = FileFormat(
    suffix=".onnx",
    open=open_onnx,
    read_text=lambda path, name: read_metadata(path)[name],
    write_text=append_metadata,
)
