"""Where the project lies, for tests that run its scripts and read its configs."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
