# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Secure Boot: ``mokutil --sb-state`` (or ``bootctl status``), ``mokutil --test-key`` and the kernel's refusals."""

from __future__ import annotations

import re
from typing import Any

from .findings import Context, Findings, flag, nothing
from .result import Evidence, clean_lines

TOOL = "secure_boot"

ADVICE = (
    "enrol the key that signs the modules: mokutil --import /var/lib/dkms/mok.pub (Ubuntu:"
    ' /var/lib/shim-signed/mok/MOK.der), set a password, reboot, confirm it on the console at "Enroll MOK";'
    " or install modules that the distribution signed; or switch Secure Boot off"
)

_STATE = re.compile(r"^\W*(?:SecureBoot|Secure Boot:?)\s+(enabled|disabled)\b", re.IGNORECASE)
_NO_SUPPORT = re.compile(r"doesn'?t support Secure Boot|EFI variables are not supported", re.IGNORECASE)
_REJECTED = re.compile(
    r"Key was rejected by service|Required key not available|Loading of unsigned module is rejected"
    r"|module verification failed: .*required key missing.*rejected|Lockdown: .*unsigned module loading is restricted",
    re.IGNORECASE,
)
_ENROLLED = re.compile(r"\bis already enrolled\b|\bis already in the enrollment request\b", re.IGNORECASE)
_NOT_ENROLLED = re.compile(r"\bis not enrolled\b", re.IGNORECASE)


def parse(text: str, context: Context | None = None) -> Evidence:
    """Judge whether modules that are built here can be loaded.

    Args:
        text: what the tools printed, together.
        context: ``unsigned_modules`` (true: modules will be built here, as by DKMS, whose key must be enrolled).

    Returns:
        ``enabled``, ``key_rejected`` (a module was refused), ``key_enrolled`` (None where nobody asked).
    """
    lines = clean_lines(text)
    values: dict[str, Any] = {"enabled": None, "key_rejected": False, "key_enrolled": None}
    for line in lines:
        state = _STATE.match(line.strip())
        if state is not None:
            values["enabled"] = state.group(1).lower() == "enabled"
        elif _NO_SUPPORT.search(line):
            values["enabled"] = False
        if _REJECTED.search(line):
            values["key_rejected"] = True
        if _NOT_ENROLLED.search(line):
            values["key_enrolled"] = False
        elif _ENROLLED.search(line):
            values["key_enrolled"] = "request" not in line
    found = Findings()
    if values["key_rejected"]:
        found.failures.append(f"the kernel refuses a module because it does not trust its signature: {ADVICE}")
    elif values["enabled"] is None:
        return nothing(TOOL, values, lines, "state of Secure Boot")
    elif values["enabled"] and values["key_enrolled"] is False:
        found.failures.append(f"Secure Boot is on and the key is not enrolled: {ADVICE}")
    elif values["enabled"] and not values["key_enrolled"]:
        if flag(context, "unsigned_modules"):
            found.failures.append(f"Secure Boot is on, modules built here would be refused: {ADVICE}")
        else:
            found.warnings.append("Secure Boot is on: a module loads only if the key that signs it is enrolled")
    return found.evidence(TOOL, values)
