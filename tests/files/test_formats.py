"""The whole table of formats: recognised, written, opened, and answering as the network does."""

import subprocess
import sys
import zipfile

import detector_files
import numpy as np
import pytest
import tensorflow as tf

from yolo_tf.errors import InputError
from yolo_tf.export import EXPORTERS
from yolo_tf.files import FORMATS, attach_spec, carries_spec, format_of, known_formats, read_spec
from yolo_tf.files.spec import detector_spec
from yolo_tf.heads.anchor.anchors import COCO_ANCHORS
from yolo_tf.inference.detector import network_candidates, open_detector

SPEC = detector_spec(class_names=["a", "é"], image_size=(96, 160), anchors=COCO_ANCHORS, name="tiny")


def empty_file(name, folder):
    """Returns the path of a file or directory that a format recognises, with nothing of a network in it."""
    row = FORMATS[name]
    path = folder / f"a{row.suffix}"
    if row.graph:
        path.mkdir()
    (path / row.graph).touch()
    return path


@pytest.fixture(scope="module")
def expected():
    """Candidates of the network in memory, written once and never saved."""
    return network_candidates(detector_files.build_network(), detector_files.SPEC)(detector_files.images())


@pytest.mark.parametrize("name", FORMATS)
def test_a_file_of_every_format_gives_the_candidates_of_the_network(name, expected):
    path = detector_files.FILES[name]()
    assert format_of(path) == format_of(str(path)) == name and carries_spec(path)
    assert read_spec(path).class_names == detector_files.CLASS_NAMES and read_spec(path).image_size == detector_files.IMAGE_SIZE
    detector = open_detector(str(path))
    assert detector.kind == name and detector.spec == read_spec(path)
    images = detector_files.images()
    for batch in (images, images[:1], images.astype(np.float32), tf.constant(images)):
        boxes, scores = detector.candidates(batch)
        assert tf.is_tensor(boxes) and tf.is_tensor(scores)
        # 12 x 20 + 6 x 10 + 3 x 5 cells, 2 anchors each
        assert boxes.shape == (len(batch), 630, 4) and scores.shape == (len(batch), 630, 3)
        np.testing.assert_allclose(boxes, expected[0][: len(batch)], atol=5e-3)
        np.testing.assert_allclose(scores, expected[1][: len(batch)], atol=1e-4)


@pytest.mark.parametrize("name", FORMATS)
def test_the_spec_of_every_format(name, tmp_path):
    path = empty_file(name, tmp_path)
    assert format_of(path) == name and not carries_spec(path)
    attach_spec(path, SPEC)
    assert carries_spec(path) and read_spec(path) == SPEC
    assert read_spec(path).anchors.sizes.tolist() == COCO_ANCHORS.sizes.tolist()


@pytest.mark.parametrize("name", FORMATS)
def test_damaged_inside(name, tmp_path):
    """detector.json is there, the network is not."""
    path = empty_file(name, tmp_path)
    attach_spec(path, read_spec(detector_files.FILES[name]()))  # skips where a package is missing
    row = FORMATS[name]
    with pytest.raises(
        InputError, match=rf"cannot be opened \(.*Expected a whole {row.words}. Train or export it again"
    ) as raised:
        open_detector(path)
    assert "\n" not in str(raised.value)


def test_where_a_person_finds_the_spec(tmp_path):
    for name, place in (("openvino", "detector.json"), ("saved_model", "assets.extra/detector.json")):
        (tmp_path / name).mkdir()
        path = empty_file(name, tmp_path / name)
        attach_spec(path, SPEC)
        assert '"name": "tiny"' in (path / place).read_text(encoding="utf-8")


def test_a_flat_file_may_carry_it_too(tmp_path):
    (tmp_path / "a.tflite").write_bytes(b"TFL3" * 100)
    attach_spec(tmp_path / "a.tflite", SPEC)
    assert read_spec(tmp_path / "a.tflite") == SPEC
    assert (tmp_path / "a.tflite").read_bytes().startswith(b"TFL3")


@pytest.mark.parametrize("name", FORMATS)
def test_each_format_recognises_its_own_alone(name, tmp_path):
    path = empty_file(name, tmp_path)
    assert [other for other, row in FORMATS.items() if row.recognises(path)] == [name]


def test_what_is_no_network_file(tmp_path):
    (tmp_path / "b.keras").mkdir()
    assert format_of(tmp_path / "a.h5") is format_of(tmp_path) is format_of(tmp_path / "b.keras") is None
    assert format_of("a.TFLITE") == "tflite"
    (tmp_path / "a.h5").touch()
    for path in (tmp_path, tmp_path / "a.h5", tmp_path / "absent.keras"):
        assert not carries_spec(path)
    with pytest.raises(InputError, match=f"a.h5: '.h5' is no format of a detector. Expected {known_formats()}"):
        read_spec(tmp_path / "a.h5")


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


@pytest.mark.parametrize("text", ["[]", "null", "5"])
def test_a_spec_that_is_no_mapping_is_named(tmp_path, text):
    with zipfile.ZipFile(tmp_path / "a.keras", "w") as archive:
        archive.writestr("detector.json", text)
    with pytest.raises(InputError, match=r"a\.keras: carries no readable detector.json \(ValueError\)"):
        read_spec(tmp_path / "a.keras")


def test_the_sentence_and_the_exports():
    assert known_formats() == "a .keras, .tflite or .onnx file, or a SavedModel or OpenVINO directory"
    assert [name for name in FORMATS if name not in EXPORTERS] == ["keras"], "what is written besides has a row in EXPORTERS"
    assert set(EXPORTERS) < set(FORMATS)
    assert [name for name, row in FORMATS.items() if row.tensorflow] == ["keras", "saved_model"]


def test_a_spec_is_read_without_tensorflow():
    code = (
        "import sys; from yolo_tf.files import read_spec; read_spec(sys.argv[1]); print({'tensorflow', 'keras'} & {*sys.modules})"
    )
    result = subprocess.run([sys.executable, "-c", code, detector_files.keras_file()], check=True, capture_output=True, text=True)
    assert result.stdout == "set()\n"
