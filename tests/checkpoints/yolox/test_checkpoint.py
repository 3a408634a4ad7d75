"""YOLOX files in either format: what they say, and what is refused in one line."""

import numpy as np
import pytest
from onnx_writer import node
from torch_writer import Tensor, write_stream, write_zip

from yolo_tf.checkpoints.yolox.checkpoint import read_yolox
from yolo_tf.checkpoints.yolox.names import SIZES, Shape, convolutions
from yolo_tf.errors import InputError
from yolo_tf.models.imported.yolox import build_imported_yolox, convolution_sources

STEM = "backbone.backbone.stem.conv.conv.weight"
IMAGES = np.random.default_rng(3).uniform(0, 255, (1, 64, 96, 3)).astype(np.float32)


@pytest.mark.parametrize("writer", [write_zip, write_stream])
def test_a_pth_says_everything_about_its_network(yolox_network, yolox_pth, writer):
    found = read_yolox(yolox_pth(writer=writer))
    assert found.shape == Shape(repeats=2, width=0.125, depthwise=True) and found.shape.name == "yolox"
    assert (found.num_classes, found.image_size, found.folded) == (3, (640, 640), False)
    expected = {layer.name: layer.get_weights() for layer in yolox_network.layers if layer.weights}
    assert found.weights.keys() == expected.keys()
    for name, arrays in expected.items():
        for ours, theirs in zip(found.weights[name], arrays, strict=True):
            np.testing.assert_array_equal(ours, theirs, err_msg=name)


def test_an_onnx_file_gives_the_same_answers(yolox_network, yolox_onnx):
    found = read_yolox(yolox_onnx())
    assert found.shape == Shape(repeats=2, width=0.125, depthwise=True)
    assert (found.num_classes, found.image_size, found.folded) == (3, (64, 96), True)
    network = build_imported_yolox(found, where="small.onnx")
    for ours, theirs in zip(network(IMAGES), yolox_network(IMAGES), strict=True):
        assert np.std(theirs) > 1e-3
        np.testing.assert_allclose(ours, theirs, atol=2e-4, rtol=1e-4)
    assert read_yolox(yolox_onnx(sides=(1, 3, "height", "width"))).image_size == (640, 640)


def test_a_state_dict_alone_is_read_too(yolox_pth):
    assert read_yolox(yolox_pth(wrap=lambda state: state)).num_classes == 3


@pytest.mark.parametrize("size", SIZES)
def test_the_published_sizes_are_told_from_their_tensors(size):
    depth, width, depthwise = size
    shape = Shape(repeats=round(3 * depth), width=round(64 * width) / 64, depthwise=depthwise)
    assert (shape.depth, shape.width) == (depth, width) and (shape.name, shape.side) == SIZES[size]


def test_nano_has_113_convolutions():
    assert len(convolutions(1, True)) == 113 and len(convolutions(1, False)) == 83
    assert sum(one.predicts for one in convolutions(4, False)) == 9


def lacks(state):
    del state["backbone.C3_p3.m.1.conv2.pconv.bn.running_var"]


def of_another_shape(state):
    state["head.stems.1.conv.weight"] = Tensor(np.zeros([32, 24, 1, 1], np.float32))


def classes_of_shape(*sides):
    def change(state):
        state["head.cls_preds.0.bias"] = Tensor(np.zeros(sides, np.float32))

    return change


def of_negative_variance(state):
    state["head.stems.1.bn.running_var"] = Tensor(np.array([1, -0.25] * 16, np.float32))


def not_finite(state):
    state["head.obj_preds.2.bias"] = Tensor(np.array([np.nan], np.float32))


def too_many(state):
    state["head.extra.weight"] = Tensor(np.zeros([2], np.float32))


def other_stem(state):
    state[STEM] = Tensor(np.zeros([8, 3, 6, 6], np.float32))


def other_classes(state):
    for part in ("weight", "bias"):
        state[f"head.cls_preds.1.{part}"].array = state[f"head.cls_preds.1.{part}"].array[:2]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.pop(STEM), "has no tensor backbone.backbone.stem.conv.conv.weight; its first is head.cls_preds"),
        (lacks, "has no tensor backbone.C3_p3.m.1.conv2.pconv.bn.running_var. Expected a YOLOX of its authors"),
        (of_another_shape, r"head_p4_stem_conv has weights of shape \[\(1, 1, 24, 32\)\]. Expected \[\(1, 1, 64, 32\)\]"),
        (classes_of_shape(), r"the bias of head_p3_class has shape \[\]. Expected \[classes\], one or more"),
        (classes_of_shape(0), r"the bias of head_p3_class has shape \[0\]. Expected \[classes\], one or more"),
        (of_negative_variance, "the variance head.stems.1.bn.running_var holds -0.25. Expected 0 or more"),
        (not_finite, "1 of the 1 numbers of head.obj_preds.2.bias are not finite"),
        (too_many, "has a tensor head.extra.weight, which has no place here"),
        (
            other_stem,
            r"its first kernel has shape \[8, 3, 6, 6\], its first stage 2 bottlenecks. Expected \[64 \* width, 12, 3, 3\]",
        ),
        (other_classes, r"head_p4_class has weights of shape .* Expected \[\(1, 1, 32, 3\), \(3,\)\]"),
        (dict.clear, "holds a dictionary of .* and no state dict. Expected a YOLOX of its authors"),
    ],
)
def test_other_pth_files_end_in_one_line(yolox_pth, change, message):
    path = yolox_pth(change)
    with pytest.raises(InputError, match=message) as caught:
        build_imported_yolox(read_yolox(path), where=path)
    assert str(caught.value).startswith(f"{path}: ") and "\n" not in str(caught.value)


def swapped(first, second):
    def change(order):
        one, two = order.index(first), order.index(second)
        order[one], order[two] = order[two], order[one]

    return change


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (
            swapped("neck_p3_csp_main", "neck_p3_csp_bypass"),  # of the same shape, from the same map
            {},
            "the convolution in the place of neck_p3_csp_bottleneck0_1x1 reads neck_p3_csp_bypass. Expected neck_p3_csp_main",
        ),
        (lambda order: order.pop(), {}, "its first stage no known number of bottlenecks"),
        (lambda order: order.clear(), {}, "its graph has 0 convolutions. Expected a YOLOX of its authors"),
        (None, {"more": [node("BatchNormalization", ["images"], "x")]}, "its graph has BatchNormalization. Expected a YOLOX"),
    ],
)
def test_other_onnx_files_end_in_one_line(yolox_onnx, change, options, message):
    path = yolox_onnx(change, **options)
    with pytest.raises(InputError, match=message) as caught:
        build_imported_yolox(read_yolox(path), where=path)
    assert str(caught.value).startswith(f"{path}: ") and "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["pth", "onnx"])
def test_files_that_are_cut_off_end_in_one_line(yolox_pth, yolox_onnx, kind, tmp_path):
    content = (yolox_pth if kind == "pth" else yolox_onnx)().read_bytes()
    for end in (0, 1, 30, 4000, len(content) // 2, len(content) - 1):
        path = tmp_path / f"cut.{kind}"
        path.write_bytes(content[:end])
        with pytest.raises(InputError, match=f"cut.{kind}: ") as caught:
            read_yolox(path)
        assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match=f"absent.{kind}: No such file or directory. Expected a YOLOX of its authors"):
        read_yolox(tmp_path / f"absent.{kind}")


def test_the_sources_of_the_network_are_those_of_the_list(yolox_network):
    order = tuple(one.name for one in convolutions(2, True))
    found = convolution_sources(yolox_network, order)
    assert set(found) == set(order) and found["backbone_stem"] == ("",)
    assert found["neck_p4_topdown_csp_main"] == ("neck_p5_reduce", "backbone_stage3_csp_merge")
    assert found["backbone_stage1_csp_bottleneck1_1x1"] == (
        "backbone_stage1_csp_main",
        "backbone_stage1_csp_bottleneck0_3x3_pointwise",
    )
