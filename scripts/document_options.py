"""Writes docs/config.md from the dataclasses: python scripts/document_options.py"""

import dataclasses
from pathlib import Path

import yaml

from yolo_tf.config import SECTIONS, Config
from yolo_tf.config.hyp import HYP_NAMES
from yolo_tf.config.reader import config_to_dict
from yolo_tf.system.atomic import write_text

HEADER = """# Every option

A config is a YAML file with the sections below; each key may also be given on the command line as `section.key=value`.
Unknown keys, wrong types and values out of range are errors. `yolo-tf show config [--config FILE] [section.key=value ...]`
prints the resolved configuration, and every run directory holds it as `config.yaml`. Written by
`python scripts/document_options.py`.

## The ten that matter

"""
# option -> when to touch it; the defaults come from the dataclasses
TEN = {
    "data.dataset": "always: the YAML of your data",
    "data.image_size": "320 or 416 for speed and large objects; 1280 for objects of a few pixels. Use what you will predict with",
    "augment.level": "`med` for the larger networks (yolov5m and up) on many images; `none` to see whether it learns at all",
    "model.backbone": "another network (`yolo-tf show backbones`); a file of configs/models/ sets it and all that goes with it",
    "model.backbone_weights": "`imagenet` where keras.applications or a package brings them: little data, or few epochs",
    "model.weights": "a trained detector: your data are few, or its classes are near to yours",
    "train.epochs": "300 from random weights, 30 from a trained detector; the learning rate falls over all of them",
    "train.batch_size": "`auto` on a GPU; less where memory is short. Updates stay the same up to `train.nominal_batch_size`",
    "train.learning_rate": "with another optimizer (`adamw`: about 0.001); `yolo-tf find-lr` where nothing is known",
    "hardware.precision": "`mixed_bfloat16` on a GPU that has it, `mixed_float16` on an older one: less memory, faster steps",
}
ALL = """

## All, by section

What a config leaves out is filled in this order: by its `hyp` (below), by the preset that `augment.level` names, by the
recipe that `train.recipe` names (auto: that of the backbone's family), by the default. Each preset states its source in
`yolo_tf/config/presets.py`.
"""
MIGRATE = """
## Configs of version 0.1.0

`train` held everything that is now in `transfer`, `compress`, `hardware` and `run`. An old key is answered with its new
place, and one command rewrites a file: a config, the `config.yaml` of a run (which `yolo-tf train --resume` goes on with
afterwards), or the search space of `yolo-tf search`.

```
yolo-tf show config --migrate FILE
```

A key takes the comments above and behind it along, and the order of all others stays. A section in flow style
(`train: {epochs: 3, ...}`) that a key leaves or enters becomes lines; the other sections are not touched. It prints a
line for each key that moved. The file is replaced as a whole and only once the new text has been read and says, value by
value, what the old one said; where nothing has moved, nothing is written.
"""
HYP = """
## YOLOv5's hyperparameter names

A `hyp:` section (a mapping, or the path of a file with one: configs/hyp/) accepts these names.

| hyp | option |
|---|---|
"""


def ten_table():
    """Returns the Markdown table of the options in TEN: name, default, when to touch it."""
    lines = ["| option | default | when to touch it |", "|---|---|---|"]
    return "\n".join([*lines, *(f"| `{option}` | `{_default(option)}` | {advice} |" for option, advice in TEN.items())])


def options_table(section):
    """Returns a section of docs/config.md: a line on it, and the Markdown table of its options: name, default, meaning."""
    cls = SECTIONS[section]
    lines = [f"### {section}", "", cls.__doc__, "", "| option | default | meaning |", "|---|---|---|"]
    for field in dataclasses.fields(cls):
        option, meaning = f"{section}.{field.name}", field.metadata["doc"].replace("|", "\\|")
        lines.append(f"| `{option}` | `{_default(option)}` | {meaning} |")
    return "\n".join(lines)


def document():
    """Returns the text of docs/config.md."""
    sections = "".join(f"\n{options_table(section)}\n" for section in SECTIONS)
    places = {name: f"`{place}`" if place else "accepted when it changes nothing" for name, place in HYP_NAMES.items()}
    rows = "\n".join(f"| `{name}` | {place} |" for name, place in places.items())
    return HEADER + ten_table() + ALL + sections + MIGRATE + HYP + rows + "\n"


def _default(option):
    section, key = option.split(".")
    return yaml.safe_dump(config_to_dict(Config())[section][key], default_flow_style=True).partition("\n")[0]


if __name__ == "__main__":
    write_text(Path(__file__).parents[1] / "docs" / "config.md", document())
