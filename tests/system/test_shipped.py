"""The configs that come with the program are found from any directory, and so they are in the package."""

import fnmatch

import pytest
from places import ROOT

from yolo_tf.config.reader import read_config
from yolo_tf.errors import InputError
from yolo_tf.sources import read_source
from yolo_tf.system import shipped
from yolo_tf.system.shipped import find_shipped

NONE = "yolov5z.yaml"  # which is not there


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """A directory that holds none of them."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_names_and_paths_are_found_from_any_directory():
    assert read_config("yolov5s") == read_config(ROOT / "configs" / "models" / "yolov5s.yaml")
    assert read_config("configs/models/yolov5s.yaml").model.name == "yolov5s"
    config = read_config("bccd_yolov5n", ["train.epochs=3"])
    assert config.train.epochs == 3 and config.data.dataset.endswith("/configs/datasets/bccd.yaml")
    assert read_config(None, ["data.dataset=coco128"]).data.dataset.endswith("/configs/datasets/coco128.yaml")
    assert read_source("coco128").names[:2] == read_source("configs/datasets/coco128.yaml").names[:2] == ("person", "bicycle")


def test_what_is_there_comes_first(elsewhere):
    (elsewhere / "yolov5s").write_text("train: {epochs: 7}\n")
    assert read_config("yolov5s").train.epochs == 7
    (elsewhere / "bccd.yaml").write_text("train: images\n")
    assert find_shipped("bccd.yaml", "datasets").resolve() == elsewhere / "bccd.yaml"
    (elsewhere / "yolov5n").mkdir()
    assert read_config("yolov5n").model.name == "yolov5n", "a directory is no config"


@pytest.mark.parametrize(
    "name, line",
    [
        ("yolov5z", "yolov5z: no such file, and no config of that name comes with the program. Did you mean 'yolov5"),
        (f"configs/models/{NONE}", f"configs/models/{NONE}: cannot be read"),
        ("yolov5s.yaml", "yolov5s.yaml: cannot be read"),
        ("mine/yolov5s", "mine/yolov5s: cannot be read"),
    ],
)
def test_what_is_not_there_is_one_line(name, line):
    with pytest.raises(InputError) as error:
        read_config(name)
    assert str(error.value).startswith(line) and "\n" not in str(error.value)


def test_an_installed_package_has_them_inside(elsewhere, monkeypatch):
    (elsewhere / "inside" / "models").mkdir(parents=True)
    (elsewhere / "inside" / "models" / "yolov5s.yaml").write_text("train: {epochs: 5}\n")
    monkeypatch.setattr(shipped, "PLACES", (elsewhere / "inside", elsewhere / "none"))
    assert read_config("yolov5s").train.epochs == 5
    monkeypatch.setattr(shipped, "PLACES", (elsewhere / "none", elsewhere / "inside"))
    assert read_config("yolov5s").train.epochs == 5, "where a link became a file, those beside the source"


def test_every_config_is_named_in_the_package_data():
    (line,) = (line for line in (ROOT / "setup.cfg").read_text().splitlines() if line.startswith("yolo_tf = py.typed"))
    patterns = [pattern.strip() for pattern in line.partition("=")[2].split(",")]
    for path in (ROOT / "configs").rglob("*.yaml"):
        inside = path.relative_to(ROOT).as_posix()
        same_depth = [pattern for pattern in patterns if pattern.count("/") == inside.count("/")]
        assert any(fnmatch.fnmatch(inside, pattern) for pattern in same_depth), inside
        assert (ROOT / "yolo_tf" / inside).samefile(path)
