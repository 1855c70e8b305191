"""The baseline of a launch: the plan's commands, started by hand on each host over ssh."""

from __future__ import annotations

import concurrent.futures
import json
import shlex
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from .timing import command

UNIT = "moefleet-vllm.service"
ENGINE = "/shared/engine/vllm-0.32.0-cpu/bin/vllm"
POLL_S = 3.0  # as often as the launch looks
STATE = "/var/lib/moefleet-vllm"


class Hosts:
    """The lab's hosts over ssh."""

    def __init__(self, ssh_config: Path, plan: dict[str, Any], api: str) -> None:
        self.ssh = ["ssh", "-F", str(ssh_config)]
        self.plan, self.api = plan, api
        self.names = [host["name"] for host in plan["layout"]["hosts"]]

    def everywhere(self, commands: dict[str, str]) -> None:
        """Run one command a host, at the same time."""
        with concurrent.futures.ThreadPoolExecutor(len(commands)) as pool:
            list(pool.map(lambda item: command([*self.ssh, item[0], item[1]]), commands.items()))

    def stop_units(self) -> None:
        """No rank runs."""
        self.everywhere(dict.fromkeys(self.names, f"systemctl stop {UNIT}"))

    def start_by_hand(self) -> None:
        """What a person would type into four terminals."""
        commands = {}
        for name in self.names:
            serve = self.plan["serve"][name]
            environment = [f"{key}={value}" for key, value in {**serve["env"], "HOME": STATE}.items()]
            line = shlex.join(["env", *environment, ENGINE, *serve["argv"][1:]])
            # systemd-run only detaches it from this login and gives `stop` a name; user and limits are the unit's.
            commands[name] = (
                f"systemd-run --quiet --unit=by-hand --uid=moefleet --gid=moefleet --working-directory={STATE} "
                f"--property=LimitMEMLOCK=infinity --property=LimitNOFILE=1048576 {line}"
            )
        self.everywhere(commands)

    def stop_by_hand(self) -> None:
        """Take the hand-started ranks away."""
        unit = "by-hand.service"
        self.everywhere(
            dict.fromkeys(self.names, f"systemctl stop {unit}; systemctl reset-failed {unit} 2>/dev/null || true")
        )

    def wait_for_completion(self, timeout_s: float = 1800) -> None:
        """Until a real completion comes back."""
        body = json.dumps(
            {"model": self.plan["service"]["served_model_name"], "prompt": "The quick brown fox", "max_tokens": 1}
        ).encode()
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            request = urllib.request.Request(f"{self.api}/v1/completions", body, {"Content-Type": "application/json"})
            try:
                with urllib.request.urlopen(request, timeout=120) as answer:
                    if json.load(answer)["choices"]:
                        return
            except (OSError, ValueError, urllib.error.URLError):
                time.sleep(POLL_S)
        raise SystemExit(f"bench: no completion by hand after {timeout_s:.0f} s")

    def launch_by_hand(self) -> None:
        """Start and wait."""
        self.start_by_hand()
        self.wait_for_completion()
