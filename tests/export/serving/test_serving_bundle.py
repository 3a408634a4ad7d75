"""Bundles: which versions are served, and what is refused before anything is written."""

import json
import sys

import detector_files
import pytest
from google.protobuf import text_format

from yolo_tf import export
from yolo_tf.errors import InputError
from yolo_tf.export import serving
from yolo_tf.export.parity import ParityError
from yolo_tf.export.serving import write_serving_bundle
from yolo_tf.export.serving.files import serving_files
from yolo_tf.export.serving.model_versions import choose_labels, list_versions, read_labels, write_models_config
from yolo_tf.export.serving.warmup import WARMUP_FILE
from yolo_tf.inference.detector import open_detector

pytest.importorskip("tensorflow_serving", reason="needs pip install 'yolo_tf[serving]'")


def write(out, **options):
    return write_serving_bundle(detector_files.keras_file(), out, **{"name": "tiny", **options})


def files_in(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def quick_export(monkeypatch):
    """An export without an export: it copies one that was made before."""

    def copy(path, format, out, **_):
        import shutil

        assert out.parent.name.startswith(".") and not out.exists()  # a name that the server's poller ignores
        shutil.copytree(detector_files.saved_model(), out)

    monkeypatch.setattr(serving, "export_detector", copy)


@pytest.mark.parametrize(
    "labels, versions, new, expected",
    [
        ({}, [], 1, {"stable": 1}),
        ({}, [], 7, {"stable": 7}),
        ({"stable": 1}, [1], 2, {"stable": 1, "canary": 2}),
        ({"stable": 1, "canary": 2}, [1, 2], 3, {"stable": 1, "canary": 3}),
        ({"stable": 2, "canary": 2}, [1, 2], 3, {"stable": 2, "canary": 3}),  # 2 was promoted
        ({"stable": 1, "eu": 2}, [1, 2], 3, {"stable": 1, "eu": 2, "canary": 3}),
        ({"stable": 1}, [4], 5, {"stable": 4, "canary": 5}),  # 1 was deleted
        ({}, [2, 10], 11, {"stable": 10, "canary": 11}),
    ],
)
def test_labels(labels, versions, new, expected):
    assert choose_labels(labels, versions, new) == expected


def test_versions_are_what_the_server_takes_for_one(tmp_path):
    for name in ("2", "10", ".3.x.partial", "four", "٥"):
        (tmp_path / name).mkdir()
    (tmp_path / "6").write_text("")
    assert list_versions(tmp_path) == [2, 10] and list_versions(tmp_path / "none") == []


def test_models_config(tmp_path):
    """Read by the message of the server's own package."""
    from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

    path = tmp_path / "models.config"
    write_models_config(path, "tiny", {"stable": 3, "canary": 12, "eu": 3})
    (config,) = text_format.Parse(path.read_text(), ModelServerConfig()).model_config_list.config
    assert (config.name, config.base_path, config.model_platform) == ("tiny", "/models/tiny", "tensorflow")
    assert list(config.model_version_policy.specific.versions) == [3, 12]
    assert dict(config.version_labels) == {"stable": 3, "canary": 12, "eu": 3} == read_labels(path, "tiny")
    assert read_labels(tmp_path / "none", "tiny") == {}


@pytest.mark.parametrize(
    "text, message",
    [
        ("model_config_list {", "models.config: does not parse .*Mend it or remove it"),
        ("", "models.config: serves no model. Expected tiny alone"),
        ('model_config_list { config { name: "a" } config { name: "tiny" } }', "serves a, tiny. Expected tiny alone"),
    ],
)
def test_a_bad_models_config(text, message, tmp_path):
    (tmp_path / "serving").mkdir()
    (tmp_path / "serving" / "models.config").write_text(text)
    with pytest.raises(InputError, match=message):
        write(tmp_path)
    assert files_in(tmp_path) == ["serving/models.config"]


@pytest.mark.slow
def test_what_a_bundle_holds():
    bundle = detector_files.serving_bundle()
    versions = [f"models/tiny/{version}/{file}" for version in (1, 2) for file in ("saved_model.pb", str(WARMUP_FILE))]
    assert {*serving_files("tiny"), "serving/models.config", *versions} <= set(files_in(bundle))
    assert list_versions(bundle / "models" / "tiny") == [1, 2]
    assert read_labels(bundle / "serving" / "models.config", "tiny") == {"stable": 1, "canary": 2}
    assert not list(bundle.rglob(".*"))  # no leftover
    for file, text in serving_files("tiny").items():
        assert (bundle / file).read_text() == text
    results = [json.loads(detector_files.serving_bundle().with_name(f"bundle_{version}.json").read_text()) for version in (1, 2)]
    assert [result["version"] for result in results] == [1, 2] and results[0]["labels"] == {"stable": 1}
    assert results[1]["labels"] == {"stable": 1, "canary": 2} and results[1]["same_detections"] == 1.0
    assert open_detector(bundle / "models" / "tiny" / "2").spec.class_names == detector_files.CLASS_NAMES


def test_a_version_is_added_and_what_people_edit_is_kept(quick_export, tmp_path):
    write(tmp_path, version=3)
    (tmp_path / "compose.yaml").write_text("mine")
    (tmp_path / "kubernetes.yaml").unlink()
    bundle = write(tmp_path)
    assert bundle.path == tmp_path / "models" / "tiny" / "4" and bundle.labels == {"stable": 3, "canary": 4}
    assert (tmp_path / "compose.yaml").read_text() == "mine"
    assert (tmp_path / "kubernetes.yaml").read_text() == serving_files("tiny")["kubernetes.yaml"]


def test_what_clients_do_not_need_costs_nothing_to_refuse(quick_export, tmp_path):
    write(tmp_path)
    before = files_in(tmp_path)
    with pytest.raises(InputError, match="models/tiny/1: exists. Expected a new version.*Leave `version` out"):
        write(tmp_path, version=1)
    with pytest.raises(InputError, match="is the bundle of tiny. Expected a new directory for other"):
        write(tmp_path, name="other")
    for version in (0, -1, 2**63):
        with pytest.raises(InputError, match=f"version: got {version}. Expected a whole number from 1"):
            write(tmp_path, version=version)
    assert files_in(tmp_path) == before


@pytest.mark.parametrize("name", ["", "a/b", "../a", "a:b", ".a", "a-", "a b", "é", "a" * 41, "a\n"])
def test_a_bad_name(name, tmp_path):
    with pytest.raises(InputError, match="name: got .*Expected 1..40 letters"):
        write(tmp_path / "out", name=name)
    assert not (tmp_path / "out").exists()


def test_a_version_that_appears_meanwhile_is_not_replaced(quick_export, monkeypatch, tmp_path):
    def slow(*_, **__):
        (tmp_path / "models" / "tiny" / "1").mkdir()

    monkeypatch.setattr(serving, "write_warmup", slow)
    with pytest.raises(InputError, match="models/tiny/1: exists"):
        write(tmp_path)
    assert not any((tmp_path / "models" / "tiny" / "1").iterdir()) and files_in(tmp_path) == []


@pytest.mark.slow
def test_a_difference_from_the_network_leaves_nothing(monkeypatch, tmp_path):
    def differ(*_):
        raise ParityError("image 1 of 4: too far.")

    monkeypatch.setattr(export, "check_parity", differ)
    with pytest.raises(ParityError, match="/models/tiny/1: not written, for it differs from .*tiny.keras: image 1 of 4: too far"):
        write(tmp_path)
    assert files_in(tmp_path) == [] and list_versions(tmp_path / "models" / "tiny") == []


def test_without_the_package(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "tensorflow_serving", None)
    monkeypatch.setitem(sys.modules, "tensorflow_serving.apis", None)
    with pytest.raises(InputError, match=r"tensorflow-serving-api is not installed.*pip install 'yolo_tf\[serving\]'"):
        write(tmp_path / "out")
    assert not (tmp_path / "out").exists()
