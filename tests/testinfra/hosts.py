"""The scenarios' hosts, and playbooks run against them from within a test."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import testinfra
from testinfra.host import Host

REPOSITORY = Path(__file__).resolve().parents[2]
INVENTORY = f"--inventory={REPOSITORY / 'molecule' / 'base' / 'inventory' / 'hosts.yml'}"
LAB = "molecule"
LAB_DIRECTORY = Path("/var/lib/moefleet/labs") / LAB
NAMES = ("mol-0", "mol-1")
DATA_ADDRESS = {"mol-0": "192.168.2.10", "mol-1": "192.168.2.11"}
PLAY_TIMEOUT_S = 600
RECAP = re.compile(r"^(\S+)\s+: (ok=\d+.*)$", re.MULTILINE)


def connect(name: str, control_directory: Path) -> Host:
    """A host by ssh; `control_directory` keeps the connection for the next command."""
    arguments = f"-o ControlMaster=auto -o ControlPersist=30s -o ControlPath={control_directory}/%C"
    config = str(LAB_DIRECTORY / "ssh_config")
    return testinfra.get_host(f"ssh://{name}", ssh_config=config, ssh_extra_args=arguments)


@dataclass(frozen=True)
class Outcome:
    """How a playbook run ended: exit status, all that it printed, and its recap by host."""

    status: int
    output: str
    recap: Mapping[str, Mapping[str, int]]

    def changed(self, host: str) -> int:
        """The number of changes on a host."""
        return self.recap[host]["changed"]


def _recap(output: str) -> dict[str, dict[str, int]]:
    rows = RECAP.findall(output)
    return {host: {name: int(n) for name, n in re.findall(r"(\w+)=(\d+)", counts)} for host, counts in rows}


def environment() -> dict[str, str]:
    """The environment that molecule gives a playbook, for one that runs without it."""
    paths = [str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]
    fixed = {
        "PATH": os.pathsep.join(paths),
        "ANSIBLE_CONFIG": str(REPOSITORY / "ansible.cfg"),
        "ANSIBLE_NOCOLOR": "1",
        "MOLECULE_PROJECT_DIRECTORY": str(REPOSITORY),
    }
    return {**os.environ, **fixed}


def start(
    playbook: Path, *arguments: str, inventory: str = INVENTORY, variables: Mapping[str, Any] | None = None
) -> subprocess.Popen[str]:
    """Start a playbook against the scenarios' inventory or another; `variables` win over everything else."""
    command = ["ansible-playbook", inventory, *arguments, str(playbook)]
    if variables:
        command.append(f"--extra-vars={json.dumps(variables)}")
    return subprocess.Popen(
        command, env=environment(), cwd=REPOSITORY, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


def finish(run: subprocess.Popen[str]) -> Outcome:
    """Wait for a started playbook."""
    output, _ = run.communicate(timeout=PLAY_TIMEOUT_S)
    return Outcome(run.returncode, output, _recap(output))


def play(
    playbook: Path, *arguments: str, inventory: str = INVENTORY, variables: Mapping[str, Any] | None = None
) -> Outcome:
    """Run a playbook to its end, whatever that is."""
    return finish(start(playbook, *arguments, inventory=inventory, variables=variables))


def played(
    playbook: Path, *arguments: str, inventory: str = INVENTORY, variables: Mapping[str, Any] | None = None
) -> Outcome:
    """Run a playbook that has to succeed."""
    outcome = play(playbook, *arguments, inventory=inventory, variables=variables)
    assert outcome.status == 0, outcome.output
    return outcome


def refused(
    playbook: Path, *arguments: str, inventory: str = INVENTORY, variables: Mapping[str, Any] | None = None
) -> str:
    """Run a playbook that has to fail, and return what it said with all whitespace as one blank."""
    outcome = play(playbook, *arguments, inventory=inventory, variables=variables)
    assert outcome.status != 0, outcome.output
    return " ".join(outcome.output.split())
