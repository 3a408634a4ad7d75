"""Options that have moved: what is said of an old key, and files rewritten so that each is at its new place."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from yolo_tf.config import MOVED
from yolo_tf.errors import InputError
from yolo_tf.system.atomic import write_text
from yolo_tf.system.yaml_file import read_yaml

OLD_SECTION = "train"  # all keys of MOVED stood there
NEW_SECTIONS = tuple(dict.fromkeys(new.partition(".")[0] for new in MOVED.values()))


def refuse_moved(key, *, file=None):
    """Raises InputError if an option (`section.key`) has moved; the line names its new place and the `file` to migrate."""
    if key in MOVED:
        raise InputError(
            f"{f'{file}: ' if file else ''}config.{key}: has moved to {MOVED[key]}. Expected it there. Rename it, or rewrite"
            f" the whole file: `yolo-tf show config --migrate {file or 'FILE'}`."
        )


def migrate_file(path):
    """Moves every old key of a config, of a run's config.yaml or of a search space to its new place, in the file.

    A key takes the comments above and behind it along; all else stays as it is, but that sections in flow style which a
    key leaves or enters become lines. Nothing is replaced unless the new text reads as every value of the old one.

    Returns:
        dict: old key -> new key of what has moved; empty = there was nothing to move, and nothing was written.

    Raises:
        InputError: no such file, not a YAML mapping, an option that is at both places, or a file that cannot be rewritten.
    """
    before = _options(read_yaml(path))
    moved = {key: MOVED[key] for key in before if key in MOVED}
    for old, new in moved.items():
        if new in before:
            raise InputError(f"{path}: has {old} and {new}, which are one option. Expected the latter alone. Remove {old}.")
    if not moved:
        return moved
    text = Path(path).read_bytes().decode("utf-8")
    newline = "\r\n" if "\r\n" in text else "\n"
    try:
        touched = {key.partition(".")[0] for pair in moved.items() for key in pair}
        text = _rewritten(_block_style(text.replace("\r\n", "\n").removesuffix("\n") + "\n", touched))
        after = _options(yaml.safe_load(text))
    except yaml.YAMLError:
        after = None
    if after != {MOVED.get(key, key): value for key, value in before.items()}:
        raise InputError(
            f"{path}: cannot be rewritten line by line (anchors, or an unusual style). Expected `key: value` lines."
            f" Move by hand: {', '.join(f'{old} to {new}' for old, new in moved.items())}."
        )
    write_text(Path(path).resolve(), text.replace("\n", newline))  # a link stays a link
    return moved


def _options(document):
    """Returns dotted key -> repr of its value; a search space has dotted keys, a config has sections."""
    options = {}
    for name, fields in document.items():
        if isinstance(fields, dict) and "." not in str(name):
            options |= {f"{name}.{key}": repr(value) for key, value in fields.items()}
        elif fields is not None:
            options[str(name)] = repr(fields)
    return options


def _block_style(text, sections):
    """Returns the text with its document, and those of these sections that are in flow style, as lines."""
    root = yaml.compose(text)
    for margin, mapping in (("", root), *(("  ", value) for key, value in root.value if key.value in sections)):
        if not isinstance(mapping, yaml.MappingNode) or not mapping.flow_style:
            continue
        start, done, end = mapping.start_mark.index, mapping.start_mark.index + 1, mapping.end_mark.index
        comment = re.match(r"(?: *#.*)?", text[end:])[0]
        lines = [text[:start].rstrip(" \n") + comment]
        for key, value in mapping.value:
            lines += [margin + comment for comment in re.findall("#.*", text[done : key.start_mark.index])]
            lines.append(margin + text[key.start_mark.index : value.end_mark.index])
            done = value.end_mark.index
        return _block_style("\n".join(lines).lstrip("\n") + text[end + len(comment) :], sections)
    return text


def _rewritten(text):
    """Returns the text of a file in block style with each old key at its new place."""
    lines, sections = text.splitlines(keepends=True), {}
    for key, value in yaml.compose(text).value:
        sections[key.value] = (key, value)
        if key.value in MOVED:  # a search space has dotted keys
            lines[key.start_mark.line] = lines[key.start_mark.line].replace(key.value, MOVED[key.value], 1)
    head, old = sections.get(OLD_SECTION, (None, None))
    entries = old.value if isinstance(old, yaml.MappingNode) else []
    moving, gone, before = {}, set(), {}  # new section -> its lines; rows that they had; row -> lines that come before it
    for key, value in entries:
        place = MOVED.get(f"{OLD_SECTION}.{key.value}", "").partition(".")[0]
        rows = _rows(lines, key, value) if place else ()
        moving.setdefault(place, []).extend(re.sub(f"^ {{0,{key.start_mark.column}}}", "", lines[row]) for row in rows)
        gone.update(rows)
    for place in filter(moving.get, NEW_SECTIONS):
        last, margin = sections.get(place, (head, old)), "  "
        if place in sections and isinstance(last[1], yaml.MappingNode) and last[1].value:
            last = last[1].value[-1]
            margin = " " * last[0].start_mark.column
        arriving = [*([] if place in sections else [f"{place}:\n"]), *(margin + line for line in moving[place])]
        before.setdefault(_rows(lines, *last).stop, []).extend(arriving)
    if entries and "" not in moving and lines[head.start_mark.line].strip() == f"{OLD_SECTION}:":
        gone.add(head.start_mark.line)
    return "".join("".join(before.get(row, ())) + line * (row not in gone) for row, line in enumerate([*lines, ""]))


def _rows(lines, key, value):
    """Returns the range of rows of an entry in block style, with the comments that belong to it.

    They are those directly above it, and below it those that are indented deeper than its key.
    """
    while isinstance(value, yaml.CollectionNode) and not value.flow_style and value.value:
        value = value.value[-1][1] if isinstance(value, yaml.MappingNode) else value.value[-1]
    first, last, column = key.start_mark.line, value.end_mark.line + (value.end_mark.column > 0), key.start_mark.column
    comments = [line.find("#") if line.lstrip().startswith("#") else -1 for line in lines]  # the column of each; -1 = none
    while first and 0 <= comments[first - 1] <= column:
        first -= 1
    while last < len(lines) and comments[last] > column:
        last += 1
    return range(first, last)
