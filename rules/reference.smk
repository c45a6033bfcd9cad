"""The reference snapshot: rebuild it from its source packages, and hold it against census counts."""

REFERENCE_BUILD = config.get("reference_build", {})
REFERENCE_UPDATE = REFERENCE_BUILD.get("update", False)
REBUILT = reference_paths(
    SETTINGS.reference if REFERENCE_UPDATE else f"{SETTINGS.runs_root}/reference"
)


rule build_reference:
    input:
        manifest=[] if REFERENCE_UPDATE else REFERENCE["manifest"],
    output:
        **REBUILT,
    log:
        f"{LOGS}/reference/build_reference.log",
    benchmark:
        f"{BENCHMARKS}/reference/build_reference.tsv"
    conda:
        "../envs/reference.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=15,
    params:
        version=state_version("reference.build"),
        python=REFERENCE_BUILD.get("python", "python"),
        folder=subpath(output.manifest, parent=True),
        against=lambda wildcards, input: (
            f"--against {input.manifest}" if input.manifest else ""
        ),
    message:
        "Reference snapshot: {params.folder}"
    shell:
        "{params.python} -m scripts.reference.build --output {params.folder} {params.against}"
        " > {log} 2>&1 || {{ cat {log} >&2; exit 1; }}"


rule validate_reference:
    input:
        **REFERENCE,
        admin1=REFERENCE_BUILD.get("admin1", "admin1.geojson"),
        tile_policy="config/layer1/1B/policy/policy.s1.tile_index.yaml",
        policy="config/layer1/1B/policy/policy.s1.population.yaml",
    output:
        report=f"{SETTINGS.runs_root}/reference/population_validation.json",
    log:
        f"{LOGS}/reference/validate_reference.log",
    benchmark:
        f"{BENCHMARKS}/reference/validate_reference.tsv"
    conda:
        "../envs/reference.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=15,
    params:
        version=state_version("reference.validate"),
        python=REFERENCE_BUILD.get("python", "python"),
        snapshot=SETTINGS.reference,
    message:
        "Population surface against census counts of regions"
    shell:
        "{params.python} -m scripts.reference.validate --admin1 {input.admin1}"
        " --snapshot {params.snapshot} --tile-policy {input.tile_policy} --policy {input.policy}"
        " --output {output.report} > {log} 2>&1 || {{ cat {log} >&2; exit 1; }}"
