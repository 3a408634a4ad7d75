import os
import subprocess
import sys

import detector_files
import pytest

from yolo_tf.system.openvino_start import load_openvino


@pytest.fixture
def openvino():
    return detector_files.need_openvino()


def test_nothing_is_sent(tmp_path, openvino):
    """Neither the import nor a conversion reaches the package that sends; it leaves a trace in the home directory."""
    code = """
import sys
from yolo_tf.system.openvino_start import load_openvino
openvino = load_openvino("here")
assert load_openvino("again") is openvino
try:
    openvino.convert_model("none.onnx")  # a failure is what it would report as well
except Exception as error:
    assert "none.onnx" in str(error)
else:
    raise AssertionError("converted")
assert not [name for name in sys.modules if name.startswith("openvino_telemetry")], "was imported"
assert "openvino.tools.ovc.telemetry_stub" in sys.modules
"""
    environment = {**os.environ, "HOME": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
    result = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert not any(tmp_path.iterdir())


def test_telemetry_that_was_there_stays(monkeypatch, openvino):
    """Only OpenVINO is kept from it."""
    sentinel = object()
    monkeypatch.setitem(sys.modules, "openvino_telemetry", sentinel)
    assert load_openvino("here") is openvino and sys.modules["openvino_telemetry"] is sentinel
