"""`show`: tables of the backbones, of one network's cost, of the resolved config."""

import argparse


def add_arguments(parser):
    """Adds one subject per table."""
    subjects = parser.add_subparsers(dest="subject", metavar="SUBJECT", required=True)
    for subject, summary in (
        ("backbones", "every backbone: feature taps, parameters, cost at 640 x 640"),
        ("model", "one network: parameters and arithmetic of backbone, adapters, neck and head"),
        ("config", "every option with the value that would be used"),
    ):
        child = subjects.add_parser(subject, help=summary, description=summary)
        # So that --json may stand behind the subject too; suppressed lest its default hide the one before it.
        child.add_argument("--json", metavar="FILE", default=argparse.SUPPRESS, help="write the result there too")
        if subject == "backbones":
            continue
        child.add_argument("--config", metavar="FILE", help="YAML file; without it, all defaults")
        child.add_argument("overrides", nargs="*", metavar="section.key=value", help="changes to the config")
        if subject == "model":
            child.add_argument("--num-classes", type=int, default=80, metavar="N", help="classes (default: 80, as COCO)")
            child.add_argument("--rows", action="store_true", help="list every block too: what it reads, parameters, channels")


def run(arguments):
    """Prints the table and returns what it holds."""
    return {"backbones": _show_backbones, "model": _show_model, "config": _show_config}[arguments.subject](arguments)


def _show_backbones(arguments):
    from yolo_tf.tensorflow_start import load_tensorflow

    load_tensorflow()
    from yolo_tf.models.backbones import BACKBONES

    print(f"{'backbone':<20}{'parameters':>13}{'GFLOPs':>10}  {'channels':<16}features of stride 8, 16, 32")
    rows = []
    for name, spec in BACKBONES.items():
        channels = "/".join(str(tap.channels) for tap in spec.taps)
        layers = ", ".join(tap.layer for tap in spec.taps)
        print(f"{name:<20}{spec.trainable_params:>13,}{spec.gflops:>10.3f}  {channels:<16}{layers}")
        rows.append(
            {
                "name": name,
                "trainable_params": spec.trainable_params,
                "gflops_640": spec.gflops,
                "scalable": spec.scalable,
                "taps": [{"layer": tap.layer, "stride": tap.stride, "channels": tap.channels} for tap in spec.taps],
            }
        )
    print("Up to the last feature; csp_darknet at depth and width 1.")
    return {"backbones": rows}


def _show_model(arguments):
    import dataclasses

    from yolo_tf.config_reader import read_config
    from yolo_tf.errors import InputError

    if arguments.num_classes < 1:
        raise InputError(f"--num-classes: got {arguments.num_classes}. Expected 1 or more. Leave it out for 80.")
    config = read_config(arguments.config, arguments.overrides)

    from yolo_tf.models.network import build_network, network_anchors
    from yolo_tf.models.report import format_report, network_report

    network = build_network(
        dataclasses.replace(config.model, backbone_weights="none"),  # counting needs no download
        num_classes=arguments.num_classes,
        anchors=network_anchors(config.model),
    )
    report = network_report(
        network, model=config.model, num_classes=arguments.num_classes, image_size=config.data.image_size
    )
    print(format_report(report))
    if arguments.rows:
        from yolo_tf.models.block_rows import block_rows, format_block_rows

        report["rows"] = block_rows(network)
        print("", format_block_rows(report["rows"]), sep="\n")
    return report


def _show_config(arguments):
    import yaml

    from yolo_tf.config_reader import config_to_dict, read_config

    values = config_to_dict(read_config(arguments.config, arguments.overrides))
    print(yaml.safe_dump(values, sort_keys=False, default_flow_style=None, width=110), end="")
    return values
