"""A program for a process of its own, where TensorFlow alone must do: SavedModel, requests -> answers.

python -I tensorflow_alone.py SAVED_MODEL REQUESTS.npz ANSWERS.npz: signatures are called as a server does it, in a session, by
the tensor names in the SignatureDef, several requests at a time.
"""

import subprocess
import sys
import tempfile
from pathlib import Path


def serve(saved_model, requests, *, python=sys.executable, program=__file__, arguments=()):
    """Runs `program` on {"<signature>-<anything>": input}; returns {the same: {output name: array}}."""
    import numpy as np

    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / "requests.npz", Path(folder) / "answers.npz"]
        np.savez(files[0], **requests)
        command = [python, "-I", program, saved_model, *files, *arguments]
        finished = subprocess.run([str(word) for word in command], capture_output=True, text=True)
        assert finished.returncode == 0, finished.stderr
        answers = {name: {} for name in requests}
        for name, value in np.load(files[1]).items():
            request, key = name.split("/")
            answers[request][key] = value
    return answers


def main(saved_model, requests, answers):
    """Loads, serves and writes what was answered."""
    sys.modules["keras"] = sys.modules["yolo_tf"] = None  # an import of either fails
    from concurrent.futures import ThreadPoolExecutor

    import numpy as np
    import tensorflow as tf

    session = tf.compat.v1.Session(graph=tf.Graph())
    with session.graph.as_default():
        signatures = tf.compat.v1.saved_model.load(session, ["serve"], saved_model).signature_def
    requests = dict(np.load(requests, allow_pickle=True))

    def call(request):
        name, value = request.split("-")[0], requests[request]
        (slot,), answer = signatures[name].inputs.values(), signatures[name].outputs
        return session.run({key: tensor.name for key, tensor in answer.items()}, {slot.name: value})

    with ThreadPoolExecutor(4) as pool:
        found = dict(zip(requests, pool.map(call, requests)))
    np.savez(answers, **{f"{name}/{key}": value for name, answer in found.items() for key, value in answer.items()})


if __name__ == "__main__":
    main(*sys.argv[1:])
