"""What a network file carries beside its graph."""

import zipfile

import pytest

from yolo_tf.errors import InputError
from yolo_tf.files.spec import GRAPHS, attach_spec, detector_spec, directory_kind, read_spec
from yolo_tf.heads.anchor.anchors import COCO_ANCHORS

SPEC = detector_spec(class_names=["a", "é"], image_size=(96, 160), anchors=COCO_ANCHORS, name="tiny")


def test_a_file_and_a_directory_give_back_the_same_spec(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.keras", "w") as archive:
        archive.writestr("config.json", "{}")
    for kind, graph in GRAPHS.items():
        (tmp_path / kind).mkdir()
        assert directory_kind(tmp_path / kind) is None
        (tmp_path / kind / graph).touch()
        assert directory_kind(tmp_path / kind) == kind
    for path in (tmp_path / "a.keras", tmp_path / "saved_model", tmp_path / "openvino"):
        attach_spec(path, SPEC)
        assert read_spec(path) == SPEC
        assert read_spec(path).anchors.sizes.tolist() == COCO_ANCHORS.sizes.tolist()
    assert (tmp_path / "openvino" / "detector.json").is_file(), "beside the graph, where a person looks"


def test_a_flat_file_may_carry_it_too(tmp_path):
    (tmp_path / "a.tflite").write_bytes(b"TFL3" * 100)
    attach_spec(tmp_path / "a.tflite", SPEC)
    assert read_spec(tmp_path / "a.tflite") == SPEC
    assert (tmp_path / "a.tflite").read_bytes().startswith(b"TFL3")


@pytest.mark.parametrize("content", [None, b"", b"no zip", "zip"])
def test_a_file_without_spec_is_named(tmp_path, content):
    path = tmp_path / "a.keras"
    if content == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("other", "x")
    elif content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match="no such file" if content is None else "carries no readable detector.json"):
        read_spec(path)


def test_another_format_version_is_named(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.keras", "w") as archive:
        archive.writestr("detector.json", '{"format_version": 9}')
    with pytest.raises(InputError, match="format version 9. Expected 1"):
        read_spec(tmp_path / "a.keras")
