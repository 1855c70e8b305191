# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What is checked of an engine's process: what it was started with, what it will be started with, and its limits."""

from __future__ import annotations

from ..evidence import arguments, systemd
from ..evidence.result import FAIL, PASS, UNKNOWN, WARN
from .model import Judgement, View
from .wording import pairs, some, unknown

_CEILING_FIX = "Whatever this host runs in limits it: start that with higher limits, or give its init the capability."


def judge_arguments(view: View) -> Judgement:
    """The running process has the plan's arguments, by meaning."""
    expected = "the plan's arguments"
    if view.state.argv is None:
        return unknown(view, "main_process", expected)
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
        return unknown(view, "main_process", expected)
    unread = sorted(set(planned) - set(view.state.environment))
    if unread:
        return Judgement(UNKNOWN, expected, "unknown", "these variables were not read: {}".format(", ".join(unread)))
    differing = [name for name in sorted(planned) if view.state.environment[name] != planned[name]]
    if not differing:
        return Judgement(PASS, expected, "the same")
    return Judgement(
        FAIL,
        pairs({name: planned[name] for name in differing}),
        pairs({name: view.state.environment[name] for name in differing}),
        "the running process's environment differs from the plan in {}".format(", ".join(differing)),
    )


def judge_file_environment(view: View) -> Judgement:
    """The environment files set what the plan says: what the engine gets when it is started the next time."""
    planned = arguments.mask_environment(view.planned.environment)
    expected = f"the plan's {len(planned)} variables"
    files = view.state.file_environment
    if files is None:
        return unknown(view, "file_environment", expected)
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
        FAIL, pairs({name: planned[name] for name in names}), "; ".join(wrong), f"not as planned: {some(wrong)}"
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
        return unknown(view, "main_process", expected)
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
