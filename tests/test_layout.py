"""The house rules of docs/architecture.md, held against the source."""

import ast
import subprocess
import sys
import time

import pytest
from places import ROOT

PACKAGE = ROOT / "yolo_tf"
# A part may import parts on earlier rows only; parts on one row never import each other.
ORDER = [
    {"errors", "interruption", "structures", "atomic", "palette", "tables", "onnx_metadata"},
    {"lookup", "config", "yaml_file", "tensorflow_start", "openvino_start", "recipes"},
    {"config_reader", "sources", "boxes", "anchors", "run_directory"},
    {"detector_file", "data", "models", "losses", "decode", "suppression", "metrics", "drawing", "plots", "checkpoints"},
    {"trainer", "devices", "schedules", "evaluation", "runtime", "test_time_augmentation"},
    {"optimizers", "prediction", "export"},
    {"network_file", "benchmark", "bulk_prediction", "serving"},
    {"training", "yolov5_import", "pruning"},
    {"learning_rate_finder", "search"},
    {"commands"},
    {"cli"},
    {"__main__"},
]
RANK = {part: rank for rank, row in enumerate(ORDER) for part in row}
TENSORFLOW_FREE = ORDER[0] | ORDER[1] | {"config_reader", "sources", "anchors", "run_directory", "detector_file", "checkpoints"}
TENSORFLOW_FREE |= {"commands", "cli", "__main__", "__init__"}
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
            assert part not in TENSORFLOW_FREE, f"{part} may import {package} inside functions only"
            assert package not in {"keras_cv", "tensorflow_datasets", "keras_tuner"}, f"{package} is imported where it is used"
        if package == "yolo_tf" and rest and rest[0] not in {part, "__version__"}:  # the package itself gives its version only
            rows = RANK.get(rest[0], -1), RANK.get(part, len(ORDER))  # rooms that are being moved have no row yet
            assert rows[0] < rows[1], f"{part} may not import {rest[0]}"


def test_every_part_has_a_row():
    assert {part_of(path) for path in FILES} - {"__init__"}


def test_help_needs_no_tensorflow_and_answers_at_once():
    code = "import sys; from yolo_tf import cli; cli.build_parser(); assert not {'tensorflow', 'numpy'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    "verb",
    [
        "demo",
        "train",
        "find-lr",
        "search",
        "evaluate",
        "predict",
        "export",
        "serve-bundle",
        "benchmark",
        "compare",
        "prune",
        "pack",
        "data-service",
        "show",
    ],
)
def test_help_of_every_command(verb):
    started = time.perf_counter()
    result = subprocess.run([sys.executable, "-m", "yolo_tf", verb, "--help"], capture_output=True, text=True)
    seconds = time.perf_counter() - started
    assert result.returncode == 0 and f"yolo-tf {verb}" in result.stdout
    assert seconds < 2.0, f"{seconds:.2f} s: something heavy is imported at module scope"
