# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The kernel's log (``dmesg``, ``journalctl -k``): what it says of GPUs, of their driver and of the peer-memory module.

A mismatch of nvidia_peermem and ib_core is an order of installation, not a fault of a GPU. Xid numbers are described
in NVIDIA's "XID Errors": some are a program's fault, some the hardware's.
"""

from __future__ import annotations

import re
from typing import Any

from .findings import Context, Findings, nothing, words
from .result import Evidence, clean_lines

TOOL = "kernel_log"

_STAMP = re.compile(
    r"^(?:<\d+>)?\[\s*(?:\d+\.\d+|\w{2,5}\.? +\w{1,5}\.? +\d+ [\d:]{8} \d{4})\](?:\[[^\]]*\])?\s|\bkernel: "
    r"|^\d{4}-\d\d-\d\dT[\d:,.+-]+ "
)
_SYMBOL = re.compile(
    r"(nv(?:idia)?[-_]peer_?mem\w*|nv_peer_mem|nvidia[_-]p2p\w*): (?:Unknown symbol|disagrees about version of symbol)"
    r" (\w+)"
)
_XID = re.compile(r"NVRM: Xid \((?:PCI:)?([0-9A-Fa-f:.]+)[^)]*\): (\d+),?\s*(.*)$")
_RM_INIT = re.compile(r"NVRM: GPU ([0-9A-Fa-f:.]+): RmInitAdapter failed")
_LOST = re.compile(r"NVRM:.*(?:GPU at )?(?:PCI:)?([0-9A-Fa-f]{4,8}:[0-9A-Fa-f]{2}:[0-9A-Fa-f]{2}).*fallen off the bus")
_GSP = re.compile(
    r"NVRM:.*\b(?:GSP RPC|kgspBootGspRm|GSP-RM|waiting for RPC response from GPU\d*|GSP init)\b", re.IGNORECASE
)
_VERSIONS = re.compile(
    r"NVRM: API mismatch: .*client (?:\([^)]*\) )?has (?:the )?version (\d[\d.]*\d)"
    r"\D.*kernel module has (?:the )?version (\d[\d.]*\d)"
)
_REJECTED = re.compile(r"Loading of unsigned module is rejected|Key was rejected by service|unsigned module loading")
_DENIED = re.compile(r"read kernel buffer failed|Operation not permitted")

# A program's doing (an exception, a stopped process, a full channel): no reason to refuse a host.
_PROGRAM_XIDS = frozenset({13, 31, 32, 37, 43, 44, 45, 56, 63, 68, 69, 92, 94, 109})


def parse(text: str, context: Context | None = None) -> Evidence:
    """Judge the log since the last boot.

    Args:
        text: the log.
        context: ``ignore_xids`` (numbers that are known and accepted).

    Returns:
        ``peer_memory_mismatch`` (true or false), ``xids`` (``gpu``, ``xid``, ``text`` each), ``missing_gpus`` (PCI
        addresses that did not initialise or fell off the bus), ``gsp_failed``, ``version_mismatch`` (library and
        module).
    """
    lines = clean_lines(text)
    values: dict[str, Any] = {
        "peer_memory_mismatch": False,
        "xids": [],
        "missing_gpus": [],
        "gsp_failed": False,
        "version_mismatch": None,
    }
    found = Findings()
    ignored = {int(item) for item in words(context, "ignore_xids") or [] if item.isdecimal()}
    messages = 0
    for place, line in enumerate(lines, start=1):
        # A last line without an end may be cut off: it can accuse, but not acquit.
        messages += _STAMP.search(line) is not None and place < len(lines)
        _read_driver(line, values, found)
        _read_xid(line, ignored, values, found)
    if not messages and not found.failures:
        if any(_DENIED.search(line) for line in lines):
            return Evidence(TOOL, _unknown(values), "unknown", ("the kernel's log may be read only by root",))
        return nothing(TOOL, _unknown(values), lines, "kernel message")
    return found.evidence(TOOL, values)


def _read_driver(line: str, values: dict[str, Any], found: Findings) -> None:
    symbol = _SYMBOL.search(line)
    if symbol is not None and ("ib_" in symbol.group(2) or "peer" in symbol.group(1)):
        values["peer_memory_mismatch"] = True
        found.failures.append(
            f"{symbol.group(1)} does not fit the loaded ib_core: OFED was installed after the driver, or the kernel's"
            " own ib_core is loaded. No GPU is at fault: rebuild the driver's modules after OFED (dkms), load OFED's"
            " ib_core, reboot"
        )
    adapter, lost = _RM_INIT.search(line), _LOST.search(line)
    for match, what in ((adapter, "did not initialise"), (lost, "fell off the bus")):
        if match is not None:
            address = match.group(1).rstrip(":")
            if address not in values["missing_gpus"]:
                values["missing_gpus"].append(address)
            found.failures.append(f"GPU {address} {what}: power-cycle the host; if it stays so, reseat or replace it")
    if _GSP.search(line) and ("fail" in line.lower() or "timeout" in line.lower() or "unexpected" in line.lower()):
        values["gsp_failed"] = True
        found.failures.append("the GPU's system processor (GSP) does not answer: reset the GPU or power-cycle the host")
    versions = _VERSIONS.search(line)
    if versions is not None:
        values["version_mismatch"] = {"library": versions.group(1), "module": versions.group(2)}
        found.failures.append(
            f"the driver's libraries are {versions.group(1)}, the loaded module {versions.group(2)}: reboot"
        )
    if _REJECTED.search(line):
        found.failures.append("the kernel refused a module's signature: see Secure Boot")


def _read_xid(line: str, ignored: set[int], values: dict[str, Any], found: Findings) -> None:
    match = _XID.search(line)
    if match is None:
        return
    gpu, number, message = match.group(1), int(match.group(2)[:6]), match.group(3).strip()
    values["xids"].append({"gpu": gpu, "xid": number, "text": message[:200]})
    if number == 79 and gpu not in values["missing_gpus"]:
        values["missing_gpus"].append(gpu)
    reason = f"GPU {gpu}: Xid {number}{': ' + message[:120] if message else ''}"
    if number in ignored:
        found.notes.append(f"{reason} (ignored)")
    elif number in _PROGRAM_XIDS:
        found.warnings.append(reason)
    else:
        found.failures.append(reason)


def _unknown(values: dict[str, Any]) -> dict[str, Any]:
    return {name: [] if isinstance(value, list) else None for name, value in values.items()}
