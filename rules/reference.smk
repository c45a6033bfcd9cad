"""The reference snapshot: rebuild it from its source packages, and hold it against census counts."""

REFERENCE_UPDATE = SETTINGS.reference_update
REFERENCE_PYTHON = SETTINGS.reference_python or ".venv-reference/bin/python"
REFERENCE_ENVIRONMENT = [] if SETTINGS.reference_python else ".venv-reference/complete"
REBUILT = reference_paths(
    SETTINGS.reference if REFERENCE_UPDATE else f"{SETTINGS.runs_root}/reference"
)


rule reference_environment:
    input:
        lock=source(f"{workflow.basedir}/envs/reference.lock.txt"),
    output:
        complete=touch(".venv-reference/complete"),
    log:
        f"{LOGS}/reference/reference_environment.log",
    benchmark:
        f"{BENCHMARKS}/reference/reference_environment.tsv"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=30,
    conda:
        "../envs/reference.yaml"
    message:
        "Environment with the source packages of the reference snapshot"
    shell:
        "{{ python -m venv .venv-reference && .venv-reference/bin/pip install --quiet"
        " --disable-pip-version-check --no-deps --require-hashes -r {input.lock}; }}"
        " > {log} 2>&1 || {{ cat {log} >&2; exit 1; }}"


rule build_reference:
    input:
        environment=REFERENCE_ENVIRONMENT,
        manifest=[] if REFERENCE_UPDATE else REFERENCE["manifest"],
    output:
        **REBUILT,
    log:
        f"{LOGS}/reference/build_reference.log",
    benchmark:
        f"{BENCHMARKS}/reference/build_reference.tsv"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=15,
    params:
        version=state_version("reference.build"),
        python=REFERENCE_PYTHON,
        folder=subpath(output.manifest, parent=True),
        against=BOARD.against_manifest,
    conda:
        "../envs/reference.yaml"
    message:
        "Reference snapshot: {params.folder}"
    shell:
        "{params.python} -m scripts.reference.build --output {params.folder} {params.against}"
        " > {log} 2>&1 || {{ cat {log} >&2; exit 1; }}"


rule validate_reference:
    input:
        **REFERENCE,
        environment=REFERENCE_ENVIRONMENT,
        admin1=SETTINGS.reference_admin1,
        tile_policy=source("config/layer1/1B/policy/policy.s1.tile_index.yaml"),
        policy=source("config/layer1/1B/policy/policy.s1.population.yaml"),
    output:
        report=f"{SETTINGS.runs_root}/reference/population_validation.json",
    log:
        f"{LOGS}/reference/validate_reference.log",
    benchmark:
        f"{BENCHMARKS}/reference/validate_reference.tsv"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=15,
    params:
        version=state_version("reference.validate"),
        python=REFERENCE_PYTHON,
        snapshot=BOARD.reference_folder,
    conda:
        "../envs/reference.yaml"
    message:
        "Population surface against census counts of regions"
    shell:
        "{params.python} -m scripts.reference.validate --admin1 {input.admin1}"
        " --snapshot {params.snapshot} --tile-policy {input.tile_policy} --policy {input.policy}"
        " --output {output.report} > {log} 2>&1 || {{ cat {log} >&2; exit 1; }}"
