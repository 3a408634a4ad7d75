"""Which channels go together, worked out by hand on small networks."""

import keras
import numpy as np
import pytest

from yolo_tf.surgery.pruning.channel_flow import follow_channels
from yolo_tf.surgery.pruning.channels import unread_channels, without_channels

layers = keras.layers


def conv(x, filters, name, **options):
    return layers.Conv2D(filters, 1, name=name, **options)(x)


def flow_of(build):
    """Returns (network, ChannelFlow, {names of a group's layers: (channels, reason)}) of images -> build -> 1 x 1."""
    keras.utils.set_random_seed(0)
    images = keras.Input((None, None, 3), name="images")
    network = keras.Model(images, build(images))
    for layer in network.layers:
        if isinstance(layer, layers.BatchNormalization):
            rng, count = np.random.default_rng(1), layer.moving_mean.shape[0]
            layer.set_weights([rng.uniform(0.5, 1.5, count) for _ in layer.weights])
    flow = follow_channels(network)
    return network, flow, {(*group.layers,): (len(group.roots), group.reason) for group in flow.groups}


def check_removal(network, flow, seed=0):
    """Removes a third of all channels that may go; what is left answers as the network that does not read them."""
    rng = np.random.default_rng(seed)
    free = np.concatenate([group.roots for group in flow.groups if not group.reason])
    removed = set(rng.choice(free, -(-len(free) // 3), replace=False).tolist())
    smaller = without_channels(network, flow, removed)
    assert smaller.count_params() < network.count_params()
    images, weights = rng.normal(size=(2, 8, 12, 3)).astype(np.float32), network.get_weights()
    with unread_channels(network, flow, removed):
        expected = keras.tree.flatten(network(images))
    for one, other in zip(network.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(one, other)
    found, whole = (keras.tree.flatten(model(images)) for model in (smaller, network))
    for one, other, before in zip(expected, found, whole, strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-5, atol=1e-5)
        assert np.abs(one - before).max() > 1e-3  # the removed channels did matter
    return smaller


def test_a_chain_of_two_convolutions_by_hand():
    """Channels 1 of 0..2 goes: the second row of the next kernel goes with it, whatever lies between."""

    def build(x):
        x = layers.Activation("silu")(layers.BatchNormalization(name="norm")(conv(x, 3, "first")))
        x = layers.MaxPooling2D(2)(layers.ZeroPadding2D(1)(x))
        return conv(layers.UpSampling2D(2)(x), 2, "last")

    network, flow, groups = flow_of(build)
    assert groups == {("first",): (3, ""), ("last",): (2, "output of the network")}
    smaller = without_channels(network, flow, {flow.groups[0].roots[1]})
    for name, axis in (("first", 3), ("last", 2)):
        kernel = network.get_layer(name).kernel.numpy()
        np.testing.assert_array_equal(smaller.get_layer(name).kernel, np.delete(kernel, 1, axis))
    np.testing.assert_array_equal(smaller.get_layer("norm").gamma, network.get_layer("norm").gamma.numpy()[[0, 2]])
    assert [layer.name for layer in smaller.layers] == [layer.name for layer in network.layers]
    assert smaller.get_layer("first").filters == 2 and smaller.get_layer("last").filters == 2


def test_what_is_added_goes_together():
    def build(x):
        x = conv(x, 5, "stem")
        branch = conv(conv(x, 7, "inner"), 5, "branch")
        return conv(layers.Add()([x, branch]), 2, "last")

    network, flow, groups = flow_of(build)
    assert groups == {("stem", "branch"): (5, ""), ("inner",): (7, ""), ("last",): (2, "output of the network")}
    smaller = check_removal(network, flow)
    assert smaller.get_layer("stem").filters == smaller.get_layer("branch").filters


def test_each_part_of_a_concatenation_is_tied_to_its_part_of_a_sum():
    def build(x):
        joined = layers.Concatenate()([conv(x, 4, "a"), conv(x, 6, "b")])
        return conv(layers.Add()([joined, conv(x, 10, "sum")]), 2, "last")

    network, flow, groups = flow_of(build)
    assert groups == {("a", "sum"): (4, ""), ("b", "sum"): (6, ""), ("last",): (2, "output of the network")}
    check_removal(network, flow)


def test_a_map_joined_with_its_own_image_is_tied_to_both_halves_of_a_sum():
    """GhostNet's module: channel c of the primary map is channel c and, behind a depthwise convolution, channel 5 + c."""

    def build(x):
        primary = conv(x, 5, "primary")
        cheap = layers.BatchNormalization()(layers.DepthwiseConv2D(3, padding="same")(primary))
        return conv(layers.Add()([layers.Concatenate()([primary, cheap]), conv(x, 10, "shortcut")]), 2, "last")

    network, flow, groups = flow_of(build)
    assert groups == {("primary", "shortcut"): (5, ""), ("last",): (2, "output of the network")}
    smaller = check_removal(network, flow)
    assert smaller.get_layer("shortcut").filters == 2 * smaller.get_layer("primary").filters == 6


@pytest.mark.parametrize("multiplier", [1, 3])
@pytest.mark.parametrize("reshaped", [False, True])
def test_squeeze_and_excitation_behind_a_depthwise_convolution(multiplier, reshaped):
    def build(x):
        x = layers.BatchNormalization()(layers.DepthwiseConv2D(3, depth_multiplier=multiplier)(conv(x, 4, "expand")))
        factors = layers.GlobalAveragePooling2D(keepdims=not reshaped)(x)
        if reshaped:
            factors = layers.Reshape((1, 1, 4 * multiplier))(factors)
        factors = conv(conv(factors, 5, "squeeze", activation="relu"), 4 * multiplier, "excite", activation="sigmoid")
        return conv(layers.Multiply()([x, factors]), 2, "last")

    network, flow, groups = flow_of(build)
    assert groups == {("expand", "excite"): (4, ""), ("squeeze",): (5, ""), ("last",): (2, "output of the network")}
    smaller = check_removal(network, flow)
    assert smaller.get_layer("excite").filters == multiplier * smaller.get_layer("expand").filters


def test_separable_and_dense_layers_make_channels():
    def build(x):
        x = layers.SeparableConv2D(6, 3, depth_multiplier=2, name="separable")(conv(x, 4, "first"))
        return layers.Dense(2, name="last")(layers.Dense(9, activation="gelu", name="dense")(x))

    network, flow, groups = flow_of(build)
    assert groups == {("first",): (4, ""), ("separable",): (6, ""), ("dense",): (9, ""), ("last",): (2, "output of the network")}
    check_removal(network, flow)


UNKNOWN = {
    "grouped": (lambda x: layers.Conv2D(6, 3, groups=3, name="odd")(x), "odd (Conv2D of 3 groups)"),
    "layer norm": (lambda x: layers.LayerNormalization(name="odd")(x), "odd (LayerNormalization)"),
    "softmax": (lambda x: layers.Activation("softmax", name="odd")(x), "odd (Activation)"),
    "softmax inside": (lambda x: conv(x, 6, "odd", activation="softmax"), "odd (Conv2D)"),
    "scale per channel": (lambda x: layers.Rescaling([1, 2, 3, 4, 5, 6], name="odd")(x), "odd (Rescaling)"),
    "reshape": (lambda x: layers.Reshape((-1, 1, 6), name="odd")(x), "odd (Reshape)"),
    "network": (
        lambda x: keras.Sequential([keras.Input((None, None, 6)), layers.Conv2D(6, 1)], name="odd")(x),
        "odd (Sequential)",
    ),
    "parametric": (lambda x: layers.PReLU(shared_axes=[1, 2], name="odd")(x), "odd (PReLU)"),
}


@pytest.mark.parametrize("kind", UNKNOWN)
def test_what_no_rule_covers_keeps_all_it_reads_and_makes(kind):
    odd, reason = UNKNOWN[kind]

    def build(x):
        return conv(conv(odd(conv(conv(x, 9, "free"), 6, "before")), 7, "after"), 2, "last")

    network, flow, groups = flow_of(build)
    assert groups.pop(("before",)) == (6, reason)
    assert groups == {("free",): (9, ""), ("after",): (7, ""), ("last",): (2, "output of the network")}
    check_removal(network, flow)


def test_a_layer_that_is_called_twice_and_plain_operations_keep_their_channels():
    twice = layers.Conv2D(4, 1, name="twice")

    def build(x):
        x = twice(twice(conv(x, 4, "before")))
        x = conv(keras.ops.relu6(conv(x, 5, "to_operation")), 7, "free")
        one = layers.Conv2D(1, 1, name="one")(x)
        return conv(layers.Multiply(name="spread")([x, one]), 2, "last")

    network, flow, groups = flow_of(build)
    assert groups[("before",)] == (4, "twice (Conv2D)") and ("twice",) not in groups
    assert groups[("to_operation",)][1].endswith("(Relu6)")
    assert groups[("one",)] == (1, "spread spreads it over all channels") and groups[("free",)] == (7, "")
    check_removal(network, flow)


def test_the_rules_do_not_depend_on_other_networks_that_share_the_layers():
    def build(x):
        return conv(layers.BatchNormalization()(conv(x, 5, "first")), 2, "last")

    network, _, groups = flow_of(build)
    keras.models.clone_model(network, clone_function=lambda layer: layer)  # as the trainer's view does
    assert {group.layers: (len(group.roots), group.reason) for group in follow_channels(network).groups} == groups
