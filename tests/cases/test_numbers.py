"""Numbers as people write them, in files and on the command line."""

import pytest
from painted_sets import write

from yolo_tf.config.migrate import migrate_file
from yolo_tf.config.reader import read_config, write_config


@pytest.mark.parametrize(("text", "value"), [("1e-3", 0.001), ("5E-4", 0.0005), ("1e+0", 1.0), ("1.0e-3", 0.001), ("1", 1.0)])
def test_exponents_in_sections_in_a_hyp_and_in_overrides(tmp_path, text, value):
    write(tmp_path / "own.yaml", f"train:\n  learning_rate: {text}\n")
    write(tmp_path / "hyp.yaml", f"lr0: {text}\nanchors: 3\n")
    write(tmp_path / "by_hyp.yaml", "hyp: hyp.yaml\n")
    configs = [read_config(tmp_path / name) for name in ("own.yaml", "by_hyp.yaml")]
    for config in (*configs, read_config(None, [f"train.learning_rate={text}"])):
        assert config.train.learning_rate == value and isinstance(config.train.learning_rate, float)
        write_config(config, tmp_path / "resolved.yaml")
        assert read_config(tmp_path / "resolved.yaml") == config


def test_an_old_file_with_exponents_is_migrated(tmp_path):
    write(tmp_path / "a.yaml", "train:\n  learning_rate: 1e-3\n  xla: true\n")
    assert migrate_file(tmp_path / "a.yaml") == {"train.xla": "hardware.xla"}
    assert read_config(tmp_path / "a.yaml").train.learning_rate == 0.001


def test_a_class_that_is_called_like_a_number_stays_one(tmp_path):
    config = read_config(None, ["data.classes=[1e3]"])
    write_config(config, tmp_path / "a.yaml")
    assert config.data.classes == read_config(tmp_path / "a.yaml").data.classes == ("1e3",)
