"""The text files of a serving bundle: batching, monitoring, Docker Compose, Kubernetes, README."""

import re
from pathlib import Path

BATCH_SIZES = (1, 2, 4, 8)  # batches that the server makes; few, for each is warmed up
SERVER_VERSION = "2.20.0"  # newest release of TensorFlow Serving; runs what TensorFlow 2.21 writes
FLAGS = (
    "--model_config_file=/config/models.config",
    "--model_config_file_poll_wait_seconds=30",
    "--allow_version_labels_for_unavailable_models=true",
    "--enable_batching=true",
    "--batching_parameters_file=/config/batching_parameters.txt",
    "--monitoring_config_file=/config/monitoring.config",
)
TEMPLATES = Path(__file__).parent / "templates"  # in them @word@ is filled in; a line with @flag@ or @size@ once for each
FILES = ("serving/batching_parameters.txt", "serving/monitoring.config", "compose.yaml", "kubernetes.yaml", "README.md")


def serving_files(name):
    """Returns {path in the bundle: text} of all that is the same whatever the versions, for a model name that fits NAME."""
    words = {
        "name": name,
        "object_name": "tf-serving-" + re.sub("[^a-z0-9]", "-", name.lower()),  # the names that Kubernetes allows
        "server_version": SERVER_VERSION,
        "metrics": "/monitoring/prometheus/metrics",
        "largest": str(BATCH_SIZES[-1]),
    }
    return {file: _filled((TEMPLATES / Path(file).name).read_text(encoding="utf-8"), words) for file in FILES}


def _filled(template, words):
    """Fills in the words of a template, and repeats the lines that stand for a list."""
    lists = {"@flag@": FLAGS, "@size@": [str(size) for size in BATCH_SIZES]}
    lines = []
    for line in template.splitlines(keepends=True):
        mark = next((mark for mark in lists if mark in line), None)
        lines += [line.replace(mark, value) for value in lists[mark]] if mark else [line]
    return re.sub("@([a-z_]+)@", lambda found: words[found[1]], "".join(lines))
