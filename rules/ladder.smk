"""Ladder: what each posture moved and why, the case for reopening, margins on further seeds."""

LADDER = ("baseline", "p1", "p2", "p3", "p4", "reopened")
LADDER_RUNS = [SETTINGS.run_named(name) for name in LADDER]
P4_RUN_ID = SETTINGS.run_named("p4").run_id


def ladder_steps(wildcards):
    """Name, run id and policy files of each step."""
    return [
        {
            "posture": step.name,
            "run_id": step.run_id,
            "policies": {"upstream": step.posture.upstream_policy, **step.posture.policies},
        }
        for step in LADDER_RUNS
    ]


rule ladder_table:
    input:
        scorecards=expand(
            run("scorecard/segment1b_scorecard.json"),
            run_id=[step.run_id for step in LADDER_RUNS],
            seed=SEEDS,
        ),
        gates=GATES,
    output:
        report=report(
            reports("segment1b_ladder.json"),
            caption="../report/ladder_table.rst",
            category="Ladder",
            labels={"file": "steps, causes and checks"},
        ),
        table=report(
            reports("segment1b_ladder.csv"),
            caption="../report/ladder_table.rst",
            category="Ladder",
            labels={"file": "every metric of every step"},
        ),
    log:
        logs("1B/ladder_table"),
    params:
        code=code("ladder.ladder_table"),
        steps=ladder_steps,
    conda:
        ENV
    script:
        "../scripts/ladder/ladder_table.py"


rule ladder_figure:
    input:
        report=reports("segment1b_ladder.json"),
        table=reports("segment1b_ladder.csv"),
    output:
        figure=report(
            reports("segment1b_ladder.svg"),
            caption="../report/ladder.rst",
            category="Ladder",
            labels={"file": "what each step moved"},
        ),
    log:
        logs("1B/ladder_figure"),
    params:
        code=code("ladder.ladder_figure"),
    conda:
        ENV
    script:
        "../scripts/ladder/ladder_figure.py"


rule ladder:
    """Show what each state moved from the baseline to the release: table, figure, checks."""
    input:
        reports("segment1b_ladder.json"),
        reports("segment1b_ladder.csv"),
        reports("segment1b_ladder.svg"),
        reports("segment1b_p4_red_reopen_{run_id}.json").format(run_id=P4_RUN_ID),


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
