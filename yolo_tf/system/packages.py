"""Packages: those that only some jobs need, imported where they are used, and which version of one is there."""

import functools
import importlib
import sys
from importlib import metadata

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


def package_versions(*names):
    """Returns {name: the version of its module, or None where it is not there}, whatever brought the module.

    One module comes under several names (tensorflow, tensorflow-cpu, tf-nightly; onnxruntime, onnxruntime-gpu), so it is
    the module that is asked, and for one that is not imported, or does not say, the records of what is installed.
    """
    modules = {name: name.replace("-", "_") for name in names}
    return {
        name: getattr(sys.modules.get(module), "__version__", None) or _installed_version(module)
        for name, module in modules.items()
    }


def _installed_version(module):
    versions = {metadata.version(package) for package in _packages_by_module().get(module, ())}
    return " or ".join(sorted(versions)) or None  # two packages may hold one module: which of them Python takes is open


@functools.cache
def _packages_by_module():
    return metadata.packages_distributions()  # reads the records of all packages: a quarter of a second
