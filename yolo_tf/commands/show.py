"""`show`: tables of the backbones, of one network's cost, of compound scaling, of the resolved config."""

import argparse

from yolo_tf.errors import InputError
from yolo_tf.system.atomic import json_text
from yolo_tf.system.tensorflow_start import load_tensorflow


def add_arguments(parser):
    """Adds one subject per table."""
    subjects = parser.add_subparsers(dest="subject", metavar="SUBJECT", required=True)
    for subject, summary in (
        ("backbones", "every backbone: feature taps, parameters, cost at 640 x 640, licences"),
        ("model", "one network: parameters and arithmetic of backbone, adapters, neck and head"),
        ("config", "every option with the value that would be used"),
        ("scaling", "EfficientNet or CSPDarknet, compound-scaled: what each size is and costs"),
    ):
        child = subjects.add_parser(subject, help=summary, description=summary)
        # So that --json may stand behind the subject too; suppressed lest its default hide the one before it.
        child.add_argument("--json", metavar="FILE", default=argparse.SUPPRESS, help="write the result there too")
        if subject in ("backbones", "scaling"):
            child.add_argument("--format", choices=("text", "markdown", "json"), default="text", help="default: text")
            if subject == "scaling":
                _add_scaling_arguments(child)
            continue
        child.add_argument("--config", metavar="FILE", help="YAML file; without it, all defaults")
        child.add_argument("overrides", nargs="*", metavar="section.key=value", help="changes to the config")
        if subject == "config":
            child.add_argument("--migrate", metavar="FILE", help="rewrite a config or search space of an earlier version instead")
        else:
            child.add_argument("--num-classes", type=int, default=80, metavar="N", help="classes (default: 80, as COCO)")
            child.add_argument("--rows", action="store_true", help="list every block too: what it reads, parameters, channels")


def run(arguments):
    """Prints the table and returns what it holds."""
    subjects = {"backbones": _show_backbones, "model": _show_model, "config": _show_config, "scaling": _show_scaling}
    result, text = subjects[arguments.subject](arguments)
    print(json_text(result).rstrip() if getattr(arguments, "format", "") == "json" else text)
    return result


def _show_backbones(arguments):
    load_tensorflow()
    from yolo_tf.models.backbones import BACKBONES
    from yolo_tf.models.reports.backbones import backbones_to_json, format_backbones

    return {"backbones": backbones_to_json(BACKBONES)}, format_backbones(BACKBONES, kind=arguments.format)


def _show_model(arguments):
    import dataclasses

    from yolo_tf.config.reader import read_config

    if arguments.num_classes < 1:
        raise InputError(f"--num-classes: got {arguments.num_classes}. Expected 1 or more. Leave it out for 80.")
    config = read_config(arguments.config, arguments.overrides)

    from yolo_tf.files import read_spec
    from yolo_tf.files.keras import read_network
    from yolo_tf.models.network import build_network, network_layout
    from yolo_tf.models.reports.blocks import block_rows, format_block_rows
    from yolo_tf.models.reports.cost import format_report, network_report

    model, num_classes = config.model, arguments.num_classes
    if model.network:  # it has the classes that it has
        network, spec = read_network(model.network, option="config.model.network"), read_spec(model.network)
        model, num_classes = dataclasses.replace(model, name=spec.name), len(spec.class_names)
    else:
        network = build_network(
            dataclasses.replace(model, backbone_weights="none"),  # counting needs no download
            num_classes=num_classes,
            anchors=network_layout(model),
        )
    report = network_report(network, model=model, num_classes=num_classes, image_size=config.data.image_size)
    if not arguments.rows:
        return report.to_json(), format_report(report)
    rows = block_rows(network)
    return report.to_json() | {"rows": [row.to_json() for row in rows]}, f"{format_report(report)}\n\n{format_block_rows(rows)}"


def _add_scaling_arguments(parser):
    add = parser.add_argument
    add("--phi", type=float, nargs="+", required=True, metavar="N", help="sizes, 0..10; whole steps before the largest are added")
    add(
        "--backbone",
        dest="family",
        default="efficientnet",
        metavar="NAME",
        help="efficientnet (B0 at phi 0; default) or csp_darknet (YOLOv5n)",
    )
    for name, scaled, default in (("alpha", "depth", 1.2), ("beta", "width", 1.1), ("gamma", "resolution", 1.15)):
        add(f"--{name}", type=float, default=default, metavar="X", help=f"{scaled} grows by it per step (default: {default})")
    add("--image-size", type=int, default=640, metavar="PX", help="side of the input at phi 0 (default: 640)")
    add("--write", metavar="FILE", help="efficientnet: write the largest as a .keras file, to train with model.backbone_file")


def _show_scaling(arguments):
    from yolo_tf.files.keras import FORMAT

    if arguments.write and (arguments.family != "efficientnet" or not arguments.write.endswith(FORMAT.suffix)):
        raise InputError(
            f"--write: got {arguments.write} for {arguments.family}. Expected a .keras file, of efficientnet. csp_darknet needs"
            " none: model.depth and model.width say it all."
        )
    load_tensorflow()
    from yolo_tf.files.keras import save_network
    from yolo_tf.models.reports.scaling import CompoundScaling, format_scaling, scaled_efficientnet, scaling_table

    scaling = CompoundScaling(alpha=arguments.alpha, beta=arguments.beta, gamma=arguments.gamma)
    table = scaling_table(arguments.family, arguments.phi, scaling=scaling, image_size=arguments.image_size)
    if arguments.write:
        largest = table.rows[-1]
        save_network(scaled_efficientnet(largest.depth, largest.width), None, arguments.write)
        largest.config["model.backbone_file"] = arguments.write
    unwritten = arguments.family == "efficientnet" and not arguments.write
    return table.to_json(), format_scaling(table, kind=arguments.format) + unwritten * " (FILE: of --write)"


def _show_config(arguments):
    import yaml

    from yolo_tf.config.migrate import migrate_file
    from yolo_tf.config.reader import config_to_dict, read_config

    if arguments.migrate:
        if arguments.config or arguments.overrides:
            raise InputError("--migrate: rewrites its file alone. Expected no --config and no overrides. Leave them out.")
        moved = migrate_file(arguments.migrate)
        lines = [f"{old} -> {new}" for old, new in moved.items()]
        lines.append(f"{arguments.migrate}: {'rewritten' if moved else 'nothing has moved; left as it is'}")
        return {"file": arguments.migrate, "moved": moved}, "\n".join(lines)
    values = config_to_dict(read_config(arguments.config, arguments.overrides))
    return values, yaml.safe_dump(values, sort_keys=False, default_flow_style=None, width=110).rstrip()
