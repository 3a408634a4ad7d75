"""All checks over one data set: what they found, and what is new against an earlier time."""

import dataclasses
import json

from yolo_tf.config.plain import plain
from yolo_tf.doctor.checks import CHECKS
from yolo_tf.doctor.findings import SEVERITIES, Finding, finding_of
from yolo_tf.errors import InputError, look_up
from yolo_tf.system.text_file import read_text

CRASHED = "check.crashed"  # id of what a check that fails itself is


@dataclasses.dataclass(frozen=True, kw_only=True)
class SplitCount:
    """What a split holds."""

    images: int
    boxes: int  # good ones, crowds included


@dataclasses.dataclass(frozen=True, kw_only=True)
class Examination:
    """What is wrong with a data set."""

    dataset: str  # its YAML
    splits: dict[str, SplitCount]
    checks: tuple[str, ...]  # ids of those that looked
    not_applicable: tuple[str, ...]  # ids of those that its format has no use for
    findings: tuple[Finding, ...]  # by severity, then in the order of the checks
    headlines: dict[str, str]  # id -> a sentence that says its findings in one
    gone: tuple[Finding, ...] = ()  # of the baseline, and not here any more
    known: int = 0  # findings left out because the baseline has them

    to_json = plain

    def counts(self):
        """Returns {severity: number of findings}."""
        return {severity: sum(finding.severity == severity for finding in self.findings) for severity in SEVERITIES}


def chosen_checks(only=(), skip=()):
    """Returns the rows of CHECKS with these ids, or all but those to skip; "files" stands for all that begin with "files.".

    Raises:
        InputError: an unknown id, or none is left.
    """
    known = {word for check_id in CHECKS for word in (check_id, check_id.partition(".")[0])}
    for option, words in (("only", only), ("skip", skip)):
        for word in words:
            look_up(dict.fromkeys(known), word, kind="check", where=option)
    chosen = {
        check_id: check
        for check_id, check in CHECKS.items()
        if (not only or {check_id, check_id.partition(".")[0]} & set(only))
        and not {check_id, check_id.partition(".")[0]} & set(skip)
    }
    if not chosen:
        raise InputError("skip: leaves no check. Expected one or more. Leave some of the words out.")
    return chosen


def examine(facts, checks):
    """Applies checks to the Facts of a data set; returns the Examination. A check that fails is a finding itself.

    Args:
        facts: Facts.
        checks: rows of CHECKS by id.
    """
    found, headlines = [], {}
    applicable = {
        check_id: check for check_id, check in checks.items() if not check.formats or facts.source.format in check.formats
    }
    for check_id, check in applicable.items():
        try:
            mine = [finding_of(one, check_id, check.severity) for one in check.find(facts)]
            headline = check.headline(facts) if check.headline and mine else ""
        except Exception as error:
            text = f"{check_id} failed: {type(error).__name__}: {str(error)[:200]}"
            mine, headline = [Finding(id=CRASHED, severity="error", split="", file="", line="", message=text)], ""
        found += mine
        if headline:
            headlines[check_id] = headline
    return Examination(
        dataset=str(facts.source.yaml_path),
        splits={
            name: SplitCount(images=len(split.images) + len(split.broken), boxes=split.dataset.num_boxes)
            for name, split in facts.splits.items()
        },
        checks=tuple(applicable),
        not_applicable=tuple(check_id for check_id in checks if check_id not in applicable),
        findings=tuple(sorted(found, key=lambda finding: SEVERITIES.index(finding.severity))),
        headlines=headlines,
    )


def against(examination, baseline):
    """Returns an Examination with those findings alone that `baseline`, findings of an earlier time, has not; and what went.

    Equal are findings of one id, place and message; of several that are equal, as many as there were are known.
    """
    left = {}
    for finding in baseline:
        left.setdefault(finding.key, []).append(finding)
    new = [finding for finding in examination.findings if not (left.get(finding.key) and left[finding.key].pop())]
    gone = tuple(finding for same in left.values() for finding in same if finding.id in examination.checks)
    return dataclasses.replace(
        examination, findings=tuple(new), gone=gone, known=len(examination.findings) - len(new), headlines={}
    )


def read_baseline(path):
    """Returns the Findings that `Examination.to_json` wrote to a file; raises InputError where it is none."""
    text = read_text(path, expected="what an earlier check wrote")
    try:
        found = tuple(Finding(**row) for row in json.loads(text)["findings"])
        if bad := [word for one in found for word in (one.severity, *one.key) if not isinstance(word, str)]:
            raise TypeError(f"{bad[0]!r} is no text")
        return found
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(
            f"{path}: is no result of an earlier check ({error}). Expected the JSON that it writes. Write one first."
        ) from error
