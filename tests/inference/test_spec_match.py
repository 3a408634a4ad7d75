"""Files whose detector.json is that of another network."""

import dataclasses
import shutil
import zipfile

import detector_files
import numpy as np
import pytest

from yolo_tf.errors import InputError
from yolo_tf.files import FORMATS
from yolo_tf.files.spec import spec_to_json
from yolo_tf.heads.anchor.anchors import anchor_set
from yolo_tf.inference.detector import open_detector

SPEC = detector_files.SPEC


def with_spec(kind, tmp_path, **changes):
    """Returns a file of a kind whose spec is changed."""
    source, row = detector_files.FILES[kind](), FORMATS[kind]
    text, path = spec_to_json(dataclasses.replace(SPEC, **changes)), tmp_path / source.name
    if source.is_dir():
        shutil.copytree(source, path)
        (path / row.spec_name).write_text(text)
    elif kind == "onnx":
        import onnx

        model = onnx.load(source)
        next(entry for entry in model.metadata_props if entry.key == row.spec_name).value = text
        onnx.save(model, path)
    elif kind == "tflite":  # the archive stands behind the graph
        content = source.read_bytes()
        with zipfile.ZipFile(source) as archive:
            graph = content[: min(entry.header_offset for entry in archive.infolist())]
        path.write_bytes(graph)
        row.write_text(path, row.spec_name, text)
    else:
        with zipfile.ZipFile(source) as archive, zipfile.ZipFile(path, "w") as other:
            for name in archive.namelist():
                other.writestr(name, text if name == row.spec_name else archive.read(name))
    return path


@pytest.mark.parametrize("kind", detector_files.FILES)
@pytest.mark.parametrize("names", [("car", "bus"), ("car", "bus", "tram", "bike")])
def test_another_number_of_classes_is_told_when_a_file_is_opened(kind, names, tmp_path):
    path = with_spec(kind, tmp_path, class_names=names)
    said = rf"{path.name}: detector\.json does not fit the network beside it: .* Expected .* for {len(names)} classes and strides"
    with pytest.raises(InputError, match=said) as told:
        open_detector(path)
    assert "\n" not in str(told.value)


GEOMETRIES = [
    dict(strides=(8, 16), geometry={"anchors": SPEC.geometry["anchors"][:2]}),
    dict(strides=(8, 16, 32, 64), geometry={"anchors": (*SPEC.geometry["anchors"], ((1, 2), (3, 4)))}, image_size=(64, 128)),
    dict(geometry={"anchors": tuple(level[:1] for level in SPEC.geometry["anchors"])}),
    dict(strides=(4, 16, 32)),
]


@pytest.mark.parametrize("kind", detector_files.FILES)
@pytest.mark.parametrize("changes", GEOMETRIES)
def test_other_levels_are_told_at_the_latest_with_the_first_answer(kind, changes, tmp_path):
    path, size = with_spec(kind, tmp_path, **changes), changes.get("image_size", SPEC.image_size)
    with pytest.raises(InputError, match=rf"{path.name}: detector\.json does not fit the network beside it: .* Train or export"):
        open_detector(path).candidates(np.zeros([1, *size, 3], np.uint8))


@pytest.mark.parametrize(
    "geometry", [{"boxes": 3}, {"anchors": SPEC.geometry["anchors"][:2]}, {"anchors": "x"}, {"anchors": ((1, 2), 3)}]
)
def test_a_geometry_that_its_head_cannot_have(geometry, tmp_path):
    path = with_spec("keras", tmp_path, geometry=geometry)
    with pytest.raises(InputError, match=r"detector\.json: the geometry does not fit the head anchor and the strides"):
        open_detector(path)


def test_the_right_one_is_taken(tmp_path):
    other = anchor_set(SPEC.strides, np.array(SPEC.geometry["anchors"]) + 1)
    path = with_spec("keras", tmp_path, geometry={"anchors": other.sizes.tolist()})
    assert open_detector(path).candidates(np.zeros([1, 64, 96, 3], np.uint8))[1].shape == (1, 252, 3)
