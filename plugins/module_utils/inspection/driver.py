# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a GPU's driver says where it runs, in the kernel's log and of MIG. A sick GPU can hang both questions."""

from __future__ import annotations

from typing import Any

from ..evidence import kernel_log as log_parser
from ..evidence import nvidia_smi
from ..evidence.result import UNKNOWN, Evidence
from .look import Look, ProbeError


def kernel_log(look: Look) -> dict[str, Any]:
    """What the kernel's log says of GPUs since boot: those that did not come up, and Xid errors."""
    told = look.run(["dmesg"])
    if told.status != 0:
        raise ProbeError(told.complaint.strip() or f"`dmesg`: exit status {told.status}")
    return _values(log_parser.parse(told.output))


def mig(look: Look) -> dict[str, Any]:
    """Which GPUs are in MIG mode now or after their next reset."""
    query = "--query-gpu=index,mig.mode.current,mig.mode.pending"
    told = look.run(["nvidia-smi", query, "--format=csv"])
    found = nvidia_smi.parse_mig(told.output + told.complaint)
    if found.values["gpus"] is None:
        raise ProbeError("; ".join(found.reasons))
    return _values(found)


def _values(found: Evidence) -> dict[str, Any]:
    if found.verdict == UNKNOWN:
        raise ProbeError("; ".join(found.reasons) or "it printed nothing that is known")
    return dict(found.values)
