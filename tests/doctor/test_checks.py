"""The table of checks, and the document that explains it."""

import pytest
from places import ROOT

from yolo_tf.doctor.checks import CHECKS
from yolo_tf.doctor.findings import SEVERITIES
from yolo_tf.sources import READERS


@pytest.mark.parametrize("check_id", CHECKS)
def test_every_check_is_explained_in_one_row_of_the_document(check_id):
    check = CHECKS[check_id]
    formats = f" ({', '.join(check.formats)})" if check.formats else ""
    row = f"| `{check_id}` | {check.severity} | {check.meaning.rstrip('.')}{formats} | {check.advice} |"
    assert row in (ROOT / "docs/check_data.md").read_text(encoding="utf-8").splitlines()
    assert check.severity in SEVERITIES and set(check.formats) <= set(READERS)
    assert check.meaning.endswith(".") and not check.advice.endswith(".")
