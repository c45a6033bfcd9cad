"""Named targets: the scorecards of each posture over the configured seeds."""


rule baseline:
    input:
        DATA["baseline_pointer"],
        DATA["iteration_protocol"],


rule candidate:
    input:
        scorecards=BOARD.scorecards(SETTINGS.candidate, SEEDS),
        pointer=DATA["current_candidate_pointer"],
        gates=GATES,
    log:
        f"{LOGS}/1B/candidate.log",
    localrule: True
    threads: 1
    resources:
        mem_mb=500,
        runtime=5,
    params:
        version=state_version("report.scorecard_summary", "candidate"),
        name=SETTINGS.candidate,
        quiet=QUIET,
    conda:
        "../envs/runtime.yaml"
    message:
        "Scorecards of {params.name}"
    script:
        "../scripts/report/scorecard_summary.py"


rule freeze_guard:
    input:
        DATA["segment1a_freeze_guard_accepted"].format(
            run_id=SETTINGS.runs[RELEASE_RUN_ID].upstream_id
        ),


rule site_maps:
    input:
        expand(DATA["segment1b_site_map"], run_id=RELEASE_RUN_ID, seed=SEEDS),


rule dossier:
    input:
        dossier=DATA["segment1b_p5_dossier"],
        certificate=DATA["segment1b_p5_certification"],
    log:
        f"{LOGS}/1B/dossier.log",
    localrule: True
    threads: 1
    resources:
        mem_mb=500,
        runtime=5,
    params:
        version=state_version("report.dossier_summary", "dossier"),
        quiet=QUIET,
    conda:
        "../envs/runtime.yaml"
    message:
        "Dossier"
    script:
        "../scripts/report/dossier_summary.py"
