"""What Snakemake lists as targets is what a user calls, each with a sentence."""

import os
import re

from tests import forks, small_world

TARGETS = {
    *("certify", "candidate", "baseline", "p1", "p2", "p3", "p4", "integrated", "recover"),
    *("ladder", "margins", "calibrate", "freeze_guard", "site_maps", "dossier", "export"),
    *("build_reference", "validate_reference"),
}


def test_targets_are_what_a_user_calls_each_with_a_sentence():
    environment = small_world.without_package(os.environ)
    told = forks.run("snakemake", ["--list-target-rules"], small_world.REPOSITORY, environment)
    assert told.returncode == 0, told.stderr
    listed = told.stdout
    sentences = dict(re.findall(r"^(\w+) \(([A-Z].+\.)\)$", listed, re.MULTILINE))
    assert set(sentences) == TARGETS, listed
    assert len(listed.splitlines()) == len(TARGETS), listed
