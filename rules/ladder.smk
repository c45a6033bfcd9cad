"""Ladder: what each posture moved and why, the case for reopening, margins on further seeds."""

LADDER = ("baseline", "p1", "p2", "p3", "p4", "reopened")
LADDER_RUNS = [SETTINGS.run_named(name) for name in LADDER]


rule ladder_figure:
    input:
        scorecards=each_seed(
            run("scorecard/segment1b_scorecard.json"), [step.run_id for step in LADDER_RUNS]
        ),
        gates=GATES,
    output:
        report=report(
            internal(reports("segment1b_ladder.json")),
            caption="../report/ladder_table.rst",
            category="Ladder",
            labels={"file": "steps, causes and checks"},
        ),
        table=report(
            internal(reports("segment1b_ladder.csv")),
            caption="../report/ladder_table.rst",
            category="Ladder",
            labels={"file": "every metric of every step"},
        ),
        figure=report(
            internal(reports("segment1b_ladder.svg")),
            caption="../report/segment1b_ladder.rst",
            category="Ladder",
            labels={"file": "what each step moved"},
        ),
    log:
        logs("{segment}/ladder_figure"),
    params:
        code=code("report.ladder_figure"),
        steps=[
            {"posture": step.name, "run_id": step.run_id, "policies": step.policies}
            for step in LADDER_RUNS
        ],
    conda:
        ENV
    script:
        "../scripts/report/ladder_figure.py"


rule ladder:
    """Show what each state moved from the baseline to the release: table, figure, checks."""
    input:
        reports("segment1b_ladder.json"),
        reports("segment1b_ladder.csv"),
        reports("segment1b_ladder.svg"),
        reports("segment1b_p4_integrated_{run_id}.json").format(
            run_id=SETTINGS.run_named("p4").run_id
        ),


def upstream_guards(wildcards):
    """Input function: verdicts of the freeze guard, seed by seed, on the 1A run of a job's run."""
    return each_seed(world("segment1a_freeze_guard.json"), upstream_id(wildcards))


rule margins_report:
    input:
        scorecards=each_seed(run("scorecard/segment1b_scorecard.json")),
        guards=upstream_guards,
        gates=GATES,
    output:
        report=reports("segment1b_margins_{run_id}.json"),
        table=reports("segment1b_margins_{run_id}.csv"),
    log:
        logs("1B/{run_id}/margins_report"),
    params:
        code=code("ladder.margins_report"),
    conda:
        ENV
    script:
        "../scripts/ladder/margins_report.py"


rule margins:
    """Measure how far the candidate stays from every gate; `segment1b margins` prints it."""
    input:
        expand(reports("segment1b_margins_{run_id}.json"), run_id=RELEASE_RUN_ID),
        expand(reports("segment1b_margins_{run_id}.csv"), run_id=RELEASE_RUN_ID),
