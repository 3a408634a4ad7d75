"""`yolo-tf find-lr`: config file -> the loss over a rising learning rate, and a rate to take."""

from pathlib import Path

from yolo_tf.commands.naming import name_last


def add_arguments(parser):
    """Declares the arguments."""
    parser.add_argument("--config", type=Path, metavar="FILE", help="YAML or name, as for train")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="lr.csv and lr.png go there")
    parser.add_argument("--steps", type=int, default=100, metavar="N", help="updates from the lowest to the highest rate")
    parser.add_argument("overrides", nargs="*", metavar="section.key=value", help="options that replace those of the file")


def run(arguments):
    """Runs the test; returns the rates it found."""
    from yolo_tf.config.reader import read_config

    config = read_config(arguments.config, name_last(arguments.overrides))

    from yolo_tf.system.tensorflow_start import load_tensorflow

    load_tensorflow()
    from yolo_tf.training.learning_rate_finder import find_learning_rate

    return find_learning_rate(config, arguments.out, steps=arguments.steps).to_json()
