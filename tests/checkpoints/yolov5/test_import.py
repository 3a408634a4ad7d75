"""A checkpoint becomes a `.keras` file with the same answers, or nothing at all, through the real command."""

import json
import os
import pickle
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from torch_writer import Tensor, instance, row, write_zip

from yolo_tf import cli
from yolo_tf.checkpoints.yolov5.names import LAYOUTS
from yolo_tf.files import carries_spec, read_spec
from yolo_tf.heads.anchor.anchors import COCO_ANCHORS, anchor_set

IMAGES = tf.random.stateless_uniform([2, 64, 96, 3], (1, 2), 0, 255)


def run(*arguments):
    return cli.main(["import-yolov5", *map(str, arguments)])


@pytest.mark.slow
@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.backbone)
def test_the_imported_network_answers_as_the_original(yolov5_file, layout, tmp_path, capsys):
    focus = None
    if layout.backbone == "csp_darknet_v5":  # its kernel in the older order
        kernel = yolov5_file(layout=layout)[1].get_layer("backbone_stem_conv").kernel.numpy().transpose(3, 2, 0, 1)
        filters = len(kernel)
        focus = kernel.reshape(filters, 3, 3, 2, 3, 2).transpose(0, 5, 3, 1, 2, 4).reshape(filters, 12, 3, 3)
    path, network = yolov5_file(layout=layout, focus=focus)
    assert run(path, "--out", tmp_path / "m.keras", "--image-size", 96, "--json", tmp_path / "r.json") == 0
    imported = keras.models.load_model(tmp_path / "m.keras", compile=False)  # Keras alone
    for ours, theirs in zip(imported(IMAGES), network(IMAGES), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    spec = read_spec(tmp_path / "m.keras")
    assert spec.class_names == ("red", "white", "platelet") and spec.image_size == (96, 96) and spec.name == "yolov5"
    np.testing.assert_array_equal(spec.anchors.sizes, COCO_ANCHORS.sizes)
    result = json.loads((tmp_path / "r.json").read_text())
    counters = sum(isinstance(layer, keras.layers.BatchNormalization) for layer in network.layers)
    assert result["num_classes"] == 3 and result["tensors"]["total"]["unused"] == counters > 50
    assert result["trainable_params"] == sum(np.prod(weight.shape) for weight in network.trainable_weights)
    out = capsys.readouterr().out
    assert "total" in out and "unused: num_batches_tracked" in out and f"YOLOv5 {layout.versions}" in out


def test_own_anchors_come_along(yolov5_file, tmp_path):
    anchors = anchor_set((8, 16, 32), np.arange(18).reshape(3, 3, 2) * 8 + 8)

    def change(model):
        row(model, 24)._buffers["anchors"] = Tensor(anchors.sizes / np.array(anchors.strides, np.float32)[:, None, None])

    assert run(yolov5_file(change)[0], "--out", tmp_path / "m.keras") == 0
    np.testing.assert_allclose(read_spec(tmp_path / "m.keras").anchors.sizes, anchors.sizes)


def test_the_backbone_alone(yolov5_file, tmp_path):
    path, network = yolov5_file()
    assert run(path, "--out", tmp_path / "b.keras", "--backbone-only") == 0
    backbone = keras.models.load_model(tmp_path / "b.keras", compile=False)
    assert all(layer.name.startswith("backbone_") for layer in backbone.layers if layer.weights)
    assert [tuple(feature.shape) for feature in backbone(IMAGES)] == [(2, 8, 12, 16), (2, 4, 6, 32), (2, 2, 3, 56)]
    taps = [network.get_layer(f"backbone_stage{stage}_csp_merge_activation").output for stage in (2, 3, 4)]
    for ours, theirs in zip(backbone(IMAGES), keras.Model(network.inputs, taps)(IMAGES), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert not carries_spec(tmp_path / "b.keras")


def record(network, path, change=0.0, **replaced):
    """Writes what the original would have recorded."""
    image = np.random.default_rng(0).integers(0, 256, (64, 96, 3), np.uint8)
    raw = [np.moveaxis(np.array(level), 3, 1) for level in network(image[None].astype(np.float32))]
    raw[1][0, 2, 1, 3, 4] += change
    np.savez(path, **{"image": image, "raw_p3": raw[0], "raw_p4": raw[1], "raw_p5": raw[2], **replaced})
    return path


def test_the_difference_from_a_reference_is_shown(yolov5_file, tmp_path, capsys):
    path, network = yolov5_file()
    reference = record(network, tmp_path / "reference.npz", change=0.001)
    assert run(path, "--out", tmp_path / "m.keras", "--reference", reference, "--json", tmp_path / "r.json") == 0
    difference = json.loads((tmp_path / "r.json").read_text())["largest_difference"]
    assert difference["p3"] < 1e-5 and difference["p4"] == pytest.approx(0.001, rel=0.01)
    assert "largest difference from the reference, raw predictions: p3" in capsys.readouterr().out


def forged(tmp_path):
    class Evil:
        def __reduce__(self):
            return os.system, (f"touch {tmp_path / 'marker'}",)

    return write_zip(tmp_path / "forged.pt", {}, pickle_bytes=pickle.dumps({"model": Evil()}, protocol=2))


def truncated(tmp_path, yolov5_file):
    path, _ = yolov5_file()
    path.write_bytes(path.read_bytes()[:-5000])
    return path


def huge(model):
    row(model, 0)._modules["conv"]._parameters["weight"] = Tensor(np.zeros(5, np.float32), declared=2**50)


BAD_CHECKPOINTS = {
    "a call": (lambda tmp_path, write: forged(tmp_path), "forged.pt: refers to 'posix.system'"),
    "truncated": (truncated, "best.pt: the ZIP archive is truncated"),
    "state dict": (
        lambda tmp_path, write: write(wrap=lambda model: {"model.0.conv.weight": Tensor(np.zeros((8, 3, 6, 6)))})[0],
        "holds a state dict (1 tensors)",
    ),
    "another family": (
        lambda tmp_path, write: write_zip(tmp_path / "v8.pt", {"model": instance("ultralytics.nn.tasks.DetectionModel")}),
        "v8.pt: refers to 'ultralytics.nn.tasks.DetectionModel'",
    ),
    "huge tensor": (lambda tmp_path, write: write(huge)[0], "declares 1125899906842624 numbers of type <f4 and holds 20 bytes"),
    "none": (lambda tmp_path, write: tmp_path / "absent.pt", "absent.pt: No such file"),
}


@pytest.mark.parametrize(("make", "message"), BAD_CHECKPOINTS.values(), ids=BAD_CHECKPOINTS)
def test_bad_checkpoints_end_in_one_line_and_write_nothing(yolov5_file, tmp_path, capsys, make, message):
    path = make(tmp_path, yolov5_file)
    before = set(tmp_path.iterdir())
    assert run(path, "--out", tmp_path / "m.keras") == 2
    err = capsys.readouterr().err
    assert message in err and err.count("\n") == 1 and "Expected" in err
    assert set(tmp_path.iterdir()) == before  # no output, and no marker


def other_width(model):
    model.yaml["width_multiple"] = 0.25


def other_depth(model):
    model.yaml["depth_multiple"] = 1.0


@pytest.mark.parametrize(
    ("change", "arguments", "message"),
    [
        (other_width, [], "_conv has weights of shape"),
        (other_depth, [], "has no weights for backbone_stage1_csp_bottleneck1_1x1_batch_norm (the first of"),
        (None, ["--out", "model.h5"], "model.h5: is no name of a Keras file. Expected one that ends with .keras"),
        (None, ["--image-size", "100"], "--image-size: 100 is no positive multiple of 32. Use 96"),
        (None, ["--reference", "absent.npz"], "absent.npz: is no reference (FileNotFoundError"),
    ],
)
def test_other_bad_input(yolov5_file, tmp_path, capsys, change, arguments, message):
    path, _ = yolov5_file(change)
    assert run(path, "--out", tmp_path / "m.keras", *arguments) == 2
    err = capsys.readouterr().err
    assert message in err and err.count("\n") == 1
    assert not (tmp_path / "m.keras").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"change": 0.01}, "differs from the imported network by 0.01 in a raw prediction"),
        ({"change": float("nan")}, "differs from the imported network by nan"),
        ({"image": np.zeros((60, 96, 3), np.uint8)}, "its image is uint8 [60, 96, 3]. Expected uint8"),
        ({"raw_p4": np.zeros((1, 3, 4, 6, 85))}, "raw_p4 has shape [1, 3, 4, 6, 85]. Expected [1, 3, 4, 6, 8]"),
        pytest.param({"image": np.zeros((64, 96, 3), np.float32)}, "its image is float32 [64, 96, 3]", marks=pytest.mark.long),
        pytest.param({"image": np.array([None])}, "is no reference (ValueError", marks=pytest.mark.long),
    ],
)
def test_a_reference_that_does_not_fit_stops_the_import(yolov5_file, tmp_path, capsys, options, message):
    path, network = yolov5_file()
    reference = record(network, tmp_path / "reference.npz", **options)
    assert run(path, "--out", tmp_path / "m.keras", "--reference", reference) == 2
    err = capsys.readouterr().err
    assert message in err and err.count("\n") == 1
    assert not (tmp_path / "m.keras").exists()


def test_a_published_checkpoint(shared_dir, tmp_path, capsys):
    reference = shared_dir / "golden" / "forward.npz"
    weights = shared_dir / "weights" / "yolov5n.pt"
    assert run(weights, "--out", tmp_path / "m.keras", "--reference", reference, "--json", tmp_path / "r.json") == 0
    result = json.loads((tmp_path / "r.json").read_text())
    assert result["name"] == "yolov5n" and result["trainable_params"] == 1_872_157 and result["precision"] == "float16"
    assert result["class_names"][0] == "person" and len(result["class_names"]) == 80
    assert max(result["largest_difference"].values()) < 2e-4
    assert "torch" not in sys.modules
    np.testing.assert_array_equal(read_spec(tmp_path / "m.keras").anchors.sizes, COCO_ANCHORS.sizes)
