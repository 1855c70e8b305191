"""Run the playbooks as users do, through ansible-runner, and say what happened."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ansible_runner

ROOT = Path(__file__).resolve().parents[2]
LAB = Path("/var/lib/moefleet/labs/lab")
SSH = ["ssh", "-F", str(LAB / "ssh_config")]


@dataclass
class Outcome:
    """What a playbook did: exit status, output, changed counts by host, messages of failed tasks."""

    rc: int
    output: str
    changed: dict[str, int]
    failures: list[str] = field(default_factory=list)
    touched: set[str] = field(default_factory=set)

    def explain(self) -> str:
        """For assertions: the end of the output."""
        return f"rc {self.rc}\n{self.output[-4000:]}"


def play(
    playbook: str, *arguments: str, inventory: str | None = None, variables: dict[str, Any] | None = None
) -> Outcome:
    """Run a playbook from the repository's root with its ansible.cfg."""
    private = Path(tempfile.mkdtemp(prefix="moefleet-runner-"))
    command = list(arguments)
    if variables:
        command += ["--extra-vars", json.dumps(variables)]
    try:
        runner = ansible_runner.run(
            private_data_dir=str(private),
            project_dir=str(ROOT),
            playbook=playbook,
            inventory=str(ROOT / inventory) if inventory else str(ROOT / "inventory/lab"),
            cmdline=" ".join(f"'{argument}'" for argument in command) or None,
            envvars={
                "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
                "PATH": f"{ROOT / '.venv/bin'}:{os.environ['PATH']}",
                "PWD": str(ROOT),
                # Runner's terminal is one that has colours; words are looked for here.
                "ANSIBLE_NOCOLOR": "1",
                "ANSIBLE_FORCE_COLOR": "0",
            },
            quiet=True,
        )
        failures, touched = [], set()
        for event in runner.events:
            data = event.get("event_data", {})
            if event["event"] in ("runner_on_failed", "runner_on_unreachable") and not data.get("ignore_errors"):
                failures.append(f"{data.get('host')}: {data.get('res', {}).get('msg', '')}")
            if event["event"].startswith("runner_on_") and event["event"] not in (
                "runner_on_start",
                "runner_on_skipped",
            ):
                touched.add(str(data.get("host")))
        changed: dict[str, int] = defaultdict(int, (runner.stats or {}).get("changed", {}))
        return Outcome(int(runner.rc), Path(runner.stdout.name).read_text(encoding="utf-8"), changed, failures, touched)
    finally:
        shutil.rmtree(private, ignore_errors=True)


def on_host(host: str, command: str, stdin: str = "", timeout_s: float = 120) -> str:
    """Run a command on a lab host and return its output."""
    done = subprocess.run(
        [*SSH, host, command], input=stdin, capture_output=True, text=True, timeout=timeout_s, check=False
    )
    assert done.returncode == 0, f"{host}: {command[:80]} failed with {done.returncode}: {done.stderr[-1500:]}"
    return done.stdout


def main_pids() -> dict[str, str]:
    """The main process of the unit on every host, as the host counts processes."""
    show = "systemctl show --property=MainPID --value moefleet-vllm.service"
    return {host: on_host(host, show).strip() for host in ("node-0", "node-1", "node-2", "node-3")}
