"""Options that have moved: the line that names the new place, and files that are rewritten."""

import dataclasses
import re

import pytest
import yaml

from yolo_tf import cli
from yolo_tf.config import MOVED, SECTIONS, Config, HardwareConfig, TransferConfig
from yolo_tf.config.migrate import migrate_file
from yolo_tf.config.reader import config_to_dict, read_config
from yolo_tf.errors import InputError


@pytest.fixture
def migrate(tmp_path):
    """Returns a function that migrates a file with a text and gives (what moved, the text afterwards)."""

    def run(text):
        path = tmp_path / "a.yaml"
        path.write_bytes(text.encode())
        return migrate_file(path), path.read_bytes().decode()

    return run


@pytest.mark.parametrize(("old", "new"), MOVED.items())
def test_an_option_that_has_moved_is_answered_with_its_new_place(tmp_path, old, new):
    section, key = new.split(".")
    assert old == f"train.{key}" and key in {field.name for field in dataclasses.fields(SECTIONS[section])}
    path = tmp_path / "old.yaml"
    path.write_text(f"train: {{{key}: 1}}")
    with pytest.raises(InputError, match=f"^{path}: config.{old}: has moved to {new}. .* --migrate {path}`.$"):
        read_config(path)
    with pytest.raises(InputError, match=f"^config.{old}: has moved to {new}. Expected it there. .* --migrate FILE`.$"):
        read_config(overrides=[f"{old}=1"])
    assert migrate_file(path) == {old: new}
    assert yaml.safe_load(path.read_text()) == {section: {key: 1}}


def test_a_key_in_block_style_takes_its_comments_along(migrate):
    moved, text = migrate(
        """# YOLOv5n on cells
#   yolo-tf train --config a.yaml
data:
  dataset: a.yaml  # where

# what is learned
train:
  epochs: 5
  # On a GPU:
  # the step is compiled.
  xla: true  # fast
             # after a minute

  # early layers
  freeze:
    - backbone  # all of it
    - neck
  batch_size: 16  # fits
  patience: 3
augment:
  mosaic: 0.0
"""
    )
    assert moved == {"train.xla": "hardware.xla", "train.freeze": "transfer.freeze", "train.patience": "run.patience"}
    assert (
        text
        == """# YOLOv5n on cells
#   yolo-tf train --config a.yaml
data:
  dataset: a.yaml  # where

# what is learned
train:
  epochs: 5

  batch_size: 16  # fits
transfer:
  # early layers
  freeze:
    - backbone  # all of it
    - neck
hardware:
  # On a GPU:
  # the step is compiled.
  xla: true  # fast
             # after a minute
run:
  patience: 3
augment:
  mosaic: 0.0
"""
    )


def test_sections_that_are_there_take_the_key_in_their_own_indentation(migrate):
    _, text = migrate(
        """hardware:
    precision: float32  # plain
run: {patience: 4}
transfer:
train:
  tensorboard: false  # no events
  devices: all
  freeze_epochs: 1
  epochs: 4
"""
    )
    assert (
        text
        == """hardware:
    precision: float32  # plain
    devices: all
run:
  patience: 4
  tensorboard: false  # no events
transfer:
  freeze_epochs: 1
train:
  epochs: 4
"""
    )


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            "train: {epochs: 3, xla: true, learning_rate: 1.0e-3}  # quick\ndata: {image_size: [32,\n    64]}\n",
            "train:  # quick\n  epochs: 3\n  learning_rate: 1.0e-3\nhardware:\n  xla: true\ndata: {image_size: [32,\n    64]}\n",
        ),
        ("train: {xla: true}\nrun: {patience: 7}\n", "hardware:\n  xla: true\nrun: {patience: 7}\n"),
        (
            "# all\n{train: {epochs: 3, xla: true}, data: {max_boxes: 7}}\n",
            "# all\ntrain:\n  epochs: 3\nhardware:\n  xla: true\ndata: {max_boxes: 7}\n",
        ),
        ("train: {epochs: 3,  # few\n  patience: 0}\n", "train:\n  epochs: 3\nrun:\n  # few\n  patience: 0\n"),
    ],
)
def test_flow_style_becomes_lines_where_a_key_leaves(migrate, before, after):
    assert migrate(before)[1] == after


def test_a_search_space_gets_new_names_in_place(migrate):
    moved, text = migrate(
        "# space\ntrain.learning_rate: {min: 0.001, max: 0.1, log: true}\n"
        'train.layer_decay: {min: 0.5, max: 1.0}  # slower below\n"train.devices": [one, all]\n'
    )
    assert moved == {"train.layer_decay": "transfer.layer_decay", "train.devices": "hardware.devices"}
    assert text == (
        "# space\ntrain.learning_rate: {min: 0.001, max: 0.1, log: true}\n"
        'transfer.layer_decay: {min: 0.5, max: 1.0}  # slower below\n"hardware.devices": [one, all]\n'
    )


def test_the_config_of_an_old_run_reads_as_it_was(tmp_path):
    config = Config(hardware=HardwareConfig(worker_timeout=7.0, xla="false"), transfer=TransferConfig(freeze=("neck", "head")))
    old = config_to_dict(config)
    for place in MOVED.values():
        section, key = place.split(".")
        old["train"][key] = old[section].pop(key)
    old = {section: values for section, values in old.items() if values}
    path = tmp_path / "config.yaml"
    path.write_text("# Resolved.\n" + yaml.safe_dump(old, sort_keys=False, default_flow_style=None, width=110))
    assert migrate_file(path) == {old: new for old, new in MOVED.items()}
    assert read_config(path) == config and path.read_text().startswith("# Resolved.\ndata:\n")


def test_line_ends_of_windows_stay(migrate):
    assert migrate("train:\r\n  xla: true\r\n  epochs: 3\r\n")[1] == "train:\r\n  epochs: 3\r\nhardware:\r\n  xla: true\r\n"


@pytest.mark.parametrize("text", ["train: {epochs: 3}\n", "hardware:\n  xla: true", "", "# nothing\n"])
def test_nothing_is_written_where_nothing_has_moved(tmp_path, text):
    path = tmp_path / "a.yaml"
    path.write_text(text)
    written = path.stat().st_mtime_ns, path.stat().st_ino
    assert migrate_file(path) == {} and path.read_text() == text
    assert (path.stat().st_mtime_ns, path.stat().st_ino) == written


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "train: {xla: true}\nhardware: {xla: false}\n",
            "has train.xla and hardware.xla, which are one option.* Remove train.xla",
        ),
        ("train:\n  xla: &x true\nhardware:\n  sync_batch_norm: *x\n", r"\(anchors.*hand: train.xla to hardware.xla\."),
        ("base: &b {xla: true}\ntrain:\n  <<: *b\n", "Move by hand: train.xla to hardware.xla"),
        ("train:\n  xla: true\nhardware: 3\n", "Move by hand"),
        ("train:\n  xla: true\ntrain:\n  devices: all\n", r":3: is not valid YAML \(key 'train' repeats\)"),
        ("- train\n", "holds a list. Expected a mapping"),
        ("train: {xla: true", ":1: is not valid YAML"),
    ],
)
def test_what_cannot_be_rewritten_stays_and_says_why(tmp_path, text, message):
    path = tmp_path / "a.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=f"^{path}.*{message}") as caught:
        migrate_file(path)
    assert path.read_text() == text and "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "a.yaml").write_text("train: {xla: true}\n")
    (tmp_path / "b.yaml").symlink_to("a.yaml")
    assert migrate_file(tmp_path / "b.yaml") == {"train.xla": "hardware.xla"}
    assert (tmp_path / "b.yaml").is_symlink() and (tmp_path / "a.yaml").read_text() == "hardware:\n  xla: true\n"


def test_the_command_says_what_moved(tmp_path, capsys):
    path = tmp_path / "a.yaml"
    path.write_text("train: {xla: true, epochs: 2, patience: 5}\n")
    argv = ["show", "config", "--migrate", str(path)]
    assert cli.main(argv) == 0
    assert capsys.readouterr().out == f"train.xla -> hardware.xla\ntrain.patience -> run.patience\n{path}: rewritten\n"
    assert cli.main(argv) == 0
    assert capsys.readouterr().out == f"{path}: nothing has moved; left as it is\n"
    assert read_config(path).run.patience == 5


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["no.yaml"], "no.yaml: cannot be read"),
        (["a.yaml", "train.epochs=3"], "--migrate: rewrites its file alone. Expected no --config and no overrides"),
        (["a.yaml", "--config", "a.yaml"], "--migrate: rewrites its file alone"),
    ],
)
def test_the_command_refuses_in_one_line(tmp_path, monkeypatch, capsys, more, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.yaml").write_text("train: {xla: true}\n")
    assert cli.main(["show", "config", "--migrate", *more]) == 2
    error = capsys.readouterr().err
    assert re.match(f"yolo-tf show: {re.escape(message)}", error) and error.count("\n") == 1
    assert (tmp_path / "a.yaml").read_text() == "train: {xla: true}\n"
