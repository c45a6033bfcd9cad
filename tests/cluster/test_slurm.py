"""The Slurm profile against real daemons: munge, slurmctld and slurmd on this machine.

Needs root and Debian's slurm-wlm; skipped elsewhere.
"""

import os
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
    cpus = os.cpu_count()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20 - 512
    return f"""
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort=16817
SlurmdPort=16818
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
SlurmUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/filetxt
JobCompLoc={folder}/jobs.txt
ReturnToService=2
MinJobAge=60
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={memory}
PartitionName=main Nodes={host} Default=YES State=UP MaxTime=INFINITE
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """Environment in which Slurm's commands reach a one-node cluster of this test's own."""
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
    start("slurmd", "-D")
    for _ in range(60):
        state = subprocess.run(
            ["sinfo", "-h", "-o", "%T"], env=environment, capture_output=True, text=True
        ).stdout
        if "idle" in state:
            break
        time.sleep(0.5)
    else:
        logs = "\n".join(p.read_text(errors="replace")[-2000:] for p in folder.glob("*.log"))
        pytest.fail(f"the node did not come up: {state}\n{logs}")
    yield environment, folder
    SYSTEM_CONFIGURATION.unlink()
    subprocess.run(["scancel", "--user=root"], env=environment, check=False)
    for daemon in reversed(daemons):
        daemon.terminate()
        daemon.wait(timeout=20)


def test_certify_through_slurm(cluster, tmp_path):
    environment, folder = cluster
    world = small_world.build(tmp_path / "world")
    result = small_world.snakemake(
        world,
        *("certify", "--profile", "profiles/slurm", "--quiet", "rules"),
        *("--slurm-init-seconds-before-status-checks", "2"),
        *("--seconds-between-status-checks", "2", "--latency-wait", "20"),
        environment=environment,
    )
    assert result.returncode == 0, (result.stdout + result.stderr)[-4000:]
    reports = world / "runs/fix-data-engine/segment_1B/reports"
    document = read_json(reports / "segment1b_p5_certification.json")
    assert document["verdict"]["grade"] in ("B", "BPLUS")
    finished = (folder / "jobs.txt").read_text()
    assert finished.count("JobState=COMPLETED") > 60
