"""A file of YOLOX becomes a `.keras` file with the same answers, or nothing at all, through the real command."""

import dataclasses
import json

import numpy as np
import pytest
from PIL import Image
from torch_states import yolox_checkpoint, yolox_state
from torch_writer import write_zip

from yolo_tf import cli
from yolo_tf.checkpoints.yolox.checkpoint import read_yolox
from yolo_tf.checkpoints.yolox.classes import coco_names
from yolo_tf.config import EVALUATION_DETECT
from yolo_tf.evaluation.evaluate import evaluate
from yolo_tf.files import read_spec
from yolo_tf.files.keras import load_network
from yolo_tf.inference.detector import network_candidates, open_detector
from yolo_tf.models.imported.yolox import build_imported_yolox, yolox_spec
from yolo_tf.pictures.generated_images import generated_images
from yolo_tf.sources import read_dataset, read_source

IMAGES = np.random.default_rng(3).uniform(0, 255, (2, 64, 96, 3)).astype(np.float32)


def run(*arguments):
    return cli.main(["import-yolox", *map(str, arguments)])


@pytest.mark.slow
@pytest.mark.parametrize(
    "names", ["red\n\nwhite\nplatelet\n", "names: [red, white, platelet]", "names: {0: red, 1: white, 2: platelet}"]
)
def test_a_pth_becomes_a_detector(yolox_pth, yolox_network, names, tmp_path, capsys):
    file = tmp_path / ("names.yaml" if names.startswith("names") else "names.txt")
    file.write_text(names)
    out = tmp_path / "m.keras"
    assert run(yolox_pth(), "--out", out, "--names", file, "--image-size", 64, 96, "--json", tmp_path / "r.json") == 0
    report = json.loads((tmp_path / "r.json").read_text())
    assert report["num_classes"] == 3 and report["letterbox"] == "corner" and not report["folded"] and len(report["sha256"]) == 64
    said = capsys.readouterr().out
    assert "yolox: YOLOX, depth 0.67, width 0.125, depthwise, 3 classes" in said and f"wrote {out}" in said
    spec = read_spec(out)
    assert spec.class_names == ("red", "white", "platelet") and spec.image_size == (64, 96)
    assert spec.letterbox == "corner" and spec.head == "decoupled"
    for ours, theirs in zip(load_network(out)(IMAGES), yolox_network(IMAGES), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (
            None,
            "finds 3 classes, while COCO has 80 names. Expected one for each. Give the names of its classes, in",
        ),
        ("a\nb\n", "finds 3 classes, while there are 2 names. Expected one for each. Correct --names"),
        ("\n", "names.txt: holds no class names. Expected one a line"),
        ("a\nb\na\n", "names.txt: names: a repeated. Expected each class name once"),
    ],
)
def test_names_that_do_not_fit(yolox_pth, names, message, tmp_path, capsys):
    more = []
    if names is not None:
        (tmp_path / "names.txt").write_text(names)
        more = ["--names", tmp_path / "names.txt"]
    path = yolox_pth()
    assert run(path, "--out", tmp_path / "m.keras", *more) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1 and not (tmp_path / "m.keras").exists()


def test_what_is_no_yolox_file_leaves_nothing_behind(tmp_path, capsys):
    (tmp_path / "a.pth").write_bytes(b"nothing")
    assert run(tmp_path / "a.pth", "--out", tmp_path / "m.keras") == 2
    assert "a.pth: is no PyTorch file. Expected a YOLOX of its authors" in capsys.readouterr().err
    assert run(tmp_path / "a.pth", "--out", tmp_path / "m.h5") == 2
    assert run(tmp_path / "a.pth", "--out", tmp_path / "m.keras", "--image-size", 100) == 2
    assert "--image-size: 100 is no positive multiple of 32. Use 96." in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["a.pth"]


def test_a_file_given_in_place_of_a_detector_names_the_command(yolox_onnx, yolox_pth, tmp_path, capsys):
    for path in (yolox_onnx(), yolox_pth()):
        assert cli.main(["predict", str(path), str(tmp_path / "a.jpg")]) == 2
        assert f"yolo-tf import-yolox {path} --out small.keras" in capsys.readouterr().err


@pytest.mark.slow
def test_photographs_give_an_onnx_what_it_trains_with(yolox_onnx, yolox_network, tmp_path, capsys):
    (tmp_path / "photos").mkdir()
    for number, image in enumerate(generated_images((60, 96), count=5, seed=1)):
        Image.fromarray(image.astype(np.uint8)).save(tmp_path / "photos" / f"{number}.png")
    (tmp_path / "n.txt").write_text("a\nb\nc\n")
    path, words = yolox_onnx(), ["--names", tmp_path / "n.txt", "--image-size", 64, 96]
    assert run(path, "--out", tmp_path / "empty.keras", *words) == 0
    assert "give photographs: --images SOURCE" in capsys.readouterr().out
    assert run(path, "--out", tmp_path / "m.keras", *words, "--images", tmp_path / "photos") == 0
    assert "--images" not in capsys.readouterr().out
    settled, empty = (load_network(tmp_path / f"{name}.keras") for name in ("m", "empty"))
    for ours, theirs in zip(settled(IMAGES), yolox_network(IMAGES), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-3)
    name = "backbone_stage2_csp_merge_batch_norm"
    assert settled.get_layer(name).moving_mean.numpy().all() and not empty.get_layer(name).moving_mean.numpy().any()


def test_the_names_of_coco():
    names = coco_names()
    assert len(names) == 80 and (names[0], names[22], names[79]) == ("person", "zebra", "toothbrush")


@pytest.fixture(scope="module")
def nano(shared_dir):
    """The published YOLOX-nano, imported."""
    path = shared_dir / "weights" / "yolox_nano.onnx"
    return build_imported_yolox(read_yolox(path), where=path)


def answers(network, image):
    """Returns what the published export gives: box logits as they are, objectness and classes 0..1, [1, D, 85]."""
    raw = [np.asarray(tensor, np.float64) for tensor in network(image[None].astype(np.float32))]
    levels = zip(raw[:3], *([1 / (1 + np.exp(-tensor)) for tensor in raw[start : start + 3]] for start in (3, 6)), strict=True)
    return np.concatenate([np.concatenate(level, -1).reshape(1, -1, 85) for level in levels], 1)


def test_the_published_nano_answers_as_recorded(nano, shared_dir):
    recorded = np.load(shared_dir / "golden" / "yolox_nano.npz")
    found = answers(nano, recorded["image"])
    assert sum(int(np.prod(weight.shape)) for weight in nano.trainable_weights) == 912_159
    assert (found[..., 4] * found[..., 5 + 22] > 0.5).any()  # zebras
    np.testing.assert_allclose(found, recorded["output"], atol=1e-3)


def test_the_same_weights_in_a_pth_are_the_same_network(nano, tmp_path):
    path = write_zip(tmp_path / "yolox_nano.pth", yolox_checkpoint(yolox_state(nano, repeats=1, depthwise=True)))
    checkpoint = read_yolox(path)
    assert checkpoint.shape.name == "yolox_nano" and checkpoint.image_size == (416, 416)
    assert run(path, "--out", tmp_path / "nano.keras") == 0
    twin = open_detector(tmp_path / "nano.keras")
    assert twin.spec.class_names == coco_names()
    for ours, theirs in zip(twin.network.get_weights(), nano.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.long
def test_the_published_nano_finds_what_the_original_finds(nano, shared_dir):
    """Of 128 images of COCO: ONNX Runtime with the published file, the same letterbox and suppression has .3329 and .5084."""
    dataset = read_dataset(read_source("coco128", path=shared_dir / "data" / "coco128"), "val")
    detect = dataclasses.replace(EVALUATION_DETECT, score_threshold=0.01, iou_threshold=0.65, multi_label=False)
    spec = yolox_spec(read_yolox(shared_dir / "weights" / "yolox_nano.onnx"), coco_names(), (416, 416))
    looks = {"image_size": (416, 416), "detect": detect, "letterbox": "corner"}
    metrics = evaluate(network_candidates(nano, spec), dataset, **looks).metrics
    assert metrics["AP"] == pytest.approx(0.3329, abs=2e-3) and metrics["AP50"] == pytest.approx(0.5084, abs=2e-3)
