"""YAML files as mappings, with one line that names file and line when they are not."""

import yaml

from yolo_tf.errors import InputError
from yolo_tf.system.text_file import read_text


def read_yaml(path):
    """Returns a YAML mapping as a dict; raises InputError for no such file, bad YAML, or anything else in it."""
    try:
        document = yaml.safe_load(read_text(path))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}). Expected a YAML file. Check the path.") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{path}:{mark.line + 1}" if mark else str(path)
        reason = getattr(error, "problem", None) or type(error).__name__
        raise InputError(f"{place}: is not valid YAML ({reason}). Expected `key: value` lines. Correct that line.") from error
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise InputError(f"{path}: holds a {type(document).__name__}. Expected a mapping of `key: value` lines.")
    return document
