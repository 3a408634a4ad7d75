"""What becomes of the pictures that people give `predict`, several runs at a time among them."""

import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import detector_files
import numpy as np
import pytest
from PIL import Image

from yolo_tf.cli import build_parser, join_sizes, main
from yolo_tf.sources import read_dataset, read_source


@pytest.fixture
def photo(tmp_path):
    Image.fromarray(detector_files.images()[0]).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


@pytest.mark.slow
def test_two_runs_at_once_without_a_directory(photo, tmp_path):
    """Each ends with its own results, whoever comes first."""
    command = [sys.executable, "-m", "yolo_tf", "predict", detector_files.keras_file(), photo, "--save-json", "--no-pictures"]
    runs = [
        subprocess.Popen([*command, "--score-threshold", threshold], cwd=tmp_path, stdout=subprocess.PIPE, text=True)
        for threshold in ("0.3", "0.9")
    ]
    said = [run.communicate()[0] for run in runs]
    assert [run.returncode for run in runs] == [0, 0]
    folders = [tmp_path / lines.splitlines()[-1].partition(" -> ")[2] for lines in said]
    assert {folder.name for folder in folders} == {"predict", "predict-2"}
    found = [json.loads((folder / "detections.json").read_text())["images"][0]["detections"] for folder in folders]
    assert len(found[0]) > len(found[1]) and min(one["score"] for one in found[0]) < 0.9


def test_a_limit_that_leaves_candidates_out_is_told(photo, tmp_path, capsys):
    """The network has 630 candidates for this input."""

    def found(*words):
        command = ["predict", detector_files.keras_file(), photo, "--out", tmp_path / "out", "--save-json", "--no-pictures"]
        assert main([str(word) for word in [*command, "--score-threshold", 0.2, *words]]) == 0
        images = json.loads((tmp_path / "out" / "detections.json").read_text())["images"]
        return images[0]["detections"], capsys.readouterr().out.splitlines()[2:]

    every, said = found("--max-detections", 5000)
    assert not said
    some, said = found("--max-detections", 5000, "--max-candidates", 20)
    assert len(some) <= 20 < len(every)
    (line,) = said
    needed = line.rpartition(" ")[2].rstrip(".")
    assert line.startswith(f"1 of 1 images had more than the 20 candidates that enter suppression, up to {needed}: objects may")
    assert found("--max-detections", 5000, "--max-candidates", needed) == (every, [])


@pytest.fixture
def awkward(tmp_path):
    """A picture that no JPEG holds, two of a name that has no room for a number, and one like any other between them."""
    name = "n" * 251 + ".png"
    paths = [tmp_path / place for place in ("1.png", f"a/{name}", f"b/{name}", "2.png")]
    for path, width in zip(paths, (66_000, 160, 160, 160), strict=True):
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(np.resize(detector_files.images()[0], (20, width, 3))).save(path)
    return paths


def test_one_picture_costs_that_picture(awkward, tmp_path, capsys):
    out = tmp_path / "out"
    command = ["predict", detector_files.keras_file(), *awkward, "--out", out, "--save-txt"]
    assert main([str(word) for word in [*command, "--save-json"]]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"{out}/1.jpg: cannot be written, for the picture has 66000 x 20 px. Expected at most 65500 a side, the" in line
    assert line.endswith("3 files like this could not be written; everything else was.")
    found = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    stem = awkward[1].stem
    assert found == {"detections.json", f"{stem}.jpg", "2.jpg", "labels/1.txt", f"labels/{stem}.txt", "labels/2.txt"}
    rows = json.loads((out / "detections.json").read_text())["images"]
    assert [row["path"] for row in rows] == [str(path) for path in awkward]
    assert rows[0]["width"] == 66_000 and rows[0]["detections"]

    out = tmp_path / "many"
    command = [str(word) for word in [*command, "--out", out, "--save-jsonl", "--batch", 1, "--resume"]]
    assert main(command) == 2
    captured = capsys.readouterr()
    assert f"{stem}-2.jpg: cannot be written (File name too long). Expected a name and a picture that fit. Rename" in captured.out
    assert main(command) == 0, "what has a row is done"
    assert len((out / "detections.jsonl").read_text().splitlines()) == 4


@pytest.mark.slow
def test_names_and_terminals_that_are_not_utf_8(tmp_path, monkeypatch):
    """A name is what the system says; what cannot be shown is shown as an escape, and JSON stays JSON."""
    paths = [tmp_path / "é.png", tmp_path / os.fsdecode(b"\xff.png")]
    for path, image in zip(paths, detector_files.images(), strict=False):
        try:
            Image.fromarray(image).save(path)
        except OSError:
            pytest.skip("this disk takes no such name")
    shown = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", shown)

    def predict(*words):
        return main([str(word) for word in ("predict", detector_files.keras_file(), *paths, "--out", tmp_path / "out", *words)])

    def said():
        shown.flush()
        lines = shown.buffer.getvalue().decode("ascii")
        shown.seek(0)
        shown.truncate()
        return lines

    assert predict("--save-json", "--save-txt") == 0
    lines = said().splitlines()
    assert len(lines) == 3 and f"{tmp_path}/\\xe9.png: " in lines[0] and f"{tmp_path}/\\xff.png: " in lines[1]
    assert sorted(os.listdir(os.fsencode(tmp_path / "out" / "labels"))) == ["é.txt".encode(), b"\xff.txt"]
    rows = json.loads((tmp_path / "out" / "detections.json").read_text(encoding="utf-8"))["images"]
    assert [Path(row["path"]) for row in rows] == paths
    assert predict("--json", "-") == 0
    assert [Path(row["path"]) for row in json.loads(said())["images"]] == paths

    pytest.importorskip("pyarrow", reason="needs pip install 'yolo_tf[parquet]'")
    many = ("--save-jsonl", "--save-parquet", "--no-pictures", "--resume")
    for _ in range(2):  # the second finds both done
        assert predict(*many) == 0
    assert "0 images after the 2 there were" in said()


def test_what_was_found_may_be_labels(tmp_path):
    """Without their scores, which nobody asked for."""
    (tmp_path / "images").mkdir()
    for index, image in enumerate(detector_files.images()):
        Image.fromarray(image[: 90 - index]).save(tmp_path / "images" / f"{index}.png")
    command = ["predict", detector_files.keras_file(), tmp_path / "images", "--out", tmp_path, "--no-pictures", "--save-txt"]
    command = [str(word) for word in [*command, "--score-threshold", 0.5, "--save-json"]]
    assert main(command) == 0
    (tmp_path / "data.yaml").write_text("train: images\nval: images\nnames: [car, bus, tram]\n")
    records = read_dataset(read_source(tmp_path / "data.yaml"), "train").records
    rows = json.loads((tmp_path / "detections.json").read_text())["images"]
    for record, row in zip(records, rows, strict=True):
        seen = [one for one in row["detections"] if one["box"][0] < one["box"][2] and one["box"][1] < one["box"][3]]
        assert len(record.boxes) == len(seen) > 0
        np.testing.assert_allclose(record.boxes, [one["box"] for one in seen], atol=2e-3)
        assert record.class_ids.tolist() == [one["class_id"] for one in seen]
    shutil.rmtree(tmp_path / "labels")  # labels are never written over
    assert main([*command, "--save-conf"]) == 0
    last = (tmp_path / "labels" / "0.txt").read_text().splitlines()[0].split()
    assert len(last) == 6 and float(last[5]) == pytest.approx(rows[0]["detections"][0]["score"], abs=1e-6)


def test_scores_belong_to_labels(photo, capsys):
    assert main(["predict", str(detector_files.keras_file()), str(photo), "--save-conf"]) == 2
    assert "--save-conf: there is no --save-txt, whose lines it is for. Expected both." in capsys.readouterr().err


def test_height_and_width_from_the_command_line(photo, tmp_path, capsys):
    """One word or two, wherever they stand; a file that is called like a number is no size."""
    command = ["predict", str(detector_files.keras_file()), "--out", str(tmp_path / "out"), "--save-jsonl", "--no-pictures"]
    for words in (["--image-size", "64", "128", str(photo)], [str(photo), "--image-size", "64x128"]):
        assert main([*command, *words, "--resume"]) == 0
    settings = json.loads((tmp_path / "out" / "prediction_settings.json").read_text())
    assert settings["image_size"] == [64, 128]
    capsys.readouterr()
    assert main([*command, str(photo), "--image-size", "64", "100", "--resume"]) == 2
    assert (
        "--image-size: 100 is no positive multiple of 32. Expected multiples of the coarsest stride." in capsys.readouterr().err
    )


@pytest.mark.parametrize("verb", ["evaluate", "predict", "export", "benchmark", "compare", "serve-bundle"])
def test_every_verb_that_takes_a_size_takes_two_sides(verb):
    more = {"evaluate": "--data d", "predict": "p", "export": "--format onnx --out o", "compare": "--data d"}
    words = [verb, "m.keras", *more.get(verb, "").split(), *["--name", "n", "--out", "o"] * (verb == "serve-bundle")]
    arguments = build_parser(verb).parse_args(join_sizes([*words, "--image-size", "192", "320"]))
    assert arguments.image_size == (192, 320)


@pytest.mark.parametrize("verb", ["evaluate", "predict", "export", "benchmark"])
def test_a_checkpoint_of_pytorch_names_the_way_in(verb, tmp_path, capsys):
    path = tmp_path / "yolov5n.pt"
    path.touch()
    for folder in ("images", "labels"):
        (tmp_path / folder).mkdir()
    Image.fromarray(detector_files.images()[0]).save(tmp_path / "images" / "1.png")
    (tmp_path / "labels" / "1.txt").write_text("0 0.5 0.5 0.5 0.5\n")
    (tmp_path / "d.yaml").write_text("train: images\nval: images\nnames: [a]\n")
    words = {
        "evaluate": [path, "--data", tmp_path / "d.yaml"],
        "predict": [path, tmp_path],
        "export": [path, "--format", "onnx", "--out", tmp_path / "a.onnx"],
        "benchmark": [path],
    }[verb]
    assert main([verb, *map(str, words)]) == 2
    way = f"A YOLOv5 checkpoint becomes one: yolo-tf import-yolov5 {path} --out yolov5n.keras"
    assert capsys.readouterr().err.rstrip().endswith(way)
