"""tests/testinfra on the lab, as a user runs it: good hosts are accepted, and one that differs is named."""

from __future__ import annotations

import os
import subprocess
import sys

from .playbooks import ROOT, Outcome, on_host

PARAMETER = "net.core.somaxconn"
TIMEOUT_S = 600


def accept(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the acceptance in a process of its own, from the repository."""
    # The other Ansible's settings are this test's own business: a user has none.
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "PYTEST_"))}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/testinfra", *arguments]
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )


def test_head_and_follower_are_accepted(lab: Outcome) -> None:
    """All checks of one host of each role, from the inventory and nothing else: each host takes its time."""
    done = accept("--hosts=ansible://node-0,ansible://node-1", "--ansible-inventory=inventory/lab")
    assert done.returncode == 0, done.stdout[-4000:]
    assert "failed" not in done.stdout


def test_a_host_that_differs_is_named(lab: Outcome) -> None:
    """A kernel parameter was changed by hand: the host, what is wanted and what is there."""
    wanted = on_host("node-3", f"sysctl -n {PARAMETER}").strip()
    on_host("node-3", f"sysctl -qw {PARAMETER}=77")
    try:
        done = accept("--hosts=ansible://node-3", "-k", "kernel_parameters")
    finally:
        on_host("node-3", f"sysctl -qw {PARAMETER}={wanted}")
    assert done.returncode == 1, done.stdout[-4000:]
    assert f"FAIL  node-3: kernel parameters differ: {PARAMETER}" in done.stdout
    assert f"{PARAMETER}=77" in done.stdout
