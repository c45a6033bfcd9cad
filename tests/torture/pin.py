"""Pins the content of the small world's egress anew, after a law or policy changed on purpose.

    python -m tests.torture.pin FOLDER

FOLDER is a certified small world (``python -m tests.small_world FOLDER``).
"""

import sys
from pathlib import Path

from scripts.tables import write_json
from tests.torture.environments import PINNED, egress_digests

if __name__ == "__main__":
    write_json(PINNED, egress_digests(Path(sys.argv[1])))
