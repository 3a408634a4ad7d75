"""Every option that README, docs, configs and scripts name exists."""

import dataclasses
import re

import pytest
from places import ROOT

from yolo_tf.config import MOVED, SECTIONS

OPTIONS = {f"{section}.{field.name}" for section, cls in SECTIONS.items() for field in dataclasses.fields(cls)}
# section.word, where it is neither part of a longer name nor called
NAMED = re.compile(rf"(?<![\w./-])(?:config\.)?((?:{'|'.join(SECTIONS)})\.[a-zA-Z_]\w*)(?![\w(])")
FILE_SUFFIXES = {"yaml", "txt", "md", "py", "json", "csv"}
ATTRIBUTES = {"model.fit", "model.signatures", "run.name"}  # of Python objects
TEXTS = [ROOT / "README.md", *ROOT.glob("docs/*.md"), *ROOT.glob("configs/**/*.yaml"), *ROOT.glob("scripts/*.*")]


def unknown_options(text):
    """Returns what looks like an option and is none."""
    named = {name for name in NAMED.findall(text) if name.partition(".")[2] not in FILE_SUFFIXES}
    return named - OPTIONS - ATTRIBUTES


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_option_that_is_named_exists(path):
    assert not unknown_options(path.read_text(encoding="utf-8"))


def test_what_does_not_exist_is_found():
    text = "`train.xla=true` config.train.epoch, data.path, data.yaml model.fit model.predict(x) a.model.x runs/train.y"
    assert unknown_options(text) == {"train.xla", "train.epoch"}
    assert not set(MOVED) & OPTIONS
