# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Rules for GPUs, their fabric and driver, and the PCI bus between them and the NIC."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..evidence.driver_packages import is_driver, upstream
from .expectation import Expectation
from .findings import ERROR, UNKNOWN, WARNING, Host, Problem, Rule, with_hardware
from .pci_ids import GPUS, gpu_name

_NAMES = {board.name for board in GPUS.values()}
_SWITCHED_GPUS = 8
# Xid errors (NVIDIA's catalogue) after which a GPU can't be trusted: double bit error, NVLink, fallen off the bus,
# uncontained memory error, no answer from or error of its system processor.
_FATAL_XIDS = {48: "double bit error", 74: "NVLink", 79: "fell off the bus", 95: "memory", 119: "GSP", 120: "GSP"}


def _gpus(seen: Mapping[str, Any]) -> list[dict[str, Any]]:
    return list(seen.get("gpus") or ())


def _count(host: Host) -> Iterable[Problem]:
    wanted, found = host.expected.gpus_per_host or 0, _gpus(host.seen)
    if len(found) >= wanted:
        return
    here = {gpu["address"] for gpu in found}
    elsewhere = [{gpu["address"] for gpu in _gpus(seen)} for seen in host.group.values()]
    missing = sorted({address for addresses in elsewhere if len(addresses) == wanted for address in addresses} - here)
    named = f"; hosts with all have one at {', '.join(missing)}" if 0 < len(missing) <= wanted - len(found) else ""
    yield Problem(
        f"has {len(found)} GPUs on its PCI bus, and the plan {wanted}{named}",
        "look for it in `dmesg` (NVRM, pcieport), reseat or replace it; or plan with the GPUs that are there",
    )


def _idle(host: Host) -> Iterable[Problem]:
    wanted, found = host.expected.gpus_per_host or 0, len(_gpus(host.seen))
    if found > wanted:
        yield Problem(f"has {found} GPUs, and the plan uses {wanted}", f"plan with plan_gpus_per_host: {found}")


def _model(host: Host) -> Iterable[Problem]:
    wanted = host.expected.gpu_model or ""
    others: dict[int, list[str]] = {}
    for gpu in _gpus(host.seen):
        board = GPUS.get(gpu["device"] or 0)
        if board is None or board.name != wanted:
            others.setdefault(gpu["device"] or 0, []).append(gpu["address"])
    for device, addresses in sorted(others.items()):
        known = device in GPUS and wanted in _NAMES
        yield Problem(
            f"has {len(addresses)} x {gpu_name(device)} ({addresses[0]}), and the plan is for {wanted}"
            + ("" if known else "; the table of models doesn't have them both"),
            "plan with plan_gpu as it is there" if known else "look at `lspci -nn`; if it is right, skip gpu.model",
            None if known else UNKNOWN,
        )


def _nvswitches(host: Host) -> Iterable[Problem]:
    wanted = host.expected.nvswitches
    found = len(host.seen["nvswitches"])
    gpus = _gpus(host.seen)
    if wanted is None and host.expected.gpus_per_host == _SWITCHED_GPUS and gpus:
        board = GPUS.get(gpus[0]["device"] or 0)
        wanted = board.nvswitches_of_8 if board else None
    if wanted is not None and found < wanted:
        yield Problem(
            f"has {found} NVSwitches on its PCI bus, and a board of {_SWITCHED_GPUS} such GPUs has {wanted}",
            "power the host off and on; if it stays so, the baseboard needs service: NVLink needs them all",
        )


def _passthrough(host: Host) -> Iterable[Problem]:
    bound = [gpu["address"] for gpu in _gpus(host.seen) if gpu["driver"] == "vfio-pci"]
    if bound:
        yield Problem(
            f"{len(bound)} GPUs are given to virtual machines (driver vfio-pci): {', '.join(bound)}",
            "take vfio-pci's ids= out of /etc/modprobe.d and the kernel command line, and reboot",
        )


def _link_width(host: Host) -> Iterable[Problem]:
    for gpu in _gpus(host.seen):
        width, most = gpu["link_width"], gpu["link_width_max"]
        if width and most and width < most:
            yield Problem(f"GPU {gpu['address']} runs on {width} of its {most} PCIe lanes", "reseat it or its riser")


def _init_failed(host: Host) -> Iterable[Problem]:
    failed = host.seen["kernel_log"].get("missing_gpus") or []
    if failed:
        yield Problem(
            f"GPU {', '.join(failed)} did not come up or fell off the bus, by the kernel's log",
            "power the host off and on; if it comes back, replace the GPU",
        )
    if host.seen["kernel_log"].get("gsp_failed"):
        yield Problem("a GPU's system processor (GSP) gives no answer", "power the host off and on")


def _xid(host: Host) -> Iterable[Problem]:
    listed = {(row["gpu"], row["xid"]): None for row in host.seen["kernel_log"].get("xids") or []}
    for address, number in listed:
        word = _FATAL_XIDS.get(number)
        if word:
            yield Problem(
                f"GPU {address} had Xid {number} ({word}) since boot",
                "drain the host, reset or reboot it, and run a memory and NVLink diagnosis before it serves",
            )


def _mig(host: Host) -> Iterable[Problem]:
    names = host.seen["mig"].get("not_off") or []
    if names:
        listed = ", ".join(map(str, names))
        yield Problem(
            f"GPU {listed} is in MIG mode, now or after the next reset; ranks need whole GPUs",
            f"nvidia-smi -i {listed.replace(' ', '')} -mig 0, then reset the GPUs or reboot",
        )


def _acs(host: Host) -> Iterable[Problem]:
    listed = [f"{bridge['address']} ({' '.join(bridge['on'])})" for bridge in host.seen["bridges"] if bridge["on"]]
    if listed:
        more = f" and {len(listed) - 4} more" if len(listed) > 4 else ""
        yield Problem(
            f"ACS sends traffic between devices up to the root on {len(listed)} bridges: {', '.join(listed[:4])}{more}",
            "host_tuning_acs: off clears ACSCtl at each boot, or switch it off in the firmware; NCCL hangs with it",
        )


def _iommu(host: Host) -> Iterable[Problem]:
    seen = host.seen["iommu"]
    translated = sorted(address for address, kind in seen["groups"].items() if kind not in (None, "identity"))
    if seen["units"] and translated:
        yield Problem(
            f"the IOMMU translates for {len(translated)} GPUs ({seen['groups'][translated[0]]}): peer-to-peer transfers"
            " take the way through it",
            "host_tuning_iommu: passthrough (iommu=pt) and a reboot, or switch it off in the firmware",
        )


def _nouveau(host: Host) -> Iterable[Problem]:
    bound = [gpu["address"] for gpu in _gpus(host.seen) if gpu["driver"] == "nouveau"]
    if bound or "nouveau" in host.seen["modules"]:
        what = f"nouveau drives {len(bound)} GPUs" if bound else "nouveau is loaded"
        yield Problem(f"{what}: NVIDIA's driver can't take them", "blacklist it and reboot (role nvidia_driver)")


def _run_file(host: Host) -> Iterable[Problem]:
    if host.seen["modules"]["run_file"]:
        yield Problem(
            "has a driver of NVIDIA's .run installer (/usr/bin/nvidia-uninstall), which packages overwrite by halves",
            "nvidia-uninstall, then reboot",
        )


def route_of(name: str, version: str) -> str | None:
    """Who made an installed driver package: ``nvidia``, the ``distribution``; None for another package."""
    if name.startswith(("linux-modules-nvidia-", "linux-objects-nvidia-", "linux-signatures-nvidia-")):
        return "distribution"
    if upstream(version) is None or not is_driver(name):
        return None
    return "distribution" if any(mark in version for mark in ("-0ubuntu0.", "~deb", "+deb")) else "nvidia"


def _routes(host: Host) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for item in host.seen["packages"]["coupled"]:
        route = route_of(item["name"], item["version"])
        if route:
            found.setdefault(route, []).append(f"{item['name']} {item['version']}")
    return found


def _mixed(host: Host) -> Iterable[Problem]:
    routes = _routes(host)
    if len(routes) > 1:
        one, two = (f"{names[0]} ({route})" for route, names in sorted(routes.items()))
        yield Problem(
            f"has driver packages of two makers: {one} and {two}",
            "purge the packages of one of them; their files and versions don't fit one another",
        )


def _route(host: Host) -> Iterable[Problem]:
    routes, wanted = _routes(host), host.expected.driver_route or ""
    if len(routes) == 1 and wanted not in routes:
        ((route, names),) = routes.items()
        yield Problem(
            f"has the driver of another maker than {wanted}: {names[0]} ({route})",
            f"purge it (apt-get purge 'nvidia-*'), or set the driver's route to {route}",
        )


def _expects_gpus(expected: Expectation) -> bool:
    return expected.hardware and expected.gpus_per_host is not None


def _expects_route(expected: Expectation) -> bool:
    return expected.hardware and expected.driver_route is not None


RULES = (
    Rule("gpu.count", ERROR, ("gpus",), _expects_gpus, _count, "the plan's number is on the bus"),
    Rule("gpu.idle", WARNING, ("gpus",), _expects_gpus, _idle, "no more than the plan uses"),
    Rule("gpu.model", ERROR, ("gpus",), lambda e: e.hardware and bool(e.gpu_model), _model, "the plan's, by PCI id"),
    Rule("gpu.nvswitch", ERROR, ("nvswitches", "gpus"), with_hardware, _nvswitches, "as many as the board has"),
    Rule("gpu.passthrough", ERROR, ("gpus",), with_hardware, _passthrough, "not given to virtual machines"),
    Rule("gpu.link_width", WARNING, ("gpus",), with_hardware, _link_width, "all its PCIe lanes"),
    Rule("gpu.init_failed", ERROR, ("kernel_log",), with_hardware, _init_failed, "each came up"),
    Rule("gpu.xid", WARNING, ("kernel_log",), with_hardware, _xid, "no fatal error since boot"),
    Rule("gpu.mig", ERROR, ("mig",), with_hardware, _mig, "whole now and after a reset, where a driver runs"),
    Rule("bus.acs", ERROR, ("bridges",), with_hardware, _acs, "bridges let devices talk directly (ACSCtl)"),
    Rule("bus.iommu", ERROR, ("iommu",), with_hardware, _iommu, "off, or passed through"),
    Rule("driver.nouveau", ERROR, ("modules", "gpus"), with_hardware, _nouveau, "not there"),
    Rule("driver.run_file", ERROR, ("modules",), with_hardware, _run_file, "no driver that no package has"),
    Rule("driver.mixed", ERROR, ("packages",), with_hardware, _mixed, "one maker's packages"),
    Rule("driver.route", ERROR, ("packages",), _expects_route, _route, "the planned maker's"),
)
