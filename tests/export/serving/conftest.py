"""The emulator in a process of its own, over the bundle of the tests."""

import json
import os
import subprocess
import sys
from typing import NamedTuple

import pytest
from places import ROOT


class Address(NamedTuple):
    """Where the emulator listens."""

    rest: str
    grpc: str
    process_id: int


@pytest.fixture(scope="session")
def emulator():
    """Address; it ends with the tests."""
    import detector_files

    bundle = detector_files.serving_bundle()
    program = ROOT / "tests" / "support" / "emulator.py"
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}  # each unreadable image is a line otherwise
    with subprocess.Popen(
        [sys.executable, "-I", program, bundle],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment,
    ) as process:
        ports = json.loads(process.stdout.readline())
        yield Address(f"http://127.0.0.1:{ports['rest']}", f"127.0.0.1:{ports['grpc']}", process.pid)
        process.stdin.close()
        assert process.wait(timeout=30) == 0
