import json
import sys
import types

import pytest

from yolo_tf.errors import InputError
from yolo_tf.system import packages
from yolo_tf.system.packages import package_versions, require_package


def test_what_is_installed_comes_back():
    assert require_package("json", where="here", purpose="nothing", extra="none") is json


@pytest.mark.parametrize(("package", "named"), [(None, "no_such_package"), ("no-such-package", "no-such-package")])
def test_what_is_missing_is_one_line(package, named):
    message = f"a.onnx: the package {named} is not installed. Expected it for this format. Run pip install 'yolo_tf[onnx]'."
    with pytest.raises(InputError) as caught:
        require_package("no_such_package.part", where="a.onnx", purpose="this format", extra="onnx", package=package)
    assert str(caught.value) == message


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Returns a function (package, version, module) that makes a package installed, as pip leaves it, for one test."""
    monkeypatch.syspath_prepend(tmp_path)
    packages._packages_by_module.cache_clear()
    yield lambda package, version, module: (
        (tmp_path / f"{module}.py").touch(),
        (tmp_path / f"{package}-{version}.dist-info").mkdir(),
        (tmp_path / f"{package}-{version}.dist-info" / "METADATA").write_text(f"Name: {package}\nVersion: {version}\n"),
        (tmp_path / f"{package}-{version}.dist-info" / "top_level.txt").write_text(f"{module}\n"),
    )
    packages._packages_by_module.cache_clear()


def test_the_version_of_a_module_that_came_under_another_name(install, monkeypatch):
    install("detection_flow_nightly", "2.23.0.dev1", "detection_flow")
    install("detection_flow_cpu", "2.21.0", "other_flow")
    assert package_versions("detection-flow", "other-flow", "no-such-flow") == {
        "detection-flow": "2.23.0.dev1",  # not imported: what the installer says
        "other-flow": "2.21.0",
        "no-such-flow": None,
    }
    assert "detection_flow" not in sys.modules  # nothing was imported to ask
    imported = types.ModuleType("detection_flow")
    imported.__version__ = "2.23.0-dev1"
    monkeypatch.setitem(sys.modules, "detection_flow", imported)
    assert package_versions("detection-flow") == {"detection-flow": "2.23.0-dev1"}  # imported: what it says itself


def test_two_packages_with_one_module_are_both_named(install):
    install("flow", "2.21.0", "detection_flow")
    install("flow_cpu", "2.20.0", "detection_flow")
    assert package_versions("detection-flow") == {"detection-flow": "2.20.0 or 2.21.0"}
