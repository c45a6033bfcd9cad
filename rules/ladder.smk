"""Ladder: what each posture moved and why, the case for reopening, margins on further seeds."""

LADDER = ("baseline", "p1", "p2", "p3", "p4", "reopened")
P4_RUN_ID = BOARD.named("p4").run_id


rule ladder_table:
    input:
        scorecards=BOARD.all_scorecards(LADDER, SEEDS),
        gates=GATES,
    output:
        report=report(
            DATA["segment1b_ladder"],
            caption="../report/ladder_table.rst",
            category="Ladder",
            labels={"file": "steps, causes and checks"},
        ),
        table=report(
            DATA["segment1b_ladder_table"],
            caption="../report/ladder_table.rst",
            category="Ladder",
            labels={"file": "every metric of every step"},
        ),
    log:
        f"{LOGS}/1B/ladder_table.log",
    benchmark:
        f"{BENCHMARKS}/1B/ladder_table.tsv"
    threads: 1
    resources:
        mem_mb=500,
        runtime=10,
    params:
        version=state_version("ladder.ladder_table"),
        steps=BOARD.steps(LADDER),
    conda:
        "../envs/runtime.yaml"
    message:
        "Ladder: what each posture moved"
    script:
        "../scripts/ladder/ladder_table.py"


rule ladder_figure:
    input:
        report=DATA["segment1b_ladder"],
        table=DATA["segment1b_ladder_table"],
    output:
        figure=report(
            DATA["segment1b_ladder_figure"],
            caption="../report/ladder.rst",
            category="Ladder",
            labels={"file": "what each step moved"},
        ),
    log:
        f"{LOGS}/1B/ladder_figure.log",
    benchmark:
        f"{BENCHMARKS}/1B/ladder_figure.tsv"
    threads: 1
    resources:
        mem_mb=500,
        runtime=10,
    params:
        version=state_version("ladder.ladder_figure"),
    conda:
        "../envs/runtime.yaml"
    message:
        "Ladder: figure"
    script:
        "../scripts/ladder/ladder_figure.py"


rule p4_contradiction:
    input:
        scorecards=expand(DATA["segment1b_scorecard"], seed=SEEDS, allow_missing=True),
        gates=GATES,
    output:
        report=DATA["segment1b_p4_red_reopen"],
    log:
        f"{LOGS}/1B/{{run_id}}/p4_contradiction.log",
    benchmark:
        f"{BENCHMARKS}/1B/{{run_id}}/p4_contradiction.tsv"
    threads: 1
    resources:
        mem_mb=500,
        runtime=10,
    params:
        version=state_version("ladder.p4_contradiction"),
        posture=run_name,
    conda:
        "../envs/runtime.yaml"
    message:
        "P4 {wildcards.run_id}: contradiction with the gates"
    script:
        "../scripts/ladder/p4_contradiction.py"


rule ladder:
    input:
        DATA["segment1b_ladder"],
        DATA["segment1b_ladder_table"],
        DATA["segment1b_ladder_figure"],
        DATA["segment1b_p4_red_reopen"].format(run_id=P4_RUN_ID),


rule margins_report:
    input:
        scorecards=expand(DATA["segment1b_scorecard"], seed=SEEDS, allow_missing=True),
        guards=BOARD.upstream_guards,
        gates=GATES,
    output:
        report=DATA["segment1b_margins"],
        table=DATA["segment1b_margins_table"],
    log:
        f"{LOGS}/1B/{{run_id}}/margins_report.log",
    benchmark:
        f"{BENCHMARKS}/1B/{{run_id}}/margins_report.tsv"
    threads: 1
    resources:
        mem_mb=500,
        runtime=10,
    params:
        version=state_version("ladder.margins_report"),
    conda:
        "../envs/runtime.yaml"
    message:
        "Margins of {wildcards.run_id} over {SEEDS}"
    script:
        "../scripts/ladder/margins_report.py"


rule margins:
    input:
        DATA["segment1b_margins"].format(run_id=RELEASE_RUN_ID),
        DATA["segment1b_margins_table"].format(run_id=RELEASE_RUN_ID),
