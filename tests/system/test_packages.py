import json

import pytest

from yolo_tf.errors import InputError
from yolo_tf.system.packages import require_package


def test_what_is_installed_comes_back():
    assert require_package("json", where="here", purpose="nothing", extra="none") is json


@pytest.mark.parametrize(("package", "named"), [(None, "no_such_package"), ("no-such-package", "no-such-package")])
def test_what_is_missing_is_one_line(package, named):
    message = f"a.onnx: the package {named} is not installed. Expected it for this format. Run pip install 'yolo_tf[onnx]'."
    with pytest.raises(InputError) as caught:
        require_package("no_such_package.part", where="a.onnx", purpose="this format", extra="onnx", package=package)
    assert str(caught.value) == message
