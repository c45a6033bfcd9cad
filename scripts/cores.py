"""How many cores this process may use."""

import os


def cores() -> int:
    """Cores that the system grants this process; a cluster's job has some of its machine's."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
