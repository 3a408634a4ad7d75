"""What every row of OUTPUTS writes, and what a run that was stopped finds in its directory and leaves there."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from places import ROOT

from yolo_tf.errors import InputError
from yolo_tf.inference.outputs import OUTPUTS, coco, name_images, open_outputs
from yolo_tf.inference.outputs.resume import begin
from yolo_tf.inference.outputs.spec import Run
from yolo_tf.inference.prediction import ImageResult
from yolo_tf.sources import read_dataset, read_source
from yolo_tf.structures import ImageDetections

NAMES = ("car", "bus", "tram")
PATHS = [Path(f"{name}.jpg") for name in "abcdefgh"]
BOX = {"class_id": 1, "class_name": "bus", "score": 0.5, "box": [1.5, 2.0, 3.0, 4.25]}
ROWS = [{"path": str(path), "height": 40, "width": 60 + index, "detections": [BOX] * index} for index, path in enumerate(PATHS)]
ROWS[3] = {"path": "d.jpg", "error": "d.jpg: broken"}
SETTINGS = {"model": "m.keras", "detect": {"class_ids": (1, 2)}}


def detections(rows):
    """ImageDetections of rows (x1, y1, x2, y2, score, class id)."""
    numbers = np.array(rows, np.float32).reshape(-1, 6)
    return ImageDetections(boxes=numbers[:, :4], scores=numbers[:, 4], class_ids=numbers[:, 5].astype(np.int32))


RESULTS = [
    ImageResult(path=path, size_hw=(40, 60 + index), detections=detections([(1.5, 2, 3, 4.25, 0.5, 1)] * index), milliseconds=1.0)
    for index, path in enumerate(PATHS)
]
RESULTS[3] = ImageResult(path=PATHS[3], error=InputError("d.jpg: broken"))


def start(out, *, formats=("jsonl",), paths=PATHS, settings=SETTINGS, resume=True):
    return begin(out, formats, paths, settings=settings, resume=resume)


def write(out, results, *, formats=("jsonl",), part_images=3, batch=2, paths=PATHS, before=0):
    with open_outputs(Run(out, paths, before, Path("m.keras"), NAMES, part_images), formats) as append:
        for first in range(0, len(results), batch):
            append(results[first : first + batch])


@pytest.fixture
def three_images(tmp_path):
    """Three results, of images of two, no and one object; the last two have one stem."""
    found = [[(20, 10, 60, 90, 0.75, 2), (0, 0, 200, 100, 0.5, 0)], [], [(5, 5, 50, 45, 0.25, 1)]]
    results = []
    for index, (place, rows) in enumerate(zip(("1.png", "2.png", "deep/2.png"), found)):
        path, image = tmp_path / "images" / place, np.full([100 - 10 * index, 200, 3], 90 + index, np.uint8)
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
        results.append(ImageResult(path=path, size_hw=image.shape[:2], detections=detections(rows), milliseconds=1.0))
    return results


def files_in(out):
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", OUTPUTS)
def test_a_stopped_run_ends_with_the_files_of_one_that_was_not(name, three_images, tmp_path):
    output, paths = OUTPUTS[name], [result.path for result in three_images]
    if output.require:
        pytest.importorskip("pyarrow", reason="needs pip install 'yolo_tf[parquet]'")
    whole, stopped, other = (tmp_path / folder for folder in ("whole", "stopped", "other"))
    options = dict(formats=(name,), paths=paths)
    assert start(whole, resume=False, **options) == 0
    write(whole, three_images, part_images=1, batch=1, **options)

    assert start(stopped, resume=False, **options) == 0
    with (
        pytest.raises(KeyboardInterrupt),
        open_outputs(Run(stopped, paths, 0, Path("m.keras"), NAMES, 1), (name,)) as append,
    ):
        append(three_images[:1])
        append(three_images[1:2])
        raise KeyboardInterrupt
    before = start(stopped, **options)
    assert before == (2 if output.cut else 0), "what does not go on is written anew"
    write(stopped, three_images[before:], part_images=1, batch=1, before=before, **options)
    assert files_in(stopped) == files_in(whole)

    of_row = [output.file_name.format(stem) for stem in ("1", "2", "2-2")] if output.write_image else whole.glob(output.file_name)
    of_row = {str(place).removeprefix(f"{whole}/") for place in of_row}
    assert set(files_in(whole)) - {"prediction_settings.json"} == of_row and of_row
    changed = dataclasses.replace(three_images[0], detections=three_images[2].detections)
    assert start(other, resume=False, **options) == 0
    write(other, [changed, *three_images[1:]], part_images=1, batch=1, **options)
    assert len(dict(files_in(other).items() ^ files_in(whole).items())) == 1, "what was found in the first image is in one file"


def test_outputs_side_by_side(three_images, tmp_path):
    """Pictures, txt and JSON know nothing of an image that could not be read; the rows of the others do."""
    bad = ImageResult(path=tmp_path / "images" / "bad.png", error=InputError("bad"))
    results, out = [*three_images[:2], bad, three_images[2]], tmp_path / "out"
    formats, paths = ("txt", "pictures", "json", "jsonl"), [result.path for result in results]
    start(out, formats=formats, paths=paths)
    write(out, results, formats=formats, paths=paths)
    pictures, texts = ["1.jpg", "2.jpg", "2-2.jpg"], ["labels/1.txt", "labels/2.txt", "labels/2-2.txt"]
    rest = ["detections.json", "detections.jsonl", "prediction_settings.json"]
    assert sorted(files_in(out)) == sorted([*pictures, *texts, *rest])
    assert (out / "labels/1.txt").read_text() == (
        "2 0.200000 0.500000 0.200000 0.800000\n0 0.500000 0.500000 1.000000 1.000000\n"
    )
    assert (out / "labels/2.txt").read_text() == "" and len((out / "labels/2-2.txt").read_text().splitlines()) == 1
    with Image.open(out / "1.jpg") as picture:
        picture = np.array(picture).astype(int)
    assert picture.shape == (100, 200, 3)
    assert np.abs(picture[50, 20] - 90).max() > 40  # left edge of the first box
    assert np.abs(picture[50, 100] - 90).max() < 10  # between the boxes
    found = json.loads((out / "detections.json").read_text())
    assert (found["model"], found["class_names"]) == ("m.keras", list(NAMES))
    assert [row["path"] for row in found["images"]] == [str(paths[index]) for index in (0, 1, 3)]
    assert found["images"][0] == {
        "path": str(paths[0]),
        "height": 100,
        "width": 200,
        "detections": [
            {"class_id": 2, "class_name": "tram", "score": 0.75, "box": [20, 10, 60, 90]},
            {"class_id": 0, "class_name": "car", "score": 0.5, "box": [0, 0, 200, 100]},
        ],
    }
    assert [row for row in lines(out) if "error" not in row] == found["images"] and len(lines(out)) == 4


def test_scores_stand_behind_labels_on_request(three_images, tmp_path):
    options = dict(formats=("txt_scores",), paths=[result.path for result in three_images])
    write(tmp_path / "out", three_images, **options)
    assert (tmp_path / "out/labels/1.txt").read_text() == (
        "2 0.200000 0.500000 0.200000 0.800000 0.750000\n0 0.500000 0.500000 1.000000 1.000000 0.500000\n"
    )


def test_what_lies_beside_the_image_is_no_label(tmp_path):
    rows = [(0, 0, 20, 10, 0.75, 2), (200, 10, 200, 90, 0.5, 0), (20, 100, 60, 100, 0.25, 1)]
    result = ImageResult(path=Path("1.png"), size_hw=(100, 200), detections=detections(rows), milliseconds=1.0)
    write(tmp_path, [result], formats=("txt", "coco", "json"), paths=[Path("1.png")])
    assert (tmp_path / "labels/1.txt").read_text() == "2 0.050000 0.050000 0.100000 0.100000\n"
    assert [one["bbox"] for one in json.loads((tmp_path / "coco.json").read_text())["annotations"]] == [[0, 0, 20, 10]]
    assert len(json.loads((tmp_path / "detections.json").read_text())["images"][0]["detections"]) == 3


@pytest.fixture
def coco_json(three_images, tmp_path):
    write(tmp_path / "out", three_images, formats=("coco",), paths=[result.path for result in three_images])
    return tmp_path / "out" / "coco.json"


def test_pycocotools_loads_what_was_found(coco_json, three_images):
    COCO = pytest.importorskip("pycocotools.coco", reason="needs pycocotools").COCO
    found = COCO(coco_json)
    assert [found.imgs[index]["file_name"] for index in (1, 2, 3)] == [str(result.path) for result in three_images]
    assert found.loadCats(found.getCatIds()) == [{"id": index, "name": name} for index, name in enumerate(NAMES)]
    first = found.loadAnns(found.getAnnIds(imgIds=1))
    assert [(one["category_id"], one["bbox"], one["area"], one["score"]) for one in first] == [
        (2, [20, 10, 40, 80], 3200, 0.75),
        (0, [0, 0, 200, 100], 20000, 0.5),
    ]
    results = found.loadRes(json.loads(coco_json.read_text())["annotations"])  # as those of a detector, of the same images
    assert len(results.getAnnIds()) == 3 and not results.getAnnIds(imgIds=2)


def test_pycocotools_compares_what_was_found(coco_json, three_images, tmp_path):
    """As docs/predict.md does it: a data set numbers its images and classes as it likes, names lead from one to the other."""
    tools = pytest.importorskip("pycocotools.coco", reason="needs pycocotools")
    from pycocotools.cocoeval import COCOeval

    document = json.loads(coco_json.read_text())
    names = [f"{index}.png" for index in (7, 8, 9)]
    for row, name in zip(document["images"], names, strict=True):
        row |= {"id": row["id"] + 70, "file_name": name}
    for row in document["categories"]:
        row["id"] = 90 - row["id"]
    for row in document["annotations"]:
        row |= {"image_id": row["image_id"] + 70, "category_id": 90 - row["category_id"]}
    (tmp_path / "truth.json").write_text(json.dumps(document))
    blocks = (ROOT / "docs" / "predict.md").read_text(encoding="utf-8").split("```python\n")
    code = next(block for block in blocks if "COCOeval" in block).split("```")[0]
    code = code.replace("instances_val2017.json", str(tmp_path / "truth.json")).replace(
        "found/coco.json", str(tmp_path / "own.json")
    )
    own = json.loads(coco_json.read_text())
    for row, name in zip(own["images"], names, strict=True):
        row["file_name"] = f"pictures/{name}"
    (tmp_path / "own.json").write_text(json.dumps(own))
    space = {"COCO": tools.COCO, "COCOeval": COCOeval, "Path": Path}
    exec(code.replace("COCOeval(truth", "evaluation = COCOeval(truth"), space)
    for step in ("evaluate", "accumulate", "summarize"):
        getattr(space["evaluation"], step)()
    assert space["evaluation"].stats[0] == pytest.approx(1), "the same boxes, under other numbers"


def test_what_was_found_reads_as_a_data_set(coco_json, three_images):
    yaml_path = coco_json.with_name("data.yaml")
    yaml_path.write_text("format: coco\npath: .\ntrain: coco.json\nval: coco.json\nimages: .\n")
    dataset = read_dataset(read_source(yaml_path), "train")
    assert dataset.class_names == NAMES
    for record, result in zip(dataset.records, three_images, strict=True):
        np.testing.assert_array_equal(record.boxes, result.detections.boxes)
        np.testing.assert_array_equal(record.class_ids, result.detections.class_ids)


def test_numbers_of_coco_images_are_those_of_their_files():
    assert list(coco.image_ids([Path("a/000000000139.jpg"), Path("285.jpg")]).values()) == [139, 285]
    for others in (["1.jpg", "b/1.png"], ["1.jpg", "x.jpg"], ["01.jpg", "1.jpg"], ["²", "3"]):
        assert list(coco.image_ids([Path(name) for name in others]).values()) == [1, 2]


def test_names_of_images_are_unique():
    paths = [Path(path) for path in ("a/1.jpg", "b/1.png", "c.jpg", "1.bmp", "1-2.jpg", "c.png")]
    assert name_images(paths) == ["1", "1-2", "c", "1-3", "1-2-2", "c-2"]


def test_an_image_is_not_written_over(tmp_path):
    message = "would be written over an image, its labels or a file beside them. Expected another directory. Change `out`."
    with pytest.raises(InputError, match=f"a.jpg: {message}"):
        start(tmp_path, formats=("pictures",), paths=[tmp_path / "a.jpg"])
    assert start(tmp_path, formats=("pictures",), paths=[tmp_path / "a.png"], resume=False) == 0
    assert start(tmp_path, formats=("txt",), paths=[tmp_path / "a.jpg"], resume=False) == 0
    (tmp_path / "a.jpg").write_text("another picture")
    with pytest.raises(InputError, match=f"a.jpg: {message}"):
        start(tmp_path, formats=("pictures",), paths=[tmp_path / "a.png"], resume=False)


def test_labels_drawn_by_hand_are_not_written_over(tmp_path):
    (tmp_path / "labels").mkdir()
    paths = [tmp_path / "images/a.jpg", tmp_path / "images/b.jpg"]
    assert start(tmp_path, formats=("txt",), paths=paths, resume=False) == 0
    (tmp_path / "labels/b.txt").write_text("0 .5 .5 .5 .5")
    with pytest.raises(InputError, match="labels/b.txt: would be written over an image, its labels"):
        start(tmp_path, formats=("txt",), paths=paths, resume=False)
    assert start(tmp_path / "found", formats=("txt",), paths=paths, resume=False) == 0


def lines(out):
    return [json.loads(line) for line in (out / "detections.jsonl").read_text().splitlines()]


def parquet_rows(out):
    pytest.importorskip("pyarrow", reason="needs pip install 'yolo_tf[parquet]'")
    import pyarrow.parquet

    return [row for part in sorted(out.glob("*.parquet")) for row in pyarrow.parquet.read_table(part).to_pylist()]


def test_rows_come_back(tmp_path):
    pytest.importorskip("pyarrow", reason="needs pip install 'yolo_tf[parquet]'")
    assert start(tmp_path, formats=("jsonl", "parquet"), resume=False) == 0
    write(tmp_path, RESULTS, formats=("jsonl", "parquet"))
    assert lines(tmp_path) == ROWS
    absent = dict.fromkeys(("height", "width", "detections", "error"))
    assert parquet_rows(tmp_path) == [absent | row for row in ROWS]
    parts = ["detections-00000.parquet", "detections-00001.parquet"]  # of 4, for a batch of 2 ends at 4, not at 3
    assert sorted(path.name for path in tmp_path.glob("*.parquet")) == parts


def test_a_torn_line_is_cut_off(tmp_path):
    assert start(tmp_path) == 0, "nothing is there yet: a first run"
    write(tmp_path, RESULTS[:3])
    whole = (tmp_path / "detections.jsonl").read_bytes()
    (tmp_path / "detections.jsonl").write_bytes(whole + b'{"path": "d.jpg", "det')
    assert start(tmp_path) == 3
    assert (tmp_path / "detections.jsonl").read_bytes() == whole
    write(tmp_path, RESULTS[3:])
    assert lines(tmp_path) == ROWS and start(tmp_path) == 8


def test_all_formats_go_on_behind_the_last_whole_part(tmp_path):
    pytest.importorskip("pyarrow", reason="needs pip install 'yolo_tf[parquet]'")
    both = ("jsonl", "parquet")
    start(tmp_path, formats=both)
    write(tmp_path, RESULTS[:4], formats=both)
    write(tmp_path, RESULTS[4:6])  # what a killed process leaves: lines whose part was not written
    scrap = tmp_path / ".detections-00001.parquet.x.partial"
    scrap.mkdir()
    (scrap / "detections-00001.parquet").write_bytes(b"PAR1")
    assert start(tmp_path, formats=both) == 4 and len(lines(tmp_path)) == 4 and not scrap.exists()
    write(tmp_path, RESULTS[4:], formats=both)
    assert lines(tmp_path) == ROWS and [row["path"] for row in parquet_rows(tmp_path)] == list(map(str, PATHS))


def test_parts_beyond_the_lines_are_removed(tmp_path):
    """Lines 5.. were lost with the power, the part 4..7 was not: it goes too, and nothing comes twice."""
    pytest.importorskip("pyarrow", reason="needs pip install 'yolo_tf[parquet]'")
    both = ("jsonl", "parquet")
    start(tmp_path, formats=both)
    write(tmp_path, RESULTS, formats=both)
    (tmp_path / "detections.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS[:5]))
    assert start(tmp_path, formats=both) == 4
    assert lines(tmp_path) == ROWS[:4] and [row["path"] for row in parquet_rows(tmp_path)] == list(map(str, PATHS[:4]))


def test_what_is_in_no_part_is_written_when_a_run_stops(tmp_path):
    pytest.importorskip("pyarrow", reason="needs pip install 'yolo_tf[parquet]'")
    start(tmp_path, formats=("parquet",))
    run = Run(tmp_path, PATHS, 0, Path("m.keras"), NAMES, 100)
    with pytest.raises(KeyboardInterrupt), open_outputs(run, ("parquet",)) as append:
        append(RESULTS[:2])
        raise KeyboardInterrupt
    assert start(tmp_path, formats=("parquet",)) == 2


def test_more_images_may_follow(tmp_path):
    start(tmp_path, paths=PATHS[:2])
    write(tmp_path, RESULTS[:2])
    assert start(tmp_path, paths=PATHS) == 2


@pytest.mark.parametrize(
    "options, message",
    [
        (dict(resume=False), "holds detections already. Expected a new directory. Set `resume` to go on, or change `out`"),
        (dict(paths=["a.jpg", "c.jpg"]), "detections.jsonl:2: is of b.jpg, but image 2 given is c.jpg. Expected"),
        (dict(paths=["a.jpg"]), "detections.jsonl:2: is of b.jpg, but image 2 given is none"),
        (dict(settings=SETTINGS | {"model": "x"}), "resume: model is x now and was m.keras in the run in .* Expected the same"),
        (dict(formats=("jsonl", "parquet")), r"resume: formats is \['jsonl', 'parquet'\] now and was \['jsonl'\]"),
    ],
)
def test_another_run_is_not_gone_on_with(options, message, tmp_path):
    start(tmp_path)
    write(tmp_path, RESULTS[:3])
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
    write(tmp_path, RESULTS, formats=("parquet",), part_images=1)
    part = tmp_path / "detections-00001.parquet"
    content = part.read_bytes()
    part.write_bytes(content[:100])
    with pytest.raises(InputError, match="detections-00001.parquet: cannot be read .* Expected a whole Parquet file. Change"):
        start(tmp_path, formats=("parquet",))
    part.unlink()
    with pytest.raises(InputError, match="detections-00001.parquet: is missing. Expected it before detections-00002.parquet"):
        start(tmp_path, formats=("parquet",))
    part.write_bytes(content)
    with pytest.raises(InputError, match="detections-00001.parquet, image 3: is of c.jpg, but image 3 given is x.jpg"):
        start(tmp_path, formats=("parquet",), paths=["a.jpg", "b.jpg", "x.jpg"])


def test_without_pyarrow(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(InputError, match=r"save_parquet: the package pyarrow is not installed. .* 'yolo_tf\[parquet\]'"):
        start(tmp_path / "out", formats=("parquet",))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("text", ["[]", "null", "3", '"x"', "{"])
def test_damaged_settings_are_named(tmp_path, text):
    start(tmp_path)
    write(tmp_path, RESULTS[:2])
    (tmp_path / "prediction_settings.json").write_text(text)
    with pytest.raises(InputError, match=r"prediction_settings\.json: |resume: "):
        start(tmp_path)
