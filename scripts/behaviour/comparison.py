"""Two recordings -> the lines that say where they differ. Pure Python, knows nothing of what was recorded."""

import re
from typing import NamedTuple

MISSING = object()


class Rules(NamedTuple):
    """What is not compared bit by bit."""

    measured: frozenset = frozenset()  # keys whose values are compared by kind only
    nearly: dict = {}  # key -> how far two numbers under it may be apart
    growing: frozenset = frozenset()  # dotted places where the new side may have further keys
    added: frozenset = frozenset()  # keys that the new side may have, wherever
    renamed: dict = {}  # dotted key of the old side -> of the new one; [] stands for any index


class Outcome(NamedTuple):
    """What a comparison found."""

    differences: list
    notes: list  # what is worth a line and no difference


def compare_values(old, new, rules, *, where=""):
    """Compares two trees of dicts, lists, texts, numbers, truth values and None.

    Args:
        old, new: the trees.
        rules: Rules.
        where: dotted name of the root.

    Returns:
        Outcome, of one line for each place.
    """
    outcome = Outcome([], [])
    _compare(old, new, where, _Walk(rules=rules, root=new, root_name=where, outcome=outcome))
    return outcome


class _Walk(NamedTuple):
    """What does not change on the way through the trees."""

    rules: Rules
    root: object  # of the new side, where renamed keys are looked up
    root_name: str
    outcome: Outcome


def _compare(old, new, where, walk):
    """Appends what differs between two values at one place."""
    key = re.split(r"[.\[]", re.sub(r"(\[\d+\])+$", "", where))[-1]
    if key in walk.rules.measured and not isinstance(old, dict):
        if _kind(old) != _kind(new):
            walk.outcome.differences.append(f"{where}: {_show(old)} -> {_show(new)}, of another kind")
    elif isinstance(old, dict) and isinstance(new, dict):
        _compare_dicts(old, new, where, walk)
    elif isinstance(old, list) and isinstance(new, list):
        _compare_lists(old, new, where, walk)
    elif key in walk.rules.nearly and _kind(old) == _kind(new) == "number":
        if abs(old - new) > walk.rules.nearly[key]:
            walk.outcome.differences.append(f"{where}: {old} -> {new}, more than {walk.rules.nearly[key]} apart")
    elif type(old) is not type(new) or repr(old) != repr(new):  # repr: NaN is itself, -0.0 is not 0.0
        walk.outcome.differences.append(f"{where}: {_show(old)} -> {_show(new)}")


def _compare_dicts(old, new, where, walk):
    """Compares by key; those that were renamed are looked up under their new name."""
    kept = set()
    for key, value in old.items():
        place = _join(where, key)
        target = walk.rules.renamed.get(_pattern(place))
        if target:
            _note_once(f"renamed: {_pattern(place)} -> {target}", walk)
            found, place = _find_renamed(target, new, where, walk), f"{place} (now {target})"
        else:
            kept.add(key)
            moved_on = any(name.startswith(f"{_pattern(place)}.") for name in walk.rules.renamed)
            found = new.get(key, {} if moved_on else MISSING)  # all that was in it may have moved
        if found is MISSING:
            walk.outcome.differences.append(f"{place}: is missing; it was {_show(value)}")
        else:
            _compare(value, found, target or place, walk)
    for key in new:
        if key not in kept:
            _judge_additional(new[key], _join(where, key), where, walk)


def _judge_additional(value, place, where, walk):
    """Appends what a key of the new side alone is: a difference, unless it may be there or an old one was renamed to it."""
    targets = set(walk.rules.renamed.values())
    if _pattern(place) in targets:
        return
    if where in walk.rules.growing or place.rpartition(".")[2] in walk.rules.added:
        walk.outcome.notes.append(f"new: {place}")
    elif isinstance(value, dict) and any(target.startswith(f"{_pattern(place)}.") for target in targets):
        _compare({}, value, place, walk)
    else:
        walk.outcome.differences.append(f"{place}: is additional, {_show(value)}")


def _find_renamed(target, new, where, walk):
    """Returns the value at the new name of a key: beside the old one, or anywhere in the tree; MISSING where there is none."""
    parent, _, last = target.rpartition(".")
    if parent == _pattern(where):
        return new.get(last, MISSING)
    return _look_up(walk.root, target.removeprefix(walk.root_name).lstrip("."))


def _note_once(note, walk):
    if note not in walk.outcome.notes:
        walk.outcome.notes.append(note)


def _join(where, key):
    return f"{where}.{key}" if where else str(key)


def _compare_lists(old, new, where, walk):
    """Compares by index; lists of unequal length give one line, for everything behind an insertion would differ."""
    if len(old) == len(new):
        for index, (one, other) in enumerate(zip(old, new, strict=True)):
            _compare(one, other, f"{where}[{index}]", walk)
        return
    first = next((index for index, pair in enumerate(zip(old, new, strict=False)) if repr(pair[0]) != repr(pair[1])), None)
    first = min(len(old), len(new)) if first is None else first
    sides = [_show(side[first]) if first < len(side) else "nothing" for side in (old, new)]
    walk.outcome.differences.append(f"{where}: {len(old)} entries -> {len(new)}, from [{first}] on: {sides[0]} -> {sides[1]}")


def _look_up(tree, dotted):
    """Returns what lies at a dotted place of a tree whose keys may have dots of their own; MISSING where nothing does."""
    if not dotted:
        return tree
    for key in tree if isinstance(tree, dict) else ():
        if dotted == key or dotted.startswith(f"{key}."):
            found = _look_up(tree[key], dotted[len(key) + 1 :])
            if found is not MISSING:
                return found
    return MISSING


def _pattern(place):
    return re.sub(r"\[\d+\]", "[]", place)


def _kind(value):
    """Returns the kind of a value; whole and broken numbers are one."""
    return "number" if isinstance(value, (int, float)) and not isinstance(value, bool) else type(value).__name__


def _show(value):
    text = repr(value)
    return text if len(text) <= 100 else f"{text[:97]}..."
