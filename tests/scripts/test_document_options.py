"""docs/config.md is what scripts/document_options.py writes from the dataclasses."""

import dataclasses
import runpy
from types import SimpleNamespace

import pytest
from places import ROOT

from yolo_tf.config import SECTIONS


@pytest.fixture(scope="module")
def script():
    return SimpleNamespace(**runpy.run_path(str(ROOT / "scripts" / "document_options.py")))


def test_the_page_is_what_the_script_writes(script):
    text = (ROOT / "docs" / "config.md").read_text(encoding="utf-8")
    assert text == script.document(), "write it anew: python scripts/document_options.py"


@pytest.mark.parametrize("section", SECTIONS)
def test_a_section_has_a_line_on_it_and_every_option(script, section):
    cls = SECTIONS[section]
    table = script.options_table(section)
    assert "\n" not in cls.__doc__ and table.startswith(f"### {section}\n\n{cls.__doc__}\n\n| option |")
    rows = [line for line in table.splitlines() if line.startswith("| `")]
    assert [row.split("`")[1] for row in rows] == [f"{section}.{field.name}" for field in dataclasses.fields(cls)]


def test_ten_options_come_first(script):
    lines = script.document().split("## All, by section")[0].splitlines()
    rows = [line for line in lines if line.startswith("| `")]
    assert len(rows) == len(script.TEN) == 10
    assert "| `train.epochs` | `100` |" in "\n".join(rows) and "| `data.image_size` | `[640, 640]` |" in "\n".join(rows)
