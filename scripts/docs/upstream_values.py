"""Tables of docs/upstream-1a.md, from the worlds of 1A of a certified tree.

python -m scripts.docs.upstream_values
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts.benchmarks.sizes import renew_page
from scripts.contracts import dataset_path, read_dataset, read_object
from scripts.governance.anchors import BANDS
from scripts.markdown_table import markdown_table
from scripts.policies import load_policy
from scripts.settings import Settings, load_settings, read_configuration

PAGE = Path("docs/upstream-1a.md")
Json = Mapping[str, Any]


def _number(value: Any) -> str:
    """A value as the page writes it: 33,435, .373, 1.60, 19.4, true, B_plus."""
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, bool):
        return str(value).lower()
    if float(value).is_integer():
        return f"{int(value):,}"
    digits = 3 if abs(value) < 1.0 else 2 if abs(value) < 5.0 else 1
    return f"{value:.{digits}f}".removeprefix("0")


def _band(limits: Sequence[Any] | None) -> str:
    """A band of the policy; a measure that has none must be true."""
    if limits is None:
        return "true"
    low, high = (None if end is None else f"{end:g}".removeprefix("0") for end in limits)
    return f">= {low}" if high is None else f"{low}-{high}"


def _over_seeds(cards: Sequence[Json], value: Callable[[Json], Any]) -> str:
    """The values of a world on its seeds; one where they are all the same."""
    values = [_number(value(card)) for card in cards]
    return values[0] if len(set(values)) == 1 else " / ".join(values)


def bands_table(worlds: Mapping[str, Sequence[Json]], bands: Mapping[str, Json]) -> str:
    """Markdown: every measure with its bands and its values, by world; then what it adds up to.

    Parameters
    ----------
    worlds
        Scorecards of 1A of the seeds, by the name of the world.
    bands
        Block ``bands`` of the policy of bands.
    """

    def measured(name: str) -> Callable[[Json], Any]:
        return lambda card: {row["metric"]: row["value"] for row in card["target_band_checks"]}[
            name
        ]

    any_card = next(iter(worlds.values()))[0]
    others = {row["metric"] for row in any_card["target_band_checks"]} - set(bands)
    rows = []
    for measure in (*bands, *sorted(others)):
        limits = [_band(bands.get(measure, {}).get(grade)) for grade in ("B", "B_plus")]
        values = [_over_seeds(cards, measured(measure)) for cards in worlds.values()]
        rows.append([f"`{measure}`", *limits, *values])
    summed: dict[str, Callable[[Json], Any]] = {
        "measures that hold B": lambda card: card["band_coverage"]["B_pass_count"],
        "measures that hold B+": lambda card: card["band_coverage"]["B_plus_pass_count"],
        "grade": lambda card: card["grade_decision"]["grade"],
    }
    for name, value in summed.items():
        told = [_over_seeds(cards, value) for cards in worlds.values()]
        rows.append([f"**{name}**", "", "", *told])
    return markdown_table(["measure", "B", "B+", *worlds], rows)


def countries_table(
    worlds: Mapping[str, Sequence[Json]], sparse: Mapping[str, Sequence[int]]
) -> str:
    """Markdown: sites and countries of the worlds, at home and abroad together.

    ``sparse`` counts the countries that are flagged as sparse, by world and seed.
    """

    def active(card: Json, name: str) -> Any:
        return card["diagnostics"]["active_countries"][name]

    asked: dict[str, Callable[[Json], Any]] = {
        "sites": lambda card: card["diagnostics"]["sites"],
        "active countries": lambda card: active(card, "count"),
        "country Gini, active": lambda card: active(card, "gini"),
        "top 1 % of active countries": lambda card: active(card, "top1_share"),
        "top 5 %": lambda card: active(card, "top5_share"),
        "top 10 %": lambda card: active(card, "top10_share"),
        "outlets of the largest merchant": lambda card: card["diagnostics"]["largest_merchant"],
    }
    rows = [
        [name, *(_over_seeds(cards, value) for cards in worlds.values())]
        for name, value in asked.items()
    ]
    rows.append(["countries flagged sparse", *(" / ".join(map(str, sparse[w])) for w in worlds)])
    return markdown_table(["", *worlds], rows)


def scorecards(settings: Settings, upstream_id: str) -> list[Json]:
    """Scorecards of a world of 1A on the required seeds."""
    return [
        read_object(
            "segment1a_scorecard",
            dataset_path(settings.runs_root, "segment1a_scorecard", run_id=upstream_id, seed=seed),
        )
        for seed in settings.required_seeds
    ]


def sparse_countries(settings: Settings, upstream_id: str) -> list[int]:
    """Countries that are flagged as sparse, on the required seeds."""
    counts = []
    for seed in settings.required_seeds:
        path = dataset_path(settings.runs_root, "sparse_flag", run_id=upstream_id, seed=seed)
        flags = read_dataset("sparse_flag", path, ["is_sparse"])["is_sparse"]
        counts.append(int(flags.to_numpy().sum()))
    return counts


def tables(settings: Settings) -> str:
    """Both tables, of the worlds of the baseline and of the candidate."""
    names = {
        "authority": settings.authority_id,
        "reopened": settings.run_named(settings.candidate).upstream_id,
    }
    worlds = {name: scorecards(settings, one) for name, one in names.items()}
    sparse = {name: sparse_countries(settings, one) for name, one in names.items()}
    bands = load_policy(BANDS)["bands"]
    return "\n\n".join([bands_table(worlds, bands), countries_table(worlds, sparse)])


if __name__ == "__main__":
    found = load_settings(read_configuration([Path("config/config.yaml")], {}))
    renew_page(PAGE, tables(found))
