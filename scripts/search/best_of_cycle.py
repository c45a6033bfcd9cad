"""The best attempt so far, with its policies and what was turned: where the next cycle starts."""

from typing import Any

from scripts.contracts import read_object, write_object
from scripts.entry import run
from scripts.policies import parse_yaml
from scripts.search.policy import STATES
from scripts.search.score import improves, order_key


def main(inputs: Any, outputs: Any, params: Any, wildcards: Any) -> None:
    """Rule ``best_of_cycle``; the policies of an attempt stand at its place in each list."""
    attempts = [read_object("search_attempt", path) for path in inputs.attempts]
    number = min(range(len(attempts)), key=lambda n: order_key(attempts[n]))
    files = {state: str(getattr(inputs, state)[number]) for state in STATES}
    best = {
        "attempt": attempts[number],
        "policies": {state: parse_yaml(path) for state, path in files.items()},
    }
    turned = []
    if inputs.before:
        before = read_object("search_best", inputs.before)
        if not improves(best["attempt"], before["attempt"], **params.gain):
            best = before
        tried = attempts[0]
        mine = {"state": tried["state"], "knobs": sorted(tried["knobs"]), "zoom": params.zoom}
        turned = [*before["turned"], *([mine] if tried["state"] else [])]
    write_object("search_best", outputs.best, {**best, "turned": turned})


if "snakemake" in globals():
    run(main, globals()["snakemake"])
