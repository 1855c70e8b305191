# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What is checked on every host. HOST_CHECKS is the list; each judge compares one thing and says what it found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Callable

from ..evidence import systemd
from ..evidence.result import FAIL, PASS, UNKNOWN, WARN
from .model import HOSTS, Check, Judgement, View
from .process_checks import (
    judge_arguments,
    judge_environment,
    judge_file_environment,
    judge_memlock,
    judge_nofile,
)
from .rank_checks import check_ranks
from .wording import pairs, some, unknown

REAPPLY = "Run `ansible-playbook site.yml`: it writes what the plan says and restarts the ranks together where needed."


@dataclass(frozen=True)
class HostCheck:
    """One row of HOST_CHECKS. ``fix`` may name {unit} and {host}."""

    id: str
    title: str
    judge: Callable[[View], Judgement]
    fix: str


def check_host(view: View) -> list[Check]:
    """Run every check of one host. A host that was not reached is one unknown: nothing else can be said of it."""
    host, state = view.planned.name, view.state
    if not state.reached or view.demands is None:
        return [
            Check(
                "host_reached",
                HOSTS,
                "The host was reached",
                host,
                UNKNOWN,
                "reached",
                "not reached",
                f"the host was not reached, so nothing on it is known: {state.unreached_reason or 'no demands'}",
                f"See that the host is up and that `ansible {host} -m ansible.builtin.ping` answers.",
            )
        ]
    checks = [Check("host_reached", HOSTS, "The host was reached", host, PASS, "reached", "reached")]
    for entry in HOST_CHECKS:
        result = entry.judge(view)
        fix = "" if result.verdict == PASS else result.fix or entry.fix.format(unit=view.wanted.unit, host=host)
        checks.append(
            Check(
                entry.id,
                HOSTS,
                entry.title,
                host,
                result.verdict,
                result.expected,
                result.observed,
                result.reason,
                fix,
            )
        )
    return checks + check_ranks(view)


def _property(view: View, name: str) -> str | None:
    return None if view.state.unit is None else view.state.unit.get(name)


def judge_active(view: View) -> Judgement:
    """The unit is active and its process runs."""
    expected = "active (running)"
    active, sub = _property(view, "ActiveState"), _property(view, "SubState")
    if active is None or sub is None:
        return unknown(view, "unit", expected)
    observed = f"{active} ({sub})"
    if observed == expected:
        return Judgement(PASS, expected, observed)
    ending = _property(view, "Result")
    detail = f", the last run ended with: {ending}" if ending and ending != "success" else ""
    return Judgement(FAIL, expected, observed, f"{view.wanted.unit} is {observed}{detail}")


def judge_restarts(view: View) -> Judgement:
    """systemd has not restarted the unit since it was started."""
    restarts = _property(view, "NRestarts")
    if restarts is None:
        return unknown(view, "unit", "0")
    if restarts == "0":
        return Judgement(PASS, "0", "0")
    reason = f"systemd restarted {view.wanted.unit} {restarts} times: its ranks died"
    # Ranks of one host are meant to come back by themselves, but not to die.
    meant = _property(view, "Restart") not in (None, "no")
    return Judgement(WARN if meant else FAIL, "0", restarts, reason)


def judge_loaded(view: View) -> Judgement:
    """The unit's files are the ones that systemd has loaded."""
    pending = _property(view, "NeedDaemonReload")
    if pending is None:
        return unknown(view, "unit", "as loaded")
    if pending == "no":
        return Judgement(PASS, "as loaded", "as loaded")
    return Judgement(FAIL, "as loaded", "changed on disk", "the unit's files were changed since systemd loaded them")


def judge_command(view: View) -> Judgement:
    """The unit would start the plan's command the next time."""
    expected = "the plan's command"
    seen = _property(view, "ExecStart")
    if not seen:
        return Judgement(
            UNKNOWN, expected, "unknown", view.state.reasons.get("unit") or "the unit's command is not readable"
        )
    if seen == systemd.command_digest(" ".join(view.planned.argv)):
        return Judgement(PASS, expected, expected)
    return Judgement(FAIL, expected, "another command", "the unit would start another command than the plan's")


def judge_user(view: View) -> Judgement:
    """The unit and its running process have the unprivileged user."""
    wanted, configured, running = view.wanted.user, _property(view, "User"), view.state.user
    if configured is None:
        return unknown(view, "unit", wanted)
    if running is None:
        return unknown(view, "main_process", wanted)
    observed = running if running == configured else "{} (unit: {})".format(running, configured or "root")
    if running == configured == wanted:
        return Judgement(PASS, wanted, observed)
    return Judgement(
        FAIL,
        wanted,
        observed,
        f"the process runs as {running}" if running != wanted else f"the unit says user {configured or 'root'}",
    )


def judge_hardening(view: View) -> Judgement:
    """The unit has the sandboxing properties that are demanded."""
    wanted = view.wanted.hardening
    expected = pairs(wanted)
    if view.state.unit is None:
        return unknown(view, "unit", expected)
    seen = {name: view.state.unit.get(name) for name in wanted}
    differing = {name: value for name, value in seen.items() if value is not None and value != wanted[name]}
    missing = sorted(name for name, value in seen.items() if value is None)
    if differing:
        return Judgement(FAIL, expected, pairs(seen), f"not as demanded: {pairs(differing)}")
    if missing:
        return Judgement(UNKNOWN, expected, pairs(seen), "this systemd does not show: {}".format(", ".join(missing)))
    return Judgement(PASS, expected, pairs(seen))


def judge_files(view: View) -> Judgement:
    """The unit's and environment files are there, owned by root, and writable by nobody else."""
    expected = "present, owned by root, writable by root alone"
    names = sorted(view.state.files)
    if not names:
        return unknown(view, "unit", expected)
    wrong = {name: _file_complaint(view.state.files[name]) for name in names}
    complaints = [f"{name} {complaint}" for name, complaint in wrong.items() if complaint]
    if complaints:
        return Judgement(FAIL, expected, "; ".join(complaints), "; ".join(complaints))
    unread = [name for name in names if view.state.files[name] is None]
    if unread:
        return Judgement(UNKNOWN, expected, "unknown", "; ".join(f"{name}: {view.state.why(name)}" for name in unread))
    return Judgement(PASS, expected, ", ".join(names))


def judge_sysctl(view: View) -> Judgement:
    """The kernel's live values are the ones that tuning sets."""
    wanted = {name: " ".join(str(value).split()) for name, value in view.wanted.sysctl.items()}
    expected = pairs(wanted)
    if not wanted:
        return Judgement(PASS, "nothing demanded", "nothing demanded")
    seen = {name: view.state.sysctl.get(name) for name in wanted}
    differing = {name: value for name, value in seen.items() if value is not None and value != wanted[name]}
    if differing:
        return Judgement(
            FAIL,
            pairs({name: wanted[name] for name in differing}),
            pairs(differing),
            "kernel parameters differ: {}".format(", ".join(sorted(differing))),
        )
    unread = sorted(name for name, value in seen.items() if value is None)
    if unread:
        return Judgement(
            UNKNOWN, expected, pairs(seen), "; ".join(f"{name}: {view.state.why(name)}" for name in unread)
        )
    return Judgement(PASS, expected, pairs(seen))


def judge_model(view: View) -> Judgement:
    """Every file of the model is as its checksum says: the proof that it was not altered or quantised."""
    expected = "every file as its checksum says"
    model = view.state.model
    if model is None:
        return unknown(view, "model", expected)
    observed = "{} of {} files match".format(model["matching"], model["files"])
    wrong = [f"{name} differs" for name in model["differing"]] + [f"{name} is missing" for name in model["missing"]]
    if wrong:
        return Judgement(FAIL, expected, observed, some(wrong))
    if model["unlisted"]:
        return Judgement(WARN, expected, observed, "not in the checksum list: {}".format(some(model["unlisted"])))
    return Judgement(PASS, expected, observed)


def judge_version(view: View) -> Judgement:
    """The installed engine is the plan's; what follows a plus sign names the build, not the version."""
    expected, observed = view.plan.engine_version, view.state.engine_version
    if observed is None:
        return unknown(view, "engine", expected)
    if observed.partition("+")[0] == expected.partition("+")[0]:
        return Judgement(PASS, expected, observed)
    return Judgement(FAIL, expected, observed, f"the installed engine is {observed}")


def judge_address(view: View) -> Judgement:
    """The address that the plan gives to this host is on the plan's interface."""
    address, interface = view.planned.address, view.planned.interface
    if address is None or interface is None:
        return Judgement(
            UNKNOWN,
            "the plan's address",
            "unknown",
            "the plan's environment of this host has no VLLM_HOST_IP or no GLOO_SOCKET_IFNAME",
        )
    expected = f"{address} on {interface}"
    if view.state.addresses is None:
        return unknown(view, "addresses", expected)
    observed = "{} on {}".format(", ".join(view.state.addresses) or "no address", interface)
    if address in view.state.addresses:
        return Judgement(PASS, expected, observed)
    return Judgement(FAIL, expected, observed, f"{address} is not on {interface}")


HOST_CHECKS: tuple[HostCheck, ...] = (
    HostCheck(
        "unit_active",
        "The unit runs",
        judge_active,
        "See `journalctl -u {unit}` on {host}; then `ansible-playbook playbooks/launch.yml` starts the ranks together.",
    ),
    HostCheck(
        "unit_restarts",
        "The unit was never restarted by systemd",
        judge_restarts,
        "See `journalctl -u {unit}` on {host} for why it ended. The ranks of a group have to start together: "
        "`ansible-playbook playbooks/launch.yml`.",
    ),
    HostCheck("unit_loaded", "The unit's files are the loaded ones", judge_loaded, REAPPLY),
    HostCheck(
        "unit_command",
        "The unit starts the plan's command",
        judge_command,
        "Compare `systemctl cat {unit}` on {host} with the plan. " + REAPPLY,
    ),
    HostCheck("unit_user", "The engine runs as its unprivileged user", judge_user, REAPPLY),
    HostCheck("unit_hardening", "The unit is sandboxed", judge_hardening, REAPPLY),
    HostCheck("unit_files", "The unit's and environment files are in order", judge_files, REAPPLY),
    HostCheck("file_environment", "The environment files have the plan's variables", judge_file_environment, REAPPLY),
    HostCheck("process_arguments", "The running process has the plan's arguments", judge_arguments, REAPPLY),
    HostCheck("process_environment", "The running process has the plan's environment", judge_environment, REAPPLY),
    HostCheck("limit_memlock", "The process may lock its memory", judge_memlock, REAPPLY),
    HostCheck("limit_nofile", "The process may open enough files", judge_nofile, REAPPLY),
    HostCheck("kernel_parameters", "The kernel's parameters are as tuned", judge_sysctl, REAPPLY),
    HostCheck(
        "model_checksums",
        "The model's files have their checksums",
        judge_model,
        "Copy the model to {host} again (`ansible-playbook site.yml`) and look for what changed it.",
    ),
    HostCheck("engine_version", "The installed engine is the plan's version", judge_version, REAPPLY),
    HostCheck(
        "data_address",
        "The data address is on the data interface",
        judge_address,
        "Correct `data_address` or `data_interface` of {host} in the inventory, or the host's network.",
    ),
)


def _file_complaint(about: Mapping[str, Any] | None) -> str:
    if about is None:
        return ""
    if not about.get("exists"):
        return "is missing"
    complaints = []
    if about["owner"] != "root":
        complaints.append("belongs to {}".format(about["owner"]))
    if int(about["mode"], 8) & 0o022:
        complaints.append("has mode {}".format(about["mode"]))
    return " and ".join(complaints)
