# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Settings that every RDMA device has: what connections made by the connection manager carry, from configfs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from .settings import Host, Run, Seen, Step, Write

CONFIGFS = ("sys", "kernel", "config")
FILES = {"cm_tos": "default_roce_tos", "cm_mode": "default_roce_mode"}
NOT_LOADED = "rdma_cm is not loaded"


def directory(host: Host) -> Path:
    """The device's directory. The kernel makes its content when somebody makes it."""
    return host.path(*CONFIGFS, "rdma_cm", host.device)


def read(host: Host) -> dict[str, Seen]:
    """Read both settings. The directory is made for it and removed, as cma_roce_tos does; the values stay."""
    if not host.device:
        return dict.fromkeys(FILES, Seen(None, "no RDMA device"))
    if not host.path(*CONFIGFS, "rdma_cm").is_dir():
        return dict.fromkeys(FILES, Seen(NOT_LOADED))
    place = directory(host)
    made = not place.is_dir()
    try:
        if made:
            place.mkdir()
        return {name: _value(place / "ports" / str(host.port) / file) for name, file in FILES.items()}
    except OSError as error:
        return dict.fromkeys(FILES, Seen(None, f"{place}: {error.strerror or error}"))
    finally:
        if made and place.is_dir():
            place.rmdir()


def _value(path: Path) -> Seen:
    try:
        return Seen(path.read_text(encoding="utf-8").strip())
    except OSError as error:
        return Seen(None, f"{path}: {error.strerror or error}")


def steps(host: Host, setting: str, wanted: Mapping[str, str], seen: Mapping[str, Seen]) -> tuple[Step, ...]:
    """How one of them is set."""
    place = directory(host)
    write = Write(place / "ports" / str(host.port) / FILES[setting], wanted[setting], within=place)
    return (Run(("modprobe", "rdma_cm")), write) if seen[setting].value == NOT_LOADED else (write,)
