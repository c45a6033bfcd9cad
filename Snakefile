"""Segment 1B: places every outlet of a merchant world on the Earth, scores the map, certifies it."""

from snakemake.utils import min_version

min_version("9.0")


configfile: "config/config.yaml"


include: "rules/common.smk"
include: "rules/reference.smk"
include: "rules/upstream_1a.smk"
include: "rules/states.smk"
include: "rules/scoring.smk"
include: "rules/certification.smk"
include: "rules/report.smk"
include: "rules/targets.smk"
