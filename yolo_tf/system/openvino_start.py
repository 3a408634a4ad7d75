"""Importing OpenVINO so that it reports nothing to its maker."""

import sys

from yolo_tf.system.packages import require_package

TELEMETRY = "openvino_telemetry"


def load_openvino(subject):
    """Imports OpenVINO without its telemetry.

    Its Python package sends an event at every import and every conversion unless the user has opted out before
    (openvino/tools/ovc: enable_opt_in_dialog=False, which means that no answer is a yes). Where the package that
    sends is missing it falls back to a stub of its own, so it is made to miss it. A process that imported OpenVINO
    by itself before has made its own choice.

    Returns the module; raises InputError, which begins with `subject`, what needs it, where it is not installed.
    """
    others = {name: module for name, module in sys.modules.items() if name == TELEMETRY}
    sys.modules[TELEMETRY] = None  # an import of it fails
    try:
        return require_package("openvino", where=subject, purpose="this format", extra="openvino", package="openvino")
    finally:
        del sys.modules[TELEMETRY]
        sys.modules.update(others)
