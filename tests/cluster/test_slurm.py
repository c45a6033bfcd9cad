"""The Slurm profile against real daemons: munge, slurmctld and slurmd on this machine.

Needs root and Debian's slurm-wlm; skipped elsewhere.
"""

import os
import re
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest

from scripts.tables import read_json
from tests import small_world

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scontrol")
# Jobs lose SLURM_CONF, so that srun inside them looks here.
SYSTEM_CONFIGURATION = Path("/etc/slurm/slurm.conf")
MISSING = [name for name in PROGRAMS if shutil.which(name) is None]
pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(os.geteuid() != 0, reason="starting Slurm's daemons needs root"),
    pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}"),
    pytest.mark.skipif(SYSTEM_CONFIGURATION.exists(), reason="this machine has a Slurm of its own"),
]


def configuration(folder: Path) -> str:
    host = socket.gethostname().split(".")[0]
    mb = (os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20 - 512) // 2
    return f"""
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort=16817
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
SlurmUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool.%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.%n.log
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/filetxt
JobCompLoc={folder}/jobs.txt
ReturnToService=2
MinJobAge=60
NodeName=node[1-2] NodeHostname={host} NodeAddr=127.0.0.1 Port=[16821-16822] CPUs=1 RealMemory={mb}
PartitionName=main Nodes=node[1-2] Default=YES State=UP MaxTime=INFINITE
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """Environment in which Slurm's commands reach a cluster of this test's own, of two nodes."""
    folder = Path(tmp_path_factory.mktemp("slurm"))
    folder.chmod(0o755)
    (folder / "slurm.conf").write_text(configuration(folder))
    SYSTEM_CONFIGURATION.parent.mkdir(exist_ok=True)
    SYSTEM_CONFIGURATION.symlink_to(folder / "slurm.conf")
    (folder / "munge.key").write_bytes(os.urandom(128))
    (folder / "munge.key").chmod(0o600)
    environment = {**os.environ, "SLURM_CONF": str(folder / "slurm.conf")}
    daemons = []

    def start(*command: str) -> None:
        with open(folder / f"{command[0]}.out", "wb") as log:
            daemons.append(
                subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT)
            )

    start(
        "munged",
        "--foreground",
        "--force",
        f"--socket={folder}/munge.socket",
        f"--key-file={folder}/munge.key",
        f"--pid-file={folder}/munged.pid",
        f"--log-file={folder}/munged.log",
        f"--seed-file={folder}/munged.seed",
    )
    time.sleep(1)
    start("slurmctld", "-D")
    for node in ("node1", "node2"):
        start("slurmd", "-D", "-N", node)
    for _ in range(60):
        state = subprocess.run(
            ["sinfo", "-h", "-o", "%T %D"], env=environment, capture_output=True, text=True
        ).stdout
        if state.split() == ["idle", "2"]:
            break
        time.sleep(0.5)
    else:
        logs = "\n".join(p.read_text(errors="replace")[-2000:] for p in folder.glob("*.log"))
        pytest.fail(f"the nodes did not come up: {state}\n{logs}")
    yield environment, folder
    SYSTEM_CONFIGURATION.unlink()
    subprocess.run(["scancel", "--user=root"], env=environment, check=False)
    for daemon in reversed(daemons):
        daemon.terminate()
        daemon.wait(timeout=20)


def test_groups_spread_over_the_nodes_certify_the_same_egress(cluster, tmp_path):
    environment, folder = cluster
    world = small_world.build(tmp_path / "world")
    result = small_world.snakemake(
        world,
        *("certify", "--profile", "profiles/slurm", "--quiet", "rules", "--config", "groups=2"),
        *("--slurm-init-seconds-before-status-checks", "2"),
        *("--seconds-between-status-checks", "2", "--latency-wait", "20"),
        environment=environment,
    )
    assert result.returncode == 0, (result.stdout + result.stderr)[-4000:]
    reports = world / "runs/fix-data-engine/segment_1B/reports"
    document = read_json(reports / "segment1b_p5_certification.json")
    assert document["verdict"]["grade"] in ("B", "BPLUS")
    finished = (folder / "jobs.txt").read_text().splitlines()
    completed = [line for line in finished if "JobState=COMPLETED" in line]
    assert len(completed) > 60
    assert {re.search("NodeList=([^ ]+)", line)[1] for line in completed} == {"node1", "node2"}
    egress = "runs/fix-data-engine/segment_1B/by_name/*/seed=*/s8_site_locations/*.parquet"
    here = small_world.build(tmp_path / "here")
    assert small_world.snakemake(here, "certify", "--quiet", "rules").returncode == 0
    files = sorted(path.relative_to(world) for path in world.glob(egress))
    assert files
    for path in files:
        assert (world / path).read_bytes() == (here / path).read_bytes()
