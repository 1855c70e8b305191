# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Judge a host's RDMA modules: by what the kernel has and will load, never by what a package says of itself."""

from __future__ import annotations

import re

from ..evidence.dkms import Build
from .model import (
    CORE,
    DOCA,
    FAIL,
    MLNX_OFED,
    NVIDIA,
    PEERMEM,
    REBOOT,
    REBUILD,
    UNKNOWN,
    WARN,
    Finding,
    Loaded,
    OnDisk,
    PeerMemory,
    Seen,
    Wanted,
)

_RUNNING = ("active", "activating", "reloading", "deactivating")
# Device ids of the adapters that DOCA 2.9 is the last to support: ConnectX-4, not 4 Lx (1015).
_CONNECTX4 = ("1013",)
_LAST_CONNECTX4 = (2, 9)
_OFED_BUILD = "mlnx-ofed-kernel"


def obstacles(wanted: Wanted, seen: Seen) -> tuple[Finding, ...]:
    """What forbids to change the stack now."""
    found = [*_service(wanted, seen), *_in_use(seen)]
    if wanted.replaces:
        found += [*_secure_boot(seen), *_flavour(wanted, seen), *_adapters(wanted, seen)]
    return tuple(found)


def findings(wanted: Wanted, seen: Seen, peer: PeerMemory) -> tuple[Finding, ...]:
    """What of the stack is not as asked."""
    found: list[Finding] = []
    for name in CORE:
        module = seen.disk.get(name)
        if module is None:
            found += _absent(wanted, seen, name)
            continue
        found += [*_origin(wanted, seen, module), *_vermagic(wanted, seen, module), *_loaded(seen, module)]
    found += [*_version(wanted, seen), *_builds(wanted, seen), *_other_kernels(wanted, seen), *_interface(wanted, seen)]
    if peer.rebuild:
        words = "; ".join(peer.rebuild)
        found.append(Finding("OFED_PEERMEM_REBUILD", REBUILD, words, "build the driver's modules again, then reboot"))
    return tuple(found)


def rebuild_commands(seen: Seen, peer: PeerMemory) -> tuple[tuple[str, ...], ...]:
    """The commands that build the GPU driver's modules again for the running kernel; none where DKMS has none."""
    built = [b for b in seen.builds if b.name.startswith(NVIDIA) and b.kernel == seen.kernel] if peer.rebuild else []
    return tuple(
        ("dkms", verb, "--force", "-m", build.name, "-v", build.version, "-k", seen.kernel)
        for build in built
        for verb in ("build", "install")
    )


def _service(wanted: Wanted, seen: Seen) -> list[Finding]:
    if seen.service_state not in _RUNNING:
        return []
    what = f"{wanted.service} is {seen.service_state}: its ranks use these modules"
    return [
        Finding(
            "OFED_SERVICE_ACTIVE", FAIL, what, f"stop the service first: systemctl stop {wanted.service} on every host"
        )
    ]


def _in_use(seen: Seen) -> list[Finding]:
    module = seen.loaded.get(PEERMEM)
    if module is None or not module.users:
        return []
    what = f"nvidia_peermem has {module.users} users ({', '.join(module.holders) or 'processes'}): it holds ib_uverbs"
    return [Finding("OFED_PEERMEM_IN_USE", FAIL, what, "end what uses GPUs over RDMA (fuser -v /dev/infiniband/*)")]


def _secure_boot(seen: Seen) -> list[Finding]:
    if seen.secure_boot is None:
        words = next((f"{path}: {why}" for path, why in seen.reasons.items() if "SecureBoot" in path), "")
        return [Finding("OFED_SECURE_BOOT_UNKNOWN", WARN, f"whether Secure Boot is on can't be read ({words})")]
    if not seen.secure_boot or seen.key_enrolled:
        return []
    return [
        Finding(
            "OFED_SECURE_BOOT",
            FAIL,
            "Secure Boot is on, and the firmware doesn't trust the key with which DKMS signs: the kernel would reject"
            " the modules ('Key was rejected by service')",
            "make a key (dkms generate_mok, or update-secureboot-policy --new-key on Ubuntu), mokutil --import"
            " /var/lib/dkms/mok.pub (Ubuntu: /var/lib/shim-signed/mok/MOK.der), reboot, enrol it at the console; or"
            " turn Secure Boot off; or use ofed_kind inbox",
        )
    ]


def _flavour(wanted: Wanted, seen: Seen) -> list[Finding]:
    if not wanted.kernels or any(re.fullmatch(pattern, seen.kernel) for pattern in wanted.kernels):
        return []
    what = (
        f"kernel {seen.kernel} is not one that the vendor supports on this distribution ({', '.join(wanted.kernels)})"
    )
    fix = "boot the distribution's generic kernel, add a pattern to ofed_kernels if you know better, or use inbox"
    return [Finding("OFED_KERNEL_FLAVOUR", FAIL, what, fix)]


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(word) for word in re.findall(r"\d+", version)[:2])


def _adapters(wanted: Wanted, seen: Seen) -> list[Finding]:
    old = [adapter.address for adapter in seen.adapters if adapter.device in _CONNECTX4]
    if wanted.kind != DOCA or not old or _numbers(wanted.version) <= _LAST_CONNECTX4:
        return []
    what = f"{', '.join(old)} is a ConnectX-4, which DOCA 2.9 is the last to support; asked for is {wanted.version}"
    return [Finding("OFED_ADAPTER_OLD", FAIL, what, "use a 2.9 release, or ofed_kind inbox")]


def _claims(seen: Seen) -> str:
    return f", though ofed_info says {seen.ofed_info}" if seen.ofed_info else ""


def _absent(wanted: Wanted, seen: Seen, name: str) -> list[Finding]:
    why = seen.reasons.get(f"modinfo {name}")
    if why:
        return [Finding("OFED_MODULE_UNKNOWN", UNKNOWN, f"modinfo {name}: {why}")]
    if not wanted.replaces:
        fix = "install the kernel's other modules (Ubuntu: linux-modules-extra, RHEL: kernel-modules-extra)"
        return [Finding("OFED_MODULE_ABSENT", FAIL, f"kernel {seen.kernel} has no module {name}", fix)]
    what = f"kernel {seen.kernel} has no module {name}{_claims(seen)}"
    return [Finding("OFED_MODULE_ABSENT", FAIL, what, _how_built(seen))]


def _how_built(seen: Seen) -> str:
    headers = "" if seen.headers else f"install the headers of kernel {seen.kernel} first; "
    return (
        f"{headers}dkms autoinstall -k {seen.kernel}; if that fails, see /var/lib/dkms/{_OFED_BUILD}/*/build/make.log"
    )


def _origin(wanted: Wanted, seen: Seen, module: OnDisk) -> list[Finding]:
    if wanted.replaces and (module.inbox):
        what = f"{module.name} is the kernel's own ({module.path or 'built in'}){_claims(seen)}"
        return [Finding("OFED_INBOX", FAIL, what, _how_built(seen))]
    if not wanted.replaces and not module.inbox:
        what = f"{module.name} is not the kernel's own but {module.path}"
        fix = f"remove what brought it (dpkg -S or rpm -qf {module.path}; dkms status), then depmod -a"
        return [Finding("OFED_FOREIGN", FAIL, what, fix)]
    return []


def _vermagic(wanted: Wanted, seen: Seen, module: OnDisk) -> list[Finding]:
    if not module.kernel or module.kernel == seen.kernel:
        return []
    what = f"{module.path} was built for kernel {module.kernel}, not for {seen.kernel} that runs"
    if module.origin == "weak-updates":
        level = WARN if wanted.weak_updates else FAIL
        fix = "build it for this kernel, or set ofed_weak_updates if the vendor supports this pair"
        return [Finding("OFED_WEAK_UPDATES", level, f"{what} (weak-updates)", fix)]
    return [Finding("OFED_VERMAGIC", FAIL, what, _how_built(seen))]


def _loaded(seen: Seen, module: OnDisk) -> list[Finding]:
    running = seen.loaded.get(module.name)
    if running is None:
        # Without an adapter nothing loads them; that there is one is the preflight's matter.
        if not seen.adapters or not module.path or module.name not in ("mlx5_core", "mlx5_ib"):
            return []
        what = f"{module.name} isn't loaded, though there is an adapter at {seen.adapters[0].address}"
        return [Finding("OFED_NOT_LOADED", REBOOT, what, "reboot")]
    same = _same(module, running)
    if same is None:
        what = f"neither srcversion nor version says whether the {module.name} that runs is {module.path}"
        return [Finding("OFED_LOADED_UNKNOWN", UNKNOWN, what, "reboot: then it is")]
    if same:
        return []
    runs = f"{running.version or 'no version'}, srcversion {running.srcversion or 'unknown'}"
    what = (
        f"the {module.name} that runs ({runs}) is not the one on disk ({module.path}, {module.version or 'no version'})"
    )
    return [Finding("OFED_LOADED_OTHER", REBOOT, what, "reboot: openibd restart can't replace modules in use")]


def _same(module: OnDisk, running: Loaded) -> bool | None:
    if module.srcversion and running.srcversion:
        return module.srcversion == running.srcversion
    if module.version or running.version:
        return module.version == running.version
    return None


def _version(wanted: Wanted, seen: Seen) -> list[Finding]:
    """MLNX_OFED's modules carry a part of its version: 24.10-3.2.5 of 24.10-3.2.5.0. DOCA's have other numbers."""
    module = seen.disk.get("mlx5_core")
    if wanted.kind != MLNX_OFED or module is None or module.inbox or not module.version:
        return []
    asked, has = re.findall(r"\d+", wanted.version), re.findall(r"\d+", module.version)
    if has == asked[: len(has)]:
        return []
    what = f"mlx5_core on disk is of version {module.version}, asked for is {wanted.version}{_claims(seen)}"
    return [Finding("OFED_VERSION", FAIL, what, _how_built(seen))]


def _builds(wanted: Wanted, seen: Seen) -> list[Finding]:
    ours = [build for build in seen.builds if build.name == _OFED_BUILD]
    if not wanted.replaces or not ours:
        return []
    here = [build for build in ours if build.kernel == seen.kernel and build.state.startswith("installed")]
    if not here:
        states = "; ".join(_said(build) for build in ours)
        what = f"DKMS has not installed {_OFED_BUILD} for kernel {seen.kernel} ({states})"
        return [Finding("OFED_DKMS", FAIL, what, _how_built(seen))]
    return [
        Finding("OFED_DKMS_DIFFERS", WARN, f"DKMS: {_said(build)}, and the modules in place are not the ones it built")
        for build in here
        if build.differs
    ]


def _said(build: Build) -> str:
    return f"{build.name}/{build.version}{f', {build.kernel}' if build.kernel else ''}: {build.state}"


def _other_kernels(wanted: Wanted, seen: Seen) -> list[Finding]:
    without = [kernel for kernel, has in seen.other_kernels.items() if not has]
    if not wanted.replaces or not without:
        return []
    what = f"kernel {', '.join(without)} is installed too and has no OFED modules: booted, it runs the kernel's own"
    fix = "dkms autoinstall -k KERNEL with its headers, or remove it"
    return [Finding("OFED_OTHER_KERNEL", WARN, what, fix)]


def _interface(wanted: Wanted, seen: Seen) -> list[Finding]:
    """A newer mlx5 tells the port's name, and systemd then calls ens1f0 ens1f0np0."""
    if not wanted.interface or wanted.interface in seen.interfaces:
        return []
    renamed = [name for name in seen.interfaces if re.fullmatch(rf"{re.escape(wanted.interface)}np\d+", name)]
    if renamed:
        what = f"the interface {wanted.interface} is gone, and {renamed[0]} is there: the new driver names its ports"
        fix = f"configure {renamed[0]}, or bind the name by MAC address or PCI address"
        return [Finding("OFED_INTERFACE_RENAMED", FAIL, what, fix)]
    names = ", ".join(name for name in seen.interfaces if name != "lo")
    return [
        Finding("OFED_INTERFACE_ABSENT", FAIL, f"there is no interface {wanted.interface}, only {names}", "see ip link")
    ]
