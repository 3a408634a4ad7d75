"""models.config: which versions of a model TensorFlow Serving loads, and under which labels clients ask for them."""

from pathlib import Path

from yolo_tf.errors import InputError
from yolo_tf.system.atomic import write_text

STABLE, CANARY = "stable", "canary"
HEADER = """\
# What tensorflow_model_server --model_config_file reads: the versions that are loaded, and their labels.
# `yolo-tf serve-bundle` adds a version as canary and leaves stable where it is; comments are not kept then.
"""


def list_versions(model_dir):
    """Returns the numbers of the versions in a model's directory, ascending: what the server's poller takes for one."""
    model_dir = Path(model_dir)
    names = [path.name for path in model_dir.iterdir() if path.is_dir()] if model_dir.is_dir() else []
    return sorted(int(name) for name in names if name.isascii() and name.isdigit())


def choose_labels(labels, versions, new_version):
    """Decides which versions are served once `new_version` is there: {label: version}.

    The first version becomes stable. A later one becomes canary: stable stays with the version that has it, or goes to
    the newest of the others, and the canary before is not served any more.

    Args:
        labels: {label: version} of before; labels that nobody here knows are kept.
        versions: the versions on disk, without the new one.
        new_version: the one that is being added.
    """
    if not versions:
        return {STABLE: new_version}
    kept = {label: version for label, version in labels.items() if version in versions}
    return {STABLE: versions[-1]} | kept | {CANARY: new_version}


def read_labels(path, name):
    """Reads {label: version} of a model.

    Raises:
        InputError: the file is no models.config of this one model.
    """
    if not Path(path).exists():
        return {}
    from google.protobuf import text_format
    from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

    try:
        config = text_format.Parse(Path(path).read_text(encoding="utf-8"), ModelServerConfig())
    except (text_format.ParseError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path}: does not parse ({reason}). Expected a ModelServerConfig. Mend it or remove it.") from error
    models = config.model_config_list.config
    if [model.name for model in models] != [name]:
        found = ", ".join(model.name for model in models) or "no model"
        raise InputError(f"{path}: serves {found}. Expected {name} alone. Change `name` or `out`.")
    return dict(models[0].version_labels)


def write_models_config(path, name, labels):
    """Writes a models.config that serves the labelled versions of one model from /models/<name>."""
    from google.protobuf import text_format
    from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

    config = ModelServerConfig()
    model = config.model_config_list.config.add(name=name, base_path=f"/models/{name}", model_platform="tensorflow")
    model.model_version_policy.specific.versions.extend(sorted(set(labels.values())))
    model.version_labels.update(labels)
    write_text(path, HEADER + text_format.MessageToString(config))
