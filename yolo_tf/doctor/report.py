"""An Examination as text: a table by severity, examples with their place, one line at the end."""

from collections import defaultdict

from yolo_tf.doctor.checks import CHECKS
from yolo_tf.doctor.examination import CRASHED
from yolo_tf.doctor.findings import SEVERITIES
from yolo_tf.errors import shown
from yolo_tf.terminal.tables import format_table

MOST_EXAMPLES = 3  # of one id
WIDTH = 60  # letters of a place in the table
WORDS = {"error": ("error", "errors"), "warning": ("warning", "warnings"), "note": ("note", "notes")}


def format_examination(examination):
    """Returns an Examination as lines of text."""
    by_id = by_check(examination)
    lines = [format_table(_rows(by_id)), ""] if by_id else []
    for check_id, findings in by_id.items():
        check = CHECKS.get(check_id)
        meaning = check.meaning if check else "A check failed; the others are not touched by it."
        lines.append(f"{findings[0].severity} {check_id}: {meaning}")
        if check_id in examination.headlines:
            lines.append(f"  {examination.headlines[check_id]}")
        lines += [f"  {shown(finding.place)}: {_said(finding)}" for finding in findings[:MOST_EXAMPLES]]
        if len(findings) > MOST_EXAMPLES:
            lines.append(f"  and {len(findings) - MOST_EXAMPLES} more")
        if check and check_id != CRASHED:
            lines.append(f"  to do: {check.advice}")
    if examination.not_applicable:
        lines.append(f"not looked for in this format: {', '.join(examination.not_applicable)}")
    if examination.known or examination.gone:
        lines.append(f"against the baseline: {examination.known} known findings left out, {len(examination.gone)} went")
        lines += [f"  went: {finding.id} {shown(finding.place)}" for finding in examination.gone[:MOST_EXAMPLES]]
    return "\n".join([*lines, summary_line(examination)])


def format_brief(examination):
    """Returns the table of an Examination and its last line."""
    table = [format_table(_rows(by_check(examination)))] if examination.findings else []
    return "\n".join([*table, summary_line(examination)])


def summary_line(examination):
    """Returns the one line that says it all: "train 87 images, val 20 images: 2 errors, 0 warnings, 1 note"."""
    splits = ", ".join(f"{name} {count.images} images, {count.boxes} boxes" for name, count in examination.splits.items())
    counts = ", ".join(f"{count} {WORDS[severity][count != 1]}" for severity, count in examination.counts().items())
    return f"{splits or examination.dataset}: {counts}"


def by_check(examination):
    """Returns {id: its Findings} of an Examination, in order."""
    found = defaultdict(list)
    for finding in examination.findings:
        found[finding.id].append(finding)
    return found


def _rows(by_id):
    order = sorted(by_id.items(), key=lambda item: (SEVERITIES.index(item[1][0].severity), -len(item[1])))
    return [
        {
            "severity": findings[0].severity,
            "check": check_id,
            "count": str(len(findings)),
            "splits": ", ".join(dict.fromkeys(finding.split for finding in findings if finding.split)) or "-",
            "first": _end_of(shown(findings[0].place)),
        }
        for check_id, findings in order
    ]


def _end_of(place):
    return place if len(place) <= WIDTH else f"…{place[-WIDTH:]}"


def _said(finding):
    expected = f" Expected {finding.expected}" if finding.expected else ""
    text = f"{finding.message}{expected}"
    return text if len(text) <= 240 else f"{text[:239]}…"
