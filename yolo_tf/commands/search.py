"""`yolo-tf search`: config file and a space of options -> many runs, their table, the best config."""

from pathlib import Path

from yolo_tf.commands.naming import name_last


def add_arguments(parser):
    """Declares the arguments."""
    parser.add_argument("--config", type=Path, metavar="FILE", help="YAML or name, as for train: what all trials share")
    parser.add_argument(
        "--space", type=Path, required=True, metavar="FILE", help="YAML: section.key: {min, max, log} or [choices] a line"
    )
    parser.add_argument("--trials", type=int, required=True, metavar="N", help="training runs in all")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="a run directory per trial; the same DIR goes on")
    parser.add_argument("--tuner", default="random", metavar="NAME", help="random (default), bayesian or hyperband")
    parser.add_argument("overrides", nargs="*", metavar="section.key=value", help="options that replace those of the file")


def run(arguments):
    """Searches; returns the best trial and the table."""
    from yolo_tf.system.tensorflow_start import load_tensorflow

    load_tensorflow()
    from yolo_tf.training.search import read_space, search

    space = read_space(arguments.space)
    options = dict(trials=arguments.trials, tuner=arguments.tuner)
    return search(arguments.config, name_last(arguments.overrides), space, arguments.out, **options).to_json()
