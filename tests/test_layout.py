"""The house rules of docs/architecture.md, held against the source."""

import ast
import subprocess
import sys
import time

import pytest
from places import ROOT

from yolo_tf.cli import COMMANDS

PACKAGE = ROOT / "yolo_tf"
# A room may import rooms on earlier rows only; rooms on one row never import each other.
ORDER = [
    {"errors", "structures"},
    {"system", "layers"},
    {"terminal", "config", "pictures", "sources"},
    {"data", "heads", "surgery"},
    {"files"},
    {"models"},
    {"engine", "inference", "yolov5"},
    {"evaluation"},
    {"training", "export"},
    {"study"},
    {"commands"},
    {"cli"},
    {"__main__"},
]
RANK = {part: rank for rank, row in enumerate(ORDER) for part in row}
TENSORFLOW_FREE = {
    "errors",
    "structures",
    "system",
    "terminal",
    "config",
    "sources",
    "yolov5",
    "commands",
    "cli",
    "__main__",
    "__init__",
}
# modules of these rooms that are about tensors or networks
ABOUT_TENSORS = {"structures/boxes.py", "yolov5/__init__.py"}
FILES = sorted(PACKAGE.rglob("*.py"))


def part_of(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def module_scope_imports(path):
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "absolute imports only"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_file_keeps_the_house_rules(path):
    part = part_of(path)
    assert len(path.read_text().splitlines()) <= 300, "over 300 lines: split it by job"
    assert path.stem not in {"utils", "common", "helpers", "misc", "base"}, "name the file after its job"
    for name in module_scope_imports(path):
        package, *rest = name.split(".")
        if package in {"tensorflow", "keras", "keras_cv", "tensorflow_datasets", "keras_tuner"}:
            free = part in TENSORFLOW_FREE and str(path.relative_to(PACKAGE)) not in ABOUT_TENSORS
            assert not free, f"{part} may import {package} inside functions only"
            assert package not in {"keras_cv", "tensorflow_datasets", "keras_tuner"}, f"{package} is imported where it is used"
        if package == "yolo_tf" and rest and rest[0] != part and part != "__init__":  # the door knows the version
            assert RANK[rest[0]] < RANK[part], f"{part} may not import {rest[0]}"


# What a raw prediction holds is known in heads/ alone; `yolov5` reads the checkpoints of one head, and names its anchors.
HEAD_FUNCTIONS = {"decode_predictions", "detection_loss", "distillation_loss", "count_matches", "BOX_CHANNELS", "detection_head"}
OUTSIDE_HEADS = [path for path in FILES if part_of(path) not in {"heads", "yolov5"}]


@pytest.mark.parametrize("path", OUTSIDE_HEADS, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_the_layout_of_raw_predictions_is_known_in_heads_alone(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert not node.module.startswith("yolo_tf.heads."), f"{node.module}: ask the row of HEADS"
        if isinstance(node, ast.Name):
            assert node.id not in HEAD_FUNCTIONS, f"{node.id}: ask the row of HEADS"
        if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.Sub)):
            sides = {ast.unparse(node.left), ast.unparse(node.right)}
            about_channels = any(word in side for side in sides for word in ("class", "shape", "channel"))
            assert not ("5" in sides and about_channels), f"line {node.lineno}: channels of raw predictions"
        if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Tuple) and _first_is_ellipsis(node.slice):
            numbers = {part.value for part in ast.walk(node.slice.elts[-1]) if isinstance(part, ast.Constant)}
            assert not numbers & {4, 5}, f"line {node.lineno}: channels of raw predictions"


def _first_is_ellipsis(index):
    return isinstance(index.elts[0], ast.Constant) and index.elts[0].value is ...


def test_every_part_has_a_row():
    assert {part_of(path) for path in FILES} - {"__init__"} == set(RANK)


def test_help_needs_no_tensorflow_and_answers_at_once():
    code = "import sys; from yolo_tf import cli; cli.build_parser(); assert not {'tensorflow', 'numpy'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("verb", COMMANDS)
def test_help_of_every_command(verb):
    started = time.perf_counter()
    result = subprocess.run([sys.executable, "-m", "yolo_tf", verb, "--help"], capture_output=True, text=True)
    seconds = time.perf_counter() - started
    assert result.returncode == 0 and f"yolo-tf {verb}" in result.stdout
    assert seconds < 2.0, f"{seconds:.2f} s: something heavy is imported at module scope"
