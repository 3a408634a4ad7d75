"""YAML files as mappings, with one line that names file and line when they are not."""

import re

import yaml

from yolo_tf.errors import InputError
from yolo_tf.system.text_file import read_text

# What PyYAML raises, beside its own errors, of a value that is not of the kind which its form or its tag says.
NO_SUCH_VALUE = (ValueError, TypeError, LookupError, AttributeError)


class _Loader(yaml.SafeLoader):
    """PyYAML's, but that 1e-3 is a number and a date is text, as in YAML 1.2, and that a key which repeats is an error."""

    # Of a date that does not exist, the constructor would raise a ValueError.
    yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in rows if tag != "tag:yaml.org,2002:timestamp"]
        for first, rows in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node, deep=False):
        keys = set()
        for key, _ in node.value if isinstance(node, yaml.MappingNode) else ():
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(None, None, "a key is no text or number", key.start_mark)
            if key.value in keys:
                raise yaml.constructor.ConstructorError(None, None, f"key {key.value!r} repeats", key.start_mark)
            keys.add(key.value)
        return super().construct_mapping(node, deep)

    def construct_object(self, node, deep=False):
        try:
            return super().construct_object(node, deep)
        except NO_SUCH_VALUE as error:
            raise yaml.constructor.ConstructorError(None, None, f"a value cannot be read: {error}", node.start_mark) from error


_Loader.add_implicit_resolver("tag:yaml.org,2002:float", re.compile(r"[-+]?[0-9][0-9_]*[eE][-+]?[0-9]+\Z"), list("-+0123456789"))


def read_yaml(path, *, texts=()):
    """Reads a YAML mapping.

    Args:
        path: of the file.
        texts: dotted places whose values, or those in a list or mapping there, are text as they are written: of a class
            02146 that, not the number 1126 which YAML makes of it.

    Returns:
        dict.

    Raises:
        InputError: no such file, bad YAML, or anything else in it.
    """
    try:
        document = parse_yaml(read_text(path, expected="a YAML file"), texts=texts)
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


def parse_yaml(text, *, texts=()):
    """Returns what YAML says; `texts` as for `read_yaml`, and "" is the whole. Raises yaml.YAMLError."""
    loader = _Loader(text)
    try:
        root = loader.get_single_node()
        for place in texts:
            _keep_text(_find(root, place.split(".") if place else ()))
        return None if root is None else loader.construct_document(root)
    except RecursionError as error:
        raise yaml.YAMLError("nested too deep, or in itself") from error
    finally:
        loader.dispose()


def _find(node, keys):
    """Returns the node at a place of a document, None where there is none."""
    for key in keys:
        pairs = node.value if isinstance(node, yaml.MappingNode) else ()
        node = next((value for name, value in pairs if name.value == key), None)
    return node


def _keep_text(node):
    """Makes text of each value in a node but null, as it is written."""
    if isinstance(node, yaml.ScalarNode) and node.tag != "tag:yaml.org,2002:null":
        node.tag = "tag:yaml.org,2002:str"
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _keep_text(item)
    elif isinstance(node, yaml.MappingNode):
        for _, value in node.value:
            _keep_text(value)
