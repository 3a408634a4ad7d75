"""Checkpoints of every generation, and what is refused."""

import numpy as np
import pytest
import tensorflow as tf
from torch_writer import V5, V7, Tensor, instance, module, row, write_stream

from yolo_tf.checkpoints.yolov5.checkpoint import focus_to_convolution, read_yolov5
from yolo_tf.errors import InputError
from yolo_tf.heads.anchor.anchors import COCO_ANCHORS


def weighted(network):
    return {layer.name: layer.get_weights() for layer in network.layers if layer.weights}


@pytest.mark.parametrize("writer", [None, write_stream], ids=["zip", "stream"])
def test_a_checkpoint_says_everything_about_its_detector(yolov5_file, writer):
    path, network = yolov5_file(**({"writer": writer} if writer else {}))
    found = read_yolov5(path)
    assert (found.name, found.backbone, found.neck, found.depth, found.width) == ("yolov5", "csp_darknet", "csp_pan", 0.33, 0.05)
    assert found.class_names == ("red", "white", "platelet") and found.image_size == (640, 640)
    assert found.precision == "float32" and found.weights_of == "model" and found.versions == "v6.0 to v7.0"
    np.testing.assert_array_equal(found.anchors.sizes, COCO_ANCHORS.sizes)
    expected = weighted(network)
    assert set(found.weights) == set(expected)
    for name, arrays in expected.items():
        assert len(arrays) == len(found.weights[name])
        for ours, theirs in zip(found.weights[name], arrays, strict=True):
            np.testing.assert_array_equal(ours, theirs, err_msg=name)


def test_every_tensor_is_counted(yolov5_file):
    found = read_yolov5(yolov5_file()[0])
    # 57 convolutions with batch norm, 5 tensors and a counter each: 31 in the backbone, 26 in the neck; in the head 3 x 2
    # and the anchors.
    assert found.tensors == {
        "backbone": {"read": 186, "used": 155, "unused": 31},
        "neck": {"read": 156, "used": 130, "unused": 26},
        "head": {"read": 7, "used": 7, "unused": 0},
        "total": {"read": 349, "used": 292, "unused": 57},
    }
    assert found.unused == ("num_batches_tracked",)


def test_half_precision_becomes_float32(yolov5_file):
    path, network = yolov5_file(dtype="float16")
    found = read_yolov5(path)
    assert found.precision == "float16"
    kernel, _ = weighted(network)["head_p4"]
    assert found.weights["head_p4"][0].dtype == np.float32
    np.testing.assert_array_equal(found.weights["head_p4"][0], kernel.astype(np.float16).astype(np.float32))


def test_the_averaged_weights_are_preferred(yolov5_file, yolov5_network):
    def scale_head(model):
        row(model, 24)._modules["m"]._modules["0"]._parameters["bias"].array *= 3

    def both(model):
        plain, _ = yolov5_model_again(yolov5_network)
        return {"epoch": 7, "ema": model, "updates": 70, "model": plain, "optimizer": {"state": {}}}

    path, network = yolov5_file(scale_head, wrap=both)
    found = read_yolov5(path)
    assert found.weights_of == "ema"
    np.testing.assert_allclose(found.weights["head_p3"][1], 3 * weighted(network)["head_p3"][1], rtol=1e-6)


def yolov5_model_again(yolov5_network):
    from torch_writer import yolov5_model

    network = yolov5_network(V7)
    return yolov5_model(network, COCO_ANCHORS, ["red", "white", "platelet"], depth=0.33, width=0.05), network


def test_names_may_be_a_dictionary_and_the_size_an_option(yolov5_file):
    def rename(model):
        model.names = {0: "a", 1: "b", 2: "c"}

    for options in ({"imgsz": 320}, instance("argparse.Namespace", img_size=[320, 320])):
        found = read_yolov5(yolov5_file(rename, wrap=lambda model: {"model": model, "opt": options})[0])
        assert found.class_names == ("a", "b", "c") and found.image_size == (320, 320)
    assert read_yolov5(yolov5_file(wrap=lambda model: {"model": model, "opt": {"imgsz": 333}})[0]).image_size == (640, 640)
    assert read_yolov5(yolov5_file(wrap=lambda model: model)[0]).weights_of == "model"  # the bare model


@pytest.mark.parametrize("names", [[0, 2146, 21010], {0: 0, 1: 2146, 2: 21010}])
def test_names_may_be_numbers(yolov5_file, names):
    path = yolov5_file(lambda model: model.__dict__.update(names=names))[0]
    assert read_yolov5(path).class_names == ("0", "2146", "21010")


def test_a_focus_layer_is_a_six_by_six_convolution():
    rng = np.random.default_rng(0)
    kernel = rng.normal(size=(5, 12, 3, 3)).astype(np.float32)
    images = rng.normal(size=(2, 16, 24, 3)).astype(np.float32)
    slices = [images[:, row::2, column::2] for row, column in ((0, 0), (1, 0), (0, 1), (1, 1))]
    reference = tf.nn.conv2d(np.concatenate(slices, -1), kernel.transpose(2, 3, 1, 0), 1, "SAME")
    six = focus_to_convolution(kernel)
    padded = np.pad(images, ((0, 0), (2, 2), (2, 2), (0, 0)))
    assert six.shape == (5, 3, 6, 6)
    np.testing.assert_allclose(tf.nn.conv2d(padded, six.transpose(2, 3, 1, 0), 2, "VALID"), reference, atol=1e-5)


def test_pooling_side_by_side_is_pooling_in_a_row():
    """v5's SPP: maxima over 5, 9 and 13 cells of one map. v6's SPPF: over 5 of the one before."""
    x = np.random.default_rng(0).normal(size=(1, 17, 20, 3)).astype(np.float32)
    chained = x
    for side in (5, 9, 13):
        chained = tf.nn.max_pool2d(chained, 5, 1, "SAME")
        np.testing.assert_array_equal(chained, tf.nn.max_pool2d(x, side, 1, "SAME"))


def test_the_older_generation_with_focus_and_inner_pooling(yolov5_file):
    kernel = np.random.default_rng(1).normal(size=(8, 12, 3, 3)).astype(np.float32)
    path, network = yolov5_file(layout=V5, focus=kernel, writer=write_stream)
    found = read_yolov5(path)
    assert (found.backbone, found.neck, found.versions) == ("csp_darknet_v5", "csp_pan_unpooled", "v4.0 and v5.0")
    expected = weighted(network)
    assert set(found.weights) == set(expected)
    np.testing.assert_array_equal(found.weights["backbone_stem_conv"][0], focus_to_convolution(kernel).transpose(2, 3, 1, 0))
    for name in set(expected) - {"backbone_stem_conv"}:
        for ours, theirs in zip(found.weights[name], expected[name], strict=True):
            np.testing.assert_array_equal(ours, theirs, err_msg=name)


def replace_row(index, path):
    def change(model):
        model._modules["model"]._modules[str(index)] = module(path)

    return change


def set_attribute(index, name, **attributes):
    def change(model):
        inner = row(model, index)
        for key in filter(None, name.split(".")):
            inner = inner._modules[key]
        inner.__dict__.update(attributes)

    return change


def drop(index, name, group, key):
    def change(model):
        inner = row(model, index)
        for part in filter(None, name.split(".")):
            inner = inner._modules[part]
        del getattr(inner, group)[key]

    return change


def rename_model(path, last):
    def change(model):
        model.__class__ = type(instance(path))
        model._modules["model"]._modules["24"].__class__ = type(instance(last))

    return change


def contain_itself(model):
    row(model, 3)._modules["conv"]._modules["loop"] = model


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (rename_model("models.yolo.SegmentationModel", "models.yolo.Segment"), "is a segmentation model. Expected a detection"),
        (rename_model("models.yolo.ClassificationModel", "models.common.Classify"), "is a classification model. Expected a"),
        (set_attribute(24, "", nl=4), r"detects on 4 levels \(P6 models have 4\). Expected three"),
        (replace_row(8, "models.common.C3TR"), "row 8 of its model is C3TR, not C3. Expected a detection model of YOLOv5"),
        (replace_row(25, "models.common.Conv"), "its model has 26 rows instead of 25"),
        (set_attribute(0, "bn", eps=1e-5), "model.0.bn has eps = 1e-05, not 0.001"),
        (set_attribute(9, "m", kernel_size=3), r"pools over \[3\] cells, not \[5\]"),
        (set_attribute(9, "m", stride=2), "model.9.m has stride = 2, not 1"),
        (set_attribute(11, "", mode="bilinear"), "model.11 has mode = bilinear, not nearest"),
        (set_attribute(5, "conv", padding_mode="reflect"), "model.5.conv has padding_mode = reflect, not zeros"),
        (set_attribute(2, "m.0", add=False), "model.2.m.0 has add = False"),
        (set_attribute(13, "m.0", add=True), "model.13.m.0 has add = True"),
        (drop(4, "cv1", "_modules", "bn"), r"no tensor model.4.cv1.bn.weight. Its batch norms were fused into the conv"),
        (drop(17, "cv1.conv", "_parameters", "weight"), "has no tensor model.17.cv1.conv.weight. Expected"),
        (drop(24, "", "_buffers", "anchors"), "its Detect row has no anchors or no strides"),
        (set_attribute(24, "", stride=Tensor(np.array([4.0, 8, 16]))), r"has strides \[4.0, 8.0, 16.0\]"),
        (lambda model: model.__dict__.update(names=["a", "b"]), r"has 3 classes and the names \['a', 'b'\]"),
        (lambda model: model.__dict__.update(names={0: "a", 1: None, 2: "c"}), "has 3 classes and the names"),
        (lambda model: model.__dict__.update(yaml={}), r"does not say its depth_multiple \(got None\)"),
        (lambda model: model.__dict__.update(yaml={"depth_multiple": 0.3, "width_multiple": -1}), "width_multiple"),
        (lambda model: model._modules.clear(), "holds a DetectionModel. Expected a detection model"),
        (lambda model: row(model, 24).__dict__.update(_buffers=3), "its model is not built like YOLOv5's"),
        (contain_itself, r"model.3.conv.loop\S* has add = True"),  # reading ends
    ],
)
def test_what_is_not_such_a_model_is_refused(yolov5_file, change, message):
    path, _ = yolov5_file(change)
    with pytest.raises(InputError, match=message) as caught:
        read_yolov5(path)
    assert str(caught.value).startswith(f"{path}: ") and "\n" not in str(caught.value)


def test_another_activation_is_refused(yolov5_file):
    def change(model):
        row(model, 1)._modules["act"] = module("torch.nn.modules.activation.Hardswish")

    with pytest.raises(InputError, match="model.1 has the activation Hardswish, not SiLU. .* cannot be imported"):
        read_yolov5(yolov5_file(change)[0])


@pytest.mark.parametrize(
    ("wrap", "message"),
    [
        (lambda model: {"model.0.conv.weight": Tensor(np.zeros((8, 3, 6, 6)))}, r"state dict \(1 tensors\) without its model"),
        (lambda model: {"state_dict": {"a": Tensor(np.zeros(3)), "b": Tensor(np.zeros(2))}}, r"state dict \(2 tensors\)"),
        (lambda model: {"epoch": 3, "model": None}, r"holds no model \(keys \['epoch', 'model'\]\)"),
        (lambda model: [1, 2], "holds a list and no model"),
        (lambda model: Tensor(np.zeros(3)), "holds a StoredTensor and no model"),
        (lambda model: {"model": module("torch.nn.modules.container.Sequential")}, "holds a Sequential"),
    ],
)
def test_files_without_a_model_are_refused(yolov5_file, wrap, message):
    with pytest.raises(InputError, match=message):
        read_yolov5(yolov5_file(wrap=wrap)[0])
