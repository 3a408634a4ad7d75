"""A small YOLOX with lively batch norms, and files of it."""

import pytest


@pytest.fixture(scope="session")
def yolox_network():
    """The network of 2 bottlenecks in its first stage, width 1 / 8, depthwise, 3 classes."""
    import keras
    from torch_states import lively

    from yolo_tf.config import ModelConfig
    from yolo_tf.models.network import build_network, network_layout

    keras.utils.set_random_seed(0)
    options = dict(backbone="csp_darknet_yolox", neck="csp_pan_unpooled", head="decoupled", depthwise=True)
    model = ModelConfig(name="small", depth=0.67, width=0.125, **options)
    network = build_network(model, num_classes=3, anchors=network_layout(model))
    lively(network)
    return network


@pytest.fixture
def yolox_pth(yolox_network, tmp_path):
    """Returns a function (change of the state dict, name) -> path of a `.pth` file of it."""
    from torch_states import yolox_checkpoint, yolox_state
    from torch_writer import write_zip

    def write(change=None, *, name="small.pth", wrap=yolox_checkpoint, writer=write_zip):
        state = yolox_state(yolox_network, repeats=2, depthwise=True)
        if change is not None:
            change(state)
        return writer(tmp_path / name, wrap(state))

    return write


@pytest.fixture
def yolox_onnx(yolox_network, tmp_path):
    """Returns a function (change of the order of its convolutions, name) -> path of an `.onnx` file of it."""
    from onnx_writer import write_onnx, yolox_parts

    from yolo_tf.checkpoints.yolox.names import convolutions

    def write(change=None, *, name="small.onnx", more=(), **options):
        order = [one.name for one in convolutions(2, True)]
        if change is not None:
            change(order)
        return write_onnx(tmp_path / name, *yolox_parts(yolox_network, order, **options), *more)

    return write
