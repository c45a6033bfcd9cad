"""What Snakemake lists as targets is what a user calls, each with a sentence."""

import re
import subprocess
import sys

from tests import small_world

TARGETS = {
    *("certify", "candidate", "baseline", "p1", "p2", "p3", "p4", "integrated", "recover"),
    *("ladder", "margins", "calibrate", "freeze_guard", "site_maps", "dossier", "export"),
    *("build_reference", "validate_reference"),
}


def test_targets_are_what_a_user_calls_each_with_a_sentence():
    listed = subprocess.run(
        [sys.executable, "-m", "snakemake", "--list-target-rules"],
        cwd=small_world.REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    sentences = dict(re.findall(r"^(\w+) \(([A-Z].+\.)\)$", listed, re.MULTILINE))
    assert set(sentences) == TARGETS, listed
    assert len(listed.splitlines()) == len(TARGETS), listed
