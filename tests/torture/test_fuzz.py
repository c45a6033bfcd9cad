"""Generated policies, configurations, postures and 1A tables: accepted whole or refused by name."""

import json
import os
import re
import shutil
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import geopandas
import numpy as np
import pyarrow.parquet as pq
import pytest
import rasterio
import shapely
import yaml
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from scripts import countries
from scripts.contracts import read_dataset
from scripts.errors import SegmentError
from scripts.geo.grid import Grid
from scripts.geo.snapshot import load_countries, load_facts, load_places
from scripts.own_inputs.polygons import read_polygons
from scripts.own_inputs.raster import sum_to_cells
from scripts.policies import load_policy, parse_yaml
from scripts.records.identity import run_id
from scripts.scorers.gates import load_gates
from scripts.settings import load_posture, load_settings, read_configuration
from scripts.tables import read_parquet
from scripts.upstream.ingest_1a import publish_world
from tests import upstream_world
from tests.chain_world import Sources, run_chain
from tests.small_world import REPOSITORY
from tests.torture import fuzz, worlds
from tests.torture.record import record

POLICIES = sorted((REPOSITORY / "config/layer1").glob("*/policy/*.yaml"))
POSTURE = REPOSITORY / "config/postures/reopened.yaml"
CHAINED = {"policy.s2.tile_weights": "s2", "policy.s4.alloc_plan": "s4", "policy.s6.jitter": "s6"}
SHORT, CHUNK, CHUNKS = 300, 2_000, 6
DEEP = 150


@dataclass
class Tally:
    """What became of the examples."""

    seed: int = 20260101
    count: Counter = field(default_factory=Counter)
    codes: Counter = field(default_factory=Counter)

    def held(self, load):
        """Call a loader: its result, or None after one named line; anything else fails."""
        with fuzz.time_limit():
            self.count["tried"] += 1
            refusal = None
            try:
                found = load()
            except SegmentError as error:
                refusal = error
            if refusal is None:
                self.count["accepted"] += 1
                return found
            line = str(refusal)
            assert re.match(r"E[A-Z0-9]{3} \S", line)
            assert "\n" not in line
            assert len(line) < 4000, line[:200]
            self.codes[refusal.code] += 1
            self.count["refused"] += 1
            return None


def drive(tally, strategy, body, examples):
    """Run a body on generated examples."""

    @seed(tally.seed)
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def run(example):
        body(example)

    run()


def policies(tally, folder, examples, deep=None):
    """Damaged policies, one file after another; those accepted may go through the states."""
    for source in POLICIES:
        path = folder / source.name

        def body(data, path=path):
            path.write_bytes(data)
            policy = tally.held(lambda: load_policy(path))
            if policy is not None and deep is not None:
                deep(path)

        drive(tally, fuzz.texts(parse_yaml(source)), body, max(examples // len(POLICIES), 1))


def configurations(tally, examples):
    """Damaged configurations, as values and as the text of a command line."""
    document = parse_yaml(REPOSITORY / "config/config.yaml")

    def body(config):
        tally.held(lambda: load_settings(config if isinstance(config, dict) else {}))
        if isinstance(config, dict):
            told = [f"{key}={value}" for key, value in config.items()]
            tally.held(lambda: load_settings(read_configuration([], told)))

    drive(tally, fuzz.damaged(document), body, examples // 2)


def postures(tally, folder, examples):
    """Damaged posture files and gate tables, and names of postures."""
    path = folder / "mine.yaml"

    def body(data):
        path.write_bytes(data)
        tally.held(lambda: load_posture("mine", folder))

    drive(tally, fuzz.texts({**parse_yaml(POSTURE), "posture": "mine"}), body, examples // 3)
    gates = folder / "gates.yaml"

    def body_of_gates(data):
        gates.write_bytes(data)
        tally.held(lambda: load_gates(gates))

    drive(
        tally,
        fuzz.texts(parse_yaml(REPOSITORY / "config/gates.yaml")),
        body_of_gates,
        examples // 3,
    )
    config = parse_yaml(REPOSITORY / "config/config.yaml")
    keys = ("candidate", "parent", "posture", "baseline_posture", "postures", "runs_root",
            "reference", "run", "signing_key")  # fmt: skip
    words = st.one_of(st.text(max_size=40), st.sampled_from(fuzz.WEIRD))

    def body_of_names(example):
        key, word = example
        found = tally.held(lambda: load_settings({**config, key: word}))
        if found is not None and key in ("candidate", "parent"):
            assert "/" not in getattr(found, key)
            assert ".." not in getattr(found, key)

    drive(tally, st.tuples(st.sampled_from(keys), words), body_of_names, examples // 3)


def upstream_tables(tally, folder, examples):
    """Damaged 1A tables, each with the other one whole."""
    counts = {(m, "GB"): {"GB": 1 + m % 4, **({"FR": 2} if m % 3 else {})} for m in range(1, 20)}
    made = {
        "outlet_catalogue": upstream_world.catalogue_of(counts),
        "s3_candidate_set": upstream_world.candidates_of(
            {merchant: ["GB", "FR", "DE"] for merchant, _ in counts}
        ),
    }
    paths = {name: str(folder / f"{name}.parquet") for name in ("outlet_catalogue",
                                                                "s3_candidate_set")}  # fmt: skip
    for name in paths:
        other = next(x for x in paths if x != name)
        pq.write_table(made[other], paths[other])

        def load():
            published = {key: str(folder / "published" / f"{key}.parquet") for key in paths}
            publish_world(paths, published, upstream_world.facts(), 42)
            return {key: read_parquet(path) for key, path in published.items()}

        def body(table, name=name, load=load):
            pq.write_table(table, paths[name])
            tables = tally.held(load)
            if tables is not None:
                known = set(upstream_world.facts().iso)
                assert set(tables["outlet_catalogue"]["legal_country_iso"].to_pylist()) <= known

        drive(tally, fuzz.damaged_table(made[name]), body, examples // 2)
        pq.write_table(made[name], paths[name])


def own_polygons(tally, folder, examples):
    """Damaged GeoJSON, GeoPackage and GeoParquet, as documents and as bytes."""
    pieces = [shapely.box(178, -19, 182, -16), shapely.box(2, 42, 5, 46)]
    frame = geopandas.GeoDataFrame({"iso": ["FJ", "FR"]}, geometry=pieces, crs=4326)
    document = json.loads(frame.to_json())
    path = folder / "own.geojson"

    def body_of_document(damaged):
        path.write_text(json.dumps(damaged), encoding="utf-8", errors="surrogatepass")
        tally.held(lambda: read_polygons(path, "iso", ["FJ", "FR"]))

    drive(tally, fuzz.damaged(document), body_of_document, examples // 2)
    frame = frame.to_crs(3832)
    frame.to_file(folder / "own.gpkg")
    frame.to_parquet(folder / "own.parquet")
    for name in ("own.gpkg", "own.parquet"):
        file = folder / name

        def body_of_bytes(data, file=file):
            file.write_bytes(data)
            tally.held(lambda: read_polygons(file, "iso", ["FJ", "FR"]))

        drive(tally, fuzz.damaged_bytes(file.read_bytes()), body_of_bytes, examples // 4)


def own_rasters(tally, folder, examples):
    """Damaged GeoTIFFs: what is accepted loses nobody."""
    path = folder / "own.tif"
    people = np.arange(64 * 64, dtype="float32").reshape(1, 64, 64)
    made = {"count": 1, "width": 64, "height": 64, "dtype": "float32", "crs": "EPSG:4326"}
    place = rasterio.transform.from_origin(10, 50, 0.01, 0.01)
    with rasterio.open(path, "w", driver="GTiff", transform=place, **made) as raster:
        raster.write(people)

    def body(data):
        path.write_bytes(data)
        cells = tally.held(lambda: sum_to_cells(path, Grid(5)))
        if cells is not None and np.isfinite(cells.total):
            assert np.isclose(cells.population.sum(), cells.total, rtol=1e-3, atol=1.0)

    drive(tally, fuzz.damaged_bytes(path.read_bytes()), body, examples)


def snapshots(tally, folder, examples):
    """Damaged tables of facts, places and borders of a snapshot."""
    loaders = {
        "country_facts.csv": load_facts,
        "places.parquet": load_places,
        "countries.parquet": load_countries,
    }
    for name, load in loaders.items():
        whole = REPOSITORY / "resources/reference" / name
        path = folder / name
        data = whole.read_bytes()
        if name == "countries.parquet":
            # The largest one, cut to what decides how it is read.
            pq.write_table(pq.read_table(whole).slice(0, 3), path)
            data = path.read_bytes()

        def body(damaged, path=path, load=load):
            path.write_bytes(damaged)
            tally.held(lambda: load(path))

        drive(tally, fuzz.damaged_bytes(data), body, examples // 3)


def everything(tally, folder, examples, deep=None):
    """All kinds of documents, tables, polygons and rasters, in fixed parts."""
    policies(tally, folder, examples // 2, deep)
    configurations(tally, examples // 8)
    postures(tally, folder, examples // 4)
    upstream_tables(tally, folder, examples // 8)
    own_polygons(tally, folder, examples // 8)
    own_rasters(tally, folder, examples // 16)
    snapshots(tally, folder, examples // 16)


@pytest.fixture
def repository(monkeypatch):
    monkeypatch.chdir(REPOSITORY)


@pytest.mark.slow
def test_300_examples_are_accepted_whole_or_refused_by_name(tmp_path, repository):
    tally = Tally()
    everything(tally, tmp_path, SHORT)
    assert tally.count["tried"] >= SHORT - 20
    assert tally.count["refused"] > tally.count["tried"] // 3


@pytest.mark.parametrize("text", fuzz.TEXTS, ids=range(len(fuzz.TEXTS)))
def test_texts_of_no_document_are_refused(tmp_path, text):
    path = tmp_path / "policy.s4.alloc_plan.yaml"
    path.write_bytes(text.encode())
    tally = Tally()
    assert tally.held(lambda: load_policy(path)) is None


class Chain:
    """States after a policy, on the small world, from a run that finished."""

    def __init__(self, world: Path, folder: Path):
        self.folder, self.done, self.problems = folder, 0, []
        tiles = next((world / worlds.RUNS / "segment_1B/tiles").glob("*/s1_tile_index"))
        upstream = world / worlds.RUNS / "segment_1A" / run_id("1A", "reopened") / "seed=7"
        reference = world / "resources/reference"
        self.sources = Sources(
            *(str(p) for p in (
                tiles / "tile_index.parquet",
                tiles / "tile_population.parquet",
                upstream / "outlet_catalogue.parquet",
                upstream / "s3_candidate_set.parquet",
                reference / "countries.parquet",
                reference / "country_facts.csv",
                reference / "places.parquet",
            ))
        )  # fmt: skip
        layer = world / "config/layer1/1B/policy"
        self.policies = {
            "s1_tile_index": str(layer / "policy.s1.tile_index.yaml"),
            "s2": str(layer / "policy.s2.tile_weights.yaml"),
            "s4": str(layer / "policy.s4.alloc_plan.yaml"),
            "s5": str(layer / "policy.s5.assignment.yaml"),
            "s6": str(layer / "policy.s6.jitter.yaml"),
        }
        self.files = run_chain(self.sources, self.policies, folder / "whole", "0" * 32, 7)
        self.outlets = pq.read_table(self.sources.outlet_catalogue)["merchant_id"].to_numpy()

    def run(self, path: Path, tally: Tally) -> None:
        """Run a policy's states; what they publish must keep every outlet on the Earth."""
        key = CHAINED.get(".".join(path.name.split(".")[:3]))
        if key is None or self.done >= DEEP:
            return
        self.done += 1
        folder = self.folder / "chain"
        shutil.rmtree(folder, ignore_errors=True)
        made = tally.held(
            lambda: run_chain(
                self.sources,
                {**self.policies, key: str(path)},
                folder,
                "0" * 32,
                7,
                first=key,
                finished=self.files,
            )
        )
        if made is not None:
            sites = read_dataset("site_locations", made["site_locations"], check="rows")
            assert np.array_equal(np.sort(sites["merchant_id"].to_numpy()), np.sort(self.outlets))
            assert (countries.encode(sites["legal_country_iso"]) >= 0).all()


@pytest.mark.torture
def test_ten_thousand_examples(certified_world, tmp_path, repository):
    tally, chain = Tally(), None
    held, fault = 0, ""
    try:
        chain = Chain(certified_world, tmp_path)
        for tally.seed in range(CHUNKS):
            everything(tally, tmp_path, worlds.share(CHUNK), lambda path: chain.run(path, tally))
        held = tally.count["tried"]
    except BaseException as error:
        fault = f"{type(error).__name__}: {error}"[:2000]
        raise
    finally:
        record(
            "fuzz",
            tally.count["tried"],
            held or tally.count["tried"] - 1,
            "generated policies, configurations, postures, gates, 1A tables, own inputs: accepted "
            "(S2, S4 and S6: run through to the egress) or refused in one named line within 30 s",
            accepted=tally.count["accepted"],
            refused=tally.count["refused"],
            chains=chain.done if chain else 0,
            codes=dict(sorted(tally.codes.items())),
            fault=fault,
        )


def test_symbolic_links_are_not_followed_out_of_a_policy_folder(tmp_path, repository):
    secret = tmp_path / "secret.yaml"
    secret.write_text("password: x\n")
    link = tmp_path / "policy.s4.alloc_plan.yaml"
    os.symlink(secret, link)
    with pytest.raises(SegmentError) as caught:
        load_policy(link)
    assert "password: x" not in str(caught.value)


def test_the_examples_are_not_all_refused(tmp_path):
    source = REPOSITORY / "config/layer1/1B/policy/policy.s4.alloc_plan.yaml"
    path = tmp_path / source.name
    path.write_text(yaml.safe_dump(parse_yaml(source)))
    tally = Tally()
    assert tally.held(lambda: load_policy(path)) is not None
