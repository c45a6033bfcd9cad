"""What a user calls beside the phases and `certify`."""


rule baseline:
    """Judge the baseline fit (P0) and pin it."""
    input:
        BASELINE_POINTER,
        PROTOCOL,


rule candidate:
    """Score the candidate on every configured seed, and point to it."""
    input:
        scorecards=each_seed(run("scorecard/segment1b_scorecard.json"), RELEASE_RUN_ID),
        receipts=each_seed(run("run_receipt.json"), RELEASE_RUN_ID),
    log:
        logs("1B/candidate"),
    localrule: True
    params:
        code=code("governance.candidate"),
        runs_root=runs_root,
    conda:
        ENV
    script:
        "../scripts/governance/candidate.py"


rule freeze_guard:
    """Judge whether the candidate's 1A may stand in for the frozen authority."""
    input:
        FREEZE_GUARD,


rule site_maps:
    """Draw a world map of the candidate's sites for every seed."""
    input:
        each_seed(run("scorecard/segment1b_site_map.png"), RELEASE_RUN_ID),


rule dossier:
    """Write the dossier: verdict, gates, a zoomable map and figures in one offline page."""
    input:
        reports("segment1b_p5_dossier.html"),
