"""`yolo-tf train`: config file -> run directory."""

import contextlib
from pathlib import Path

from yolo_tf.commands.naming import commands_of, name_last, resolve_last


def add_arguments(parser):
    """Declares the arguments."""
    parser.add_argument("--config", type=Path, metavar="FILE", help="YAML (docs/config.md), or a name such as yolov5s")
    parser.add_argument("--run", type=Path, metavar="DIR", help="run directory; default runs/<config name>, numbered if taken")
    parser.add_argument(
        "--resume", action="store_true", help="go on with the run in --run (last: the newest) from its checkpoint"
    )
    parser.add_argument("--profile", action="store_true", help="measure where the time goes: DIR/profile, with a trace")
    parser.add_argument("overrides", nargs="*", metavar="section.key=value", help="options that replace those of the file")


def run(arguments):
    """Trains; returns the metrics of the best network."""
    from yolo_tf.config.reader import read_config
    from yolo_tf.errors import InputError
    from yolo_tf.files.run_directory import RunDirectory, reserved_directory
    from yolo_tf.terminal import say

    root, config_file, resume = arguments.run, arguments.config, arguments.resume
    if resume:
        if root is None:
            raise InputError("--resume: which run is not said. Expected --run DIR of the run to go on with.")
        root = resolve_last(root, ".")
        saved = RunDirectory(root).config
        resume = saved.exists()
        if not resume and config_file is None:
            raise InputError(f"{root}: holds no run (no config.yaml). Expected a directory written by `yolo-tf train`.")
        if not resume:  # killed before it wrote anything: one command line can be repeated until the run is done
            say(f"{root}: holds no run yet; it begins with {config_file}")
        config_file = config_file or saved
    if config_file is None and not arguments.overrides:
        raise InputError("--config: no config is given. Expected --config FILE or data.dataset=FILE. Try --config yolov5s.")
    config = read_config(config_file, name_last(arguments.overrides))
    name = config_file.stem if config_file else config.model.name

    from yolo_tf.system.tensorflow_start import load_tensorflow

    load_tensorflow()
    from yolo_tf.training import train

    with contextlib.nullcontext(root) if root else reserved_directory("runs", name) as root:
        result = train(config, root, resume=resume, profile=arguments.profile)
    if result is None:  # a worker that is not the chief
        return None
    best, data = RunDirectory(result.run).best, config.data
    say("", *commands_of(best, data.dataset, path=data.path, lenient=not data.strict_labels))
    return result.to_json()
