"""Checks of one run: its receipts, its files, its validation, its egress and its upstream run."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from scripts.contracts import (
    contracts_digest,
    dataset,
    datasets,
    read_contracts,
    read_dataset,
    state_datasets,
)
from scripts.governance.anchors import BANDS
from scripts.governance.verification.view import (
    OF_RUN,
    OF_TILES,
    Record,
    View,
    agree,
    same,
)
from scripts.records.bundle import FLAG, bundle_digest, verify_bundle
from scripts.records.identity import (
    CONTRACTS_SEALED,
    manifest_fingerprint,
    parameter_hash,
)
from scripts.states.s0_gate import REFERENCE
from scripts.tables import everything_below, read_json
from scripts.upstream.freeze_guard import judge_files

IDENTITY = ("run_id", "seed", "parameter_hash", "manifest_fingerprint")
ALIKE = (
    *("run_id", "name", "posture", "upstream_run_id", "upstream_kind", "tiles_id"),
    "parameter_hash",
)
TOKENS = {"seed": "[0-9]+", "part": "[0-9]+-of-[0-9]+"}
REPEATED = {
    "s0_gate_receipt_1B": ("manifest_fingerprint", "upstream_run_id", "seed"),
    "parameter_hash_resolved_1B": ("parameter_hash", "policies"),
    "manifest_fingerprint_resolved_1B": ("manifest_fingerprint", "sealed_inputs"),
    "validation_manifest_1B": IDENTITY,
}
UPSTREAM = {
    "outlet_catalogue": "outlet_catalogue",
    "candidate_set": "s3_candidate_set",
    "validation_bundle": "validation_passed_flag_1A",
}


def seeds_are_finished(view: View) -> Iterator[str]:
    """Every seed has a receipt: all in the folder, or all that the certificate covers."""
    if view.folder.is_symlink():
        yield f"{view.folder}: is a symbolic link"
    if not view.seeds():
        yield f"{view.folder}: holds no run receipt (no finished run)"
    present = {path.name for path in view.folder.glob("seed=*")}
    covered = {f"seed={seed}" for seed in view.covered}
    if covered and present - covered:
        beyond = ", ".join(sorted(present - covered))
        view.skipped.add(f"{view.folder}: {beyond}, which the certificate does not cover")
    for name in sorted(covered or present):
        if not (view.folder / name / "run_receipt.json").is_file():
            yield f"{view.folder / name}: has no run receipt"


def files_are_declared_and_listed(view: View) -> Iterator[str]:
    """Every file of the run and its tiles has a contract; outputs of states are in receipts."""
    receipts = [view.record("run_receipt", seed=seed) for seed in view.seeds()]
    outputs = {path for receipt in receipts for path in receipt["outputs"]}
    declared = _any_of(entry.path for entry in datasets().values())
    of_states = _any_of(dataset(name).path for name in state_datasets())
    covered = {f"seed={seed}" for seed in view.seeds()}
    folders = {OF_RUN.format(run_id=receipts[0]["run_id"]): view.folder}
    if view.root is not None:
        tiles = OF_TILES.format(tiles_id=receipts[0]["tiles_id"])
        folders[tiles] = view.root / tiles
    for prefix, folder in folders.items():
        for path in everything_below(folder):
            inside = path.relative_to(folder).as_posix()
            seed, name = inside.split("/")[0], prefix + inside
            covers = seed in covered or not seed.startswith("seed=")
            if path.is_symlink():
                yield f"{path}: is a symbolic link"
            elif path.is_file() and not declared.fullmatch(name):
                yield f"{path}: has digest {view.digest(path)}, no contract declares it"
            elif covers and of_states.fullmatch(name) and name not in outputs:
                yield f"{path}: has digest {view.digest(path)}, no run receipt lists it"


def _any_of(templates: Iterable[str]) -> re.Pattern[str]:
    """Paths below the runs root that fill one of the templates in."""
    texts = (
        re.sub(r"\\{(\w+)\\}", lambda token: TOKENS.get(token[1], "[^/]+"), re.escape(path))
        for path in templates
    )
    return re.compile("|".join(texts))


def receipt_names_its_folder(view: View, seed: int) -> Iterator[str]:
    """The receipt is about this run and seed, and its hashes follow from its lists."""
    receipt = view.record("run_receipt", seed=seed)
    yield from same(receipt.path, "seed", receipt["seed"], seed, "its folder")
    if view.root is not None:
        yield from same(receipt.path, "run_id", receipt["run_id"], view.folder.name, "its folder")
    yield from agree(receipt, view.record("run_receipt", seed=view.seeds()[0]), ALIKE)
    follows = {
        "parameter_hash": parameter_hash(receipt["policies"]),
        "manifest_fingerprint": manifest_fingerprint(receipt["sealed_inputs"]),
    }
    for key, digest in follows.items():
        yield from same(receipt.path, key, receipt[key], digest, "its own list")


def outputs_are_those_of_the_receipt(view: View, seed: int) -> Iterator[str]:
    """Every output of S0 to S8, tiles among them, has the digest that the receipt lists."""
    receipt = view.record("run_receipt", seed=seed)
    prefix = OF_RUN.format(run_id=receipt["run_id"])
    of_tiles = OF_TILES.format(tiles_id=receipt["tiles_id"])
    outputs, tiles = {}, {}
    for path, digest in receipt["outputs"].items():
        if path.startswith(prefix):
            outputs[path.removeprefix(prefix)] = digest
        elif path.startswith(of_tiles):
            tiles[path] = digest
        else:
            yield f"{receipt.path}: lists {path!r}, which is no file of the run or its tiles"
    yield from view.hold(outputs, receipt.path, view.folder)
    if view.root is None:
        view.skipped.add(f"{of_tiles}: only the run's folder is here")
    else:
        yield from view.hold(tiles, receipt.path)


def records_repeat_the_receipt(view: View, seed: int) -> Iterator[str]:
    """What S0, S9 and the scorecard state of the run is what the receipt states."""
    receipt = view.record("run_receipt", seed=seed)
    sealed = view.record("sealed_inputs_1B", seed=seed)
    listed = {entry["asset_id"]: entry["sha256_hex"] for entry in sealed.content}
    yield from same(receipt.path, "sealed inputs", receipt["sealed_inputs"], listed, sealed.path)
    for name, keys in REPEATED.items():
        yield from agree(view.record(name, seed=seed), receipt, keys)
    summary = view.record("validation_summary_1B", seed=seed)
    yield from agree(Record(summary.path, summary["identity"]), receipt, IDENTITY)
    card = view.record_if_there("segment1b_scorecard", seed=seed)
    if card is not None:
        yield from agree(card, receipt, ("run_id", "seed"))
    manifest = view.record("validation_manifest_1B", seed=seed)
    for name, digest in sorted(manifest["inputs"].items()):
        listed = receipt["outputs"].get(name)
        yield from same(manifest.path, name, digest, listed, receipt.path)


def validation_bundle_is_sealed(view: View, seed: int) -> Iterator[str]:
    """S9's bundle and flag agree, and its verdict is that of its checks; PASS when certified."""
    summary = view.record("validation_summary_1B", seed=seed)
    failed = any(row["status"] == "FAIL" for row in summary["checks"])
    verdict = "FAIL" if failed else "PASS"
    yield from same(summary.path, "verdict", summary["verdict"], verdict, "its list of checks")
    if view.certified:
        yield from same(summary.path, "verdict", summary["verdict"], "PASS", "the certificate")
    flag = summary.path.with_name(FLAG)
    if failed and flag.exists():
        yield f"{flag}: stands beside the verdict FAIL"
    # A run that was never certified may have passed without being asked for its flag.
    prove = verify_bundle if view.certified or flag.exists() else bundle_digest
    prove(flag.parent)


def egress_is_the_one_validated(view: View, seed: int) -> Iterator[str]:
    """The egress keeps its contract, and has the digest, size and points that records state."""
    egress = view.path("site_locations", seed=seed)
    sums = view.record("egress_checksums_1B", seed=seed)
    listed = {entry["path"]: entry["sha256_hex"] for entry in sums["files"]}
    yield from view.hold(listed, sums.path, egress.parent)
    sizes = [entry["size_bytes"] for entry in sums["files"]]
    yield from same(egress, "size in bytes", [egress.stat().st_size], sizes, sums.path)
    points = read_dataset("site_locations", egress, check="rows").num_rows
    summary = view.record("validation_summary_1B", seed=seed)
    report = view.path("s8_run_summary", seed=seed)
    counted = {summary.path: summary["sizes"]["sites_s8"]}
    counted[report] = read_json(report)["counts"]["rows_s8"]
    card = view.record_if_there("segment1b_scorecard", seed=seed)
    if card is not None:
        counted[card.path] = card["counts"]["sites"]
    for path, sites in counted.items():
        yield from same(path, "number of points", sites, points, egress)


def sources_are_those_of_the_run(view: View, seed: int) -> Iterator[str]:
    """Policies and contracts of the source tree, and the reference snapshot, are those sealed."""
    receipt = view.record("run_receipt", seed=seed)
    sealed = receipt["sealed_inputs"]
    if view.tree is not None:
        for name, digest in sorted(receipt["policies"].items()):
            yield from view.expect(view.policy(name, digest), digest, receipt.path)
        contracts = view.tree / "config/contracts.yaml"
        says = _contracts_of(contracts, view.digest(contracts))
        yield from same(contracts, "digest", says, sealed[CONTRACTS_SEALED], receipt.path)
    snapshot = view.snapshot(receipt)
    if snapshot is not None:
        listed = {name: sealed[f"reference/{asset}"] for asset, name in REFERENCE.items()}
        yield from view.hold(listed, receipt.path, snapshot)


# Every seed asks; the digest is part of the question, so that an answer is of the same file.
@functools.lru_cache(maxsize=4)
def _contracts_of(path: Path, digest: str) -> str:
    """Digest of the meaning of a contract file that has a digest."""
    return contracts_digest(read_contracts(path))


def upstream_is_as_sealed(view: View, seed: int) -> Iterator[str]:
    """The 1A run of the receipt has the sealed tables, and a bundle and flag that agree."""
    receipt = view.record("run_receipt", seed=seed)
    tokens = {"run_id": receipt["upstream_run_id"], "seed": seed}
    bundle = view.path("validation_passed_flag_1A", **tokens).parent
    if not bundle.parents[1].is_dir():
        view.skipped.add(f"upstream run {tokens['run_id']}: not here")
        return
    for asset, name in UPSTREAM.items():
        digest = receipt["sealed_inputs"][f"upstream/{asset}"]
        yield from view.expect(view.path(name, **tokens), digest, receipt.path)
    sums = view.record("egress_checksums_1A", **tokens)
    yield from view.hold(sums["files"], sums.path, bundle.parent)
    obeyed = view.record("parameter_hash_resolved_1A", **tokens)
    follows = parameter_hash(obeyed["policies"])
    yield from same(
        obeyed.path, "parameter_hash", obeyed["parameter_hash"], follows, "its own list"
    )
    # An external 1A obeyed none of ours.
    for name in sorted({*obeyed["policies"], *receipt["policies"]}):
        if name.startswith("policy.1a."):
            stated, listed = (record["policies"].get(name) for record in (obeyed, receipt))
            yield from same(obeyed.path, name, stated, listed, receipt.path)
    verify_bundle(bundle)


def freeze_guard_accepted_the_upstream(view: View, seed: int) -> Iterator[str]:
    """What the freeze guard accepted are the files that it judged, and they earn its verdict."""
    run_id = view.record("run_receipt", seed=seed)["upstream_run_id"]
    accepted = view.record_if_there("segment1a_freeze_guard_accepted", run_id=run_id)
    if accepted is None:
        return
    guard = view.path("segment1a_freeze_guard", run_id=run_id)
    certification = view.path("segment1a_p5_certification")
    seeds = sorted(accepted["scorecards"], key=int)
    cards = [view.path("segment1a_scorecard", run_id=run_id, seed=seed) for seed in seeds]
    yield from view.expect(guard, accepted["guard_sha256"], accepted.path)
    yield from view.expect(certification, accepted["certification_sha256"], accepted.path)
    for seed, card in zip(seeds, cards, strict=True):
        yield from view.expect(card, accepted["scorecards"][seed], accepted.path)
    judged = view.record("segment1a_freeze_guard", run_id=run_id)
    yield from same(guard, "status", judged["status"], "PASS", accepted.path)
    if view.tree is not None:
        bands = str(view.tree / BANDS)
        again = judge_files(run_id, str(certification), [str(card) for card in cards], bands)
        if again != judged.content:
            yield f"{guard}: does not follow from its scorecards and {bands}"


OF_WHOLE_RUN = (seeds_are_finished, files_are_declared_and_listed)
OF_SEED = (
    receipt_names_its_folder,
    outputs_are_those_of_the_receipt,
    records_repeat_the_receipt,
    validation_bundle_is_sealed,
    egress_is_the_one_validated,
    sources_are_those_of_the_run,
)
# Where the runs root is at hand.
OF_UPSTREAM = (upstream_is_as_sealed, freeze_guard_accepted_the_upstream)
