"""Hosts: the program that becomes one, when one is made anew, and what is left of one that was half-built."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.moefleet.serving.plugins.module_utils.lab import cgroups, machines, processes
from ansible_collections.moefleet.serving.plugins.module_utils.lab.commands import LabError
from ansible_collections.moefleet.serving.plugins.module_utils.lab.machines import Machine

# systemd-nspawn's part: say who was called how.
NSPAWN = """\
#!/bin/sh
echo $$ > pid
for argument in "$@"; do printf '%s\\n' "$argument"; done > arguments
echo "$SYSTEMD_NSPAWN_API_VFS_WRITABLE" > environment
"""


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A host whose every name needs quoting."""
    return Machine(
        name="node-0",
        lab="lab",
        state_dir=str(tmp_path / 'it\'s a $(touch bad) "lab"'),
        rootfs=str(tmp_path / "root fs;touch bad"),
        network_namespace="moefleet-lab-node-0",
        files={"/etc/hostname": "node-0\n", "/root/.ssh/authorized_keys": "ssh-ed25519 AAAA\n"},
        binds={"/shared": str(tmp_path / "sto rage"), "/a'b": "/c d"},
    )


def test_the_start_script_survives_odd_names(tmp_path: Path, machine: Machine) -> None:
    """Run for real, without mounts and systemd-nspawn: each argument arrives whole, in the group's only process."""
    machine.directory.mkdir(parents=True)
    programs = {"mount": 'echo "$*" >> mounts', "umount": "exit 1", "systemd-nspawn": NSPAWN}
    for name, text in programs.items():
        program = tmp_path / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(text if text.startswith("#!") else f"#!/bin/sh\n{text}\n", encoding="utf-8")
        program.chmod(0o755)
    groups = tmp_path / "cgroup"
    script = machines.start_script(machine).replace("/sys/fs/cgroup", str(groups))
    path = f"{tmp_path / 'bin'}:{os.environ['PATH']}"
    subprocess.run(["sh", "-c", script], env={**os.environ, "PATH": path}, cwd=tmp_path, check=True)

    assert (machine.directory / "arguments").read_text(encoding="utf-8").splitlines() == [
        "--quiet",
        f"--directory={machine.directory}/root",
        "--machine=node-0",
        "--register=no",
        "--keep-unit",
        "--network-namespace-path=/run/netns/moefleet-lab-node-0",
        "--resolv-conf=off",
        "--timezone=off",
        "--bind=/c d:/a'b",
        f"--bind={tmp_path}/sto rage:/shared",
        "--boot",
    ]
    overlay = (machine.directory / "mounts").read_text(encoding="utf-8")
    assert f"-o lowerdir={machine.rootfs},upperdir=upper,workdir=work root" in overlay
    assert (machine.directory / "environment").read_text(encoding="utf-8") == "network\n"
    # What the group holds is the shell that became systemd-nspawn.
    holder = (groups / "moefleet-lab-node-0" / "cgroup.procs").read_text(encoding="utf-8")
    assert holder == (machine.directory / "pid").read_text(encoding="utf-8")
    assert not list(tmp_path.rglob("bad"))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("rootfs", "/other"),
        ("network_namespace", "moefleet-lab-other"),
        ("files", {"/etc/hostname": "node-0\n", "/root/.ssh/authorized_keys": "another key\n"}),
        ("binds", {"/shared": "/elsewhere"}),
    ],
)
def test_whatever_a_running_host_cannot_change_makes_it_anew(machine: Machine, name: str, value: Any) -> None:
    changed: dict[str, Any] = {name: value}
    assert replace(machine, **changed).fingerprint() != machine.fingerprint()


def test_the_order_of_its_description_does_not(machine: Machine) -> None:
    binds, files = (dict(reversed(list(pairs.items()))) for pairs in (machine.binds, machine.files))
    turned = replace(machine, binds=binds, files=files)
    assert turned.fingerprint() == machine.fingerprint()


def test_ssh_finds_its_key_as_strict_as_it_wants_it(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[Any] = []
    monkeypatch.setattr(machines, "spawn", lambda *arguments: started.append(arguments))
    machines.begin(machine)
    upper = machine.directory / "upper"
    modes = {
        str(path.relative_to(upper)): path.stat().st_mode & 0o777
        for path in (upper / "root", upper / "root/.ssh", upper / "root/.ssh/authorized_keys", upper / "etc/hostname")
    }
    assert modes == {"root": 0o700, "root/.ssh": 0o700, "root/.ssh/authorized_keys": 0o600, "etc/hostname": 0o644}
    [(argv, log, pid_file)] = started
    assert argv == ["unshare", "--mount", "sh", "-c", machines.start_script(machine)]
    assert (log.name, pid_file) == ("console.log", machine.pid_file)


@pytest.fixture
def holder(tmp_path: Path, machine: Machine) -> Iterator[int]:
    """A process that holds one called systemd, as systemd-nspawn does; returns the inner one's pid."""
    init = tmp_path / "systemd"
    shutil.copy(shutil.which("sleep") or "/bin/sleep", init)
    machine.directory.mkdir(parents=True)
    command = f"sleep 60 & {init} 60 & echo $! > {tmp_path / 'inner'}; wait"
    with subprocess.Popen(["sh", "-c", command], start_new_session=True) as process:
        processes.record(machine.pid_file, process.pid)
        deadline = time.monotonic() + 20
        while not (tmp_path / "inner").exists() or machines.leader_pid(machine) is None:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        yield int((tmp_path / "inner").read_text(encoding="utf-8"))
        os.killpg(process.pid, signal.SIGKILL)


def test_the_leader_is_the_systemd_that_the_holder_started(machine: Machine, holder: int) -> None:
    assert machines.leader_pid(machine) == holder


def test_a_host_in_a_network_that_was_made_again_is_not_as_wanted(
    tmp_path: Path, machine: Machine, holder: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Same name, another namespace: the host would run on, and nobody could reach it."""
    namespace = tmp_path / machine.network_namespace
    monkeypatch.setattr(machines, "NAMESPACES", tmp_path)
    monkeypatch.setattr(machines, "system_state", lambda _: "running")
    (machine.directory / "fingerprint").write_text(machine.fingerprint(), encoding="utf-8")
    assert not machines.as_wanted(machine), "its namespace is gone"
    namespace.symlink_to(f"/proc/{holder}/ns/net")
    assert machines.as_wanted(machine)
    namespace.unlink()
    namespace.symlink_to(f"/proc/{holder}/ns/uts")
    assert not machines.as_wanted(machine)


@pytest.mark.parametrize("state", ["starting", "off", "stopping", "maintenance"])
def test_a_host_that_has_not_come_up_is_not_as_wanted(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    machine.directory.mkdir(parents=True)
    (machine.directory / "fingerprint").write_text(machine.fingerprint(), encoding="utf-8")
    monkeypatch.setattr(machines, "in_its_network", lambda _: True)
    monkeypatch.setattr(machines, "system_state", lambda _: state)
    assert not machines.as_wanted(machine)


def test_a_host_that_was_never_made_is_off(machine: Machine) -> None:
    assert machines.system_state(machine) == "off"
    assert not machines.as_wanted(machine)
    assert machines.halt(machine) is False


def test_a_container_that_ends_while_booting_says_its_last_words(machine: Machine) -> None:
    machine.directory.mkdir(parents=True)
    (machine.directory / "console.log").write_text("Failed to mount overlay: no such file\n", encoding="utf-8")
    began = time.monotonic()
    with pytest.raises(LabError, match="the container ended; its console says: Failed to mount overlay"):
        machines.await_boot(machine)
    assert time.monotonic() - began < 10


def test_a_container_that_does_not_come_up_is_given_up(machine: Machine, holder: int) -> None:
    with pytest.raises(LabError, match=r"still (starting|off) after 0 s; its console says: \(no console\)"):
        machines.await_boot(machine, timeout_s=0.0)


def test_what_a_crash_left_of_a_host_is_cleared_away(
    tmp_path: Path, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cgroups, "root", lambda: tmp_path / "cgroup")
    (machine.directory / "upper" / "etc").mkdir(parents=True)
    machine.pid_file.write_text('{"pid": ', encoding="utf-8")
    machine.group.mkdir(parents=True)
    assert machines.bury(machine) is True
    assert not machine.directory.exists()
    assert not machine.group.exists()
    assert machines.bury(machine) is False
