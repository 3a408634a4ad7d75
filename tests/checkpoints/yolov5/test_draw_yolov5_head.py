"""scripts/draw_yolov5_head.py: the numbers that PyTorch 2.14 drew, and a file that training starts from.

What is expected of the generator was recorded from `torch.manual_seed(seed)` and new `torch.nn.Conv2d` layers.
"""

import runpy
from types import SimpleNamespace

import numpy as np
import pytest
from places import ROOT

from yolo_tf.checkpoints.yolov5.checkpoint import read_yolov5
from yolo_tf.errors import InputError

SCRIPT = ROOT / "scripts" / "draw_yolov5_head.py"
CLASSES = ("cell", "cyst")


@pytest.fixture(scope="module")
def script():
    return SimpleNamespace(**runpy.run_path(str(SCRIPT)))


def test_a_convolution_is_drawn_like_pytorch_draws_it(script):
    kernel, bias = script.TorchGenerator(7).convolution(filters=2, channels=3)
    expected = [[0.040325075, -0.347792119, 0.183841825], [0.181161284, -0.308580369, -0.086531632]]
    np.testing.assert_array_equal(kernel[0, 0].T, np.float32(expected))
    np.testing.assert_array_equal(bias, np.float32([-0.338227928, 0.149806648]))
    assert kernel.shape == (1, 1, 3, 2) and kernel.dtype == bias.dtype == np.float32


def test_layers_drawn_before_count(script):
    generator = script.TorchGenerator(0)
    generator.skip(16 * 3 * 6 * 6 + 16)
    kernel, bias = generator.convolution(filters=24, channels=64)
    np.testing.assert_array_equal(kernel[0, 0, :4, 0], np.float32([-0.034210652, -0.032980040, 0.006256297, -0.061023697]))
    np.testing.assert_array_equal(bias[:4], np.float32([-0.014972895, 0.114317492, -0.056983739, 0.117441714]))


def test_only_the_head_is_new(script, yolov5_file):
    old = read_yolov5(yolov5_file()[0])
    new = script.with_new_head(old, CLASSES, seed=3)
    assert new.class_names == CLASSES and set(new.weights) == set(old.weights)
    for name, arrays in old.weights.items():
        same = [np.array_equal(one, other) for one, other in zip(arrays, new.weights[name], strict=True)]
        assert not any(same) if name.startswith("head_") else all(same)
    for stride, level in ((8, "p3"), (16, "p4"), (32, "p5")):
        kernel, bias = new.weights[f"head_{level}"]
        bound = 1 / np.sqrt(kernel.shape[2])
        assert kernel.shape[3] == len(bias) == 3 * 7 and 0.8 * bound < np.abs(kernel).max() <= bound
        centre = np.tile([0, 0, 0, 0, np.log(8 / (640 / stride) ** 2), *[np.log(0.6 / 1.00001)] * 2], 3)
        assert np.abs(bias - centre).max() <= bound
    again, other = (script.with_new_head(old, CLASSES, seed).weights["head_p5"][0] for seed in (3, 4))
    assert np.array_equal(again, kernel) and not np.array_equal(other, kernel)


@pytest.mark.slow
def test_a_file_to_start_from(script, yolov5_file, tmp_path, capsys):
    from yolo_tf.inference.detector import open_detector

    path, _ = yolov5_file()
    script.main([str(path), "--classes", *CLASSES, "--seed", "5", "--out", str(tmp_path / "start.keras")])
    assert "2 classes, head of seed 5" in capsys.readouterr().out
    detector = open_detector(tmp_path / "start.keras")
    expected = script.with_new_head(read_yolov5(path), CLASSES, seed=5).weights["head_p4"]
    assert detector.spec.class_names == CLASSES
    for ours, theirs in zip(detector.network.get_layer("head_p4").get_weights(), expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(
    "words, message",
    [
        (["--out", "start.h5"], "start.h5: is no name of a Keras file"),
        (["--out", "start.keras", "--seed", "-1"], "--seed: got -1"),
        (["--out", "start.keras", "--classes", "cell", "cell"], "--classes: cell cell has a name twice"),
    ],
)
def test_bad_input(script, yolov5_file, tmp_path, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=message):
        script.main([str(yolov5_file()[0]), "--classes", *CLASSES, *words])
    assert not list(tmp_path.glob("start*"))


def test_a_published_checkpoint(script, shared_dir):
    checkpoint = read_yolov5(shared_dir / "weights" / "yolov5n.pt")
    weights = script.with_new_head(checkpoint, ("RBC", "WBC", "Platelets"), seed=0).weights
    drawn = {"p3": [-0.039085909724235535, -0.030368804931640625, -0.09434641897678375]}
    drawn["p5"] = [-0.032539449632167816, -0.04880265146493912, 0.013426825404167175]
    for level, numbers in drawn.items():
        np.testing.assert_array_equal(weights[f"head_{level}"][0][0, 0, :3, 0], np.float32(numbers))
