"""The data set YAML: paths, names, unknown keys."""

from pathlib import Path

import pytest

from yolo_tf.errors import InputError
from yolo_tf.sources import read_source
from yolo_tf.sources.dataset_yaml import find_path


@pytest.fixture
def source_of(tmp_path):
    def read(text, **options):
        (tmp_path / "data.yaml").write_text(text)
        return read_source(tmp_path / "data.yaml", **options)

    return read


def test_an_ultralytics_yaml_is_read_and_its_download_is_not_run(source_of, tmp_path):
    source = source_of(
        "path: ../coco8\ntrain: images/train\nval: [images/val, more.txt]\ntest:\nnc: 2\nnames:\n  0: person\n  1: car\n"
        "download: |\n  import os; os.mkdir('ran')\n"
    )
    assert source.format == "yolo"
    assert source.path == tmp_path.parent / "coco8"
    assert source.splits == {"train": ("images/train",), "val": ("images/val", "more.txt")}
    assert source.names == ("person", "car")
    assert source.yaml_path == tmp_path / "data.yaml"
    assert not list(tmp_path.glob("**/ran")) and not Path("ran").exists()


def test_path_defaults_to_the_directory_of_the_yaml(source_of, tmp_path):
    assert source_of("train: a\nnames: [x]").path == tmp_path


def test_the_path_argument_wins(source_of, tmp_path):
    assert source_of("path: /elsewhere\ntrain: a\nnames: [x]", path=str(tmp_path / "here")).path == tmp_path / "here"
    assert source_of("path: ${NOT_SET_9}\ntrain: a\nnames: [x]", path=str(tmp_path)).path == tmp_path


def test_home_and_variables_are_expanded(source_of, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DATA_ROOT", str(tmp_path / "root"))
    assert source_of("path: ~/bccd\ntrain: a\nnames: [x]").path == tmp_path / "home/bccd"
    source = source_of("path: ${DATA_ROOT}/bccd\ntrain: ${DATA_ROOT}/list.txt\nnames: [x]")
    assert source.path == tmp_path / "root/bccd"
    assert source.splits["train"] == (str(tmp_path / "root/list.txt"),)


def test_mapping_order_does_not_matter_for_names(source_of):
    names = "".join(f"  {index}: n{index}\n" for index in reversed(range(11)))
    assert source_of(f"train: a\nnames:\n{names}").names == tuple(f"n{index}" for index in range(11))


def test_options_have_defaults(source_of):
    source = source_of("format: shapes\ntrain: 5\nseed: 3")
    assert source.options == {"seed": 3, "image_size": 320, "max_objects": 8}
    assert source.splits == {"train": ("5",)}


BAD = [
    ("trian: images\nnames: [a]", r"unknown key 'trian'\. Did you mean 'train'\? Known keys: format, path, train"),
    ("format: yol\ntrain: a", r": unknown format 'yol'\. Did you mean 'yolo'\?"),
    ("seed: 3\ntrain: a", r"unknown key 'seed'"),  # an option of another format
    (
        "path: ${NOT_SET_9}/x\ntrain: a\nnames: [a]",
        r"path: the variable NOT_SET_9 in '\$\{NOT_SET_9\}/x' is not set\. Set it or give data\.path=DIR",
    ),
    ("path: 3\ntrain: a\nnames: [a]", r"path: got 3\. Expected a directory"),
    ("train: {a: b}\nnames: [a]", r"train: got \{'a': 'b'\}\. Expected a path or a list of paths"),
    ("train: a\nnames: [a, b]\nnc: 3", r"nc: 3 but names has 2\. Expected nc: 2"),
    ("train: a\nnames: [a, b, a]", r"names: a repeated\. Expected each class name once"),
    ("train: a\nnames: {1: a, 2: b}", r"names: the keys are \[1, 2\]\. Expected 0\.\.1"),
    ("train: a\nnames: [null, maybe]", r"names: None is no class name\. Expected text\. Put it in quotes"),
    ("train: a\nnames: [{a: b}]", r"names: \{'a': 'b'\} is no class name\. Expected text\. Put it in quotes"),
    ("train: a\nnames: [a]\nnc: '3'", r"nc: 3 but names has 1\. Expected nc: 1"),
    ("train: a\nnames: [a]\nkpt_shape: 3", r"kpt_shape: got 3\. Expected a list or text"),
    ("train: a\nvalid: b\nnames: [a]", r"unknown key 'valid'\. Did you mean 'val'\?"),
    ("train: a\nnames: person", r"names: got 'person'\. Expected a list of class names"),
    ("format: shapes\ntrain: 3\nseed: x", r"seed: got 'x'\. Expected a whole number"),
    ("format: shapes\ntrain: 3\nseed: true", r"seed: got True\. Expected a whole number"),
    ("format: coco\ntrain: a\nimages: [a]", r"images: got \['a'\]\. Expected text or a mapping"),
    ("train: [a\nnames: b", r":2: is not valid YAML"),
    ("- a", r"holds a list\. Expected a mapping of `key: value` lines"),
]


@pytest.mark.parametrize(("text", "message"), BAD)
def test_bad_yaml_is_one_clear_line(source_of, text, message):
    with pytest.raises(InputError, match=r"data\.yaml.*" + message) as caught:
        source_of(text)
    assert "\n" not in str(caught.value)


def test_missing_yaml(tmp_path):
    with pytest.raises(InputError, match=r"none\.yaml: cannot be read \(No such file or directory\)\. Expected a YAML file"):
        read_source(tmp_path / "none.yaml")


def test_find_path_says_what_is_missing(source_of, tmp_path):
    (tmp_path / "train").mkdir()
    source = source_of("train: ../train\nnames: [a]")
    for written in ("train", "../train", "..\\..\\train"):
        assert find_path(source, "train", written) == tmp_path / "train"
    for written in ("/train", "/content/set/train", "C:\\me\\train"):
        with pytest.raises(InputError, match=r"does not exist\. Did you mean 'train'\? Expected a file or directory in"):
            find_path(source, "train", written)
    with pytest.raises(InputError, match=r"path: .*nowhere does not exist\. Expected the directory of the data\."):
        find_path(source_of("path: nowhere\ntrain: a\nnames: [a]"), "train", "a")
