"""Every command of README, tutorial and how-tos, run as it is written, in a fresh clone.

The clone is a small world; its ``.venv`` holds what the lock files name and nothing else. What
needs more than a machine, a network or an hour is listed in ``NOT_RUN``, with the reason; it is
parsed.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import geopandas
import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

from scripts.geo.snapshot import load_countries
from scripts.settings import load_settings, read_configuration
from tests.clone import make_clone
from tests.small_world import without_package

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
HOW_TO = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs/how-to").glob("*.md"))
PAGES = ["README.md", "CONTRIBUTING.md", "docs/index.md", "docs/tutorial.md", *HOW_TO]
SUITE = "is a run of the tests, this one among them"
CLUSTER = "needs a cluster; tests/cluster runs its profile"
CONTAINER = "needs a registry or root, and a container tool"
BUCKET = "needs a bucket; make test-s3 makes one"
NOT_RUN = {
    "make test": SUITE,
    "make check": "needs what dev.lock.txt names alone, and looks at the repository",
    "make test-s3": SUITE,
    "snakemake certify --profile profiles/slurm": CLUSTER,
    "snakemake certify --profile profiles/slurm --default-resources mem_mb=1000 runtime=30 "
    "slurm_partition=NAME slurm_account=NAME": CLUSTER,
    "snakemake certify --profile profiles/generic --config groups=16": "takes half an hour",
    "snakemake certify --profile profiles/s3 --default-storage-prefix s3://BUCKET/PREFIX": BUCKET,
    "snakemake certify --profile profiles/s3 --profile profiles/slurm "
    "--default-storage-prefix s3://BUCKET/PREFIX "
    "--remote-job-local-storage-prefix '$TMPDIR/segment1b'": BUCKET,
    "aws s3 sync s3://BUCKET/PREFIX/runs/fix-data-engine runs/copy": BUCKET,
    "segment1b verify --config runs_root=runs/copy": BUCKET,
    "docker build --file Containerfile --tag segment1b .": CONTAINER,
    'docker run --rm --volume "$PWD/runs:/segment1b/runs" segment1b certify': CONTAINER,
    "debootstrap --variant=minbase --include=python3-venv,ca-certificates bookworm base-root": (
        CONTAINER
    ),
    "base=$(buildah from scratch)": CONTAINER,
    'buildah add "$base" base-root /': CONTAINER,
    'buildah commit "$base" base:bookworm': CONTAINER,
    "buildah bud --isolation chroot --build-arg BASE=localhost/base:bookworm --file Containerfile "
    "--tag segment1b .": CONTAINER,
    "container=$(buildah from localhost/segment1b)": CONTAINER,
    "mkdir -p runs": CONTAINER,
    'buildah run --isolation chroot --volume "$PWD/runs:/segment1b/runs" "$container" '
    "-- snakemake certify": CONTAINER,
}
# Commands that ask what would run of a profile instead of running it.
DRY = ("snakemake certify --profile profiles/slurm", "snakemake certify --profile profiles/generic")


def commands(page: str) -> list[str]:
    """Commands of the fenced blocks of a page, each on one line, without comments."""
    text = (ROOT / page).read_text(encoding="utf-8")
    blocks = re.findall(r"^```(?:bash|console)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    return [" ".join(re.sub(r"(^|\s+)#.*", "", line).split()) for line in lines if line.strip()]


@pytest.fixture(scope="module")
def clone(tmp_path_factory) -> Path:
    return make_clone(tmp_path_factory.mktemp("clone") / "segment1b")


@pytest.fixture(scope="module")
def environment(clone) -> dict[str, str]:
    """A shell's environment, without that of the tests; its editor changes a number."""
    editor = clone.parent / "editor"
    editor.write_text("#!/bin/sh\nsed -i 's/open_share: .*/open_share: 0.7/' \"$1\"\n")
    editor.chmod(0o755)
    path = os.pathsep.join(p for p in os.defpath.split(os.pathsep) if p)
    here = without_package(os.environ)
    here.pop("VIRTUAL_ENV", None)
    return {**here, "PATH": path, "EDITOR": str(editor), "SEEDS": "7,42"}


def shell(clone, environment, lines, timeout=1200):
    script = "\n".join(["set -eu", *lines])
    result = subprocess.run(
        ["/bin/bash", "-c", script],
        cwd=clone,
        env=environment,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    told = (result.stdout + result.stderr)[-4000:]
    assert result.returncode == 0, f"{lines}\n{told}"
    return result.stdout + result.stderr


def world_of_ones_own(clone: Path) -> None:
    """The folder ``DIR`` of own-1a.md: a world that an upstream of one's own would hand over."""
    settings = load_settings(read_configuration([clone / "config/config.yaml"], {}))
    upstream = settings.run_named(settings.candidate).upstream_id
    shutil.copytree(
        clone / f"runs/fix-data-engine/segment_1A/{upstream}/seed=42", clone / "DIR/seed=42"
    )


def borders_of_ones_own(clone: Path) -> None:
    land = load_countries(clone / "resources/reference/countries.parquet")
    frame = geopandas.GeoDataFrame({"iso_a2": land.iso}, geometry=land.geometry, crs=4326)
    frame.to_file(clone / "borders.gpkg")


def people_of_ones_own(clone: Path) -> None:
    """Two people everywhere, in the name of the file that own-population.md downloads."""
    place = from_origin(-180, 90, 0.25, 0.25)
    with rasterio.open(
        clone / "GHS_POP_E2025_GLOBE_R2023A_54009_1000_V1_0.tif",
        "w",
        driver="GTiff",
        height=720,
        width=1440,
        count=1,
        dtype="float32",
        crs="EPSG:4326",
        transform=place,
    ) as raster:
        raster.write(np.full((720, 1440), 2.0, dtype="float32"), 1)


NEEDS = {
    "docs/how-to/own-1a.md": world_of_ones_own,
    "docs/how-to/own-polygons.md": borders_of_ones_own,
    "docs/how-to/own-population.md": people_of_ones_own,
}


@pytest.mark.parametrize("page", PAGES)
def test_commands_of_a_page_run_as_they_are_written(page, clone, environment):
    """In the order of ``PAGES``: README.md sets up ``.venv`` and certifies, as a newcomer does."""
    written = [line for line in commands(page) if line not in NOT_RUN]
    if not written:
        return
    # Every page starts from the repository's own configuration.
    fresh = ["git checkout -q config", "git clean -qfd config"]
    shell(clone, environment, fresh if page == "README.md" else [*fresh, "make -s install"])
    if page in NEEDS:
        NEEDS[page](clone)
    activated = [] if page in ("README.md", "docs/tutorial.md") else [". .venv/bin/activate"]
    told = shell(clone, environment, [*activated, *written])
    assert "Traceback" not in told


def test_what_is_not_run_is_written_somewhere_and_parses(clone, environment):
    written = [line for page in PAGES for line in commands(page)]
    assert set(NOT_RUN) <= set(written)
    for line in NOT_RUN:
        subprocess.run(["/bin/bash", "-n", "-c", line], check=True)
    shell(clone, environment, ["make -s install"])
    for line in NOT_RUN:
        if line.startswith("make "):
            shell(clone, environment, [line.replace("make ", "make -n ", 1)])
        elif line.startswith(DRY):
            shell(clone, environment, [". .venv/bin/activate", f"{line} -n"])


def test_report_and_documentation_are_made_from_the_locked_environment(clone, environment):
    lines = ["make -s install", ". .venv/bin/activate", "snakemake certify"]
    shell(clone, environment, lines)
    told = shell(
        clone,
        environment,
        [". .venv/bin/activate", "snakemake --report report.html", "make -s docs"],
    )
    assert "RuntimeWarning" not in told
    assert (clone / "report.html").stat().st_size > 1_000_000
    assert (clone / "site/states/s4.html").is_file()


def test_sites_are_read_as_the_page_says(clone, environment):
    shell(clone, environment, ["make -s .venv/dev.stamp", ". .venv/bin/activate"])
    (sites, *_) = clone.glob("runs/*/releases/*/egress/seed=42/site_locations.parquet")
    read = [". .venv/bin/activate", f"cd '{sites.parent}'", *commands("docs/sites.md")]
    told = shell(clone, environment, read)
    assert "legal_country_iso" in told
    assert "POINT" in told


def named_in_text(word: str) -> set[str]:
    """What follows a program's name in the inline code of all pages."""
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
    texts = [path.read_text(encoding="utf-8") for path in pages]
    return {name for text in texts for name in re.findall(rf"`{word} ([a-z][\w-]*)", text)}


def test_programs_named_in_the_text_are_there():
    def told(*command):
        return subprocess.run(
            [sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout

    rules = set(told("snakemake", "--list-rules").split())
    assert named_in_text("snakemake") <= rules
    targets = re.findall(r"^([a-z][\w-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert named_in_text("make") <= set(targets)
    helped = told("scripts.cli", "--help")
    assert {name for name in named_in_text("segment1b") if f" {name} " not in helped} == set()
