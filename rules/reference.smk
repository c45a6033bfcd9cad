"""The reference snapshot: rebuild it from its source packages, and hold it against census counts."""

from scripts.geo.snapshot import DATA_FILES, FACTS, MANIFEST, OUTLET_FILES

REFERENCE_PYTHON = SETTINGS.reference_python or ".venv-reference/bin/python"
REFERENCE_ENVIRONMENT = [] if SETTINGS.reference_python else ".venv-reference/complete"
REBUILT = f"{RUNS}/reference"


def shipped(files):
    """Files of the reference snapshot of the configuration, also where own polygons are given."""
    return source([f"{SETTINGS.reference}/{file}" for file in files])


def shipped_reference(wildcards):
    """Params function: folder of these files."""
    return SETTINGS.reference


rule reference_environment:
    input:
        lock=source(f"{workflow.basedir}/envs/reference.lock.txt"),
    output:
        complete=touch(".venv-{environment}/complete"),
    wildcard_constraints:
        environment="reference",
    log:
        logs("{environment}/reference_environment"),
    conda:
        "../envs/reference.yaml"
    shell:
        "{{ python -m venv .venv-{wildcards.environment}"
        " && .venv-{wildcards.environment}/bin/pip install --quiet"
        " --disable-pip-version-check --no-deps --require-hashes -r {input.lock:q}; }}"
        " > {log:q} 2>&1 || {{ cat {log:q} >&2; exit 1; }}"


rule build_reference:
    """Rebuild the reference snapshot from its sources, and compare it with the one in force."""
    input:
        environment=REFERENCE_ENVIRONMENT,
        in_force=[] if SETTINGS.reference_update else shipped([MANIFEST, FACTS]),
        outlets=shipped(OUTLET_FILES),
    output:
        data=[f"{REBUILT}/{file}" for file in DATA_FILES],
        manifest=f"{REBUILT}/manifest.json",
    log:
        logs("reference/build_reference"),
    resources:
        mem_mb=4000,
    params:
        code=code("reference.build_reference"),
        python=REFERENCE_PYTHON,
        folder=subpath(output.manifest, parent=True),
        outlets=shipped_reference,
        against=[] if SETTINGS.reference_update else ["--against", SETTINGS.reference],
    conda:
        "../envs/reference.yaml"
    shell:
        "{params.python:q} -m scripts.reference.build_reference --output {params.folder:q}"
        " --outlets {params.outlets:q} {params.against:q}"
        " > {log:q} 2>&1 || {{ cat {log:q} >&2; exit 1; }}"


rule validate_reference:
    """Hold the population surface against census counts of regions."""
    input:
        environment=REFERENCE_ENVIRONMENT,
        data=[reference(file) for file in DATA_FILES],
        manifest=reference("manifest.json"),
        admin1=SETTINGS.reference_admin1,
        tile_policy=source("config/layer1/1B/policy/policy.s1.tile_index.yaml"),
        policy=source("config/layer1/1B/policy/policy.s1.population.yaml"),
    output:
        report=f"{RUNS}/reference/population_validation.json",
    log:
        logs("reference/validate_reference"),
    resources:
        mem_mb=4000,
    params:
        code=code("reference.validate_reference"),
        python=REFERENCE_PYTHON,
        snapshot=subpath(input.manifest, parent=True),
    conda:
        "../envs/reference.yaml"
    shell:
        "{params.python:q} -m scripts.reference.validate_reference --admin1 {input.admin1:q}"
        " --snapshot {params.snapshot:q} --tile-policy {input.tile_policy:q}"
        " --policy {input.policy:q} --output {output.report:q}"
        " > {log:q} 2>&1 || {{ cat {log:q} >&2; exit 1; }}"
