"""YAML file + `section.key=value` overrides -> Config. Strict: what is not known is an error."""

from __future__ import annotations

import dataclasses
import types
import typing
from pathlib import Path

import yaml

from yolo_tf.config import AUGMENT_LEVELS, MOVED, SECTIONS, Config, ModelConfig
from yolo_tf.config.recipes import recipe_for
from yolo_tf.errors import InputError, did_you_mean, look_up
from yolo_tf.system.atomic import write_text
from yolo_tf.system.yaml_file import read_yaml

# YOLOv5 hyperparameter name -> our place. None: accepted only at its neutral value (see HYP_NEUTRAL).
HYP_NAMES = {
    "lr0": "train.learning_rate",
    "lrf": "train.final_learning_rate_fraction",
    "momentum": "train.momentum",
    "weight_decay": "train.weight_decay",
    "warmup_epochs": "train.warmup_epochs",
    "warmup_momentum": "train.warmup_momentum",
    "warmup_bias_lr": "train.warmup_bias_learning_rate",
    "box": "loss.box",
    "cls": "loss.classification",
    "cls_pw": "loss.class_positive_weight",
    "obj": "loss.objectness",
    "obj_pw": "loss.objectness_positive_weight",
    "anchor_t": "loss.anchor_ratio_limit",
    "fl_gamma": "loss.focal_gamma",
    "label_smoothing": "loss.label_smoothing",
    **{
        name: f"augment.{name}"
        for name in "hsv_h hsv_s hsv_v degrees translate scale shear perspective flipud fliplr mosaic mixup".split()
    },
    "iou_t": None,
    "copy_paste": None,
}
# iou_t is read but used nowhere in YOLOv5 v6/v7, so any value is neutral.
HYP_NEUTRAL = {"iou_t": None, "copy_paste": 0.0}
PATH_KEYS = {"data.dataset", "data.path", "model.weights", "model.network", "model.backbone_file"}
PATH_KEYS |= {"model.backbone_weights", "compress.teacher"}
NO_PATHS = {"", "none", "imagenet"}  # values of those keys that are words


def read_config(path=None, overrides=()):
    """Reads a config file.

    Relative paths in the file are taken from the file's directory, relative paths in overrides from the
    working directory; the result holds absolute paths, so that the written-back config can be moved.

    Args:
        path: YAML file with sections data, augment, model, loss, train, detect and optionally `hyp` (a
            mapping of YOLOv5 hyperparameters, or the path of a file with them); None = all defaults.
        overrides: "section.key=value" strings, value in YAML syntax. Applied last.

    Returns:
        Config.

    Raises:
        InputError: unreadable file, unknown key, wrong type, value out of range. Names the dotted key.
    """
    values = {}
    if path is not None:
        path = Path(path)
        document = read_yaml(path)
        hyp = document.pop("hyp", None)
        if isinstance(hyp, str):
            hyp = read_yaml(path.parent / hyp)
        _merge_hyp(values, hyp or {}, where=f"{path}: hyp")
        _merge_document(values, document, where=str(path), root=path.parent)
    for text in overrides:
        _merge_override(values, text)
    return _build(values)


def config_to_dict(config):
    """Returns a Config as nested plain dicts, lists and scalars."""

    return {
        section: {key: _plain(value) for key, value in fields.items()} for section, fields in dataclasses.asdict(config).items()
    }


def write_config(config, path):
    """Writes the resolved Config as YAML that `read_config` reads back to an equal Config."""
    header = "# Resolved configuration: every option with the value that was used.\n"
    write_text(path, header + yaml.safe_dump(config_to_dict(config), sort_keys=False, default_flow_style=None, width=110))


def options_table():
    """Returns the Markdown table of every option: name, default, meaning."""
    lines = ["| option | default | meaning |", "|---|---|---|"]
    for section, cls in SECTIONS.items():
        defaults = cls()
        for field in dataclasses.fields(cls):
            default = yaml.safe_dump(_plain(getattr(defaults, field.name)), default_flow_style=True).partition("\n")[0]
            meaning = field.metadata["doc"].replace("|", "\\|")
            lines.append(f"| `{section}.{field.name}` | `{default}` | {meaning} |")
    return "\n".join(lines)


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
            values[f"{section}.{key}"] = _absolute(f"{section}.{key}", value, root)


def _merge_hyp(values, hyp, *, where):
    if not isinstance(hyp, dict):
        raise InputError(f"{where}: expected a mapping or the path of one, got {hyp!r}.")
    for name, value in hyp.items():
        place = look_up(HYP_NAMES, name, kind=f"hyperparameter ({where})")
        if place is not None:
            values[place] = float(value) if isinstance(value, int) and not isinstance(value, bool) else value
        elif HYP_NEUTRAL[name] is not None and value != HYP_NEUTRAL[name]:
            raise InputError(f"{where}.{name}: {value!r} is not supported. Expected {HYP_NEUTRAL[name]}. Remove the line.")


def _merge_override(values, text):
    key, equals, value = text.partition("=")
    if not equals or key.count(".") != 1:
        raise InputError(f"override '{text}': cannot be read. Expected section.key=value, for example train.epochs=3.")
    try:
        value = yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise InputError(f"override '{text}': '{value}' is not a YAML value. Quote it.") from error
    values[key] = _absolute(key, value, root=".")


def _absolute(key, value, root):
    if key not in PATH_KEYS or not isinstance(value, str) or value in NO_PATHS:
        return value
    return str((Path(root) / value).resolve())


def _build(values):
    sections = {name: {} for name in SECTIONS}
    for dotted, value in values.items():
        section, key = dotted.split(".")
        look_up(SECTIONS, section, kind="config section")
        kinds = typing.get_type_hints(SECTIONS[section])
        if dotted in MOVED:
            raise InputError(
                f"config.{dotted}: has moved to {MOVED[dotted]}. Expected it there. Rename it, or rewrite the whole file with"
                " `yolo-tf show config --migrate FILE`."
            )
        if key not in kinds:
            raise InputError(
                f"config.{section}: unknown key '{key}'.{did_you_mean(key, kinds)} Known keys: {', '.join(sorted(kinds))}."
            )
        sections[section][key] = _convert(value, kinds[key], f"config.{dotted}")
    level = sections["augment"].get("level", "low")
    sections["augment"] = {**look_up(AUGMENT_LEVELS, level, kind="augmentation level"), **sections["augment"]}
    if sections["train"].get("recipe") == "auto":
        recipe = recipe_for(sections["model"].get("backbone", ModelConfig.backbone))
        for dotted, value in (recipe.settings if recipe else {}).items():
            section, key = dotted.split(".")
            sections[section].setdefault(key, value)
    return Config(**{name: SECTIONS[name](**fields) for name, fields in sections.items()})


def _convert(value, kind, where):
    """Returns `value` as the annotated `kind`, or raises with the dotted key."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Literal:
        text = str(value).lower() if isinstance(value, bool) else value
        if text not in arguments:
            raise InputError(f"{where}: got {value!r}.{did_you_mean(value, arguments)} Expected one of: {', '.join(arguments)}.")
        return text
    if origin in (typing.Union, types.UnionType):  # a kind, or words instead of it
        words = typing.get_args(arguments[1])
        return value if value in words else _convert(value, arguments[0], where)
    if origin is tuple:
        if where.endswith("image_size") and isinstance(value, int):
            value = [value, value]
        if isinstance(value, str) and arguments == (str, Ellipsis):
            value = [] if value in ("", "none") else [value]  # one name needs no brackets
        if not isinstance(value, (list, tuple)):
            raise _wrong_type(where, "list", value)
        kinds = [arguments[0]] * len(value) if arguments[-1] is Ellipsis else arguments
        if len(kinds) != len(value):
            raise InputError(f"{where}: expected {len(kinds)} values, got {value!r}.")
        return tuple(_convert(item, item_kind, where) for item, item_kind in zip(value, kinds, strict=True))
    if kind is tuple:
        return _nested_tuple(value, where)
    if origin is dict:
        if not isinstance(value, dict):
            raise _wrong_type(where, "mapping", value)
        return {str(key): _convert(item, arguments[1], f"{where}.{key}") for key, item in value.items()}
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if kind is str and value is None:
        return ""
    if type(value) is not kind:
        raise _wrong_type(where, kind.__name__, value)
    return value


def _nested_tuple(value, where):
    if isinstance(value, (list, tuple)):
        return tuple(_nested_tuple(item, where) for item in value)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    raise _wrong_type(where, "nested list of numbers", value)


def _wrong_type(where, expected, value):
    hint = ""
    if isinstance(value, str):
        try:
            float(value)
        except ValueError:
            pass
        else:
            hint = " YAML needs a dot and no quotes: write 1.0e-3."
    return InputError(f"{where}: expected {expected}, got {value!r} ({type(value).__name__}).{hint}")


def _plain(value):
    return [_plain(item) for item in value] if isinstance(value, (tuple, list)) else value
