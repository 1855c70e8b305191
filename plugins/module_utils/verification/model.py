# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What verification speaks of: what was planned, what is demanded, what was seen, and the checks over them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..evidence import systemd

# Sections of the report.
HOSTS = "hosts"
SERVICE = "service"
BENCH = "benchmark"

# The ranks of a group compute in step: one that is started alone stands before the others' closed door.
TOGETHER = "A group's ranks start together: `ansible-playbook playbooks/launch.yml`."


class VerificationError(Exception):
    """Verification was given something that it cannot work with.

    Attributes:
        code: short name of the kind of error.
        place: which input it is about.
        fix: what to do.
    """

    def __init__(self, code: str, place: str, message: str, fix: str) -> None:
        super().__init__(f"{place}: {message} ({code}). {fix}")
        self.code, self.place, self.fix = code, place, fix


@dataclass(frozen=True)
class Check:
    """One thing that was compared, and how it came out. ``host`` is empty for the service as a whole.

    A measured figure has its ``value`` in ``unit``, the ``source`` of the threshold that judged it, ``command``, which
    measures it again, and ``peer`` where it is of a pair of hosts.
    """

    id: str
    section: str
    title: str
    host: str
    verdict: str
    expected: str
    observed: str
    reason: str = ""
    fix: str = ""
    rank: int | None = None
    peer: str = ""
    value: float | None = None
    unit: str = ""
    source: str = ""
    command: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the entry that the report holds."""
        return {
            "id": self.id,
            "section": self.section,
            "title": self.title,
            "host": self.host,
            "rank": self.rank,
            "verdict": self.verdict,
            "expected": self.expected,
            "observed": self.observed,
            "reason": self.reason,
            "fix": self.fix,
            "peer": self.peer,
            "value": self.value,
            "unit": self.unit,
            "source": self.source,
            "command": self.command,
        }

    def sentence(self) -> str:
        """Return the check in one line: verdict, host, what is wrong, expected and found, what to do."""
        where = f"{self.host} -> {self.peer}" if self.peer else self.host or "service"
        what = self.reason or self.title
        line = f"{self.verdict.upper()}  {where}: {what} (expected: {self.expected}; found: {self.observed})"
        return f"{line}. {self.fix}" if self.fix else line


@dataclass(frozen=True)
class PlannedHost:
    """One host of the plan. ``environment`` is what the plan gives the engine's process there."""

    name: str
    role: str
    ranks: tuple[int, ...]
    argv: tuple[str, ...]
    environment: Mapping[str, str]
    first_rank: int = 0

    @property
    def address(self) -> str | None:
        """The address that the other ranks reach this host at."""
        return self.environment.get("VLLM_HOST_IP")

    @property
    def interface(self) -> str | None:
        """The interface of that address."""
        return self.environment.get("GLOO_SOCKET_IFNAME")


@dataclass(frozen=True)
class Planned:
    """The part of a plan that a running service can be compared with."""

    hosts: tuple[PlannedHost, ...]
    engines: int
    address: str
    port: int
    model_name: str
    engine_version: str
    platform: str

    @property
    def head(self) -> str:
        """The name of the host that serves the API."""
        return next((host.name for host in self.hosts if host.role == "head"), "the head")

    def host_of(self, rank: int) -> str:
        """Return the name of the host that a rank belongs to; empty when no host has it."""
        return next((host.name for host in self.hosts if rank in host.ranks), "")

    @classmethod
    def from_plan(cls, plan: Mapping[str, Any]) -> Planned:
        """Read the structure of ``artifacts/plan.json``.

        Raises:
            VerificationError: it lacks something that a plan has.
        """
        try:
            service = plan["service"]
            return cls(
                hosts=tuple(
                    PlannedHost(
                        name=str(host["name"]),
                        role=str(host["role"]),
                        ranks=tuple(int(rank) for rank in host["ranks"]),
                        first_rank=next(iter(host["ranks"]), 0) - host.get("start_rank", 0),
                        argv=tuple(str(token) for token in plan["serve"][host["name"]]["argv"]),
                        environment={
                            str(name): str(value) for name, value in plan["serve"][host["name"]]["env"].items()
                        },
                    )
                    for host in plan["layout"]["hosts"]
                ),
                engines=int(service["engines"]),
                address=str(service["address"]),
                port=int(service["port"]),
                model_name=str(service["served_model_name"]),
                engine_version=str(plan["engine"]["version"]),
                platform=str(plan["engine"]["platform"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise VerificationError(
                "bad-plan", "plan", f"it has no usable {error}", "Make it with `ansible-playbook playbooks/plan.yml`."
            ) from None


@dataclass(frozen=True)
class Demands:
    """What is demanded of one host beyond the plan: the settings of the roles that built it."""

    unit: str
    user: str
    sysctl: Mapping[str, str] = field(default_factory=dict)
    memlock_bytes: int = systemd.UNLIMITED
    nofile: int = 65536
    hardening: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any], place: str) -> Demands:
        """Read ``unit``, ``user``, ``sysctl``, ``memlock``, ``nofile`` and ``hardening``.

        Raises:
            VerificationError: one is missing or is no limit.
        """
        try:
            memlock, nofile = (systemd.parse_limit(str(settings[name])) for name in ("memlock", "nofile"))
            if memlock is None or nofile is None:
                raise ValueError("number in memlock or nofile")
            return cls(
                unit=str(settings["unit"]),
                user=str(settings["user"]),
                sysctl={str(name): str(value) for name, value in settings["sysctl"].items()},
                memlock_bytes=memlock,
                nofile=nofile,
                hardening={str(name): str(value) for name, value in settings["hardening"].items()},
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise VerificationError(
                "bad-demands",
                place,
                f"the demands have no usable {error}",
                "Give all of them; see the module's documentation.",
            ) from None


@dataclass(frozen=True)
class HostState:
    """What ``host_state`` saw, or why the host was not seen. None is unknown; ``reasons`` says why, by probe."""

    reached: bool
    unreached_reason: str = ""
    unit: Mapping[str, str] | None = None
    argv: tuple[str, ...] | None = None
    environment: Mapping[str, str | None] | None = None
    file_environment: Mapping[str, Mapping[str, str | None]] | None = None
    user: str | None = None
    limits: Mapping[str, Any] | None = None
    ceilings: Mapping[str, int | None] | None = None
    ranks: tuple[int, ...] | None = None
    sysctl: Mapping[str, str | None] = field(default_factory=dict)
    files: Mapping[str, Mapping[str, Any] | None] = field(default_factory=dict)
    model: Mapping[str, Any] | None = None
    engine_version: str | None = None
    addresses: tuple[str, ...] | None = None
    versions: Mapping[str, str] | None = None
    flags: Mapping[str, str] | None = None
    reasons: Mapping[str, str] = field(default_factory=dict)

    def why(self, probe: str) -> str:
        """Return why a probe's result is unknown."""
        return self.reasons.get(probe) or "it was not read, and no reason was given"

    @classmethod
    def from_result(cls, result: Mapping[str, Any] | None) -> HostState:
        """Read a registered task result; None stands for a host that no result came from."""
        if not isinstance(result, Mapping):
            return cls(False, "no state of this host was gathered")
        state = result.get("state")
        if not isinstance(state, Mapping):
            message = " ".join(str(result.get("msg") or "the task gave no state").split())
            return cls(False, f"unreachable: {message}" if result.get("unreachable") else message)
        process: Mapping[str, Any] = state.get("main_process") or {}
        ranks: list[Any] | None = state.get("ranks")
        engine: Mapping[str, Any] = state.get("engine") or {}
        return cls(
            reached=True,
            unit=state.get("unit"),
            argv=_texts(process.get("argv")),
            environment=process.get("environment"),
            file_environment=state.get("file_environment"),
            user=process.get("user"),
            limits=process.get("limits"),
            ceilings=state.get("ceilings"),
            ranks=None if ranks is None else tuple(int(entry["rank"]) for entry in ranks),
            sysctl=state.get("sysctl") or {},
            files=state.get("files") or {},
            model=state.get("model"),
            engine_version=engine.get("version"),
            addresses=_texts(state.get("addresses")),
            versions=state.get("versions"),
            flags=state.get("flags"),
            reasons=state.get("reasons") or {},
        )


@dataclass(frozen=True)
class Judgement:
    """How one comparison came out. ``fix`` stands in for the check's own where that would not help."""

    verdict: str
    expected: str
    observed: str
    reason: str = ""
    fix: str = ""


@dataclass(frozen=True)
class View:
    """All that a judge may look at."""

    planned: PlannedHost
    plan: Planned
    demands: Demands | None
    state: HostState

    @property
    def wanted(self) -> Demands:
        """The demands of a host that was reached; only one that was not reached may lack them."""
        if self.demands is None:
            raise VerificationError("no-demands", self.planned.name, "nothing is demanded of it", "Give its demands.")
        return self.demands


def _texts(values: list[Any] | None) -> tuple[str, ...] | None:
    return None if values is None else tuple(str(value) for value in values)
