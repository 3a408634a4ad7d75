"""Runs from training to the exported file, with what two parts that work alone may not do together, for every head."""

import json

import numpy as np
import pytest
from PIL import Image
from strided_detectors import IMAGES, NAMES, save_strided_detector

from yolo_tf.cli import main
from yolo_tf.config import DetectConfig
from yolo_tf.export import Comparison, export_detector
from yolo_tf.export.prune import prune_detector
from yolo_tf.export.tflite import Quantization
from yolo_tf.files import read_spec
from yolo_tf.files.keras import load_network
from yolo_tf.files.run_directory import read_history
from yolo_tf.heads import HEADS
from yolo_tf.inference.detector import open_detector
from yolo_tf.inference.prediction import predict_image
from yolo_tf.models.parts import frozen_layers
from yolo_tf.pictures.generated_images import generated_images
from yolo_tf.surgery.reparameterize import deploy_form

pytestmark = pytest.mark.slow

DETECT = DetectConfig(score_threshold=0.3, iou_threshold=0.5, max_detections=40, max_candidates=200)
CONFIG = """data: {dataset: data.yaml, image_size: [96, 160]}
train: {epochs: 2, batch_size: 4, nominal_batch_size: 4, warmup_epochs: 0.0, min_steps: 1}
run: {tensorboard: false}
augment: {close_mosaic: 1}
"""


def write_data_set(folder, boxes_of, *, size=(60, 200), count=8):
    """Writes pictures of (height, width) px with `boxes_of(index)`, rows (class id, x1, y1, x2, y2) px; returns data.yaml."""
    for name in ("images", "labels"):
        (folder / name).mkdir(parents=True)
    for index in range(count):
        pixels = generated_images(size, count=1, seed=index)[0].astype(np.uint8)
        Image.fromarray(pixels).save(folder / "images" / f"{index}.png")
        rows = [
            f"{c} {(x1 + x2) / 2 / size[1]} {(y1 + y2) / 2 / size[0]} {(x2 - x1) / size[1]} {(y2 - y1) / size[0]}"
            for c, x1, y1, x2, y2 in boxes_of(index)
        ]
        (folder / "labels" / f"{index}.txt").write_text("\n".join(rows))
    (folder / "data.yaml").write_text(f"path: {folder}\ntrain: images\nval: images\nnames: {json.dumps(NAMES)}\n")
    (folder / "config.yaml").write_text(CONFIG)
    return folder / "data.yaml"


def two_boxes(index):
    return [(index % 3, 10.0 + 5 * index, 5.0, 60.0 + 5 * index, 45.0), ((index + 1) % 3, 120.0, 20.0, 190.0, 58.0)]


def train(folder, run, *overrides):
    command = ["train", "--config", folder / "config.yaml", "--run", run, *overrides]
    return main([str(word) for word in command])


@pytest.fixture(scope="module")
def labelled(tmp_path_factory):
    """A data set of two objects a picture."""
    return write_data_set(tmp_path_factory.mktemp("labelled"), two_boxes)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """{head: the file of a detector with it}."""
    folder = tmp_path_factory.mktemp("files")
    return {head: save_strided_detector(head, folder / f"{head}.keras") for head in HEADS}


@pytest.mark.long
@pytest.mark.parametrize("head", HEADS)
def test_images_in_the_corner_stay_there_from_training_to_the_exports(tmp_path, head):
    """The data set is labelled by the network that the run begins with: looked at in another way it would not find that."""
    start = save_strided_detector(head, tmp_path / "start.keras", letterbox="corner")
    detector = open_detector(start)

    def found(index):
        path = tmp_path / "set" / "images" / f"{index}.png"
        answer = predict_image(detector, path, detect=DETECT).detections
        boxes = answer.boxes.astype(float).tolist()
        return [(c, *box) for c, box in zip(answer.class_ids, boxes) if min(box[2] - box[0], box[3] - box[1]) > 4]

    data = write_data_set(tmp_path / "set", found, count=4)
    still = ["train.epochs=1", "train.learning_rate=1e-9", "augment.level=none", "data.letterbox=corner"]
    assert train(tmp_path / "set", tmp_path / "run", f"model.network={start}", *still) == 0
    best = tmp_path / "run" / "best.keras"
    assert read_spec(best).letterbox == "corner"
    own = json.loads((tmp_path / "run" / "metrics.json").read_text())["AP"]
    ap = {}
    for name, options in (("as trained", ()), ("center", ("--letterbox", "center"))):
        command = ["evaluate", best, "--data", data, *options, "--json", tmp_path / "e.json"]
        assert main([str(word) for word in command]) == 0
        ap[name] = json.loads((tmp_path / "e.json").read_text())["AP"]
    assert own == pytest.approx(ap["as trained"], abs=1e-6) and own > 0.5 > ap["center"]
    images = [np.asarray(Image.open(path)) for path in sorted((tmp_path / "set" / "images").iterdir())]
    expected = predict_image(open_detector(best), tmp_path / "set" / "images" / "1.png", detect=DETECT).detections
    for format, out in (("saved_model", "saved"), ("tflite", "best.tflite")):
        report = export_detector(best, format, tmp_path / out, detect=DETECT, comparison=Comparison(images=images))
        again = open_detector(tmp_path / out)
        assert report.same_candidates == report.same_detections == 1 and again.spec.letterbox == "corner"
        answer = predict_image(again, tmp_path / "set" / "images" / "1.png", detect=DETECT).detections
        np.testing.assert_array_equal(answer.class_ids, expected.class_ids)
        np.testing.assert_allclose(answer.boxes, expected.boxes, atol=0.05)


@pytest.mark.long
@pytest.mark.parametrize("head", HEADS)
def test_the_merged_form_of_repvgg_is_exported_with_the_head(tmp_path, head):
    path = save_strided_detector(head, tmp_path / "repvgg.keras", repvgg=True)
    network = load_network(path)
    merged = deploy_form(network)
    assert len(merged.layers) < len(network.layers) - 10
    for format, out in (("saved_model", "saved"), ("tflite", "repvgg.tflite")):
        report = export_detector(path, format, tmp_path / out, detect=DETECT)
        assert report.same_candidates == 1 and report.num_detections > 5


@pytest.mark.parametrize("freeze", ["[backbone]", "[backbone,neck]", "[stage1]"])
def test_frozen_parts_stay_as_they_are_and_the_others_learn(files, labelled, tmp_path, freeze):
    """To the last bit without the average of the weights, which rounds."""
    run, file = tmp_path / "run", files["decoupled"]
    still = [f"transfer.freeze={freeze}", "train.epochs=1", "train.ema_decay=0.0"]
    assert train(labelled.parent, run, f"model.network={file}", *still) == 0
    before, after = load_network(file), load_network(run / "last.keras")
    frozen = {layer.name for layer in frozen_layers(before, tuple(freeze[1:-1].split(",")))}
    assert frozen
    for layer in before.layers:
        pairs = zip(layer.weights, after.get_layer(layer.name).weights, strict=True)
        same = [np.array_equal(one, other) for one, other in pairs]
        assert not same or all(same) == (layer.name in frozen), (layer.name, same)


def grid_of_boxes(count, size):
    """Returns `count` boxes of 4 px in rows and columns."""
    places = [(x, y) for y in range(2, size[0] - 5, 6) for x in range(2, size[1] - 5, 6)]
    return [(index % 3, float(x), float(y), x + 4.0, y + 4.0) for index, (x, y) in enumerate(places[:count])]


@pytest.mark.parametrize("head", HEADS)
def test_300_boxes_of_an_image_are_learned(files, tmp_path, head, capsys):
    data = write_data_set(tmp_path / "set", lambda index: grid_of_boxes(300, (96, 160)), size=(96, 160), count=4)
    assert data.parent.joinpath("labels", "0.txt").read_text().count("\n") == 299
    assert train(tmp_path / "set", tmp_path / "run", f"model.network={files[head]}") == 0
    assert "boxes: up to 300 in a training image, 1200 after mosaic: data.max_boxes=1200 (about" in capsys.readouterr().out
    rows = read_history(tmp_path / "run" / "history.csv", before_epoch=9)
    assert all(np.isfinite(row["loss"]) and row["box"] > 0 for row in rows)


@pytest.mark.parametrize("head", HEADS)
def test_batches_and_runs_without_a_box_are_learned(files, tmp_path, head):
    """One picture of eight has objects, and without mosaic it is in one batch alone."""
    write_data_set(tmp_path / "set", lambda index: two_boxes(0) if index == 3 else [])
    level = ["augment.level=none", "train.batch_size=2", "train.nominal_batch_size=2"]
    assert train(tmp_path / "set", tmp_path / "run", f"model.network={files[head]}", *level) == 0
    rows = read_history(tmp_path / "run" / "history.csv", before_epoch=9)
    assert all(np.isfinite(row["loss"]) and row["box"] > 0 and row["objectness"] > 0 for row in rows)
    network = load_network(tmp_path / "run" / "last.keras")
    assert all(np.isfinite(variable).all() for variable in network.weights)


def test_detectors_of_all_heads_are_compared_in_one_table(files, labelled, tmp_path):
    command = ["compare", *files.values(), "--data", labelled, "--repeats", 2, "--threads", 1, "--json", tmp_path / "c.json"]
    assert main([str(word) for word in command]) == 0
    rows = json.loads((tmp_path / "c.json").read_text())["models"]
    assert [row["path"] for row in rows] == [str(path) for path in files.values()]
    for row in rows:
        assert main(["evaluate", row["path"], "--data", str(labelled), "--json", str(tmp_path / "e.json")]) == 0
        assert row["AP"] == pytest.approx(json.loads((tmp_path / "e.json").read_text())["AP"], abs=1e-6)


@pytest.mark.long
@pytest.mark.parametrize("head", HEADS)
def test_a_pruned_and_tuned_network_becomes_an_int8_file(files, labelled, tmp_path, head):
    prune_detector(files[head], tmp_path / "pruned.keras", "channels", 0.4)
    assert train(labelled.parent, tmp_path / "run", f"model.network={tmp_path / 'pruned.keras'}") == 0
    best = tmp_path / "run" / "best.keras"
    assert load_network(best).count_params() == load_network(tmp_path / "pruned.keras").count_params()
    quantization = Quantization(precision="int8", calibration=list(IMAGES))
    report = export_detector(best, "tflite", tmp_path / "int8.tflite", detect=DETECT, quantization=quantization)
    assert report.same_candidates >= 0.85


def test_a_teacher_with_another_head_is_refused_in_one_line(files, labelled, tmp_path, capsys):
    for pupil in HEADS:
        [teacher] = [head for head in HEADS if head != pupil]
        options = [f"model.network={files[pupil]}", f"compress.teacher={files[teacher]}", "compress.distillation=0.5"]
        assert train(labelled.parent, tmp_path / "run", *options) == 2
        told = [line for line in capsys.readouterr().err.splitlines() if line.startswith("yolo-tf train: ")]
        assert len(told) == 1 and f"{files[teacher]}: has the head {teacher}, not {pupil} as the network" in told[0]
        assert not (tmp_path / "run").exists()
