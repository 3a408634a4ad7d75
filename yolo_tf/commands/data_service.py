"""`yolo-tf data-service`: one process of a tf.data service, which prepares training batches for `data.service`."""

from yolo_tf.errors import InputError
from yolo_tf.system.tensorflow_start import load_tensorflow

DEFAULT_PORT = 5050


def add_arguments(parser):
    """Declares the arguments."""
    parser.add_argument("role", choices=("dispatcher", "worker"), help="one dispatcher deals the work out, workers do it")
    ports = f"{DEFAULT_PORT} as dispatcher, any free one as worker"
    parser.add_argument("--port", type=int, metavar="PORT", help=f"to listen on; default: {ports}")
    parser.add_argument("--dispatcher", default="", metavar="grpc://HOST:PORT", help="of a worker: its dispatcher")
    parser.add_argument("--host", default="localhost", metavar="NAME", help="of a worker: the name that trainers reach it by")


def run(arguments):
    """Serves until it is interrupted."""
    if arguments.port is not None and not 0 < arguments.port < 65536:
        raise InputError(f"--port: got {arguments.port}. Expected 1..65535.")
    if (arguments.role == "worker") != bool(arguments.dispatcher):
        raise InputError("--dispatcher: Expected with `worker`, and only there: grpc://HOST:PORT of the dispatcher.")

    load_tensorflow()
    import time

    from yolo_tf.data.service import start_dispatcher, start_worker

    if arguments.role == "dispatcher":
        server, address = start_dispatcher(DEFAULT_PORT if arguments.port is None else arguments.port)
    else:
        server, address = start_worker(arguments.dispatcher, host=arguments.host, port=arguments.port or 0)
    print(f"{arguments.role} at {address}; stop with Ctrl-C", flush=True)
    while server:  # join() would not hear Ctrl-C
        time.sleep(1)
