"""The house rules of docs/architecture.md, held against the source."""

import ast
import re
import subprocess
import sys
import time

import pytest
from places import ROOT

from yolo_tf.cli import COMMANDS
from yolo_tf.files import FORMATS

PACKAGE = ROOT / "yolo_tf"
# A room may import rooms on earlier rows only; rooms on one row never import each other.
ORDER = [
    {"errors", "structures"},
    {"system", "layers"},
    {"terminal", "config", "pictures", "sources"},
    {"data", "heads", "surgery"},
    {"files"},
    {"checkpoints"},
    {"models"},
    {"engine", "inference"},
    {"evaluation"},
    {"training", "export", "doctor", "insight"},
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
    "checkpoints",
    "commands",
    "cli",
    "__main__",
    "__init__",
}
# modules of these rooms that are about tensors or networks
ABOUT_TENSORS = {"structures/boxes.py"}
FILES = sorted(PACKAGE.rglob("*.py"))


def part_of(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports_of(nodes):
    """Yields the dotted names that import statements among these syntax nodes name."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "absolute imports only"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def rooms_read_by(path):
    """Returns the other rooms that a file imports, inside functions too."""
    names = (name.split(".") for name in imports_of(ast.walk(ast.parse(path.read_text()))))
    return {name[1] for name in names if name[0] == "yolo_tf" and len(name) > 1} - {part_of(path)}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_file_keeps_the_house_rules(path):
    part = part_of(path)
    assert len(path.read_text().splitlines()) <= 300, "over 300 lines: split it by job"
    assert path.stem not in {"utils", "common", "helpers", "misc", "base"}, "name the file after its job"
    for name in imports_of(ast.parse(path.read_text()).body):
        package = name.partition(".")[0]
        if package in {"tensorflow", "keras", "keras_cv", "tensorflow_datasets", "keras_tuner"}:
            free = part in TENSORFLOW_FREE and str(path.relative_to(PACKAGE)) not in ABOUT_TENSORS
            assert not free, f"{part} may import {package} inside functions only"
            assert package not in {"keras_cv", "tensorflow_datasets", "keras_tuner"}, f"{package} is imported where it is used"
    if part != "__init__":  # the door knows the version
        above = {room for room in rooms_read_by(path) if RANK[room] >= RANK[part]}
        assert not above, f"{part} may not import {above}"


def test_the_house_has_few_rooms_and_few_corridors():
    """Before it was rebuilt it had 50 rooms, 36 of them single files, and 207 pairs of rooms that one imports another."""
    entries = [entry for entry in PACKAGE.iterdir() if not entry.name.startswith(("__pycache__", "."))]
    assert sum(entry.is_file() for entry in entries) <= 8 and sum(entry.is_dir() for entry in entries) <= 24
    corridors = {(part_of(path), room) for path in FILES for room in rooms_read_by(path)}
    assert len(corridors) <= 120, sorted(corridors)  # 8 of `insight`, 10 of `doctor`


def test_formats_of_files_are_known_in_one_place():
    """Suffixes of network files and how they open: files/; suffixes of images: system/image_formats.py."""
    network_files = {row.suffix or row.graph for row in FORMATS.values()}
    for path in FILES:
        name, nodes = path.relative_to(PACKAGE).as_posix(), list(ast.walk(ast.parse(path.read_text())))
        literals = {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
        called = {ast.unparse(node.func).rpartition(".")[2] for node in nodes if isinstance(node, ast.Call)}
        compared = [ast.unparse(node) for node in nodes if isinstance(node, ast.Compare) and ".kind" in ast.unparse(node.left)]
        if not name.startswith("files/"):
            assert not literals & network_files, f"{name}: ask the row of FORMATS"
            assert "load_model" not in called, f"{name}: files.keras reads it"
            assert not [line for line in compared if any(repr(kind) in line for kind in FORMATS)], (
                f"{name}: ask the row of FORMATS"
            )
        assert name == "system/image_formats.py" or ".webp" not in literals, f"{name}: image_formats lists them"


# Law 12: the library speaks Python. The command line translates what an error names, and says what is said.
SPEAKING = {"commands", "terminal", "cli"}
FLAG = re.compile(r"(^|[ \"'`(])--[a-z]")
WHOLE_COMMANDS = ("yolo-tf ", "pip ", "docker", "python ", "tensorboard ")  # a text with one of these shows a line to be typed
BUNDLE = "export/serving/files.py"  # the texts of a bundle: Docker, Kubernetes, curl


def texts_of(tree):
    """Returns the string literals of a module; of an f-string its parts in one, and {} for each value."""
    formatted = [node for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)]
    inside = {part for text in formatted for part in text.values}
    alone = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and node not in inside]
    joined = ["".join(part.value if isinstance(part, ast.Constant) else "{}" for part in text.values) for text in formatted]
    return joined + [value for value in alone if isinstance(value, str)]


@pytest.mark.parametrize(
    "path",
    [path for path in FILES if part_of(path) not in SPEAKING],
    ids=lambda path: str(path.relative_to(PACKAGE)),
)
def test_the_library_speaks_python(path):
    tree = ast.parse(path.read_text())
    flags = [text for text in texts_of(tree) if FLAG.search(text) and not any(command in text for command in WHOLE_COMMANDS)]
    assert not flags or str(path.relative_to(PACKAGE)) == BUNDLE, "name the argument: cli.py makes a flag of it"
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)]
    assert not [call.lineno for call in calls if call.func.id == "print"], "yolo_tf.terminal.say can be silenced"


# What a raw prediction holds is known in heads/ alone; `checkpoints` reads those of one head, and names its anchors.
HEAD_FUNCTIONS = {"decode_predictions", "detection_loss", "distillation_loss", "count_matches", "BOX_CHANNELS", "detection_head"}
OUTSIDE_HEADS = [path for path in FILES if part_of(path) not in {"heads", "checkpoints"}]


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
