"""Packages that only some jobs need, imported where they are used."""

import importlib

from yolo_tf.errors import InputError


def require_package(module, *, where, purpose, extra, package=None):
    """Imports a module, or raises InputError for `where`: which package is missing, its purpose, the extra that brings it.

    Args:
        package: what the installer calls it; None = what the import misses.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise InputError(
            f"{where}: the package {package or error.name} is not installed. Expected it for {purpose}."
            f" Run pip install 'yolo_tf[{extra}]'."
        ) from error
