"""The machine as it is: the name of its processor, the memory that is left."""

import platform
import re
from pathlib import Path


def processor_name():
    """Returns the name of the processor, as the system gives it."""
    try:
        return re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)[1]
    except (OSError, TypeError):  # no such file or line: another system or processor
        return platform.processor() or platform.machine()


def available_memory():
    """Returns the megabytes that this process may still take; None where the system does not say (not Linux)."""
    try:
        text = Path("/proc/meminfo").read_text(encoding="utf-8")
        free = [int(re.search(r"MemAvailable:\s+(\d+)", text)[1]) * 1024]
    except (OSError, TypeError):
        return None
    try:  # a container's limit, where there is one; cached files give way
        group = Path("/sys/fs/cgroup")
        limit, used = (int((group / f"memory.{name}").read_text(encoding="utf-8")) for name in ("max", "current"))
        cached = re.search(r"^inactive_file (\d+)", (group / "memory.stat").read_text(encoding="utf-8"), re.MULTILINE)
        free.append(limit - used + int(cached[1]))
    except (OSError, ValueError, TypeError):
        pass
    return min(free) / 1e6
