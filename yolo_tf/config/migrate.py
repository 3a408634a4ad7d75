"""Options that have moved: what is said of an old key, and files rewritten so that each is at its new place."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from yolo_tf.config import MOVED, SECTIONS
from yolo_tf.errors import InputError
from yolo_tf.system.atomic import write_text
from yolo_tf.system.yaml_file import parse_yaml, read_yaml

OLD_SECTION = "train"  # all keys of MOVED stood there
LINES = r"(?m)^{}:.*\n(?:(?:(?:#.*)?\n)* .*\n)*"  # of a section in block style, to the last that is indented


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
        after = _options(parse_yaml(text))
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
    places = [("", root), *(("  ", value) for key, value in root.value if key.value in sections)]
    for margin, mapping in places:
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
    text = re.sub(rf"(?m)^([\"']?)({'|'.join(map(re.escape, MOVED))})\b", lambda key: key[1] + MOVED[key[2]], text)  # dotted
    for section in reversed(SECTIONS):
        keys = "|".join(new.partition(".")[2] for new in MOVED.values() if new.startswith(f"{section}."))
        old = re.search(LINES.format(OLD_SECTION), text)
        width = len(_margin(old[0])) if old else 0
        # A key has the comments directly above it, and below it all that is indented deeper or an item of a list.
        entry = rf"(?m)^(?: {{0,{width}}}#.*\n)*^ {{{width}}}[\"']?(?:{keys})[\"']? *:.*\n(?:\n*^ {{{width}}}[ -].*\n)*"
        moving = "".join(re.findall(entry, old[0])) if old and keys else ""
        if moving:
            left = re.sub(entry, "", old[0])
            left = "" if left.strip() == f"{OLD_SECTION}:" else left
            left += "" if re.search(LINES.format(section), text) else f"{section}:\n"
            text = text[: old.start()] + left + text[old.end() :]
            new = re.search(LINES.format(section), text)
            moving = re.sub(f"(?m)^ {{0,{width}}}(?=.)", _margin(new[0]), moving)
            text = text[: new.end()] + moving + text[new.end() :]
    return text


def _margin(section):
    """Returns the spaces before the keys of a section, given its lines."""
    return (re.search("(?m)^ +(?=[^ #\n])", section) or ["  "])[0]
