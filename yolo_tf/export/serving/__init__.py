"""Network file -> directory that TensorFlow Serving serves: versions, warm-up requests, configuration, manifests."""

import dataclasses
import re
from pathlib import Path

from yolo_tf.config.plain import plain
from yolo_tf.errors import InputError
from yolo_tf.export import export_detector
from yolo_tf.export.parity import ParityError, ParityReport
from yolo_tf.export.serving.files import BATCH_SIZES, serving_files
from yolo_tf.export.serving.model_versions import choose_labels, list_versions, read_labels, write_models_config
from yolo_tf.export.serving.warmup import require_serving_api, write_warmup
from yolo_tf.files import read_spec
from yolo_tf.system.atomic import atomic_path, size_on_disk, write_text

# Part of a URL, of a path and of the names of Kubernetes objects, which have 63 characters at most.
NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,38}[A-Za-z0-9])?")


@dataclasses.dataclass(frozen=True, kw_only=True)
class ServingBundle:
    """What was added to a bundle."""

    path: Path  # of the new version
    name: str
    version: int
    labels: dict[str, int]  # of the versions that are served now
    bytes: int  # of the new version
    parity: ParityReport  # of it

    def to_json(self):
        """Returns JSON values, those of the parity report among the others."""
        own = plain(self)
        return own.pop("parity") | own


def write_serving_bundle(
    path: Path | str, out: Path | str, *, name: str, version: int | None = None, **export_options
) -> ServingBundle:
    """Adds a version of a detector to a bundle, makes the bundle where there is none, and returns a ServingBundle.

    `out` gets models/<name>/<version>/ (a SavedModel that was compared with its network, with warm-up requests),
    serving/ (batching_parameters.txt, monitoring.config, models.config), compose.yaml, kubernetes.yaml and README.md.
    The version appears under its number when it is whole: until then its name is one that the server's poller ignores.
    models.config is written last, and again for every version; the other files are left as they are once they exist.

    Args:
        path: `.keras` file of a detector.
        out: directory of the bundle.
        name: under which the detector is served; the only one of a bundle.
        version: number from 1; None = the next after those that are there.
        export_options: detect, image_size and comparison of export_detector.

    Raises:
        InputError: tensorflow-serving-api is not installed, or an argument does not fit the network or the bundle.
        ParityError: the export differs from the network; nothing is added then.
        OSError: `out` cannot be written.
    """
    require_serving_api()
    out = Path(out)
    _check_name(name, out)
    versions = list_versions(out / "models" / name)
    version = max([0, *versions]) + 1 if version is None else version
    version_dir = out / "models" / name / str(version)
    _check_version(version, version_dir)
    models_config = out / "serving" / "models.config"
    labels = choose_labels(read_labels(models_config, name), versions, version)
    models_config.parent.mkdir(parents=True, exist_ok=True)  # fails now rather than after the export

    with atomic_path(version_dir) as temporary:
        try:
            parity = export_detector(path, "saved_model", temporary, **export_options)
        except ParityError as error:  # which names the temporary place
            raise ParityError(f"{version_dir}: not written, for it differs from {path}: {error.__cause__}") from error
        size = read_spec(temporary).image_size
        write_warmup(temporary, name=name, image_size=size, batch_sizes=BATCH_SIZES)
        _check_version(version, version_dir)  # another process may have been faster
    for file, text in serving_files(name).items():
        if not (out / file).exists():
            write_text(out / file, text)
    write_models_config(models_config, name, labels)
    return ServingBundle(
        path=version_dir, name=name, version=version, labels=labels, bytes=size_on_disk(version_dir), parity=parity
    )


def _check_name(name, out):
    """Raises InputError where a model cannot have this name, or the bundle has another one."""
    if not NAME.fullmatch(name):
        raise InputError(
            f"name: got {name!r}. Expected 1..40 letters, digits, '.', '_' or '-', the first and last no sign. Change it."
        )
    models = out / "models"
    others = sorted(path.name for path in models.iterdir() if path.is_dir() and path.name != name) if models.is_dir() else []
    if others:
        raise InputError(f"{out}: is the bundle of {others[0]}. Expected a new directory for {name}. Change `out` or `name`.")


def _check_version(version, version_dir):
    """Raises InputError where a version has no valid number or exists."""
    if not 1 <= version < 2**63:
        raise InputError(f"version: got {version}. Expected a whole number from 1. Change it, or leave it out for the next.")
    if version_dir.exists():
        raise InputError(
            f"{version_dir}: exists. Expected a new version, for servers may have it loaded. Leave `version` out for the next."
        )
