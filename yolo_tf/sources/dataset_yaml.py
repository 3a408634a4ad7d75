"""The data set YAML: one small file that says where the data are and what the classes are called."""

from __future__ import annotations

import dataclasses
import difflib
import os
import re
from pathlib import Path

from yolo_tf.errors import InputError, did_you_mean, look_up, some_of
from yolo_tf.system.class_names import clean_names
from yolo_tf.system.file_lookup import written_path
from yolo_tf.system.shipped import find_shipped
from yolo_tf.system.text_file import read_lines
from yolo_tf.system.yaml_file import read_yaml

SPLITS = ("train", "val", "test")
# Keys that other tools write, although they are options of one format or near to one. A `download` script is never run.
FOREIGN_KEYS = ("download", "name", "kpt_shape", "author")
KINDS = {str: "text", int: "a whole number", bool: "true or false", str | dict: "text or a mapping", list | str: "a list or text"}
MISSPELT = 0.75  # likeness from which a key is one of ours with a slip in it


@dataclasses.dataclass(frozen=True, kw_only=True)
class DatasetSource:
    """A data set YAML, checked: paths absolute, variables expanded, defaults filled in."""

    format: str  # a row of READERS
    path: Path  # root of the data
    splits: dict[str, tuple[str, ...]]  # split -> what the YAML says, each relative to path
    names: tuple[str, ...]  # class names in the order of their ids; empty = the data say
    options: dict  # every option of the format
    yaml_path: Path
    notes: tuple[str, ...] = ()  # what a person should know of the file


def read_dataset_yaml(yaml_path, *, path, formats):
    """Reads a data set YAML; see `yolo_tf.sources.read_source`. `formats` is {format: {option: (type, default)}}."""
    yaml_path = Path(os.path.abspath(find_shipped(yaml_path, "datasets")))
    document = read_yaml(yaml_path, texts=("names",))
    format_name = str(document.get("format", "yolo"))
    options = look_up(formats, format_name, kind="format", where=yaml_path)
    known = ("format", "path", *SPLITS, "names", "nc", *options)
    ignored = [str(key) for key in document if key not in known]
    of_formats = {option for row in formats.values() for option in row}
    for key in ignored:
        slip = difflib.get_close_matches(key, known, n=1, cutoff=MISSPELT)
        if key not in FOREIGN_KEYS and (slip or key in of_formats):
            raise InputError(f"{yaml_path}: unknown key '{key}'.{did_you_mean(key, known)} Known keys: {', '.join(known)}.")
    if path:
        root = Path(os.path.abspath(Path(path).expanduser()))
    else:
        text = document.get("path") or "."
        if not isinstance(text, str):
            raise InputError(f"{yaml_path}: path: got {text!r}. Expected a directory. Quote it.")
        root = Path(os.path.abspath(written_path(yaml_path.parent, _expand(text, f"{yaml_path}: path"))))
    stated = [split for split in SPLITS if document.get(split) not in (None, "", [])]
    return DatasetSource(
        format=format_name,
        path=root,
        splits={split: _entries(document[split], f"{yaml_path}: {split}") for split in stated},
        names=_class_names(document, yaml_path),
        options={key: _option(document, key, kind, default, yaml_path) for key, (kind, default) in options.items()},
        yaml_path=yaml_path,
        notes=(f"{yaml_path}: keys that mean nothing here are ignored: {some_of(ignored, most=9)}.",) if ignored else (),
    )


def find_path(source, key, entry, *, otherwise=""):
    """Returns the path that `entry` of the YAML key `key` means; raises InputError where it does not exist.

    The message says what else to do, `otherwise`, behind "Correct the line".
    """
    # Some exporters write ../train/images although the folders lie beside the YAML.
    for text in (entry, re.sub(r"^(\.\.[/\\])+", "", entry)):
        found = written_path(source.path, text)
        if found.exists():
            return found
    if not source.path.exists():
        raise InputError(
            f"{source.yaml_path}: path: {source.path} does not exist. Expected the directory of the data."
            " Put the data there, correct the line, or give data.path=DIR."
        )
    parts = re.split(r"[/\\]+", entry)  # of a path on another machine, the end may lie here
    ends = ("/".join(parts[start:]) for start in range(1, len(parts)))
    inner = next((end for end in ends if end and (source.path / end).exists()), None)
    hint = f" Did you mean '{inner}'?" if inner else ""
    raise InputError(
        f"{source.yaml_path}: {key}: '{entry}' does not exist.{hint}"
        f" Expected a file or directory in {source.path}. Correct the line{otherwise} or give data.path=DIR."
    )


def _expand(text, where):
    """Returns `text` with a leading ~ and all ${VARIABLES} replaced."""

    def value_of(match):
        if match[1] not in os.environ:
            raise InputError(f"{where}: the variable {match[1]} in '{text}' is not set. Set it or give data.path=DIR.")
        return os.environ[match[1]]

    return os.path.expanduser(re.sub(r"\$\{(\w+)\}", value_of, text))


def _entries(value, where):
    values = value if isinstance(value, list) else [value]
    for item in values:
        if type(item) not in (str, int):  # a number: how many images `shapes` paints
            raise InputError(f"{where}: got {item!r}. Expected a path or a list of paths. Correct the line.")
    return tuple(_expand(str(item).strip(), where) for item in values)


def read_class_names(path):
    """Reads class names alone, in order: the `names` of a data set YAML, else one from each line of a text file.

    Raises:
        InputError: no such file, or it holds no names, or one that repeats.
    """
    if Path(path).suffix.lower() in (".yaml", ".yml"):
        document = read_yaml(path, texts=("names",))
    else:
        document = {"names": [line for line in read_lines(path) if line.strip()]}
    names = _class_names(document, path)
    if not names:
        raise InputError(f"{path}: holds no class names. Expected one a line, or a data set YAML with names. Add them.")
    return names


def _class_names(document, yaml_path):
    names = [] if document.get("names") is None else document["names"]
    if isinstance(names, dict):
        names = {int(key) if str(key).isdecimal() else key: name for key, name in names.items()}  # '0' is 0
        if sorted(names, key=str) != sorted(range(len(names)), key=str):
            raise InputError(
                f"{yaml_path}: names: the keys are {list(names)}. Expected 0..{len(names) - 1}, each once. Renumber them."
            )
        names = [names[index] for index in range(len(names))]
    elif not isinstance(names, list):
        raise InputError(f"{yaml_path}: names: got {names!r}. Expected a list of class names or a mapping from 0, 1, … to them.")
    for name in names:
        if not isinstance(name, str) or name == "":  # a bare null, or a list
            raise InputError(f"{yaml_path}: names: {name!r} is no class name. Expected text. Put it in quotes.")
    names = clean_names(names, f"{yaml_path}: names")
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise InputError(f"{yaml_path}: names: {', '.join(repeated)} repeated. Expected each class name once. Rename one.")
    if names and document.get("nc") is not None and str(document["nc"]).strip() not in (str(len(names)), f"{len(names)}.0"):
        raise InputError(
            f"{yaml_path}: nc: {document['nc']} but names has {len(names)}. Expected nc: {len(names)}. Correct or remove it."
        )
    return names


def _option(document, key, kind, default, yaml_path):
    value = document.get(key)
    if value is None:
        return default
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise InputError(f"{yaml_path}: {key}: got {value!r}. Expected {KINDS[kind]}. Correct the line.")
    return value
