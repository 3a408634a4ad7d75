"""scripts/compare_behaviour.py says what differs between two recordings, and only that."""

import importlib.util
import json
import subprocess
import sys

import pytest
from places import ROOT

SCRIPTS = ROOT / "scripts"
RECORD = {
    "train": {"exit": 0, "json": {"AP": 0.25, "f1": None, "seconds": 1.5, "epochs": 2, "classes": ["bus", "tram"]}},
    "export": {"bytes": 5000, "rows": [{"AP": 0.5, "median_ms": 3.0}, {"AP": 0.75, "median_ms": 4}]},
}


@pytest.fixture(scope="module")
def comparison():
    spec = importlib.util.spec_from_file_location("comparison", SCRIPTS / "behaviour" / "comparison.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def compare(comparison):
    """Returns the function (change of a copy of RECORD, rules) -> Outcome."""

    def compare_changed(change, **rules):
        new = json.loads(json.dumps(RECORD))
        change(new)
        rules = comparison.Rules(**{"measured": {"seconds", "median_ms"}, "nearly": {"bytes": 300}, **rules})
        return comparison.compare_values(RECORD, new, rules, where="json")

    return compare_changed


def test_equal_recordings(compare):
    assert compare(lambda new: None) == ([], [])


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda new: new["train"]["json"].update(AP=0.2500000001), "json.train.json.AP: 0.25 -> 0.2500000001"),
        (lambda new: new["train"]["json"].update(f1=0.0), "json.train.json.f1: None -> 0.0"),
        (lambda new: new["train"]["json"].update(epochs=2.0), "json.train.json.epochs: 2 -> 2.0"),
        (lambda new: new["train"]["json"].pop("AP"), "json.train.json.AP: is missing; it was 0.25"),
        (lambda new: new["train"].update(error="no"), "json.train.error: is additional, 'no'"),
        (lambda new: new["export"]["rows"][1].update(AP=0.5), "json.export.rows[1].AP: 0.75 -> 0.5"),
        (lambda new: new["train"]["json"]["classes"].insert(0, "car"),
         "json.train.json.classes: 2 entries -> 3, from [0] on: 'bus' -> 'car'"),
        (lambda new: new["train"]["json"].update(seconds=None), "json.train.json.seconds: 1.5 -> None, of another kind"),
        (lambda new: new["export"].update(bytes=5301), "json.export.bytes: 5000 -> 5301, more than 300 apart"),
    ],
)  # fmt: skip
def test_each_difference_is_one_line_that_names_its_place(compare, change, line):
    assert compare(change) == ([line], [])


def test_measured_values_and_sizes_may_differ(compare):
    def change(new):
        new["train"]["json"]["seconds"] = 7
        new["export"]["rows"][0]["median_ms"] = 9.9
        new["export"]["bytes"] = 4700

    assert compare(change) == ([], [])


def test_a_renamed_key_is_compared_under_its_new_name(compare):
    def change(new):
        for row in new["export"]["rows"]:
            row["ap"] = row.pop("AP")
        new["training"] = {"result": new.pop("train")["json"], "exit": 0}

    renamed = {
        "json.export.rows[].AP": "json.export.rows[].ap",
        "json.train.json": "json.training.result",
        "json.train.exit": "json.training.exit",
    }
    outcome = compare(change, renamed=renamed)
    assert outcome.differences == []
    assert set(outcome.notes) == {f"renamed: {old} -> {new}" for old, new in renamed.items()}

    def change_more(new):
        change(new)
        new["training"]["result"]["AP"] = 0.5
        new["training"]["speed"] = 3

    assert compare(change_more, renamed=renamed).differences == [
        "json.training.result.AP: 0.25 -> 0.5",
        "json.training.speed: is additional, 3",
    ]


def test_where_names_may_be_added_they_are_a_note(compare):
    assert compare(lambda new: new.update(pack={}), growing={"json"}) == ([], ["new: json.pack"])
    assert compare(lambda new: new.update(pack={}), added={"pack"}) == ([], ["new: json.pack"])
    assert compare(lambda new: new.update(pack={}), added={"unpack"})[0]


def test_the_command_names_what_differs_and_ends_with_1(tmp_path):
    for name, loss in (("old", "0x1.8p+0"), ("same", "0x1.8p+0"), ("new", "0x1.9p+0")):
        (tmp_path / name).mkdir()
        content = {"result": {"plain": {"steps": [{"loss": loss}]}}, "seconds": len(name)}
        (tmp_path / name / "losses.json").write_text(json.dumps(content))
        (tmp_path / name / "golden.json").write_text(json.dumps({"skipped": "no data"}))
    command = [sys.executable, str(SCRIPTS / "compare_behaviour.py"), "compare", "--only", "losses", "golden", "--"]

    def run(old, new):
        return subprocess.run([*command, str(tmp_path / old), str(tmp_path / new)], capture_output=True, text=True)

    same, different = run("old", "same"), run("old", "new")
    assert same.returncode == 0 and same.stdout.endswith("all equal\n") and "skipped -> skipped no data" in same.stdout
    assert different.returncode == 1 and different.stdout.endswith("1 differences\n")
    assert "DIFFERENT losses.plain.steps[0].loss: '0x1.8p+0' -> '0x1.9p+0'" in different.stdout
    for name, recorder in (("old", "a"), ("same", "b")):
        content = json.loads((tmp_path / name / "losses.json").read_text()) | {
            "environment": {"recorder": recorder, "cores": recorder}
        }
        (tmp_path / name / "losses.json").write_text(json.dumps(content))
    other = run("old", "same")
    assert other.returncode == 1 and other.stdout.endswith("1 differences\n")
    assert (
        "DIFFERENT recorded elsewhere: recorder a -> b" in other.stdout and "\n  recorded elsewhere: cores" in f"\n{other.stdout}"
    )
    (tmp_path / "new" / "losses.json").unlink()
    assert "losses: result -> not recorded" in run("old", "new").stdout
