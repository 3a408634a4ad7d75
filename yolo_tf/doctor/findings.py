"""What a check gives: findings, frozen, each with its place; and the row that a check is in its table."""

import dataclasses
from collections.abc import Callable

from yolo_tf.config.plain import plain

SEVERITIES = ("error", "warning", "note")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that a check found."""

    id: str  # of the check: "labels.outside"
    severity: str  # of SEVERITIES
    split: str  # "" = all
    file: str  # "" = the data set
    line: str  # "3", "annotation 500", "object 2"; "" = the file as a whole
    message: str
    value: object = None  # what was found, where a number or a list says it
    expected: str = ""

    to_json = plain

    @property
    def place(self):
        """Where it is, in one word: "labels/0007.txt:3"."""
        between = ":" if self.line.isdigit() else ": "
        return f"{self.file}{between}{self.line}" if self.line else self.file or self.split

    @property
    def key(self):
        """What tells it from others when a data set is looked at again."""
        return (self.id, self.split, self.file, self.line, self.message)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Check:
    """One row of CHECKS."""

    severity: str
    meaning: str  # a sentence
    advice: str  # what to do
    find: Callable  # Facts -> iterable of Finding, by `found`
    formats: tuple[str, ...] = ()  # rows of READERS that it is about; () = all
    headline: Callable | None = None  # Facts -> a sentence that says it of the whole, or ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Found:
    """A Finding before its check has put id and severity on it."""

    split: str = ""
    place: str = ""  # as a Fault has it: "labels/0007.txt:3", "instances.json: annotation 500"
    message: str
    value: object = None
    expected: str = ""


def finding_of(found, check_id, severity):
    """Returns the Finding of a Found; its place is taken apart into file and line."""
    file, _, line = found.place.partition(": ")
    if not line:
        head, _, tail = file.rpartition(":")
        file, line = (head, tail) if head and tail.isdigit() else (file, "")
    message, _, expected = found.message.partition(" Expected ")
    return Finding(
        id=check_id,
        severity=severity,
        split=found.split,
        file=file,
        line=line,
        message=message,
        value=found.value,
        expected=found.expected or expected,
    )
