"""A real Slurm of one node in a folder of its own, for tests."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from tests.ports import free_ports
from tests.waiting import wait_until

PROGRAMS = ("slurmctld", "slurmd", "munged", "sbatch", "srun", "scontrol", "squeue")
DAEMONS = ("slurmd", "slurmctld", "munged")
SETTINGS = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmdPort={next_port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.sock,cred_expire=5
CredType=cred/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=1,bf_interval=1,batch_sched_delay=0,sched_min_interval=0
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
KillWait=5
MinJobAge=3600
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/log/slurmctld.log
SlurmdLogFile={folder}/log/slurmd.log
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={memory} State=UNKNOWN
PartitionName=low Nodes={host} Default=YES PriorityTier=1 PreemptMode=REQUEUE GraceTime=60
PartitionName=high Nodes={host} PriorityTier=10 PreemptMode=OFF
"""


def missing_programs() -> list[str]:
    """What a Slurm of one node needs and this machine lacks; root among it."""
    found = [name for name in PROGRAMS if shutil.which(name) is None]
    return found if os.geteuid() == 0 else [*found, "root"]


@contextlib.contextmanager
def one_node_slurm(folder: Path) -> Iterator[None]:
    """Run a Slurm whose files lie in ``folder``, with ``SLURM_CONF`` set."""
    for name in ("state", "spool", "log"):
        (folder / name).mkdir(parents=True)
    host = socket.gethostname().split(".")[0]
    seen = subprocess.run(["slurmd", "-C"], capture_output=True, text=True, check=True).stdout
    cpus, memory = (re.search(rf"{word}=(\d+)", seen)[1] for word in ("CPUs", "RealMemory"))  # type: ignore[index]
    port = free_ports(2)
    values = {"host": host, "folder": folder, "port": port, "next_port": port + 1, "cpus": cpus, "memory": memory}
    (folder / "slurm.conf").write_text(SETTINGS.format(**values))
    (folder / "munge.key").write_bytes(secrets.token_bytes(1024))
    (folder / "munge.key").chmod(0o600)
    before = os.environ.get("SLURM_CONF")
    os.environ["SLURM_CONF"] = str(folder / "slurm.conf")
    try:
        _start(["munged", "--force", *(f"--{key}={folder / value}" for key, value in _munge_files().items())])
        _start(["slurmctld", "-c", "-i"])
        _start(["slurmd", "-N", host, "-c"])
        wait_until(_is_idle, lambda: what_is(folder))
        yield
    finally:
        for name in DAEMONS:
            _stop(folder / f"{name}.pid")
        os.environ.pop("SLURM_CONF")
        if before is not None:
            os.environ["SLURM_CONF"] = before


def restarts(job: str) -> int:
    """How often a job was started again."""
    text = subprocess.run(["scontrol", "show", "job", job], capture_output=True, text=True, check=True).stdout
    return max(int(number) for number in re.findall(r"Restarts=(\d+)", text))


def let_go_on(job: str) -> None:
    """Let a requeued job start where Slurm holds it back: on a drained node, or after a start that failed.

    Its seconds of waiting stay: a job that starts before the credential of its first start has expired is refused by
    slurmd ("already killed") and ends as FAILED.
    """
    host = socket.gethostname().split(".")[0]
    for words in (["update", f"NodeName={host}", "State=RESUME"], ["release", job]):
        subprocess.run(["scontrol", *words], capture_output=True, check=False)


def what_is(folder: Path) -> str:
    """What Slurm says of its node and its jobs, and the ends of its logs, for the message of a test that fails."""
    texts = []
    for words in (["sinfo", "--long", "--Node"], ["scontrol", "show", "job"]):
        texts.append(subprocess.run(words, capture_output=True, text=True, check=False).stdout)
    logs = sorted((folder / "log").glob("*.log"))
    return "\n".join([*texts, *(f"{path.name}:\n{path.read_text(errors='replace')[-4000:]}" for path in logs)])


def set_time_limit(job: str, minutes: int) -> None:
    """Change the time limit of a job, running or waiting."""
    subprocess.run(["scontrol", "update", f"JobId={job}", f"TimeLimit={minutes}"], capture_output=True, check=True)


def in_queue(job: str) -> list[str]:
    """States of the tasks of a job that have not ended."""
    words = ["squeue", "--noheader", "--array", "--format=%T", f"--job={job}"]
    return subprocess.run(words, capture_output=True, text=True, check=False).stdout.split()


def _munge_files() -> dict[str, str]:
    return {
        "socket": "munge.sock",
        "key-file": "munge.key",
        "pid-file": "munged.pid",
        "log-file": "log/munged.log",
        "seed-file": "munge.seed",
    }


def _start(words: list[str]) -> None:
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60)


def _stop(pid_file: Path) -> None:
    with contextlib.suppress(OSError, ValueError):
        pid = int(pid_file.read_text())
        os.kill(pid, signal.SIGTERM)
        for _ in range(100):
            os.kill(pid, 0)
            time.sleep(0.05)


def _is_idle() -> bool:
    answer = subprocess.run(["sinfo", "--noheader", "--format=%T"], capture_output=True, text=True, check=False)
    return "idle" in answer.stdout
