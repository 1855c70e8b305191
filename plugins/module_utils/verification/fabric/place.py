# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What a measurement needs of a host: its tools, its RDMA device with the GID to use, GPUs, whether a service runs."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...hosts.commands import Runner, inside
from ...roce import devices
from ...roce.settings import Host

TOOLS = ("ping", "iperf3", "ib_write_lat", "ib_write_bw", "nvbandwidth", "p2pBandwidthLatencyTest", "lspci")
_PATHS = ("usr/local/sbin", "usr/local/bin", "usr/sbin", "usr/bin", "sbin", "bin", "usr/local/cuda/bin")
_GPUS = ("proc", "driver", "nvidia", "gpus")


def look(
    run: Runner,
    interface: str,
    *,
    unit: str = "",
    files: Sequence[str] = (),
    root: Path = Path("/"),
) -> dict[str, Any]:
    """Look at a host.

    Args:
        run: how a program is run.
        interface: the data network's interface; empty where none is known.
        unit: the service's unit, whose state is asked for.
        files: programs with their paths, such as nccl-tests, that may be there.
        root: prefix of the paths.

    Returns:
        ``tools`` (path by name, for those that are there), ``files`` (those that are there), ``rdma`` (``device``,
        ``port``, ``gid_index``; null where there is none, and ``rdma_reason`` says why), ``gpus`` (a number), ``mtu``,
        ``service`` (the unit's state, null where systemd doesn't say it).
    """
    rdma, reason = _rdma(run, interface, root)
    mtu = Host(interface, run, root).read("sys", "class", "net", interface, "mtu") if interface else None
    return {
        "tools": {name: path for name in TOOLS for path in [_find(name, root)] if path},
        "files": [path for path in files if (root / path.lstrip("/")).is_file()],
        "rdma": rdma,
        "rdma_reason": reason,
        "gpus": _count(root.joinpath(*_GPUS)),
        "mtu": int(mtu) if mtu and mtu.isdecimal() else None,
        "service": _state(run, unit, root) if unit else None,
    }


def _find(name: str, root: Path) -> str:
    found = shutil.which(name, path=":".join(str(root / path) for path in _PATHS))
    return "" if found is None else "/" + str(Path(found).relative_to(root))


def _count(place: Path) -> int:
    try:
        return len(list(place.iterdir()))
    except OSError:
        return 0


def _rdma(run: Runner, interface: str, root: Path) -> tuple[dict[str, Any] | None, str]:
    if not interface:
        return None, "no data interface is known"
    host = Host(interface, run, root)
    try:
        device, port = devices.device(host)
    except devices.DeviceError as error:
        return None, str(error)
    table = devices.gids(Host(interface, run, root, device, port))
    gid, reason = devices.choose_gid(table, interface, None)
    if gid is None:
        return None, reason
    return {"device": device, "port": port, "gid_index": gid.index}, ""


def _state(run: Runner, unit: str, root: Path) -> str | None:
    """The unit's state as systemd names it: ``active``, ``inactive``, ``failed`` … One that isn't there is inactive."""
    done = run(inside(root, ["systemctl", "is-active", unit]))
    words = done.stdout.split()
    return words[0] if words else None
