"""The reference snapshot: rebuild it from its source packages, and hold it against census counts."""

from scripts.geo.snapshot import DATA_FILES, OUTLET_FILES

REFERENCE_PYTHON = SETTINGS.reference_python or ".venv-reference/bin/python"
REFERENCE_ENVIRONMENT = [] if SETTINGS.reference_python else ".venv-reference/complete"
# What a rebuild must repeat; nothing where it makes a new snapshot.
IN_FORCE = (
    []
    if SETTINGS.reference_update
    else [reference("manifest.json"), reference("country_facts.csv")]
)
REBUILT = SETTINGS.reference if SETTINGS.reference_update else f"{RUNS}/reference"


def shipped_reference(wildcards):
    """Folder of the shipped reference snapshot."""
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
        " --disable-pip-version-check --no-deps --require-hashes -r {input.lock}; }}"
        " > {log} 2>&1 || {{ cat {log} >&2; exit 1; }}"


rule build_reference:
    """Rebuild the reference snapshot from its sources, and compare it with the one in force."""
    input:
        environment=REFERENCE_ENVIRONMENT,
        in_force=IN_FORCE,
        outlets=source([f"{SETTINGS.reference}/{file}" for file in OUTLET_FILES]),
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
        against=f"--against {SETTINGS.reference}" if IN_FORCE else "",
    conda:
        "../envs/reference.yaml"
    shell:
        "{params.python} -m scripts.reference.build_reference --output {params.folder}"
        " --outlets {params.outlets} {params.against}"
        " > {log} 2>&1 || {{ cat {log} >&2; exit 1; }}"


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
        "{params.python} -m scripts.reference.validate_reference --admin1 {input.admin1}"
        " --snapshot {params.snapshot} --tile-policy {input.tile_policy} --policy {input.policy}"
        " --output {output.report} > {log} 2>&1 || {{ cat {log} >&2; exit 1; }}"
