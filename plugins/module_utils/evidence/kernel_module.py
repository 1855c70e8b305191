# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""``modinfo MODULE``: where the module comes from and for which kernel it is."""

from __future__ import annotations

import re
from typing import Any

from .findings import Context, Findings, flag, nothing, word
from .result import Evidence, clean_lines

TOOL = "module_info"

_FIELD = re.compile(r"^([a-z_]+):\s*(.*)$")
_MISSING = re.compile(r"^(?:modinfo: )?ERROR: Module (\S+) not found", re.IGNORECASE)
_KERNEL = re.compile(r"/lib/modules/([^/]+)/")

INBOX = "inbox"
OUT_OF_TREE = "out_of_tree"

_OFED_NAMES = ("ofed", "doca", "doca-ofed", "mlnx_ofed", "mlnx-ofed")


def parse(text: str, context: Context | None = None) -> Evidence:
    """Judge a module file.

    Args:
        text: what modinfo printed.
        context: ``kernel`` (the release that it must be for), ``ofed`` (true: the module must not be the kernel's own;
            ``requested: ofed`` says the same), ``version`` (that it must have).

    Returns:
        ``name``, ``filename``, ``version``, ``kernel`` (of vermagic), ``origin`` (``inbox`` or ``out_of_tree``),
        ``open`` (a module of NVIDIA: is it the open one), ``signer``.
    """
    lines = clean_lines(text)
    fields: dict[str, str] = {}
    found = Findings()
    for line in lines:
        match, missing = _FIELD.match(line), _MISSING.match(line.strip())
        if match is not None:
            fields.setdefault(match.group(1), match.group(2).strip())
        if missing is not None:
            found.failures.append(f"module {missing.group(1)} is not there for this kernel: install its package")
    filename = fields.get("filename")
    values: dict[str, Any] = {
        "name": fields.get("name") or None,
        "filename": filename or None,
        "version": fields.get("version") or None,
        "kernel": (fields.get("vermagic", "").split() or [""])[0] or None,
        "origin": _origin(filename, fields.get("intree")),
        "open": _open(fields.get("license"), filename),
        "signer": fields.get("signer") or None,
    }
    if values["filename"] is None:
        return found.evidence(TOOL, values) if found.failures else nothing(TOOL, values, lines, "module")
    if values["origin"] is None:
        found.unknowns.append(f"where {filename} comes from can't be read")
    if values["kernel"] is None:
        found.unknowns.append("the kernel that the module is for (vermagic) is not in this output")
    _judge(values, context, found)
    return found.evidence(TOOL, values)


def ofed_requested(context: Context | None) -> bool:
    """Say whether the context asks for OFED's modules rather than the kernel's own."""
    return bool(flag(context, "ofed")) or (word(context, "requested") or "").lower() in _OFED_NAMES


def _judge(values: dict[str, Any], context: Context | None, found: Findings) -> None:
    if values["origin"] == INBOX and ofed_requested(context):
        found.failures.append(
            f"{values['filename']} is the kernel's own module although OFED was asked for: its modules are not"
            " installed for this kernel (see dkms status), or not loaded (rebuild the initramfs, reboot)"
        )
    path = _KERNEL.search(values["filename"])
    for kernel in (word(context, "kernel"), path.group(1) if path is not None else None):
        if kernel is None or values["kernel"] in (None, kernel):
            continue
        reason = f"the module is for kernel {values['kernel']}, not for {kernel}"
        if "/weak-updates/" in values["filename"]:
            # A link to another kernel's module, which RHEL makes where the symbols fit.
            found.warnings.append(f"{reason}, but linked as one that fits (weak-updates)")
        else:
            found.failures.append(f"{reason}: build it for {kernel} (dkms autoinstall)")
        break
    version = word(context, "version")
    if version is not None and values["version"] != version:
        if values["version"] is None:
            found.unknowns.append("the module's version is not in this output")
        else:
            found.failures.append(f"the module is of version {values['version']}, {version} is wanted")


def _origin(filename: str | None, intree: str | None) -> str | None:
    if not filename:
        return None
    if filename == "(builtin)" or intree == "Y":
        return INBOX
    path = re.search(r"/lib/modules/[^/]+/(\w[\w-]*)/", filename)
    if path is None:
        return None
    return INBOX if path.group(1) == "kernel" else OUT_OF_TREE


def _open(license_name: str | None, filename: str | None) -> bool | None:
    if license_name is None or filename is None or "nvidia" not in filename.rsplit("/", 1)[-1]:
        return None
    return "MIT" in license_name or "GPL" in license_name
