"""The metadata of an ONNX file: what is written is found, by other readers too, and damage is told."""

import pytest

from yolo_tf.files.onnx import append_metadata, read_metadata

# fields 1 (varint 300), 2 (text), 99 (fixed 64), 98 (fixed 32): what stands before the metadata in a file
OTHER_FIELDS = b"\x08\xac\x02" + b"\x12\x05model" + b"\x99\x06" + bytes(8) + b"\x95\x06" + bytes(4)


def test_entries_behind_other_fields(tmp_path):
    path = tmp_path / "a.onnx"
    path.write_bytes(OTHER_FIELDS)
    append_metadata(path, "é", "")
    append_metadata(path, "long", "ü" * 10_000)
    assert path.read_bytes().startswith(OTHER_FIELDS)
    assert read_metadata(path) == {"é": "", "long": "ü" * 10_000}


def test_a_known_encoding(tmp_path):
    """As the encoding's description spells it: key 14 << 3 | 2, length, then fields 1 and 2 of the entry."""
    append_metadata(tmp_path / "a.onnx", "ab", "c")
    assert (tmp_path / "a.onnx").read_bytes() == b"\x72\x07" + b"\x0a\x02ab" + b"\x12\x01c"


def test_the_onnx_package_reads_the_same(tmp_path):
    onnx = pytest.importorskip("onnx", reason="needs pip install 'yolo_tf[onnx]'")
    model = onnx.ModelProto(ir_version=8, producer_name="test")
    model.metadata_props.add(key="first", value="1")
    (tmp_path / "a.onnx").write_bytes(model.SerializeToString())
    append_metadata(tmp_path / "a.onnx", "second", "x" * 300)
    found = onnx.load_model(tmp_path / "a.onnx")
    entries = {entry.key: entry.value for entry in found.metadata_props}
    assert found.producer_name == "test" and entries == read_metadata(tmp_path / "a.onnx") == {"first": "1", "second": "x" * 300}


@pytest.mark.parametrize(
    "content, message",
    [
        (b"", "cannot mmap an empty file"),
        (b"\x72\x07\x0a\x02a", "field 14 ends at byte 9 of 5"),
        (b"\x08\xff\xff", "number without an end at byte 1"),
        (b"\x08" + b"\xff" * 12, "number without an end at byte 1"),
        (b"\x0b", "wire type 3 at byte 1"),
    ],
)
def test_damage_is_told(content, message, tmp_path):
    (tmp_path / "a.onnx").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_metadata(tmp_path / "a.onnx")
