"""Writes docs/config.md from the dataclasses: python scripts/document_options.py"""

from pathlib import Path

from yolo_tf.config.reader import HYP_NAMES, options_table
from yolo_tf.system.atomic import write_text

HEADER = """# Every option

A config is a YAML file with the sections below; each key may also be given on the command line as `section.key=value`.
Unknown keys, wrong types and values out of range are errors. `yolo-tf show config [--config FILE] [section.key=value ...]`
prints the resolved configuration, and every run directory holds it as `config.yaml`. Written by
`python scripts/document_options.py`.

"""
HYP = """

## YOLOv5's hyperparameter names

A `hyp:` section (a mapping, or the path of a file with one) accepts these names.

| hyp | option |
|---|---|
"""

if __name__ == "__main__":
    places = {name: f"`{place}`" if place else "accepted when it changes nothing" for name, place in HYP_NAMES.items()}
    rows = "\n".join(f"| `{name}` | {place} |" for name, place in places.items())
    write_text(Path(__file__).parents[1] / "docs" / "config.md", HEADER + options_table() + HYP + rows + "\n")
