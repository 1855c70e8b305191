# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The lab's hosts: a systemd in a container, over one root file system that all share.

Each host's mounts and its view of the control groups lie in a mount namespace of its own, so they vanish with it; each
has a control group of its own, so that the systemd inside tracks and kills its own units and only those. (With a hybrid
hierarchy, or one shared group, `systemctl stop` fails with an I/O error or reaches the other hosts.)
"""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import shutil
import signal
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from . import cgroups
from .commands import LabError, run
from .processes import recorded_pid, spawn, wait_gone

BOOT_TIMEOUT_S = 120.0
STOP_TIMEOUT_S = 30.0
NAMESPACES = Path("/run/netns")
READY_STATES = ("running", "degraded")


@dataclass(frozen=True)
class Machine:
    """What one host is. `files` maps paths inside to contents, `binds` paths inside to directories of the machine."""

    name: str
    lab: str
    state_dir: str
    rootfs: str
    network_namespace: str
    files: Mapping[str, str] = field(default_factory=dict)
    binds: Mapping[str, str] = field(default_factory=dict)

    @property
    def directory(self) -> Path:
        """Where the host keeps what it writes."""
        return Path(self.state_dir) / "hosts" / self.name

    @property
    def pid_file(self) -> Path:
        """Who runs it."""
        return self.directory / "nspawn.pid"

    @property
    def group(self) -> Path:
        """Its control group."""
        return cgroups.root() / cgroups.group_of(self.lab, self.name)

    def fingerprint(self) -> str:
        """A digest of everything that a running host can't change: when it differs, the host is made anew."""
        described = json.dumps(asdict(self), sort_keys=True) + start_script(self)
        return hashlib.sha256(described.encode()).hexdigest()


def start_script(machine: Machine) -> str:
    """The shell program that becomes the host: private mounts, own control group, then systemd-nspawn."""
    directory = shlex.quote(str(machine.directory))
    group = shlex.quote("/sys/fs/cgroup/" + cgroups.group_of(machine.lab, machine.name))
    binds = " ".join(shlex.quote(f"--bind={outside}:{inside}") for inside, outside in sorted(machine.binds.items()))
    return f"""set -eu
mount --make-rprivate /
umount -R /sys/fs/cgroup 2>/dev/null || true
mount -t cgroup2 none /sys/fs/cgroup
mkdir -p {group}
echo $$ > {group}/cgroup.procs
cd {directory}
mount -t overlay overlay -o lowerdir={shlex.quote(machine.rootfs)},upperdir=upper,workdir=work root
export SYSTEMD_NSPAWN_API_VFS_WRITABLE=network # kernel parameters of the host's own network namespace
exec systemd-nspawn --quiet --directory={directory}/root --machine={shlex.quote(machine.name)} --register=no \
--keep-unit   --network-namespace-path=/run/netns/{shlex.quote(machine.network_namespace)} \
--resolv-conf=off --timezone=off {binds} --boot
"""


def nspawn_pid(machine: Machine) -> int | None:
    """The process that holds the host, if it runs."""
    return recorded_pid(machine.pid_file)


def leader_pid(machine: Machine) -> int | None:
    """The host's own process 1, as the machine sees it."""
    holder = nspawn_pid(machine)
    if holder is None:
        return None
    try:
        children = Path(f"/proc/{holder}/task/{holder}/children").read_text(encoding="utf-8").split()
    except OSError:
        return None
    for child in children:
        try:
            if Path(f"/proc/{child}/comm").read_text(encoding="utf-8").strip() == "systemd":
                return int(child)
        except OSError:
            continue
    return None


def system_state(machine: Machine) -> str:
    """What the host's systemd says of itself: `running`, `degraded`, `starting` …, or `off`."""
    leader = leader_pid(machine)
    if leader is None:
        return "off"
    try:
        # The exit status is non-zero for every state but `running`, so ask for the property instead.
        command = ["nsenter", f"--target={leader}", "--mount", "--pid", "--net", "--ipc", "--uts"]
        return (
            run([*command, "systemctl", "show", "--property=SystemState", "--value"], timeout_s=10).strip()
            or "starting"
        )
    except LabError:
        return "starting"


def in_its_network(machine: Machine) -> bool:
    """Whether the host lives in the network namespace that has its name now, not in one that was deleted and made
    again.
    """
    leader = leader_pid(machine)
    try:
        return leader is not None and Path(f"/proc/{leader}/ns/net").samefile(NAMESPACES / machine.network_namespace)
    except OSError:
        return False


def as_wanted(machine: Machine) -> bool:
    """Whether the host runs and is what it should be."""
    try:
        known = (machine.directory / "fingerprint").read_text(encoding="utf-8")
    except OSError:
        return False
    return known == machine.fingerprint() and in_its_network(machine) and system_state(machine) in READY_STATES


def begin(machine: Machine) -> None:
    """Make the host's directories and start it, without waiting for it."""
    for name in ("upper", "work", "root"):
        (machine.directory / name).mkdir(parents=True, exist_ok=True)
    for path, content in machine.files.items():
        target = machine.directory / "upper" / path.lstrip("/")
        private = target.parent.name == ".ssh"
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700 if private else 0o755)
        target.write_text(content, encoding="utf-8")
        target.chmod(0o600 if private else 0o644)
    if "/root/.ssh/authorized_keys" in machine.files:
        (machine.directory / "upper" / "root").chmod(0o700)
    (machine.directory / "fingerprint").write_text(machine.fingerprint(), encoding="utf-8")
    log = machine.directory / "console.log"
    spawn(["unshare", "--mount", "sh", "-c", start_script(machine)], log, machine.pid_file)


def await_boot(machine: Machine, timeout_s: float = BOOT_TIMEOUT_S) -> str:
    """Wait until the host's systemd has finished starting; LabError with the console's last lines when it doesn't."""
    deadline = time.monotonic() + timeout_s
    while True:
        state = system_state(machine)
        if state in READY_STATES:
            return state
        gone = nspawn_pid(machine) is None
        if gone or time.monotonic() > deadline:
            log = machine.directory / "console.log"
            words = log.read_text(encoding="utf-8", errors="replace")[-600:] if log.exists() else "(no console)"
            why = "the container ended" if gone else f"still {state} after {timeout_s:.0f} s"
            raise LabError("LAB_HOST_NOT_UP", machine.name, f"{why}; its console says: {words}", f"read {log}")
        time.sleep(0.5)


def halt(machine: Machine) -> bool:
    """Shut the host down in order, then by force; returns whether anything of it ran."""
    holder = nspawn_pid(machine)
    if holder is not None:
        os.kill(holder, signal.SIGTERM)  # systemd-nspawn turns this into an orderly shutdown inside
    return holder is not None


def bury(machine: Machine, keep_files: bool = False) -> bool:
    """After `halt`: wait for the end, remove the control group and (unless kept) everything the host wrote."""
    holder = nspawn_pid(machine)
    if holder is not None and not wait_gone(holder, STOP_TIMEOUT_S):
        os.kill(holder, signal.SIGKILL)
        wait_gone(holder, STOP_TIMEOUT_S)
    removed = cgroups.remove(machine.group)
    machine.pid_file.unlink(missing_ok=True)
    if not keep_files and machine.directory.exists():
        shutil.rmtree(machine.directory)
        removed = True
    return removed or holder is not None
