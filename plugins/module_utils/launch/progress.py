# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a unit's state and journal say about how far its ranks have come."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

# Lines of vLLM's log, in the order in which a start reaches them, and what they mean to someone who waits.
# Seen with vLLM 0.32.0; a line that another version doesn't print only makes the progress coarser, never the result.
STAGES: tuple[tuple[str, str], ...] = (
    (r"version \d+\.\d+", "reading its configuration"),
    (r"Resolved architecture", "configuration read"),
    (r"Launching .* data parallel engine", "starting its ranks"),
    (r"Started DP Coordinator", "coordinator up, starting its ranks"),
    (r"Waiting for .*(engine|handshake|READY)", "waiting for ranks"),
    (r"Initializing a V1 LLM engine", "ranks are starting"),
    (r"assigned as DP rank", "ranks know each other"),
    (r"Starting to load model", "loading weights"),
    (r"Loading weights took", "weights loaded"),
    (r"init engine .* took", "ranks ready"),
    (r"Starting vLLM (API )?server", "starting the API"),
    (r"Application startup complete", "API up"),
)
COORDINATOR = "Started DP Coordinator"
API_UP = "Application startup complete"
RANK_READY = re.compile(r"EngineCore(?:_DP(\d+))?\b.*init engine .* took")
# What journalctl's output is cut down to on the host, as an extended regular expression.
INTERESTING = "|".join(pattern.replace(r"\d", "[0-9]") for pattern, _ in STAGES)


@dataclass(frozen=True)
class Unit:
    """A unit as systemd has it.

    `main_pid` is 0 when nothing runs. `outdated`: a file that it was started from has changed since.
    """

    active: str
    result: str
    main_pid: int
    invocation: str
    digest: str
    outdated: bool = False

    @property
    def runs(self) -> bool:
        """Whether its main process is up or coming up."""
        return self.active in ("active", "activating", "reloading") and self.main_pid > 0


def unit_from(text: str) -> Unit:
    """A Unit from `NAME=value` lines: of `systemctl show`, of the process's environment, and an `INPUT=` line for each
    file that the process was started from, with the time of its last change in seconds since the epoch.
    """
    pairs: Mapping[str, str] = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    pid = pairs.get("MainPID", "0")
    started = pairs.get("ExecMainStartTimestamp", "").lstrip("@")
    changes = [int(line[6:]) for line in text.splitlines() if line.startswith("INPUT=") and line[6:].isdecimal()]
    return Unit(
        active=pairs.get("ActiveState", "unknown"),
        result=pairs.get("Result", "unknown"),
        main_pid=int(pid) if pid.isdecimal() else 0,
        invocation=pairs.get("InvocationID", ""),
        digest=pairs.get("MOEFLEET_DIGEST", ""),
        outdated=started.isdecimal() and any(change > int(started) for change in changes),
    )


def stage(lines: Sequence[str], local_ranks: int) -> str:
    """How far a start has come, in words: the last stage in order whose line is there."""
    ready = {match.group(1) or str(number) for number, line in enumerate(lines) if (match := RANK_READY.search(line))}
    reached = [words for pattern, words in STAGES if any(re.search(pattern, line) for line in lines)]
    if not reached:
        return "starting Python"
    if 0 < len(ready) < local_ranks and reached[-1] == "ranks ready":
        return f"{len(ready)} of {local_ranks} ranks ready"
    return reached[-1]


def start_needed(states: Mapping[str, Mapping[str, object]]) -> list[str]:
    """Why the group has to be (re)started, a reason a host; empty when it runs as planned and answers."""
    reasons = []
    for host, state in states.items():
        if not state["runs"]:
            reasons.append(f"{host} does not run")
        elif not state["current"]:
            reasons.append(f"{host} runs with an older configuration")
        elif not state["answers"]:
            reasons.append(f"{host} runs but the service does not answer: {state['why']}")
    return reasons
