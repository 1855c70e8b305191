"""Hosts for the launch: real processes and a real shell; only systemd and the service are stand-ins."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible import constants, context
from ansible.errors import AnsibleConnectionFailure
from ansible.module_utils.common.collections import ImmutableDict

from ansible_collections.moefleet.serving.plugins.action import launch_group
from ansible_collections.moefleet.serving.plugins.module_utils.launch import board

DATA = Path(__file__).resolve().parents[2] / "data" / "launch"
UNIT = "moefleet-vllm.service"
# systemd's part for one unit, whose state lies in $HOST_DIR. A start is a real process with the digest in its
# environment.
SYSTEMCTL = """\
#!/bin/sh
cd "$HOST_DIR"
echo "$*" >> calls
pid=$(cat pid 2>/dev/null || echo 0)
state=
[ -r "/proc/$pid/stat" ] && read -r _ _ state _ < "/proc/$pid/stat"
case "$state" in ''|Z) pid=0 ;; esac
case "$*" in
  "show --property=MainPID --value "*) echo "$pid" ;;
  "show "*)
    if [ "$pid" != 0 ]; then echo ActiveState=active; echo Result=success
    elif [ -e started ]; then echo ActiveState=failed; echo Result=exit-code
    else echo ActiveState=inactive; echo Result=success; fi
    stat --format=ExecMainStartTimestamp=@%Y started 2>/dev/null
    echo "MainPID=$pid"; echo "InvocationID=$(cat invocation 2>/dev/null)" ;;
  "stop "*)
    [ "$pid" = 0 ] || kill "$pid"
    rm -f started pid ;;
  "start "*)
    [ ! -e refuses ] || { echo 'Job for the unit failed.' >&2; exit 1; }
    echo "invocation$$" > invocation; touch started; cp log journal
    MOEFLEET_DIGEST=$(cat digest) sleep "$(cat lives)" > /dev/null 2>&1 & echo $! > pid ;;
esac
"""
JOURNALCTL = """\
#!/bin/sh
case "$*" in *"_SYSTEMD_INVOCATION_ID=$(cat "$HOST_DIR/invocation")") cat "$HOST_DIR/journal" ;; esac
"""


class FakeHost:
    """One host: where its unit's state lies, and how its connection behaves."""

    def __init__(self, name: str, directory: Path, log: str) -> None:
        self.name = name
        self.directory = directory
        self.unreachable_at = ""
        directory.mkdir(parents=True)
        for file, content in {"log": log, "digest": "planned", "lives": "300"}.items():
            self.set(file, content)

    def set(self, file: str, content: str = "") -> None:
        """Change what the unit is: `log`, `digest`, `lives` (seconds) or `refuses`."""
        (self.directory / file).write_text(content, encoding="utf-8")

    def shell(self, command: str, **_how: bool) -> dict[str, Any]:
        """What the action's connection does with a command."""
        if self.unreachable_at and self.unreachable_at in command:
            raise AnsibleConnectionFailure("no route to host")
        return self.run(command)

    def run(self, command: str) -> dict[str, Any]:
        """Run a command with the stand-ins in front of the machine's own programs."""
        bin_dir = self.directory.parent / "bin"
        environment = {**os.environ, "PATH": f"{bin_dir}:{os.environ['PATH']}", "HOST_DIR": str(self.directory)}
        done = subprocess.run(["sh", "-c", command], env=environment, capture_output=True, text=True, check=False)
        return {"rc": done.returncode, "stdout": done.stdout, "stderr": done.stderr}

    @property
    def pid(self) -> int:
        """The unit's main process, 0 when none runs."""
        return int(self.run(f"systemctl show --property=MainPID --value {UNIT}")["stdout"])

    @property
    def changes(self) -> list[str]:
        """What was asked of systemd that is more than looking."""
        file = self.directory / "calls"
        lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
        return [line.split()[0] for line in lines if not line.startswith("show")]


class Group:
    """A head and its followers, and a service that answers while all of them run."""

    def __init__(self, directory: Path, names: list[str]) -> None:
        bin_dir = directory / "bin"
        bin_dir.mkdir()
        for name, script in {"systemctl": SYSTEMCTL, "journalctl": JOURNALCTL}.items():
            (bin_dir / name).write_text(script, encoding="utf-8")
            (bin_dir / name).chmod(0o755)
        logs = ["head_vllm_0.32.0.log"] + ["follower_vllm_0.32.0.log"] * (len(names) - 1)
        self.hosts = {
            name: FakeHost(name, directory / name, (DATA / log).read_text(encoding="utf-8"))
            for name, log in zip(names, logs, strict=True)
        }
        self.answers: Callable[[], bool] = lambda: True
        self.check_mode = False
        self.arguments: dict[str, Any] = {"poll_s": 0.1, "progress_s": 0.1, "timeout_s": 20}
        self.batch = names
        # What Ansible says of the play's hosts; in a rescue it leaves out those that another one's failure took along.
        self.play_vars: dict[str, list[str]] = {}
        self.run_number = 0

    def probe(self, **named: Any) -> dict[str, Any]:
        """What the module service_probe would return."""
        assert named["module_name"] == "moefleet.serving.service_probe"
        assert named["module_args"]["engines"] == 2 * len(self.hosts)
        silent = [name for name, host in self.hosts.items() if not host.pid]
        reasons = [f"no engine on {name}" for name in silent] + ([] if self.answers() else ["the service is deaf"])
        return {"probe": {"ready": not reasons, "reasons": reasons}}

    def act(self, name: str) -> Any:
        """The action as one worker runs it for one host."""
        arguments = {
            "unit": UNIT,
            "hosts": list(self.hosts),
            "local_ranks": 2,
            "digest": "planned",
            "service": {"host": "192.0.2.1", "port": 8000, "model": "tiny", "engines": 2 * len(self.hosts)},
        }
        task = SimpleNamespace(
            args={**arguments, **self.arguments},
            check_mode=self.check_mode,
            async_val=0,
            action="launch_group",
            _uuid=f"task-{self.run_number}",
        )
        connection = SimpleNamespace(_shell=SimpleNamespace(tmpdir=None))
        action = launch_group.ActionModule(task, connection, None, None, None)
        host = self.hosts.get(name) or next(iter(self.hosts.values()))
        action._low_level_execute_command = host.shell
        action._execute_module = self.probe
        play_vars = {"ansible_play_batch": self.batch, **self.play_vars}
        return action.run(task_vars={"inventory_hostname": name, **play_vars})

    def launch(self) -> dict[str, Any]:
        """One run of the task on all hosts at once; by host, its result or the exception it ended with."""
        self.run_number += 1
        results: dict[str, Any] = {}

        def work(name: str) -> None:
            try:
                results[name] = self.act(name)
            except Exception as error:  # noqa: BLE001  # handed to the test, which judges it
                results[name] = error

        workers = [threading.Thread(target=work, args=(name,)) for name in self.batch]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(timeout=60)
        assert not [worker for worker in workers if worker.is_alive()], "a host still waits"
        return results


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Lines that the action shows while it waits."""
    lines: list[str] = []
    monkeypatch.setattr(launch_group.DISPLAY, "display", lines.append)
    return lines


def stop_all(group: Group) -> None:
    """End what the test left running."""
    for host in group.hosts.values():
        if host.pid:
            os.kill(host.pid, signal.SIGKILL)


@pytest.fixture
def controller(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shown: list[str]) -> Path:
    """Ansible's own side: enough forks, and a temporary directory of the run."""
    monkeypatch.setattr(constants, "DEFAULT_LOCAL_TMP", str(tmp_path / "controller"))
    monkeypatch.setattr(context, "CLIARGS", ImmutableDict(forks=8))
    monkeypatch.setattr(board, "POLL_S", 0.02)
    return tmp_path


@pytest.fixture
def group(controller: Path) -> Iterator[Group]:
    """A head and a follower, nothing started."""
    made = Group(controller, ["node-0", "node-1"])
    yield made
    stop_all(made)


@pytest.fixture
def trio(controller: Path) -> Iterator[Group]:
    """A head and two followers, nothing started."""
    made = Group(controller, ["node-0", "node-1", "node-2"])
    yield made
    stop_all(made)
