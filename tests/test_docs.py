"""Every path and every flag that documents, docstrings, comments and configs name exists."""

import argparse
import re

import pytest
from places import ROOT

from yolo_tf.cli import COMMANDS, build_parser

TEXTS = [
    path
    for pattern in (
        "*.md",
        "docs/*.md",
        "yolo_tf/**/*.py",
        "yolo_tf/**/*.md",
        "scripts/*",
        "configs/**/*.yaml",
        "tests/**/*.py",
        "Makefile",
        ".ci/run",
    )
    for path in sorted(ROOT.glob(pattern))
    if path.is_file() and path.suffix in (".md", ".py", ".sh", ".yaml", "")
]
# The README of a serving bundle shows Docker, Kubernetes and curl.
DOCUMENTS = [path for path in TEXTS if path.suffix in (".md", ".yaml") and "templates" not in path.parts]
# Flags of other programs that documents and scripts show.
FOREIGN_FLAGS = {
    "--cpus-per-task",
    "--gpus-per-node",
    "--ntasks-per-node",
    "--nodes",
    "--opt",
    "--all",
    "--dir",
    "--kill-on-bad-exit",
}
WRITTEN_FOR_ANY = {"--flag"}


def named_paths(path):
    """Yields (path as written, where it should be) for what looks like a file of this project."""
    text = path.read_text(encoding="utf-8")
    for found in re.finditer(r"(?<![\w/.{}-])((?:[\w-]+/)+[\w-]+\.(?:py|md|sh))(?![\w.])", text):
        first = found[1].partition("/")[0]
        if first in ("scripts", "docs", "configs", "tests", "yolo_tf"):
            yield found[1], ROOT / found[1]
        elif (ROOT / "yolo_tf" / first).is_dir():
            yield found[1], ROOT / "yolo_tf" / found[1]
    for found in re.finditer(r"(?<![\w/.])(configs/[\w/-]+\.yaml)", text):
        yield found[1], ROOT / found[1]
    if path.suffix == ".md":
        for found in re.finditer(r"\]\(([\w./-]+)(?:#[\w-]+)?\)", text):
            yield found[1], path.parent / found[1]


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_path_that_a_text_names_exists(path):
    missing = [written for written, place in named_paths(path) if not place.exists()]
    assert not missing, f"{path.relative_to(ROOT)} names files that are not there"


def flags_of(parser):
    """Returns the flags of a parser and of its subjects."""
    flags = set(parser._option_string_actions)
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            flags.update(*(flags_of(child) for child in action.choices.values()))
    return flags


@pytest.fixture(scope="module")
def verbs():
    """Returns {verb: its flags}."""
    choices = next(a for a in build_parser()._actions if isinstance(a, argparse._SubParsersAction)).choices
    assert set(choices) == set(COMMANDS)
    return {verb: flags_of(parser) for verb, parser in choices.items()}


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_flag_behind_a_verb_is_one_of_it(path, verbs):
    wrong = []
    for line in path.read_text(encoding="utf-8").splitlines():
        for found in re.finditer(r"yolo-tf ([a-z][a-z0-9-]*)([^`|;&]*?)(?=yolo-tf |`|$|[|;&])", line):
            known = verbs.get(found[1])
            if known is not None:
                wrong += [f"{found[1]} {flag}" for flag in re.findall(r"(?<![\w-])--[a-z][a-z-]*", found[2]) if flag not in known]
    assert not wrong, f"{path.relative_to(ROOT)} shows flags that its commands do not have"


def named_flags(text):
    """Returns the set of words of a text that look like flags."""
    return set(re.findall(r"(?<![\w-])--[a-z][a-z-]*\b", text))


def test_flags_are_found_in_a_text():
    assert named_flags("`--no-such` and train --run=x, a--b, --- and ---c") == {"--no-such", "--run"}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_flag_in_a_document_is_one_of_ours_or_of_a_script(path, verbs):
    known = set.union(*verbs.values()) | FOREIGN_FLAGS | WRITTEN_FOR_ANY
    for script in (ROOT / "scripts").iterdir():
        if script.is_file():
            known |= named_flags(script.read_text(encoding="utf-8"))
    assert sorted(named_flags(path.read_text(encoding="utf-8")) - known) == []
