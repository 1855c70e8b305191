# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Files of ``/proc/PID``: command line, environment, limits, status, and which rank a process is by its title."""

from __future__ import annotations

import re
from collections.abc import Iterable

from .systemd import parse_limit

# vLLM names each engine's process <prefix>::EngineCore_DP<rank> (EngineCore alone without data parallelism) through
# setproctitle; the prefix is VLLM unless VLLM_PROCESS_NAME_PREFIX says otherwise (vllm/v1/engine/core.py,
# vllm/utils/system_utils.py).
_RANK_TITLE = re.compile(r"^[^\s\0]*::EngineCore(?:_DP(\d{1,6}))?$", re.ASCII)
# Workers that are not in the engine's process are <prefix>::Worker[_DP<rank>][_PP<stage>][_TP<rank>]...
# (vllm/v1/executor/multiproc_executor.py). Stage 0 is beside its engine; the later ones may be on hosts without one.
_STAGE_TITLE = re.compile(r"^[^\s\0]*::Worker(?:_DP(\d{1,6}))?_PP[1-9]\d{0,5}(?:_[A-Z]+\d{1,6})*$", re.ASCII)
_CAP_SYS_RESOURCE = 24
_LIMIT_ROW = re.compile(r"^(Max [a-z ]+?)\s{2,}(\S+)\s+(\S+)(?:\s+(\S+))?\s*$")


def parse_cmdline(raw: bytes) -> list[str] | None:
    """Return the arguments in ``/proc/PID/cmdline``; None for an ended or kernel process and a cut-off file."""
    if not raw or not raw.endswith(b"\0"):
        return None
    return [token.decode("utf-8", "replace") for token in raw[:-1].split(b"\0")]


def parse_title(raw: bytes) -> str:
    """Return the process's title: setproctitle puts it where the arguments were and may leave padding behind it."""
    return raw.rstrip(b"\0").decode("utf-8", "replace").strip()


def rank_of(title: str) -> int | None:
    """Return the data-parallel rank that a process title names, None for any other process."""
    match = _RANK_TITLE.match(title)
    if match is None:
        return None
    return int(match.group(1)) if match.group(1) else 0


def rank_of_stage(title: str) -> int | None:
    """Return the data-parallel rank of a later pipeline stage's worker by its title, None for any other process."""
    match = _STAGE_TITLE.match(title)
    if match is None:
        return None
    return int(match.group(1)) if match.group(1) else 0


def parse_environment(raw: bytes, names: Iterable[str]) -> dict[str, str | None]:
    """Return the named variables of ``/proc/PID/environ``, and only those; None for one that isn't set."""
    present: dict[str, str] = {}
    for entry in raw.split(b"\0"):
        name, equals, value = entry.partition(b"=")
        if equals:
            present[name.decode("utf-8", "replace")] = value.decode("utf-8", "replace")
    return {name: present.get(name) for name in names}


def parse_limits(text: str) -> dict[str, tuple[int | None, int | None]]:
    """Return (soft, hard) by the name in ``/proc/PID/limits``, such as ``Max locked memory`` (bytes)."""
    found: dict[str, tuple[int | None, int | None]] = {}
    for line in text.splitlines()[1:]:
        match = _LIMIT_ROW.match(line)
        if match is not None:
            found[match.group(1)] = (parse_limit(match.group(2)), parse_limit(match.group(3)))
    return found


def parse_status(text: str) -> dict[str, str]:
    """Return ``/proc/PID/status`` by name."""
    pairs = (line.partition(":") for line in text.splitlines())
    return {name: value.strip() for name, colon, value in pairs if colon}


def may_raise_limits(status: dict[str, str]) -> bool | None:
    """Say whether a process with this parsed status has CAP_SYS_RESOURCE (capabilities(7)), None when it isn't told."""
    text = status.get("CapEff", "")
    return bool(int(text, 16) >> _CAP_SYS_RESOURCE & 1) if re.match(r"^[0-9a-f]{1,16}$", text, re.ASCII) else None


def effective_uid(status: dict[str, str]) -> int | None:
    """Return the effective user number in a parsed status file, None when it isn't there."""
    fields = status.get("Uid", "").split()
    return int(fields[1]) if len(fields) >= 2 and re.match(r"^\d{1,10}$", fields[1], re.ASCII) else None
