"""What a run that was stopped finds in its directory, and leaves there."""

import json

import pytest

from yolo_tf.errors import InputError
from yolo_tf.inference.outputs import begin, open_outputs

PATHS = [f"{name}.jpg" for name in "abcdefgh"]
BOX = {"class_id": 1, "class_name": "bus", "score": 0.5, "box": [1.5, 2.0, 3.0, 4.25]}
ROWS = [{"path": path, "height": 40, "width": 60 + index, "detections": [BOX] * index} for index, path in enumerate(PATHS)]
ROWS[3] = {"path": "d.jpg", "error": "d.jpg: broken"}
SETTINGS = {"model": "m.keras", "detect": {"class_ids": (1, 2)}}


def start(out, *, formats=("jsonl",), paths=PATHS, settings=SETTINGS, resume=True):
    return begin(out, formats, paths, settings=settings, resume=resume)


def write(out, rows, *, formats=("jsonl",), part_images=3, batch=2):
    with open_outputs(out, formats, part_images=part_images) as append:
        for first in range(0, len(rows), batch):
            append(rows[first : first + batch])


def lines(out):
    return [json.loads(line) for line in (out / "detections.jsonl").read_text().splitlines()]


def parquet_rows(out):
    pytest.importorskip("pyarrow", reason="needs pip install 'yolo_tf[parquet]'")
    import pyarrow.parquet

    return [row for part in sorted(out.glob("*.parquet")) for row in pyarrow.parquet.read_table(part).to_pylist()]


def test_rows_come_back(tmp_path):
    pytest.importorskip("pyarrow", reason="needs pip install 'yolo_tf[parquet]'")
    assert start(tmp_path, formats=("jsonl", "parquet"), resume=False) == 0
    write(tmp_path, ROWS, formats=("jsonl", "parquet"))
    assert lines(tmp_path) == ROWS
    absent = dict.fromkeys(("height", "width", "detections", "error"))
    assert parquet_rows(tmp_path) == [absent | row for row in ROWS]
    parts = ["detections-00000.parquet", "detections-00001.parquet"]  # of 4, for a batch of 2 ends at 4, not at 3
    assert sorted(path.name for path in tmp_path.glob("*.parquet")) == parts


def test_a_torn_line_is_cut_off(tmp_path):
    assert start(tmp_path) == 0, "nothing is there yet: a first run"
    write(tmp_path, ROWS[:3])
    whole = (tmp_path / "detections.jsonl").read_bytes()
    (tmp_path / "detections.jsonl").write_bytes(whole + b'{"path": "d.jpg", "det')
    assert start(tmp_path) == 3
    assert (tmp_path / "detections.jsonl").read_bytes() == whole
    write(tmp_path, ROWS[3:])
    assert lines(tmp_path) == ROWS and start(tmp_path) == 8


def test_all_formats_go_on_behind_the_last_whole_part(tmp_path):
    pytest.importorskip("pyarrow", reason="needs pip install 'yolo_tf[parquet]'")
    both = ("jsonl", "parquet")
    start(tmp_path, formats=both)
    write(tmp_path, ROWS[:4], formats=both)
    with open_outputs(tmp_path, ("jsonl",), part_images=3) as append:
        append(ROWS[4:6])  # what a killed process leaves: lines whose part was not written
    scrap = tmp_path / ".detections-00001.parquet.x.partial"
    scrap.mkdir()
    (scrap / "detections-00001.parquet").write_bytes(b"PAR1")
    assert start(tmp_path, formats=both) == 4 and len(lines(tmp_path)) == 4 and not scrap.exists()
    write(tmp_path, ROWS[4:], formats=both)
    assert lines(tmp_path) == ROWS and [row["path"] for row in parquet_rows(tmp_path)] == PATHS


def test_parts_beyond_the_lines_are_removed(tmp_path):
    """Lines 5.. were lost with the power, the part 4..7 was not: it goes too, and nothing comes twice."""
    pytest.importorskip("pyarrow", reason="needs pip install 'yolo_tf[parquet]'")
    both = ("jsonl", "parquet")
    start(tmp_path, formats=both)
    write(tmp_path, ROWS, formats=both)
    (tmp_path / "detections.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS[:5]))
    assert start(tmp_path, formats=both) == 4
    assert lines(tmp_path) == ROWS[:4] and [row["path"] for row in parquet_rows(tmp_path)] == PATHS[:4]


def test_what_is_in_no_part_is_written_when_a_run_stops(tmp_path):
    pytest.importorskip("pyarrow", reason="needs pip install 'yolo_tf[parquet]'")
    start(tmp_path, formats=("parquet",))
    with pytest.raises(KeyboardInterrupt), open_outputs(tmp_path, ("parquet",), part_images=100) as append:
        append(ROWS[:2])
        raise KeyboardInterrupt
    assert start(tmp_path, formats=("parquet",)) == 2


def test_more_images_may_follow(tmp_path):
    start(tmp_path, paths=PATHS[:2])
    write(tmp_path, ROWS[:2])
    assert start(tmp_path, paths=PATHS) == 2


@pytest.mark.parametrize(
    "options, message",
    [
        (dict(resume=False), "holds detections already. Expected a new directory. Add --resume to go on, or change --out"),
        (dict(paths=["a.jpg", "c.jpg"]), "detections.jsonl:2: is of b.jpg, but image 2 of the SOURCEs is c.jpg. Expected"),
        (dict(paths=["a.jpg"]), "detections.jsonl:2: is of b.jpg, but image 2 of the SOURCEs is none"),
        (dict(settings=SETTINGS | {"model": "x"}), "--resume: model is x now and was m.keras in the run in .* Expected the same"),
        (dict(formats=("jsonl", "parquet")), r"--resume: formats is \['jsonl', 'parquet'\] now and was \['jsonl'\]"),
    ],
)
def test_another_run_is_not_gone_on_with(options, message, tmp_path):
    start(tmp_path)
    write(tmp_path, ROWS[:3])
    before = (tmp_path / "detections.jsonl").read_bytes()
    with pytest.raises(InputError, match=message):
        start(tmp_path, **options)
    assert (tmp_path / "detections.jsonl").read_bytes() == before


def test_files_of_something_else(tmp_path):
    (tmp_path / "detections.jsonl").write_text("{}\n")
    with pytest.raises(InputError, match="prediction_settings.json: cannot be read .FileNotFoundError.. Expected the set"):
        start(tmp_path)
    (tmp_path / "detections.jsonl").unlink()
    start(tmp_path)
    (tmp_path / "detections.jsonl").write_text("{}\n")
    with pytest.raises(InputError, match="detections.jsonl:1: is no line of detections. Expected one with a path. Begin anew"):
        start(tmp_path)


def test_missing_and_damaged_parts(tmp_path):
    pytest.importorskip("pyarrow", reason="needs pip install 'yolo_tf[parquet]'")
    start(tmp_path, formats=("parquet",))
    write(tmp_path, ROWS, formats=("parquet",), part_images=1)
    part = tmp_path / "detections-00001.parquet"
    content = part.read_bytes()
    part.write_bytes(content[:100])
    with pytest.raises(InputError, match="detections-00001.parquet: cannot be read .* Expected a whole Parquet file. Change"):
        start(tmp_path, formats=("parquet",))
    part.unlink()
    with pytest.raises(InputError, match="detections-00001.parquet: is missing. Expected it before detections-00002.parquet"):
        start(tmp_path, formats=("parquet",))
    part.write_bytes(content)
    with pytest.raises(InputError, match="detections-00001.parquet, image 3: is of c.jpg, but image 3 of the SOURCEs is x.jpg"):
        start(tmp_path, formats=("parquet",), paths=["a.jpg", "b.jpg", "x.jpg"])


def test_without_pyarrow(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    start(tmp_path, formats=("parquet",))
    with pytest.raises(InputError, match=r"--save-parquet: the package pyarrow is not installed. .* 'yolo_tf\[parquet\]'"):
        write(tmp_path, ROWS, formats=("parquet",))
