"""Measures the training step of the network alone on JAX: forward pass, gradients and update, compiled by XLA.

    KERAS_BACKEND=jax python scripts/bench_network_jax.py --model configs/models/yolov5s.yaml --batch-size 32 64

A look at what a GPU makes of the networks where TensorFlow is not installed: the networks are plain Keras, so every
backend builds them. It is not what training runs: no input pipeline, no augmentation, no matching; the loss is the mean
square of the raw predictions, and the images stay on the device. scripts/bench_step.py measures training itself.
Every row has a process of its own, so that its peak of memory is its own.
"""

import argparse
import json
import os
import subprocess
import sys
import time

ROUNDS, STEPS = 5, 10  # the median of ROUNDS; each times STEPS steps


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", nargs="+", default=["configs/models/yolov5s.yaml"], metavar="CONFIG")
    parser.add_argument("--image-size", type=int, default=640)
    parser.add_argument("--batch-size", type=int, nargs="+", default=[32, 64])
    parser.add_argument("--precision", nargs="+", default=["mixed_bfloat16"], help="of float32, mixed_bfloat16, mixed_float16")
    parser.add_argument("--row", action="store_true", help="measure the one row given, and print it as JSON")
    arguments = parser.parse_args()
    if arguments.row:
        row = measure(arguments.model[0], arguments.precision[0], arguments.batch_size[0], arguments.image_size)
        return print(json.dumps(row))
    names = "".join(f"{name:>12}" for name in ("images/s", "ms a step", "compile, s", "peak, GiB"))
    print(f"{'network':26}{'precision':>16}{'batch':>7}{names}", flush=True)
    device = None
    for model in arguments.model:
        for precision in arguments.precision:
            for batch_size in arguments.batch_size:
                command = [sys.executable, __file__, "--row", "--model", model, "--precision", precision]
                command += ["--batch-size", str(batch_size), "--image-size", str(arguments.image_size)]
                done = subprocess.run(command, env=os.environ | {"KERAS_BACKEND": "jax"}, capture_output=True, text=True)
                if done.returncode:
                    print(f"{model}, {precision}, batch {batch_size}: {done.stderr.strip().splitlines()[-1][:200]}", flush=True)
                    continue
                row = json.loads(done.stdout.splitlines()[-1])
                device = row["device"]
                numbers = f"{row['images_per_second']:12.1f}{row['ms']:12.1f}{row['compile_seconds']:12.1f}"
                peak = f"{row['peak_gib']:12.2f}" if row["peak_gib"] else f"{'-':>12}"
                print(f"{row['network']:26}{precision:>16}{batch_size:7d}{numbers}{peak}", flush=True)
    print(f"{device}, {arguments.image_size} px, the network alone on JAX, medians of {ROUNDS} rounds of {STEPS} steps")


def measure(model, precision, batch_size, image_size):
    """Returns the figures of one network, precision and batch size as plain values."""
    import jax
    import keras

    from yolo_tf import COCO_ANCHORS, build_network, read_config

    keras.mixed_precision.set_global_policy(precision)
    config = read_config(model)
    network = build_network(config.model, num_classes=80, anchors=COCO_ANCHORS)
    images = jax.random.uniform(jax.random.key(0), (batch_size, image_size, image_size, 3)) * 255

    def loss(trainable, fixed, images):
        raw, fixed = network.stateless_call(trainable, fixed, images, training=True)
        return sum((level**2).mean() for level in raw), fixed

    def step(trainable, fixed, momenta, images):
        (value, fixed), gradients = jax.value_and_grad(loss, has_aux=True)(trainable, fixed, images)
        momenta = [0.937 * momentum + gradient for momentum, gradient in zip(momenta, gradients, strict=True)]
        trainable = [variable - 1e-3 * momentum for variable, momentum in zip(trainable, momenta, strict=True)]
        return trainable, fixed, momenta, value

    step = jax.jit(step, donate_argnums=(0, 1, 2))
    trainable = [variable.value for variable in network.trainable_variables]
    state = (trainable, [variable.value for variable in network.non_trainable_variables], [0 * value for value in trainable])
    start = time.perf_counter()
    *state, value = step(*state, images)
    value.block_until_ready()
    compile_seconds = time.perf_counter() - start
    seconds = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        for _ in range(STEPS):
            *state, value = step(*state, images)
        value.block_until_ready()
        seconds.append((time.perf_counter() - start) / STEPS)
    if not bool(jax.numpy.isfinite(value)):
        raise ValueError(f"the loss is {value}")
    median = sorted(seconds)[ROUNDS // 2]
    memory = jax.devices()[0].memory_stats() or {}
    return {
        "network": config.model.name,
        "device": jax.devices()[0].device_kind,
        "images_per_second": batch_size / median,
        "ms": 1000 * median,
        "compile_seconds": compile_seconds,
        "peak_gib": memory.get("peak_bytes_in_use", 0) / 2**30,
    }


if __name__ == "__main__":
    main()
