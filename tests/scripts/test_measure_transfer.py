"""scripts/measure_transfer.py trains the cells of a plan once each, and pairs them by data set and seed."""

import importlib.util
import json

import pytest
import yaml
from places import ROOT

PLAN = {
    "sets": {"blood": {"path": "blood"}, "cards": {"path": "cards"}},
    "starts": {"random": {"config": "yolov5n"}, "coco": {"config": "yolov5n"}},
    "seeds": [0, 1, 2],
    "pairs": [["random", "coco"]],
}
AP = {"blood/random": (0.1, 0.2, 0.3), "blood/coco": (0.4, 0.4, 0.7), "cards/random": (0.5,), "cards/coco": (0.25, 0.75)}


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("measure_transfer", ROOT / "scripts" / "measure_transfer.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def cells():
    return {
        f"{name}/{seed}": {"AP": value, "AP50": 2 * value, "minutes": 1.5 + seed}
        for name, values in AP.items()
        for seed, value in enumerate(values)
    }


def test_means_and_deviations(script, cells):
    rows = script.mean_rows(PLAN, cells)
    assert [(row["set"], row["start"], row["seeds"], row["AP"], row["minutes"]) for row in rows] == [
        ("blood", "random", "3", "0.200 ± 0.100", "2.5"),
        ("blood", "coco", "3", "0.500 ± 0.173", "2.5"),
        ("cards", "random", "1", "0.500 ± -", "1.5"),
        ("cards", "coco", "2", "0.500 ± 0.354", "2.0"),
    ]


def test_differences_are_paired(script, cells):
    """Of .3, .2 and .4 the mean is .3, the standard deviation .1, and half of the interval 4.303 · .1 / √3 = .248."""
    blood, cards = script.pair_rows(PLAN, cells)
    assert (blood["difference"], blood["seeds"], blood["AP"], blood["AP50"]) == (
        "coco - random",
        "3",
        "+0.300 ± 0.248",
        "+0.600 ± 0.497",
    )
    assert (cards["seeds"], cards["AP"]) == ("1", "-0.250"), "one pair has no interval, and the cell without a partner counts not"


@pytest.mark.long
def test_cells_are_trained_once(script, tmp_path, capsys):
    data = "format: shapes\npath: shapes\ntrain: 8\nval: 3\ntest: 2\nimage_size: 96\nmax_objects: 3\n"
    (tmp_path / "shapes.yaml").write_text(data)
    small = ["data.image_size=64", "train.epochs=2", "train.batch_size=4", "model.width=0.125", "model.autoanchor=false"]
    plan = {
        "budget": small,
        "sets": {"shapes": {"path": "shapes", "overrides": [f"data.dataset={tmp_path / 'shapes.yaml'}"]}},
        "starts": {"anchor": {"config": "yolov5n"}, "decoupled": {"config": "yolov5n", "overrides": ["model.head=decoupled"]}},
        "seeds": [3],
        "pairs": [["anchor", "decoupled"]],
    }
    (tmp_path / "plan.yaml").write_text(yaml.safe_dump(plan))
    out = tmp_path / "cells.jsonl"
    words = [str(tmp_path / "plan.yaml"), "--data", str(tmp_path), "--out", str(out), "--runs", str(tmp_path / "runs")]
    assert script.main([*words, "--only", "decoupled"]) == 0
    first = out.read_text()
    (row,) = map(json.loads, first.splitlines())
    assert row["cell"] == "shapes/decoupled/3" and 0 <= row["AP"] <= row["AP50"] <= 1 and row["overrides"][0] == small[0]
    assert script.main(words) == 0
    both = out.read_text()
    assert both.startswith(first) and [json.loads(line)["cell"] for line in both.splitlines()][1:] == ["shapes/anchor/3"]
    assert not list((tmp_path / "runs").glob("*/*/*"))
    assert "decoupled - anchor" in capsys.readouterr().out
    assert script.main(words) == 0 and out.read_text() == both
