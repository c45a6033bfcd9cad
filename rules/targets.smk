"""What a user calls beside the phases and `certify`."""


rule baseline:
    """Judge the baseline fit (P0) and pin it."""
    input:
        BASELINE_POINTER,
        PROTOCOL,


rule candidate:
    """Score the candidate on every configured seed."""
    input:
        scorecards=of_candidate(run("scorecard/segment1b_scorecard.json")),
        pointer=CANDIDATE_POINTER,
        gates=GATES,
    log:
        logs("1B/candidate"),
    localrule: True
    params:
        code=code("report.scorecard_summary"),
        name=SETTINGS.candidate,
    conda:
        ENV
    script:
        "../scripts/report/scorecard_summary.py"


rule freeze_guard:
    """Judge whether the candidate's 1A may stand in for the frozen authority."""
    input:
        FREEZE_GUARD,


rule site_maps:
    """Draw a world map of the candidate's sites for every seed."""
    input:
        of_candidate(run("scorecard/segment1b_site_map.png")),


rule dossier:
    """Write the dossier: verdict, gates, a zoomable map and figures in one offline page."""
    input:
        dossier=reports("segment1b_p5_dossier.html"),
        certificate=CERTIFICATE,
    log:
        logs("1B/dossier"),
    localrule: True
    params:
        code=code("report.dossier_summary"),
    conda:
        ENV
    script:
        "../scripts/report/dossier_summary.py"
