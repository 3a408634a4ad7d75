import dataclasses
import json
from pathlib import Path

from yolo_tf.config.plain import plain


@dataclasses.dataclass(frozen=True, kw_only=True)
class Part:
    """Something inside a result."""

    name: str
    size: tuple[int, int]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Report:
    """A result."""

    out: Path
    parts: tuple[Part, ...]
    by_name: dict
    missing: float | None = None

    to_json = plain


def test_a_result_becomes_what_json_holds_and_nothing_is_dropped():
    part = Part(name="neck", size=(3, 5))
    values = Report(out=Path("runs/a"), parts=(part,), by_name={"neck": part, "share": 0.5}).to_json()
    inside = {"name": "neck", "size": [3, 5]}
    assert values == {"out": "runs/a", "parts": [inside], "by_name": {"neck": inside, "share": 0.5}, "missing": None}
    assert json.loads(json.dumps(values)) == values
