import dataclasses
import shutil

import detector_files
import keras
import numpy as np
import pytest

from yolo_tf import export
from yolo_tf.errors import InputError
from yolo_tf.export import EXPORTERS, Comparison, export_detector
from yolo_tf.export.parity import ParityError
from yolo_tf.files import FORMATS, read_spec
from yolo_tf.inference.detector import open_detector
from yolo_tf.pictures.generated_images import generated_images
from yolo_tf.structures import DetectionDataset

OUT = {"saved_model": "out", "tflite": "out.tflite", "onnx": "out.onnx", "openvino": "out_openvino"}


@pytest.fixture(autouse=True)
def needed_packages(request):
    """Skips a test of a format whose packages are not installed."""
    format = request.node.callspec.params.get("format") if hasattr(request.node, "callspec") else None
    if format == "openvino":
        detector_files.need_openvino()
    if format == "onnx":
        for package in ("onnx", "tf2onnx", "onnxruntime"):
            pytest.importorskip(package, reason="needs pip install 'yolo_tf[onnx]'")


@pytest.mark.slow
@pytest.mark.parametrize("format", EXPORTERS)
def test_every_format_equals_the_network(format, tmp_path):
    """On images of another shape than the input, at another size than that of training."""
    images = [image[: 90 - 20 * index] for index, image in enumerate(detector_files.images())]
    out = tmp_path / "new" / OUT[format]
    report = export_detector(
        detector_files.keras_file(),
        format,
        out,
        detect=detector_files.DETECT,
        image_size=(64, 96),
        comparison=Comparison(images=images),
    )
    assert report.num_images == 3 and report.num_candidates == 300 and report.num_detections > 9
    assert 0 < report.box_difference < 5e-3 and report.score_difference < 1e-4
    spec = read_spec(out)
    assert spec == dataclasses.replace(read_spec(detector_files.keras_file()), image_size=(64, 96))
    assert [path.name for path in out.parent.iterdir()] == [out.name]


def test_an_untrained_network_is_compared_by_its_candidates(tmp_path, monkeypatch):
    detector_files.replace_tflite_conversion(monkeypatch)
    detect = dataclasses.replace(detector_files.DETECT, score_threshold=1.0)
    report = export_detector(detector_files.keras_file(), "tflite", tmp_path / "out.tflite", detect=detect)
    assert (report.num_images, report.num_candidates, report.num_detections) == (4, 400, 0)
    assert report.box_difference > 0


@pytest.mark.parametrize("format", [pytest.param(name, marks=[pytest.mark.long] * (name != "tflite")) for name in EXPORTERS])
def test_a_file_that_differs_does_not_appear(format, tmp_path, monkeypatch):
    """The batch norms are lost on the way; an earlier export stays as it was."""

    def lose_batch_norms(network):
        folded = export.float32_copy(network)
        for layer in folded.layers:
            if layer.name.startswith("batch_normalization"):
                layer.set_weights([np.full_like(weight, index == 3) for index, weight in enumerate(layer.get_weights())])
        return folded

    monkeypatch.setattr(export, "fold_batch_norm", lose_batch_norms)
    out = tmp_path / OUT[format]
    earlier = out / FORMATS[format].graph
    earlier.parent.mkdir(exist_ok=True)
    earlier.write_text("earlier")
    with pytest.raises(ParityError, match=r"out.*: not written, for it differs from .*tiny.keras: image 1 of 4: .* px") as raised:
        export_detector(detector_files.keras_file(), format, out, detect=detector_files.DETECT)
    assert "\n" not in str(raised.value)
    assert earlier.read_text() == "earlier" and list(tmp_path.iterdir()) == [out]


def test_an_earlier_export_is_replaced(tmp_path, monkeypatch):
    detector_files.replace_tflite_conversion(monkeypatch)
    (tmp_path / "out.tflite").write_text("earlier")
    export_detector(detector_files.keras_file(), "tflite", tmp_path / "out.tflite", detect=detector_files.DETECT)
    assert open_detector(tmp_path / "out.tflite").kind == "tflite"


def test_a_directory_of_one_format_gives_way_to_another(tmp_path):
    detector_files.need_openvino()
    shutil.copytree(detector_files.saved_model(), tmp_path / "out")
    export_detector(detector_files.keras_file(), "openvino", tmp_path / "out", detect=detector_files.DETECT)
    assert open_detector(tmp_path / "out").kind == "openvino" and not (tmp_path / "out" / "saved_model.pb").exists()


@pytest.mark.parametrize(
    "format, out, message",
    [
        ("saved", "out", "unknown export format 'saved'. Did you mean 'saved_model'?"),
        ("tflite", "out.lite", "does not fit `format` tflite. Expected a path ending in .tflite. Change `out`"),
        ("saved_model", "out.tflite", "does not fit `format` saved_model. Expected a directory. Change `out`"),
        ("saved_model", "out.onnx", "does not fit `format` saved_model. Expected a directory"),
        ("saved_model", "saved_model.pb", "does not fit `format` saved_model. Expected a directory"),
        ("openvino", "out.xml", "does not fit `format` openvino. Expected a directory"),
        ("openvino", "full", "full: is a directory with other things in it. Expected a new path or an earlier export"),
        ("saved_model", "full", "full: is a directory with other things in it. Expected a new path or an earlier export"),
        ("saved_model", "foreign", "foreign: is a directory with other things in it. Expected a new path or an earlier export"),
        ("tflite", "dir.tflite", "dir.tflite: is a directory. Expected a file to write. Change `out`"),
        ("saved_model", "file", "file: is a file. Expected a directory"),
    ],
)
def test_bad_arguments(format, out, message, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("mine")
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "saved_model.pb").write_text("a model of another program")
    (tmp_path / "dir.tflite").mkdir()
    (tmp_path / "file").write_text("mine")
    with pytest.raises(InputError) as raised:
        export_detector(detector_files.keras_file(), format, tmp_path / out)
    assert message in str(raised.value)
    assert (tmp_path / "full" / "thesis.txt").exists() and (tmp_path / "file").read_text() == "mine"


def test_an_export_cannot_be_exported(tmp_path):
    with pytest.raises(InputError, match="tiny.tflite: is an export already. Expected a .keras file"):
        export_detector(detector_files.tflite_file(), "saved_model", tmp_path / "out")


def test_image_size_must_suit_the_strides(tmp_path):
    with pytest.raises(InputError, match="100 is no positive multiple of 32"):
        export_detector(detector_files.keras_file(), "tflite", tmp_path / "out.tflite", image_size=100)
    assert not any(tmp_path.iterdir())


def test_the_largest_drop_is_a_fraction():
    dataset = DetectionDataset(class_names=("car",), records=())
    with pytest.raises(InputError, match="max_ap_drop: got 2. Expected 0..1, as 0.02 for two points of AP. Change it"):
        Comparison(dataset=dataset, max_ap_drop=2)
    with pytest.raises(InputError, match="max_ap_drop: there is no data set. Expected one .* Add `data`"):
        Comparison(max_ap_drop=0.1)


def test_generated_images_have_texture_and_repeat():
    images = generated_images((50, 70), count=3)
    assert images.shape == (3, 50, 70, 3) and images.dtype == np.uint8
    assert images.std(axis=(1, 2)).min() > 20
    np.testing.assert_array_equal(images, generated_images((50, 70), count=3))
    assert (images[0] != images[1]).mean() > 0.9 and (images != generated_images((50, 70), count=3, seed=1)).mean() > 0.9


@pytest.mark.long
@pytest.mark.parametrize("backbone", ["csp_darknet", "efficientnetb0", "convnext_tiny", "repvgg_a0", "yolov4_csp"])
@pytest.mark.parametrize("format", EXPORTERS)
def test_whole_networks(backbone, format, tmp_path):
    """Networks of the package itself, with batch norms that have seen images."""
    from yolo_tf.config import ModelConfig
    from yolo_tf.models.network import build_network

    keras.utils.set_random_seed(2)
    options = dict(neck="yolov4_csp_pan", activation="mish") if backbone == "yolov4_csp" else {}
    model = ModelConfig(backbone=backbone, **options)
    network = build_network(model, num_classes=len(detector_files.CLASS_NAMES), anchors=detector_files.ANCHORS)
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0
    network(generated_images((96, 160), count=8, seed=3).astype(np.float32), training=True)
    path = detector_files.write_detector(network, tmp_path / "network.keras")
    out = tmp_path / OUT[format]
    report = export_detector(path, format, out, detect=dataclasses.replace(detector_files.DETECT, score_threshold=0.001))
    assert report.num_detections > 4 and 0 < report.box_difference < 0.05 and report.score_difference < 1e-4
    files = [out] if out.is_file() else [file for file in out.rglob("*") if file.is_file()]
    # a SavedModel of few weights is mostly graph: 1.3 times the weights and 2 MB of it
    assert sum(file.stat().st_size for file in files) < 1.3 * 4 * network.count_params() + 2e6


def test_the_same_export_twice_gives_the_same_bytes(tmp_path):
    first = detector_files.tflite_file()  # of another time, as a rule of another process
    export_detector(detector_files.keras_file(), "tflite", tmp_path / "again.tflite", detect=detector_files.DETECT)
    assert (tmp_path / "again.tflite").read_bytes() == first.read_bytes()
