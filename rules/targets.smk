"""Named targets: the scorecards of each posture over the configured seeds."""


rule baseline:
    input:
        BOARD.scorecards("baseline", SEEDS),


rule p1:
    input:
        BOARD.scorecards("p1", SEEDS),


rule p2:
    input:
        BOARD.scorecards("p2", SEEDS),


rule p3:
    input:
        BOARD.scorecards("p3", SEEDS),


rule p4:
    input:
        BOARD.scorecards("p4", SEEDS),


rule candidate:
    input:
        BOARD.scorecards(SETTINGS.candidate, SEEDS),


rule freeze_guard:
    input:
        DATA["segment1a_freeze_guard_accepted"].format(
            run_id=SETTINGS.runs[RELEASE_RUN_ID].upstream_id
        ),


rule site_maps:
    input:
        expand(DATA["segment1b_site_map"], run_id=RELEASE_RUN_ID, seed=SEEDS),
