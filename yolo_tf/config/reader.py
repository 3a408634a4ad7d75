"""YAML file + `section.key=value` overrides -> Config. Strict: what is not known is an error."""

from __future__ import annotations

import typing
from collections.abc import Iterable
from pathlib import Path

import yaml

from yolo_tf.config import SECTIONS, Config
from yolo_tf.config.hyp import hyp_preset
from yolo_tf.config.kinds import converted
from yolo_tf.config.migrate import refuse_moved
from yolo_tf.config.model import PUBLISHED_WEIGHTS
from yolo_tf.config.plain import plain
from yolo_tf.config.presets import filled, named_presets
from yolo_tf.errors import InputError, did_you_mean, look_up
from yolo_tf.system.atomic import write_text
from yolo_tf.system.shipped import find_shipped
from yolo_tf.system.yaml_file import parse_yaml, read_yaml

PATH_KEYS = {"data.dataset", "data.path", "model.weights", "model.network", "model.backbone_file"}
PATH_KEYS |= {"model.backbone_weights", "compress.teacher"}
NO_PATHS = {"", "none", "imagenet"}  # values of those keys that are words

# options that are text or lists of it: their values are what was written, numbers too
TEXT_KEYS = {
    f"{name}.{field}"
    for name, section in SECTIONS.items()
    for field, kind in typing.get_type_hints(section).items()
    if kind in (str, tuple[str, ...])
}


def read_config(path: Path | str | None = None, overrides: Iterable[str] = ()) -> Config:
    """Reads a config file.

    Relative paths in the file are taken from the file's directory, relative paths in overrides from the
    working directory; the result holds absolute paths, so that the written-back config can be moved.

    Args:
        path: YAML file, or the name of one that comes with the program (yolov5s), with the sections of Config and
            optionally `hyp` (a mapping of YOLOv5 hyperparameters, or the path of a file with them; the sections of the
            file win over it); None = all defaults.
        overrides: "section.key=value" strings, value in YAML syntax. Applied last.

    Returns:
        Config.

    Raises:
        InputError: unreadable file, unknown key, wrong type, value out of range. Names the dotted key.
    """
    values, presets = {}, []
    if path is not None:
        path = find_shipped(path, "", "models", required=True)
        document = read_yaml(path, texts=TEXT_KEYS)
        hyp = document.pop("hyp", None)
        if isinstance(hyp, str):
            hyp = read_yaml(path.parent / hyp)
        presets.append(hyp_preset(hyp or {}, where=f"{path}: hyp"))
        _merge_document(values, document, where=str(path), root=path.parent)
    for text in overrides:
        _merge_override(values, text)
    values = {dotted: _checked(dotted, value) for dotted, value in filled(values, presets).items()}
    sections = {name: {} for name in SECTIONS}
    for dotted, value in filled(values, named_presets(values)).items():
        section, key = dotted.split(".")
        sections[section][key] = value
    return Config(**{name: SECTIONS[name](**fields) for name, fields in sections.items()})


def config_to_dict(config):
    """Returns a Config as nested plain dicts, lists and scalars."""
    return plain(config)


def write_config(config, path):
    """Writes the resolved Config as YAML that `read_config` reads back to an equal Config."""
    header = "# Resolved configuration: every option with the value that was used.\n"
    write_text(path, header + yaml.safe_dump(config_to_dict(config), sort_keys=False, default_flow_style=None, width=110))


def _merge_document(values, document, *, where, root):
    for section, fields in document.items():
        if section not in SECTIONS:
            raise InputError(
                f"{where}: unknown section '{section}'.{did_you_mean(section, SECTIONS)} Expected: {', '.join(SECTIONS)}, hyp."
            )
        if fields is None:
            continue
        if not isinstance(fields, dict):
            raise InputError(f"{where}: config.{section}: expected a mapping of `key: value` lines, got {fields!r}.")
        for key, value in fields.items():
            refuse_moved(f"{section}.{key}", file=where)
            values[f"{section}.{key}"] = _absolute(f"{section}.{key}", value, root)


def _merge_override(values, text):
    key, equals, value = text.partition("=")
    if not equals or key.count(".") != 1:
        raise InputError(f"override '{text}': cannot be read. Expected section.key=value, for example train.epochs=3.")
    try:
        value = parse_yaml(value, texts=[""] if key in TEXT_KEYS else ())
    except yaml.YAMLError as error:
        raise InputError(f"override '{text}': '{value}' is not a YAML value. Quote it.") from error
    refuse_moved(key)
    values[key] = _absolute(key, value, root=".")


def _absolute(key, value, root):
    if key not in PATH_KEYS or not isinstance(value, str) or value in NO_PATHS:
        return value
    if key == "model.weights" and value in PUBLISHED_WEIGHTS:
        return value
    if key == "data.dataset" and not (Path(root) / value).exists():
        value = find_shipped(value, "datasets")
    return str((Path(root) / value).resolve())


def _checked(dotted, value):
    """Returns the value of an option as its annotated kind."""
    section, _, key = dotted.partition(".")
    kinds = typing.get_type_hints(look_up(SECTIONS, section, kind="config section", where=f"config.{dotted}"))
    if key not in kinds:
        raise InputError(
            f"config.{section}: unknown key '{key}'.{did_you_mean(key, kinds)} Known keys: {', '.join(sorted(kinds))}."
        )
    return converted(value, kinds[key], f"config.{dotted}")
