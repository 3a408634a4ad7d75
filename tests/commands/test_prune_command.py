"""`yolo-tf prune` on a small detector: what it writes, what it says, what it refuses."""

import json

import detector_files
import keras
import numpy as np
import pytest

from yolo_tf import cli
from yolo_tf.export import prune as pruning
from yolo_tf.files import read_spec
from yolo_tf.models.reports.sparsity import sparsity


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A detector of 16 to 64 channels; convolutions 16 * 27, 16 * 24 * 9, 24 * 32 * 9, 32 * 48 * 9 and 48 * 64 * 9."""
    return detector_files.write_detector(
        detector_files.build_network((16, 24, 32, 48, 64)), tmp_path_factory.mktemp("prune") / "wide.keras"
    )


def test_channels_make_a_smaller_detector_that_keras_opens(model, tmp_path, capsys):
    out = tmp_path / "pruned.keras"
    argv = ["prune", str(model), "--out", str(out), "--method", "channels", "--amount", "0.3"]
    assert cli.main([*argv, "--json", str(tmp_path / "r.json")]) == 0
    said, report = capsys.readouterr().out, json.loads((tmp_path / "r.json").read_text())
    network = keras.models.load_model(out, compile=False)
    convolutions = [layer for layer in network.layers if isinstance(layer, keras.layers.Conv2D)]
    assert [layer.filters for layer in convolutions if layer.strides == (2, 2)] == [8, 16, 24, 32, 48]  # 11.2 16.8 22.4 33.6 44.8
    assert [layer.filters for layer in convolutions if layer.strides == (1, 1)] == [16, 16, 16]  # heads: 2 * (5 + 3)
    assert read_spec(out) == read_spec(model)
    images = detector_files.images().astype(np.float32)
    assert [tuple(raw.shape[1:]) for raw in network(images)] == [(12, 20, 2, 8), (6, 10, 2, 8), (3, 5, 2, 8)]
    # backbone: kernels and two batch norm weights a channel; of the heads 16 * (24 + 32 + 48) kernels and biases
    kernels = 27 * 8 + 9 * (8 * 16 + 16 * 24 + 24 * 32 + 32 * 48)
    heads = 16 * (24 + 32 + 48) + 3 * 16
    assert report["after"]["params"]["total"] == kernels + 2 * (8 + 16 + 24 + 32 + 48) + heads
    assert report["after"]["params"]["total"] == sum(int(np.prod(v.shape)) for v in network.trainable_variables)
    assert report["before"]["macs"]["total"] > 1.5 * report["after"]["macs"]["total"] > 0
    assert report["before"]["params"]["total"] > report["after"]["params"]["total"]
    assert report["after"]["bytes"] == out.stat().st_size < model.stat().st_size == report["before"]["bytes"]
    assert report["groups"]["narrower"] == 5 and report["groups"]["all"] == 8 and len(report["groups"]["stay"]) == 3
    assert f"{report['after']['params']['total']:,}" in said
    assert f"yolo-tf train model.network={out} data.dataset=DATASET.yaml data.image_size=[96,160] train.epochs" in said
    assert "channels: 5 of 8 groups are narrower" in said and "keep_zeros" not in said


def test_magnitude_keeps_the_structure(model, tmp_path, capsys):
    out = tmp_path / "sparse.keras"
    argv = ["prune", str(model), "--out", str(out), "--method", "magnitude", "--amount", "0.5"]
    assert cli.main([*argv, "--json", str(tmp_path / "r.json")]) == 0
    said, report = capsys.readouterr().out, json.loads((tmp_path / "r.json").read_text())
    network, before = (keras.models.load_model(path, compile=False) for path in (out, model))
    assert sparsity(network)["total"] == report["after"]["sparsity"]["total"] == pytest.approx(0.5, abs=1e-4)
    assert report["before"]["sparsity"]["total"] == 0 and report["before"]["macs"] == report["after"]["macs"]
    for one, other in zip(before.weights, network.weights, strict=True):
        left, right = one.numpy(), other.numpy()
        np.testing.assert_array_equal(right[right != 0], left[right != 0])
    assert read_spec(out) == read_spec(model)
    assert "compress.keep_zeros=true" in said and "do not skip" in said


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"--method": "filters"}, "--method: unknown pruning method 'filters'. Expected one of: channels, magnitude"),
        ({"--method": "chanels"}, "Did you mean 'channels'?"),
        ({"--amount": "1"}, "--amount: got 1.0. Expected 0 < amount < 1"),
        ({"--amount": "0"}, "--amount: got 0.0"),
        ({"--amount": "nan"}, "--amount: expected a finite number, got nan"),
        ({"--amount": "many"}, "invalid float value: 'many'"),
        ({"--amount": "0.01"}, "no channel can go at --amount 0.01"),
        ({"--out": "pruned.h5"}, "pruned.h5: is no name of a Keras file"),
        ({"--out": "{model}"}, "is the file that is to be pruned"),
        ({"--out": "{folder}/sub.keras"}, "sub.keras: is a directory"),
        ({"MODEL": "{folder}/nowhere.keras"}, "nowhere.keras: no such file"),
        ({"MODEL": "{tflite}"}, "is an export. Expected a .keras file"),
        ({"MODEL": "{folder}/backbone.keras"}, "carries no readable detector.json"),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_written(model, tmp_path, capsys, changes, message):
    (tmp_path / "sub.keras").mkdir()
    images = keras.Input((None, None, 3))
    keras.Model(images, keras.layers.Conv2D(9, 1)(images)).save(tmp_path / "backbone.keras")
    argv = {"MODEL": "{model}", "--out": "{folder}/out.keras", "--method": "channels", "--amount": "0.3", **changes}
    tflite = detector_files.tflite_file() if "{tflite}" in argv["MODEL"] else ""
    values = {key: value.format(model=model, folder=tmp_path, tflite=tflite) for key, value in argv.items()}
    options = [word for key, value in values.items() if key != "MODEL" for word in (key, value)]
    before = model.read_bytes()
    try:
        code = cli.main(["prune", values["MODEL"], *options])
    except SystemExit as stop:
        code = stop.code
    err = capsys.readouterr().err
    assert code == 2 and message in err and err.count("\n") == 1
    assert model.read_bytes() == before and not (tmp_path / "out.keras").exists()


def test_a_network_that_would_answer_otherwise_is_not_written(model, tmp_path, monkeypatch, capsys):
    """As if a rule were wrong: the smaller network has other weights than it should."""

    def wrong(network, flow, removed):
        smaller = right(network, flow, removed)
        batch_norm = next(layer for layer in smaller.layers if isinstance(layer, keras.layers.BatchNormalization))
        batch_norm.gamma.assign(batch_norm.gamma[::-1])
        return smaller

    right = pruning.without_channels
    monkeypatch.setattr(pruning, "without_channels", wrong)
    argv = ["prune", str(model), "--out", str(tmp_path / "out.keras"), "--method", "channels", "--amount", "0.3"]
    assert cli.main(argv) == 2
    err = capsys.readouterr().err
    assert "it answers otherwise than the smaller network would" in err and err.count("\n") == 1
    assert not list(tmp_path.iterdir())
