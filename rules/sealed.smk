"""What earlier starts made, held against the sources, settings and laws of this one."""

from scripts.governance import sealed
from scripts.snakemake_private import refuse_broken_records

# A job was looked at when its workflow started; a tree in storage has no records on disk.
if not is_job(workflow) and ROOT_OF_JOBS == RUNS:
    try:
        refuse_broken_records()
        scorers = {
            "segment1a_scorecard": (code("upstream.score_1a"), str(BANDS_1A)),
            "segment1b_scorecard": (code("scorers.scorecard"), str(GATES)),
        }
        for fault in sealed.faults(SETTINGS, Path(RUNS), outputs_of, versions, scorers):
            raise fault
    except SegmentError as error:
        raise WorkflowError(str(error)) from None
