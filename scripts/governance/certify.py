"""Enforces the certificate: the exit code of ``snakemake certify``.

The certificate stays whatever happens.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts.contracts import dataset_path, read_object, write_object
from scripts.entry import run
from scripts.errors import GovernanceError, RefusedError, ScoreError
from scripts.governance.candidate import point
from scripts.governance.lock_set import final_lock_set, record_files
from scripts.governance.locks import refuse
from scripts.governance.pointers import last_good_pointer
from scripts.governance.releases import seal
from scripts.governance.verification import verify
from scripts.governance.verification.of_records import other_files_of_phases
from scripts.governance.verification.view import View
from scripts.scorers.gates import reaches
from scripts.tables import file_digest

Json = Mapping[str, Any]


def enforce(document: Json, demands: Json, where: object) -> None:
    """Refuse a certificate that does not hold what was asked for.

    Raises
    ------
    ScoreError
        ``ES30`` a release was asked for and the run cannot be one; ``ES31`` the grade is below the
        minimum.
    """
    verdict = document["verdict"]
    if demands["release"] and verdict["not_a_release_because"]:
        raise ScoreError(
            "ES30",
            where,
            f"cannot be a release: {'; '.join(verdict['not_a_release_because'])}",
            "the whole snapshot and all required seeds, or certification.release: false",
        )
    if not reaches(verdict["grade"], demands["minimum_grade"]):
        raise ScoreError(
            "ES31",
            where,
            f"grade {verdict['grade']} is below {demands['minimum_grade']}",
            "its failing rows name what to turn",
        )


def verify_records(run_id: str, root: Path, reference: Path, policies: Iterable[str] = ()) -> None:
    """Hold every record and file of the release against each other (``ES33``)."""
    folder = root / "segment_1B" / run_id
    result = verify(
        folder, root=root, tree=Path(), reference=reference, policies=policies, promoting=True
    )
    remedy = "restore the file, or delete it and run certify again"
    if result.faults:
        raise RefusedError([ScoreError("ES33", root, fault, remedy) for fault in result.faults])


def main(inputs: Any, outputs: Any, params: Any, wildcards: Any) -> None:
    """Rule ``certify``."""
    refuse(params.faults)
    root = Path(params.runs_root)
    document = read_object("segment1b_p5_certification", inputs.certificate)
    candidate = point(root, inputs.scorecards, inputs.receipts)
    certified = document["run"]["run_id"]
    if candidate["run_id"] != certified:
        raise GovernanceError(
            "EG34",
            "pointer current_candidate",
            f"names run {candidate['run_id']}",
            f"the certified one is {certified}",
        )
    enforce(document, params.demands, inputs.certificate)
    verify_records(certified, root, Path(params.reference), list(inputs.policies))
    locked = final_lock_set(root, document, params.policies, params.keep)
    below = [path for path in map(Path, inputs) if path.is_relative_to(root)]
    texts = [*inputs.policies, inputs.bands, inputs.gates]
    promote(document, root, inputs.certificate, locked, below, list(map(str, texts)))


def promote(
    document: Json,
    root: Path,
    certificate: str,
    locked: Json,
    files: Iterable[Path],
    texts: Sequence[str],
) -> None:
    """Record the lock set, seal the release, and point ``last_good`` to it.

    Parameters
    ----------
    document, certificate
        The certificate and its file.
    locked
        The lock set.
    files, texts
        What is sealed: files below the runs root, policies and gates.
    """
    lock_set = dataset_path(root, "segment1b_p5_lock_set")
    write_object("segment1b_p5_lock_set", lock_set, locked)
    segment = root / "segment_1B"
    others = other_files_of_phases(View(segment / document["run"]["run_id"], root))
    folder = seal(
        root,
        document,
        file_digest(certificate),
        [*files, lock_set, *record_files(segment), *others],
        texts,
    )
    good = last_good_pointer(document, root, folder, certificate)
    write_object("last_good_pointer", dataset_path(root, "last_good_pointer"), good)


if "snakemake" in globals():
    run(main, globals()["snakemake"])
