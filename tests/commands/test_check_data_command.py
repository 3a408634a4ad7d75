"""`yolo-tf check-data`: exit codes, what goes where, every format."""

import json

import pytest
from planted_sets import clean_coco, clean_voc, clean_yolo, put
from three_images import IMAGES, WRITERS

from yolo_tf import cli


def test_exit_codes_tell_errors_warnings_and_bad_use(tmp_path, capsys):
    yaml_path = clean_yolo(tmp_path)
    assert cli.main(["check-data", str(yaml_path)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == (
        "train 6 images, 12 boxes, val 3 images, 6 boxes: 0 errors, 0 warnings, 0 notes"
    )
    put(tmp_path / "labels/train/lost.txt", "0 0.5 0.5 0.2 0.2\n")  # a warning
    assert cli.main(["check-data", str(yaml_path)]) == 0
    assert cli.main(["check-data", str(yaml_path), "--strict"]) == 1
    assert cli.main(["check-data", str(yaml_path), "--strict", "--skip", "labels.orphan"]) == 0
    put(tmp_path / "images/val/val1.jpg", b"")  # an error
    assert cli.main(["check-data", str(yaml_path)]) == 1
    assert cli.main(["check-data", str(yaml_path), "--split", "train"]) == 0
    capsys.readouterr()
    assert cli.main(["check-data", str(yaml_path), "--only", "nothing"]) == 2
    assert capsys.readouterr().err.startswith("yolo-tf check-data: --only: unknown check 'nothing'.")
    assert cli.main(["check-data", str(yaml_path), "--split", "test"]) == 2
    assert "--split:" in capsys.readouterr().err
    assert cli.main(["check-data", str(yaml_path), "--path", str(tmp_path / "gone")]) == 2
    assert "gone does not exist" in capsys.readouterr().err


def test_json_is_whole_and_serves_as_a_baseline(tmp_path, capsys):
    yaml_path = clean_yolo(tmp_path)
    put(tmp_path / "labels/train/train1.txt", "7 0.5 0.5 0.2 0.2\n" * 5)
    before = tmp_path / "before.json"
    assert cli.main(["check-data", str(yaml_path), "--json", str(before)]) == 1
    document = json.loads(before.read_text())
    assert document["schema_version"] == 1 and document["splits"]["train"] == {"images": 6, "boxes": 10}
    assert [row["line"] for row in document["findings"] if row["id"] == "labels.class"] == ["1", "2", "3", "4", "5"]
    assert cli.main(["check-data", str(yaml_path), "--baseline", str(before)]) == 0
    capsys.readouterr()
    assert cli.main(["check-data", str(yaml_path), "--json", "-"]) == 1
    assert json.loads(capsys.readouterr().out)["dataset"] == str(yaml_path)


@pytest.mark.parametrize("format_name", WRITERS)
def test_the_same_three_images_pass_in_every_format(tmp_path, capsys, format_name):
    (tmp_path / "data.yaml").write_text(WRITERS[format_name](tmp_path, IMAGES))
    report = tmp_path / "report.json"
    assert cli.main(["check-data", str(tmp_path / "data.yaml"), "--json", str(report)]) == 0
    document = json.loads(report.read_text())
    assert document["splits"]["train"] == {"images": 3, "boxes": 3}
    wrong = {row["id"] for row in document["findings"]} - {"anchors.recall", "boxes.cover_image", "images.unlabelled"}
    assert not wrong


@pytest.mark.parametrize("clean", [clean_yolo, clean_voc, clean_coco])
def test_packed_shards_are_looked_into(tmp_path, capsys, clean):
    yaml_path, report = clean(tmp_path), tmp_path / "report.json"
    assert cli.main(["pack", str(yaml_path), "--out", str(tmp_path / "packed"), "--split", "train", "val", "--shards", "1"]) == 0
    packed = tmp_path / "packed/dataset.yaml"
    assert cli.main(["check-data", str(packed), "--json", str(report)]) == 0
    assert json.loads(report.read_text())["findings"] == []
    shard = tmp_path / "packed/train/00000.tfrecord"
    contents = bytearray(shard.read_bytes())
    contents[len(contents) // 2] ^= 255  # in the middle of one image: its check sum does not fit any more
    shard.write_bytes(contents)
    assert cli.main(["check-data", str(packed), "--json", str(report)]) == 1
    (finding,) = json.loads(report.read_text())["findings"]
    assert finding["id"] == "files.unreadable" and "(image " in finding["file"]
