# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What is checked on every host. HOST_CHECKS is the list; each judge compares one thing and says what it found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Callable

from ..evidence import arguments, systemd
from ..evidence.result import FAIL, PASS, UNKNOWN, WARN
from .model import HOSTS, Check, Judgement, View
from .rank_checks import check_ranks

REAPPLY = "Run `ansible-playbook site.yml`: it writes what the plan says and restarts the ranks together where needed."


_CEILING_FIX = "Whatever this host runs in limits it: start that with higher limits, or give its init the capability."


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


def _unknown(view: View, probe: str, expected: str) -> Judgement:
    return Judgement(UNKNOWN, expected, "unknown", view.state.why(probe))


def _property(view: View, name: str) -> str | None:
    return None if view.state.unit is None else view.state.unit.get(name)


def judge_active(view: View) -> Judgement:
    """The unit is active and its process runs."""
    expected = "active (running)"
    active, sub = _property(view, "ActiveState"), _property(view, "SubState")
    if active is None or sub is None:
        return _unknown(view, "unit", expected)
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
        return _unknown(view, "unit", "0")
    if restarts == "0":
        return Judgement(PASS, "0", "0")
    return Judgement(FAIL, "0", restarts, f"systemd restarted {view.wanted.unit} {restarts} times: its ranks died")


def judge_loaded(view: View) -> Judgement:
    """The unit's files are the ones that systemd has loaded."""
    pending = _property(view, "NeedDaemonReload")
    if pending is None:
        return _unknown(view, "unit", "as loaded")
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
        return _unknown(view, "unit", wanted)
    if running is None:
        return _unknown(view, "main_process", wanted)
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
    expected = _pairs(wanted)
    if view.state.unit is None:
        return _unknown(view, "unit", expected)
    seen = {name: view.state.unit.get(name) for name in wanted}
    differing = {name: value for name, value in seen.items() if value is not None and value != wanted[name]}
    missing = sorted(name for name, value in seen.items() if value is None)
    if differing:
        return Judgement(FAIL, expected, _pairs(seen), f"not as demanded: {_pairs(differing)}")
    if missing:
        return Judgement(UNKNOWN, expected, _pairs(seen), "this systemd does not show: {}".format(", ".join(missing)))
    return Judgement(PASS, expected, _pairs(seen))


def judge_files(view: View) -> Judgement:
    """The unit's and environment files are there, owned by root, and writable by nobody else."""
    expected = "present, owned by root, writable by root alone"
    names = sorted(view.state.files)
    if not names:
        return _unknown(view, "unit", expected)
    wrong = {name: _file_complaint(view.state.files[name]) for name in names}
    complaints = [f"{name} {complaint}" for name, complaint in wrong.items() if complaint]
    if complaints:
        return Judgement(FAIL, expected, "; ".join(complaints), "; ".join(complaints))
    unread = [name for name in names if view.state.files[name] is None]
    if unread:
        return Judgement(UNKNOWN, expected, "unknown", "; ".join(f"{name}: {view.state.why(name)}" for name in unread))
    return Judgement(PASS, expected, ", ".join(names))


def judge_file_environment(view: View) -> Judgement:
    """The environment files set what the plan says: what the engine gets when it is started the next time."""
    planned = arguments.mask_environment(view.planned.environment)
    expected = f"the plan's {len(planned)} variables"
    files = view.state.file_environment
    if files is None:
        return _unknown(view, "file_environment", expected)
    differing = [
        f"{name}={value} in {path}"
        for path, variables in sorted(files.items())
        for name, value in sorted(variables.items())
        if name in planned and value != planned[name]
    ]
    missing = sorted(set(planned).difference(*files.values()))
    if not differing and not missing:
        return Judgement(PASS, expected, "the same")
    wrong = differing + [f"no file sets {name}" for name in missing]
    names = {text.partition("=")[0] for text in differing} | set(missing)
    return Judgement(
        FAIL, _pairs({name: planned[name] for name in names}), "; ".join(wrong), f"not as planned: {_some(wrong)}"
    )


def judge_arguments(view: View) -> Judgement:
    """The running process has the plan's arguments, by meaning."""
    expected = "the plan's arguments"
    if view.state.argv is None:
        return _unknown(view, "main_process", expected)
    planned = arguments.mask(view.planned.argv)
    try:
        found = arguments.differences(arguments.after_serve(planned), arguments.after_serve(view.state.argv))
    except ValueError as error:
        return Judgement(FAIL, expected, " ".join(view.state.argv)[:300], str(error))
    if not found:
        return Judgement(PASS, expected, "the same")
    observed = "; ".join(f"{entry.name} {arguments.show(entry.observed)}" for entry in found)
    wanted = "; ".join(f"{entry.name} {arguments.show(entry.expected)}" for entry in found)
    return Judgement(
        FAIL,
        wanted,
        observed,
        "the running process differs from the plan in {}".format(", ".join(entry.name for entry in found)),
    )


def judge_environment(view: View) -> Judgement:
    """The running process has the plan's environment variables."""
    planned = arguments.mask_environment(view.planned.environment)
    expected = f"the plan's {len(planned)} variables"
    if view.state.environment is None:
        return _unknown(view, "main_process", expected)
    unread = sorted(set(planned) - set(view.state.environment))
    if unread:
        return Judgement(UNKNOWN, expected, "unknown", "these variables were not read: {}".format(", ".join(unread)))
    differing = [name for name in sorted(planned) if view.state.environment[name] != planned[name]]
    if not differing:
        return Judgement(PASS, expected, "the same")
    return Judgement(
        FAIL,
        _pairs({name: planned[name] for name in differing}),
        _pairs({name: view.state.environment[name] for name in differing}),
        "the running process's environment differs from the plan in {}".format(", ".join(differing)),
    )


def judge_memlock(view: View) -> Judgement:
    """The running process may lock the memory that RDMA registers: what counts is the soft limit."""
    return _limit(view, "Max locked memory", view.wanted.memlock_bytes, "memory that may be locked")


def judge_nofile(view: View) -> Judgement:
    """The running process may open enough files."""
    return _limit(view, "Max open files", view.wanted.nofile, "number of open files")


def _limit(view: View, name: str, wanted: int, what: str) -> Judgement:
    expected = systemd.show_limit(wanted) if wanted >= systemd.UNLIMITED else f"at least {wanted}"
    if view.state.limits is None:
        return _unknown(view, "main_process", expected)
    soft, hard = ([*list(view.state.limits.get(name) or ()), None, None])[:2]
    if soft is None or hard is None:
        return Judgement(UNKNOWN, expected, "unknown", f"{name} is not in the limits of the process")
    observed = f"soft {systemd.show_limit(soft)}, hard {systemd.show_limit(hard)}"
    if min(soft, hard) >= wanted:
        return Judgement(PASS, expected, observed)
    reason = f"the {what} is limited to {systemd.show_limit(min(soft, hard))}"
    if hard == (view.state.ceilings or {}).get(name):
        reason += ", which is all that this host can give: its init lacks CAP_SYS_RESOURCE"
        # A CPU engine registers no memory for RDMA: there it is a property of the machine, not a fault of the service.
        harmless = soft == hard and view.plan.platform == "cpu"
        return Judgement(WARN if harmless else FAIL, expected, observed, reason, _CEILING_FIX)
    return Judgement(FAIL, expected, observed, reason)


def judge_sysctl(view: View) -> Judgement:
    """The kernel's live values are the ones that tuning sets."""
    wanted = {name: " ".join(str(value).split()) for name, value in view.wanted.sysctl.items()}
    expected = _pairs(wanted)
    if not wanted:
        return Judgement(PASS, "nothing demanded", "nothing demanded")
    seen = {name: view.state.sysctl.get(name) for name in wanted}
    differing = {name: value for name, value in seen.items() if value is not None and value != wanted[name]}
    if differing:
        return Judgement(
            FAIL,
            _pairs({name: wanted[name] for name in differing}),
            _pairs(differing),
            "kernel parameters differ: {}".format(", ".join(sorted(differing))),
        )
    unread = sorted(name for name, value in seen.items() if value is None)
    if unread:
        return Judgement(
            UNKNOWN, expected, _pairs(seen), "; ".join(f"{name}: {view.state.why(name)}" for name in unread)
        )
    return Judgement(PASS, expected, _pairs(seen))


def judge_model(view: View) -> Judgement:
    """Every file of the model is as its checksum says: the proof that it was not altered or quantised."""
    expected = "every file as its checksum says"
    model = view.state.model
    if model is None:
        return _unknown(view, "model", expected)
    observed = "{} of {} files match".format(model["matching"], model["files"])
    wrong = [f"{name} differs" for name in model["differing"]] + [f"{name} is missing" for name in model["missing"]]
    if wrong:
        return Judgement(FAIL, expected, observed, _some(wrong))
    if model["unlisted"]:
        return Judgement(WARN, expected, observed, "not in the checksum list: {}".format(_some(model["unlisted"])))
    return Judgement(PASS, expected, observed)


def judge_version(view: View) -> Judgement:
    """The installed engine is the plan's; what follows a plus sign names the build, not the version."""
    expected, observed = view.plan.engine_version, view.state.engine_version
    if observed is None:
        return _unknown(view, "engine", expected)
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
        return _unknown(view, "addresses", expected)
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


def _pairs(values: Mapping[str, str | None]) -> str:
    return (
        ", ".join(
            "{}={}".format(name, "(not set)" if values[name] is None else values[name]) for name in sorted(values)
        )
        or "nothing"
    )


def _some(items: Any, most: int = 5) -> str:
    listed = list(items)
    rest = len(listed) - most
    return ", ".join(listed[:most]) + (f" and {rest} more" if rest > 0 else "")
