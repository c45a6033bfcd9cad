"""The reference snapshot: rebuild it from its source packages, and hold it against census counts."""

REFERENCE_PYTHON = SETTINGS.reference_python or ".venv-reference/bin/python"
REFERENCE_ENVIRONMENT = [] if SETTINGS.reference_python else ".venv-reference/complete"
REBUILT = SETTINGS.reference if SETTINGS.reference_update else f"{RUNS}/reference"


rule reference_environment:
    input:
        lock=source(f"{workflow.basedir}/envs/reference.lock.txt"),
    output:
        complete=touch(".venv-reference/complete"),
    log:
        logs("reference/reference_environment"),
    conda:
        "../envs/reference.yaml"
    shell:
        "{{ python -m venv .venv-reference && .venv-reference/bin/pip install --quiet"
        " --disable-pip-version-check --no-deps --require-hashes -r {input.lock}; }}"
        " > {log} 2>&1 || {{ cat {log} >&2; exit 1; }}"


rule build_reference:
    """Rebuild the reference snapshot from its sources, and compare it with the one in force."""
    input:
        environment=REFERENCE_ENVIRONMENT,
        in_force=branch(not SETTINGS.reference_update, then=reference("manifest.json")),
        outlet_density=source(f"{SETTINGS.reference}/outlet_density.csv"),
        outlet_statistics=source(f"{SETTINGS.reference}/outlet_statistics.csv"),
        outlet_samples=source(f"{SETTINGS.reference}/outlet_samples.csv"),
    output:
        countries=f"{REBUILT}/countries.parquet",
        facts=f"{REBUILT}/country_facts.csv",
        places=f"{REBUILT}/places.parquet",
        land_cover=f"{REBUILT}/land_cover.parquet",
        manifest=f"{REBUILT}/manifest.json",
    log:
        logs("reference/build_reference"),
    resources:
        mem_mb=4000,
    params:
        code=code("reference.build_reference"),
        python=REFERENCE_PYTHON,
        folder=subpath(output.manifest, parent=True),
        outlets=subpath(input.outlet_density, parent=True),
    conda:
        "../envs/reference.yaml"
    shell:
        "{params.python} -m scripts.reference.build_reference --output {params.folder}"
        " --outlets {params.outlets} --against {input.in_force} > {log} 2>&1 || {{ cat {log} >&2; exit 1; }}"


rule validate_reference:
    """Hold the population surface against census counts of regions."""
    input:
        environment=REFERENCE_ENVIRONMENT,
        countries=reference("countries.parquet"),
        facts=reference("country_facts.csv"),
        places=reference("places.parquet"),
        land_cover=reference("land_cover.parquet"),
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
