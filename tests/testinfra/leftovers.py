"""What of a lab is still on this machine. As a program: lists it and exits with 1, or says nothing and exits with 0."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

LABS = Path("/var/lib/moefleet/labs")
NAMESPACES = Path("/run/netns")
# Switches and their ports, which belong into a namespace and never into the machine's own.
FABRIC = re.compile(r"br-(mgmt|data|stor)|p\d+-\d+")


def _control_groups(prefix: str) -> Iterator[str]:
    mounts = [line.split() for line in Path("/proc/mounts").read_text(encoding="utf-8").splitlines()]
    for mount in {fields[1] for fields in mounts if fields[2] == "cgroup2"}:
        yield from (f"control group {path}" for path in Path(mount).glob(f"{prefix}*"))


def _processes(directory: str) -> Iterator[str]:
    for path in Path("/proc").glob("[0-9]*"):
        try:
            words = (path / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:
            continue
        if f"{directory}/" in words:
            yield f"process {path.name}: {words[:100]}"


def _lines(kind: str, path: str, directory: str) -> Iterator[str]:
    for line in Path(path).read_text(encoding="utf-8").splitlines():
        if f"{directory}/" in line:
            yield f"{kind} {line.strip()}"


def leftovers(lab: str) -> list[str]:
    """Namespaces, control groups, processes, mounts, swap, files and interfaces of `lab`, a line each."""
    prefix, directory = f"moefleet-{lab}-", str(LABS / lab)
    found = [f"namespace {path.name}" for path in NAMESPACES.glob(f"{prefix}*")]
    found += _control_groups(prefix)
    found += _processes(directory)
    found += _lines("mount", "/proc/mounts", directory)
    found += _lines("swap", "/proc/swaps", directory)
    found += [f"directory {directory}"] if Path(directory).exists() else []
    found += [f"interface {path.name}" for path in Path("/sys/class/net").iterdir() if FABRIC.fullmatch(path.name)]
    return sorted(found)


if __name__ == "__main__":
    left = leftovers(sys.argv[1])
    print("\n".join(left))
    sys.exit(1 if left else 0)
