# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Judge a host's GPU driver: before anything is changed, for a reboot, and before anything uses the GPUs."""

from __future__ import annotations

from fnmatch import fnmatchcase

from ..evidence import dkms, driver_packages, kernel_log, nvidia_smi, secure_boot
from ..evidence.result import Evidence
from .model import DMABUF, FAIL, PEER, UNKNOWN, WARN, Finding, Seen, Wanted

# Module parameters with which a GPU starts RDMA by itself (IBGDA): option of modprobe.d, and what the loaded module
# then shows in /proc/driver/nvidia/params.
IBGDA_OPTIONS = 'options nvidia NVreg_EnableStreamMemOPs=1 NVreg_RegistryDwords="PeerMappingOverride=1;"\n'
_STREAM_MEM_OPS, _REGISTRY, _OVERRIDE = "EnableStreamMemOPs", "RegistryDwords", "PeerMappingOverride=1"


def nvswitch(wanted: Wanted, seen: Seen) -> bool:
    """Whether the host has NVSwitches, or is said to."""
    return seen.switches if wanted.nvswitch is None else wanted.nvswitch


def obstacles(wanted: Wanted, seen: Seen) -> list[Finding]:
    """What forbids to install this driver here."""
    found = []
    foreign = sorted(name for name in seen.packages if any(fnmatchcase(name, glob) for glob in wanted.foreign))
    if foreign:
        what = f"packages of the other route are installed: {', '.join(foreign)}"
        fix = f"remove them first (purge {' '.join(foreign)}), or choose their route: the two never mix"
        found.append(Finding("DRIVER_ROUTES_MIXED", FAIL, what, fix))
    if seen.runfile:
        what = f"a driver was installed past the package manager: {', '.join(seen.runfile)}"
        found.append(Finding("DRIVER_RUNFILE", FAIL, what, "remove it first: nvidia-uninstall --silent, then reboot"))
    if wanted.dkms and seen.secure_boot is not None:
        found += _from(secure_boot.parse(seen.secure_boot, {"unsigned_modules": True}), "DRIVER_SECURE_BOOT")
    if wanted.nvswitch is False and seen.switches:
        what = "the host has NVSwitches, and nvidia_driver_nvswitch says that it has none: no GPU would get a fabric"
        found.append(Finding("DRIVER_NVSWITCH", FAIL, what, "leave nvidia_driver_nvswitch at auto"))
    return [finding for finding in found if finding.verdict != WARN]


def reboot_reasons(wanted: Wanted, seen: Seen) -> list[str]:
    """Why what the kernel runs isn't what is configured, where only a reboot mends it."""
    reasons = []
    if "nouveau" in seen.modules:
        reasons.append("nouveau is loaded and holds the GPUs")
    if seen.next_kernel != seen.kernel and seen.installed is None and seen.on_disk.get(seen.next_kernel) is not None:
        reasons.append(f"the driver is built for kernel {seen.next_kernel}, and {seen.kernel} runs")
    if seen.loaded is None:
        return reasons
    if seen.installed is not None and seen.loaded != seen.installed:
        reasons.append(f"driver {seen.loaded} is loaded, {seen.installed} is installed")
    if ibgda_effective(seen) is not wanted.ibgda and seen.parameters:
        reasons.append(f"the loaded driver runs {'without' if wanted.ibgda else 'with'} the options for IBGDA")
    return reasons


def ibgda_effective(seen: Seen) -> bool:
    """Whether the loaded module has the options for IBGDA."""
    registry = seen.parameters.get(_REGISTRY, "")
    return seen.parameters.get(_STREAM_MEM_OPS) == "1" and _OVERRIDE in registry


def gates(wanted: Wanted, seen: Seen) -> list[Finding]:
    """What has to be right before anything uses the GPUs."""
    found = [*_set(wanted, seen), *_modules(wanted, seen), *_options(wanted, seen)]
    if seen.loaded is None:
        why = seen.reasons.get(f"modinfo {seen.kernel}", "") if seen.installed is None else "modprobe nvidia, or reboot"
        return [Finding("DRIVER_NOT_LOADED", FAIL, "the driver isn't loaded", why), *found]
    return [*found, *_smi(wanted, seen)]


def worth_waiting(found: list[Finding]) -> bool:
    """Whether time alone may open every gate that is shut."""
    shut = [finding for finding in found if finding.verdict != WARN]
    return bool(shut) and all(finding.wait for finding in shut)


def _from(evidence: Evidence, code: str, wait: bool = False) -> list[Finding]:
    """Findings of a parser's evidence, the reason and the fix being one text."""
    if evidence.verdict not in (FAIL, UNKNOWN, WARN):
        return []
    return [Finding(code, evidence.verdict, reason, wait=wait) for reason in evidence.reasons]


def _set(wanted: Wanted, seen: Seen) -> list[Finding]:
    """Driver and fabric manager are of one full version: as installed, as loaded, as asked for."""
    listing = "\n".join(
        f"{'h' if package.held else 'i'}{'F' if package.broken else 'i'}  {name}  {package.version}"
        for name, package in sorted(seen.packages.items())
        if driver_packages.is_driver(name) or driver_packages.is_fabric_manager(name)
    )
    context = {"fabric_manager": nvswitch(wanted, seen), "driver_version": seen.loaded or wanted.version}
    found = _from(driver_packages.parse(listing, context), "DRIVER_SET")
    if wanted.version and seen.installed is not None and seen.installed != wanted.version:
        what = f"the module for {seen.kernel} is of version {seen.installed}, {wanted.version} is wanted"
        found.append(Finding("DRIVER_VERSION", FAIL, what, "install the driver's packages as one set; see dkms status"))
    if nvswitch(wanted, seen) and seen.loaded and seen.fabric_log:
        log = driver_packages.parse_fabric_manager_log(seen.fabric_log, {"driver_version": seen.loaded})
        found += _from(log, "DRIVER_FABRIC_MANAGER") if log.verdict == FAIL else []
    return found


def _modules(wanted: Wanted, seen: Seen) -> list[Finding]:
    """The module is there for the kernel that runs and for the one that boots next; nouveau is gone."""
    found = []
    for kernel, module in seen.on_disk.items():
        when = "which runs" if kernel == seen.kernel else "which boots next"
        if module is None:
            what = f"there is no nvidia module for kernel {kernel}, {when}"
            fix = f"install linux-headers-{kernel} and run dkms autoinstall -k {kernel}, or the prebuilt modules for it"
            found.append(Finding("DRIVER_MODULE_MISSING", FAIL, what, fix))
        elif module.open is False:
            what = f"{module.path} is the proprietary module"
            found.append(Finding("DRIVER_NOT_OPEN", FAIL, what, "install the packages of the open modules"))
        if wanted.dkms and seen.dkms is not None:
            context = {"kernel": kernel, "modules": [_dkms_name(seen)]}
            found += _from(dkms.parse(seen.dkms, context), "DRIVER_DKMS")
    if wanted.dkms and seen.dkms is None:
        found.append(Finding("DRIVER_DKMS", UNKNOWN, f"dkms can't be asked: {seen.reasons.get('dkms status', '')}"))
    if "nouveau" in seen.modules:
        fix = "see that the initramfs is newer than its blacklist, then reboot"
        found.append(Finding("DRIVER_NOUVEAU", FAIL, "nouveau is loaded and holds the GPUs", fix))
    return found


def _dkms_name(seen: Seen) -> str:
    """The driver's name in DKMS, which differs between packagers (nvidia, nvidia-open, nvidia-current-open)."""
    names = [build.name for build in dkms.read((seen.dkms or "").splitlines()) if build.name.startswith("nvidia")]
    return next((name for name in names if "fs" not in name and "peer" not in name), "nvidia")


def _options(wanted: Wanted, seen: Seen) -> list[Finding]:
    if seen.loaded is None:
        return []
    found = []
    if wanted.ibgda and not ibgda_effective(seen):
        what = "the loaded driver runs without the options for IBGDA"
        found.append(Finding("DRIVER_IBGDA", FAIL, what, "reboot; see /proc/driver/nvidia/params"))
    if wanted.peer_memory == PEER and "nvidia_peermem" not in seen.modules:
        what = "nvidia_peermem isn't loaded"
        found.append(
            Finding("DRIVER_PEERMEM", FAIL, what, "it needs an OFED's ib_core: modprobe nvidia-peermem, dmesg")
        )
    module = seen.on_disk.get(seen.kernel)
    if wanted.peer_memory == DMABUF and module is not None and module.open is False:
        found.append(Finding("DRIVER_DMABUF", FAIL, "DMA-BUF needs the open modules", "install those"))
    return found


def _smi(wanted: Wanted, seen: Seen) -> list[Finding]:
    """What nvidia-smi says: every GPU is there, its fabric is ready, MIG is off now and after the next reset."""
    if seen.smi is None:
        fix = "look for Xid in dmesg; a GPU that hangs needs a power cycle"
        return [Finding("DRIVER_SMI", FAIL, f"nvidia-smi: {seen.reasons.get('nvidia-smi', 'no output')}", fix)]
    expected: object = list(seen.gpus) if seen.gpus and wanted.gpus in (0, len(seen.gpus)) else wanted.gpus or None
    context = {"expected_gpus": expected, "driver_version": seen.loaded, "fabric_required": nvswitch(wanted, seen)}
    query = nvidia_smi.parse(seen.smi, context)
    not_ready = set(query.values["not_ready"])
    found = []
    for finding in _from(query, "DRIVER_GPUS"):
        fabric = any(finding.what.startswith(address) for address in not_ready)
        found.append(Finding("DRIVER_FABRIC", finding.verdict, finding.what, wait=True) if fabric else finding)
    found += _from(nvidia_smi.parse_mig(seen.smi), "DRIVER_MIG")
    if any(finding.code == "DRIVER_GPUS" and finding.verdict == FAIL for finding in found) and seen.kernel_log:
        log = kernel_log.parse(seen.kernel_log, {"ignore_xids": list(wanted.ignore_xids)})
        found += [finding for finding in _from(log, "DRIVER_KERNEL_LOG") if log.verdict == FAIL]
    return found
