"""Pictures made from the egress."""


rule site_map:
    input:
        site_locations=DATA["site_locations"],
        countries=REFERENCE["countries"],
    output:
        figure=DATA["segment1b_site_map"],
    log:
        f"{LOGS}/1B/{{run_id}}/{{seed}}/site_map.log",
    benchmark:
        f"{BENCHMARKS}/1B/{{run_id}}/{{seed}}/site_map.tsv"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        version=state_version("report.site_map"),
        name=run_name,
    conda:
        "../envs/runtime.yaml"
    message:
        "Map of {wildcards.run_id} seed {wildcards.seed}"
    script:
        "../scripts/report/site_map.py"
