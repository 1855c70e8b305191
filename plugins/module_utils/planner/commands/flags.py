# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One command's flags and variables against the engine's version: unknown, gone, not yet there, or without effect."""

from __future__ import annotations

from ..engine.defaults import default
from ..engine.flag_names import DOUBTFUL, GONE, KNOWN, NEVER, names_at, standing
from ..engine.flags import ENVIRONMENT, EPLB_SETTINGS, FLAGS, SHORT, Lifetime
from ..fields import closest
from ..versions import Version
from .facts import INTEGER_FLAGS, JSON_FLAGS, NCCL_NOTES, NEVER_WAS, is_switch
from .line import Command, Option, parse_json, whole
from .notes import Notes

_EPLB_KEYS = {flag: key for key, (_lifetime, flag) in EPLB_SETTINGS.items() if flag}
_EPLB_KEYS["--num-redundant-experts"] = "num_redundant_experts"


def check_text(command: Command, notes: Notes) -> None:
    """What is wrong with the text itself."""
    for problem in command.problems:
        message = f"commands.{command.host}: {problem.message}"
        if problem.code in ("repeated", "several"):
            notes.alters(problem.code, message, problem.fix)
        else:
            notes.stops(problem.code, message, problem.fix)
    if command.extra:
        given = " ".join(command.extra)
        message = f"commands.{command.host}: '{given}' belongs to no flag; the model is '{command.model or ''}'"
        notes.stops("extra_argument", message, "quote values with blanks, JSON most of all, and leave out the rest")


def check_flags(command: Command, release: Version, notes: Notes) -> None:
    """Every flag: whether the release has it, and whether its value is of the right kind."""
    for flag, option in command.options.items():
        where = f"commands.{command.host}: {option.written}"
        if not flag.startswith("--") or (not option.written.startswith("--") and not _short_known(option, release)):
            notes.stops("unknown_flag", f"{where} is no short form in vLLM {release}", f"write {_long(option)}")
        elif flag in FLAGS:
            _check_lifetime(where, flag, option, release, notes)
        else:
            _check_standing(where, flag, release, notes)
        _check_abbreviation(where, flag, option, notes)
        _check_value(where, flag, option, notes)


def _short_known(option: Option, release: Version) -> bool:
    if option.written.startswith("-O"):
        return True
    entry = SHORT.get(option.written)
    return entry is not None and entry[1].covers(release)


def _long(option: Option) -> str:
    entry = SHORT.get(option.written)
    return entry[0] if entry else "the long form"


def _check_lifetime(where: str, flag: str, option: Option, release: Version, notes: Notes) -> None:
    lifetime = FLAGS[flag]
    instead = replacement(flag, option, lifetime)
    if lifetime.removed is not None and release >= lifetime.removed:
        message = f"{where} is gone since vLLM {lifetime.removed}; {release} refuses it as an unrecognized argument"
        notes.stops("removed_flag", message, f"use {instead}" if instead else "leave it out")
    elif release < lifetime.introduced:
        message = f"{where} came with vLLM {lifetime.introduced}; {release} does not know it"
        notes.stops("flag_not_yet", message, "leave it out or use a newer release")
    elif lifetime.deprecated is not None and release >= lifetime.deprecated:
        message = f"{where} is deprecated since vLLM {lifetime.deprecated}" + (
            f" and gone in {lifetime.removed}" if lifetime.removed else ""
        )
        notes.alters("deprecated_flag", message, f"use {instead}" if instead else "leave it out")


def replacement(flag: str, option: Option, lifetime: Lifetime) -> str | None:
    """What to write instead of a flag that is gone, with its value where that goes along."""
    key = _EPLB_KEYS.get(flag)
    if key is None:
        return lifetime.replaced_by
    value = "true" if is_switch(flag) else (option.values[-1] if option.values else "...")
    return f"--eplb-config '{{\"{key}\": {value}}}'"


def _check_standing(where: str, flag: str, release: Version, notes: Notes) -> None:
    """A flag whose history is known by name alone."""
    found = standing(flag, release)
    if found == KNOWN:
        return
    if found == DOUBTFUL:
        message = f"{where} came or went about vLLM {release}; whether this release has it has not been looked at"
        notes.doubts("doubtful_flag", message, "ask the installed vllm serve --help")
    elif found == GONE:
        message = f"{where} is in older releases, and vLLM {release} refuses it as an unrecognized argument"
        notes.stops("removed_flag", message, "leave it out")
    elif found == NEVER:
        near = closest(flag, names_at(release), 0.8)
        fix = NEVER_WAS.get(flag) or (f"did you mean {near}?" if near else "leave it out")
        message = f"{where}: no vLLM from 0.9.2 to 0.33.0 has it, and {release} refuses an unrecognized argument"
        notes.stops("unknown_flag", message, f"use {fix}" if flag in NEVER_WAS else fix)
    else:
        message = f"{where} is in newer releases only; vLLM {release} refuses it as an unrecognized argument"
        notes.stops("flag_not_yet", message, "leave it out or use a newer release")


def _check_abbreviation(where: str, flag: str, option: Option, notes: Notes) -> None:
    plain = option.written.replace("_", "-").replace("--no-", "--", 1)
    if option.written.startswith("--") and plain != flag and flag.startswith(plain):
        message = f"{where} is taken for {flag}, the only flag that begins so; a newer release may have another"
        notes.alters("abbreviated_flag", message, f"write {flag}")


def _check_value(where: str, flag: str, option: Option, notes: Notes) -> None:
    """A switch alone, a number a number, JSON as JSON."""
    if is_switch(flag):
        if option.values:
            message = f"{where} takes no value, '{option.values[-1]}' is one argument too many"
            notes.stops("switch_value", message, f"write {flag} or --no-{flag[2:]}")
        return
    if option.negated:
        return
    if not option.values and not option.keys and (flag in INTEGER_FLAGS or flag in JSON_FLAGS):
        notes.stops("missing_value", f"{where} has no value", "give one")
        return
    if option.open or not option.values:
        return
    value = option.values[-1]
    if flag in JSON_FLAGS and parse_json(value) is None and value != "null":
        message = f"{where} is given {value!r}, which is no JSON"
        notes.stops("json", message, "put the whole object in single quotes, and names in it in double ones")
    elif flag in INTEGER_FLAGS and whole(value) is None and value != "auto":
        notes.stops("number", f"{where} is given {value!r}, which is no whole number", "correct it")


def check_environment(command: Command, release: Version, notes: Notes) -> None:
    """Variables the release does not read, or that change nothing."""
    for name, value in command.environment.items():
        where = f"commands.{command.host}: {name}={value}"
        lifetime = ENVIRONMENT.get(name)
        if lifetime is not None and not lifetime.covers(release):
            came = f"gone since {lifetime.removed}" if lifetime.removed and release >= lifetime.removed else "newer"
            instead = _instead_of_variable(name, value, lifetime)
            notes.alters("variable_unread", f"{where} is not read by vLLM {release} ({came})", instead)
        elif lifetime is not None and lifetime.deprecated is not None and release >= lifetime.deprecated:
            fix = f"use {lifetime.replaced_by} {value}"
            notes.alters("variable_deprecated", f"{where} is deprecated since vLLM {lifetime.deprecated}", fix)
        elif name == "VLLM_USE_DEEP_GEMM" and value == default(name, release):
            notes.tells("variable_default", f"{where} is vLLM {release}'s default", "leave it out")
        _check_nccl(where, name, value, notes)


def _instead_of_variable(name: str, value: str, lifetime: Lifetime) -> str:
    if lifetime.replaced_by is None:
        return "leave it out"
    return f"use {lifetime.replaced_by}" + (f" {value}" if name == "VLLM_ALL2ALL_BACKEND" else "")


def _check_nccl(where: str, name: str, value: str, notes: Notes) -> None:
    note = NCCL_NOTES.get(name)
    if note is not None and note[0] in (None, value):
        notes.alters("variable_no_effect", f"{where}: {name}{'=' + value if note[0] else ''} {note[1]}", "leave it out")
    elif name == "NCCL_NET_GDR_LEVEL":
        hint = "; numbers are its old form" if value.isdecimal() else ""
        message = f"{where}: NCCL's own choice (PXB) is right where a NIC shares a switch with a GPU{hint}"
        notes.alters("variable_discouraged", message, "leave it unset")
    elif name == "NCCL_IB_DISABLE" and value == "1":
        notes.alters("no_rdma", f"{where} makes NCCL use TCP sockets", "leave it out where the hosts have RDMA")
    elif name.startswith("NCCL_") and value == "":
        notes.alters("variable_empty", f"{where} is empty; NCCL reads numbers from it as 0", "leave it out")
    elif name == "NCCL_IB_GID_INDEX" and value == "0":
        notes.alters(
            "gid_index", f"{where} is the link-local GID, RoCE v1 on most ports", "leave it to NCCL 2.21 or newer"
        )
