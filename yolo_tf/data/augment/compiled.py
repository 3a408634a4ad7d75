"""XLA for the stages of the augmentation."""

import tensorflow as tf


def compiled(function):
    """Compiles `function` with XLA, as a stage of its own.

    On a CPU, XLA fuses what it can into one loop over the output and computes shared values anew for each
    channel and neighbour. Cut into stages whose results are stored, the augmentation takes a quarter of the
    time of one big compiled function (`scripts/bench_input.py`). Called inside a larger compiled
    function, such as a training step on an accelerator, a stage becomes part of it. Shapes must be static, and
    random operations stay outside: they give other numbers inside XLA.
    """
    return tf.function(function, jit_compile=True, autograph=False)
