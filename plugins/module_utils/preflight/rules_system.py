# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Rules for the system: distribution, kernels, Secure Boot, Python, packages, limits."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable
from typing import Any

from ..evidence.driver_packages import is_driver, upstream
from .expectation import Expectation
from .findings import ERROR, WARNING, Host, Problem, Rule, always, with_hardware

# Rebuilds of RHEL, for which one set of packages serves.
_LIKE_RHEL = ("rhel", "rocky", "almalinux", "ol", "centos")
_ARCHITECTURE = "x86_64"  # what the engine's CUDA wheels are built for here
_FLAVOUR = re.compile(r"-([a-z][a-z-]*?)(?:-[\d.]+k)?$")
# Kernels that OFED's packages are not built and not tested for (its release notes name generic and the like).
_ODD_FLAVOURS = ("azure", "azure-fde", "aws", "gcp", "gke", "oracle", "kvm", "cloud-amd64", "lowlatency", "rt-amd64")
_LEAST_PIDS = 16384
_LEAST_FILES = 65536
_OLDEST_PYTHON = (3, 9)


def same_system(seen: str, wanted: str) -> bool:
    """Whether two distributions take the same packages: rocky9 is rhel9."""

    def plain(name: str) -> str:
        match = re.fullmatch(r"([a-z]+)(\d+).*", name)
        return f"rhel{match.group(2)}" if match and match.group(1) in _LIKE_RHEL else name

    return plain(seen) == plain(wanted)


def _distribution(host: Host) -> Iterable[Problem]:
    system, wanted = host.seen["system"], host.expected.distribution or ""
    if not same_system(system["distribution"], wanted):
        yield Problem(
            f"runs {system['description']} ({system['distribution']}), and the stack is for {wanted}",
            f"install {wanted}, or set plan_stack.distribution to what the hosts run and plan again",
        )


def _architecture(host: Host) -> Iterable[Problem]:
    wanted = host.expected.architecture or _ARCHITECTURE
    if host.seen["system"]["architecture"] != wanted:
        seen = host.seen["system"]["architecture"]
        yield Problem(f"is {seen}, and the engine's packages are for {wanted}", "take another host out of the rack")


def _interpreter(host: Host) -> Iterable[Problem]:
    system = host.seen["system"]
    version = tuple(int(part) for part in re.findall(r"\d+", system["interpreter_version"])[:2])
    if version < _OLDEST_PYTHON:
        yield Problem(
            f"Ansible runs {system['interpreter']} {system['interpreter_version']} there, and 3.9 is the oldest",
            "set ansible_python_interpreter to a newer Python of the host",
        )
    elif re.search(r"/(\.pyenv|shims|\.asdf|conda|miniconda3?)/", system["interpreter"]):
        yield Problem(
            f"Ansible runs {system['interpreter']} there, a Python of one user's environment, not the host's",
            "set ansible_python_interpreter: /usr/bin/python3",
            WARNING,
        )


def _flavour(host: Host) -> Iterable[Problem]:
    kernel = host.seen["system"]["kernel"] or ""
    wanted = host.expected.kernels
    if wanted:
        if not any(fnmatch.fnmatch(kernel, pattern) for pattern in wanted):
            yield Problem(
                f"runs kernel {kernel}, and the stack is for {', '.join(wanted)}",
                "boot a kernel of the list and hold it, or put this one on the list once its drivers are tested",
            )
        return
    match = _FLAVOUR.search(kernel)
    if match and match.group(1) in _ODD_FLAVOURS:
        vendor = host.expected.ofed in ("mlnx_ofed", "doca")
        yield Problem(
            f"runs kernel {kernel}; OFED and prebuilt drivers are not made for the flavour {match.group(1)}",
            "install the generic kernel of the distribution and boot it, or use ofed: inbox",
            ERROR if vendor else WARNING,
        )


def _modules_gone(host: Host) -> Iterable[Problem]:
    kernels = host.seen["kernels"]
    names = [kernel["release"] for kernel in kernels["installed"]]
    if names and kernels["running"] not in names:
        yield Problem(
            f"runs kernel {kernels['running']}, whose modules are no longer there (installed: {', '.join(names)})",
            "reboot into an installed kernel",
        )


def _headers(host: Host) -> Iterable[Problem]:
    offer = host.seen["offers"].get("kernel")
    if offer and offer["candidate"]:
        message = f"no headers of the running kernel {host.seen['kernels']['running']}: drivers can't be built for it"
        yield Problem(message, f"install {offer['package']}")


def _headers_gone(host: Host) -> Iterable[Problem]:
    offer = host.seen["offers"].get("kernel")
    if offer and not offer["candidate"]:
        lists = "no repository of the host has them any more" if offer["lists"] else "its package lists are empty"
        yield Problem(
            f"no headers of the running kernel {host.seen['kernels']['running']}, and {lists} ({offer['package']})",
            f"update the package lists; if {offer['package']} is still nowhere, boot a kernel that has headers",
        )


def _next_headers(host: Host) -> Iterable[Problem]:
    kernels = host.seen["kernels"]
    newest = kernels["installed"][-1] if kernels["installed"] else None
    if newest and newest["release"] != kernels["running"] and not newest["headers"]:
        yield Problem(
            f"the next boot is kernel {newest['release']}, which has no headers: the driver would be missing after it",
            f"install the headers of {newest['release']}, or hold the running kernel {kernels['running']}",
        )


def _secure_boot(host: Host) -> Iterable[Problem]:
    if host.seen["secure_boot"]["on"] and "nvidia" not in host.seen["modules"]:
        yield Problem(
            f"Secure Boot is on ({host.seen['secure_boot']['source']}): a driver built by DKMS is refused"
            " (`Key was rejected by service`)",
            "turn it off in the firmware; or enrol the key: mokutil --import /var/lib/dkms/mok.pub, reboot, confirm on"
            " the console, then expect secure_boot: allowed",
        )


def _python_headers(host: Host) -> Iterable[Problem]:
    python = host.seen["python"]
    offer = host.seen["offers"].get("python")
    if offer and offer["candidate"]:
        message = f"no headers of Python {python['version']} (Python.h), which kernels compiled at run time need"
        yield Problem(message, f"install {offer['package']}")


def _python_gone(host: Host) -> Iterable[Problem]:
    python = host.seen["python"]
    offer = host.seen["offers"].get("python")
    if offer and not offer["candidate"]:
        yield Problem(
            f"no headers of Python {python['version']} (Python.h), and no repository here has {offer['package']}",
            "update the package lists, enable the repository that has it, or plan with the Python of the distribution",
        )


def _broken(host: Host) -> Iterable[Problem]:
    packages = host.seen["packages"]
    # While the package manager works, what it has half done is no more than that.
    if not packages["locks"] and (packages["broken"] or packages["interrupted"]):
        what = ", ".join(packages["broken"][:8]) or "a run of dpkg was interrupted"
        yield Problem(f"packages are half installed: {what}", "dpkg --configure -a && apt-get -f install")


def _lock(host: Host) -> Iterable[Problem]:
    for lock in host.seen["packages"]["locks"]:
        yield Problem(
            f"the package manager is busy: {lock['command']} (process {lock['pid']}) holds {lock['path']}",
            "wait for it; systemctl stop apt-daily.timer apt-daily-upgrade.timer keeps it from coming back",
        )


def _held(host: Host) -> Iterable[Problem]:
    wanted = host.expected.driver or ""
    held = [item for item in host.seen["packages"]["held"] if is_driver(item["name"])]
    versions = {item["name"]: upstream(item["version"]) for item in held}
    wrong = {name: found for name, found in versions.items() if found and not _agrees(found, wanted)}
    if wrong:
        listed = ", ".join(f"{name} {found}" for name, found in sorted(wrong.items())[:6])
        first = " ".join(sorted(wrong)[:6])
        message = f"held at another driver than {wanted}: {listed}"
        yield Problem(message, f"apt-mark unhold {first}, or plan that driver")


def _agrees(version: str, wanted: str) -> bool:
    return version == wanted or version.startswith(wanted + ".")


def _pinned(host: Host) -> Iterable[Problem]:
    wanted = host.expected.driver or ""
    for pin in host.seen["packages"]["pins"]:
        names = [name for name in pin["packages"] if "nvidia" in name]
        if names and _pin_forbids(pin, wanted) and "moefleet" not in pin["file"]:
            yield Problem(
                f"{pin['file']} pins {' '.join(names)} to `{pin['pin']}` ({pin['priority']}): no driver {wanted}",
                f"take the pin out of {pin['file']}, or plan the driver that it is for",
            )


def _pin_forbids(pin: dict[str, Any], wanted: str) -> bool:
    kind, _blank, pattern = pin["pin"].partition(" ")
    if pin["priority"] < 0:
        return kind != "version" or fnmatch.fnmatch(wanted, pattern.split("-")[0].rstrip("*") + "*")
    return kind == "version" and not fnmatch.fnmatch(f"{wanted}-0", pattern.strip())


def _memlock(host: Host) -> Iterable[Problem]:
    ceiling = host.seen["limits"]["memlock_bytes"]
    if ceiling is not None:
        yield Problem(
            f"nothing on it can lock more than {ceiling:,} bytes of memory: init itself may not; RDMA needs no limit",
            "start the container or machine with memlock unlimited (LimitMEMLOCK=infinity, --ulimit memlock=-1)",
        )


def _nofile(host: Host) -> Iterable[Problem]:
    ceiling = host.seen["limits"]["nofile"]
    if ceiling is not None and ceiling < _LEAST_FILES:
        yield Problem(
            f"no process on it can have more than {ceiling} open files; every session is one, and so is every peer",
            f"start the container or machine with nofile {_LEAST_FILES} or more",
        )


def _pids(host: Host) -> Iterable[Problem]:
    ceiling = host.seen["limits"]["pids"]
    if ceiling is not None and ceiling < _LEAST_PIDS:
        yield Problem(
            f"its control group allows {ceiling} processes and threads; the ranks of one host need some thousands",
            f"raise pids.max of the host's control group to {_LEAST_PIDS} or more",
        )


def _remove_ipc(host: Host) -> Iterable[Problem]:
    policy = host.seen["shared_memory"]
    if policy["remove_ipc"] and policy["uid"] is not None and not policy["system_user"] and not policy["lingers"]:
        yield Problem(
            f"logind removes the shared memory of {policy['user']} (user {policy['uid']}, no system user) when its last"
            " session ends, under the running engine",
            "run the service as a system user, or set RemoveIPC=no in /etc/systemd/logind.conf.d/",
        )


def _expects_python(expected: Expectation) -> bool:
    return expected.hardware and bool(expected.python)


RULES = (
    Rule("system.distribution", ERROR, ("system",), lambda e: bool(e.distribution), _distribution, "the stack's"),
    Rule(
        "system.architecture",
        ERROR,
        ("system",),
        lambda e: e.hardware or e.architecture is not None,
        _architecture,
        "the engine's packages are made for it",
    ),
    Rule("system.interpreter", ERROR, ("system",), always, _interpreter, "Ansible's Python there is the host's own"),
    Rule("kernel.release", ERROR, ("system",), with_hardware, _flavour, "the stack's, of no flavour without drivers"),
    Rule("kernel.modules_gone", ERROR, ("kernels",), with_hardware, _modules_gone, "the running kernel is installed"),
    Rule(
        "kernel.headers",
        ERROR,
        ("kernels", "offers"),
        with_hardware,
        _headers,
        "headers of the running kernel are there",
    ),
    Rule("kernel.headers_gone", ERROR, ("kernels", "offers"), with_hardware, _headers_gone, "they can still be had"),
    Rule("kernel.next_headers", ERROR, ("kernels",), with_hardware, _next_headers, "the next boot's kernel has them"),
    Rule(
        "secure_boot.on",
        ERROR,
        ("secure_boot", "modules"),
        lambda e: e.hardware and e.secure_boot == "refused",
        _secure_boot,
        "a driver that isn't signed can be loaded",
    ),
    Rule("python.headers", ERROR, ("python", "offers"), _expects_python, _python_headers, "Python.h"),
    Rule("python.headers_gone", ERROR, ("python", "offers"), _expects_python, _python_gone, "to be had"),
    Rule("packages.broken", ERROR, ("packages",), always, _broken, "nothing is half installed"),
    Rule("packages.lock", WARNING, ("packages",), always, _lock, "the package manager is free"),
    Rule("packages.held", ERROR, ("packages",), lambda e: bool(e.driver), _held, "no hold keeps the driver out"),
    Rule("packages.pinned", ERROR, ("packages",), lambda e: bool(e.driver), _pinned, "no pin keeps it out"),
    Rule("limits.memlock", ERROR, ("limits",), with_hardware, _memlock, "memory can be locked without limit"),
    Rule("limits.nofile", WARNING, ("limits",), with_hardware, _nofile, "files can be opened by the ten thousands"),
    Rule("limits.pids", WARNING, ("limits",), with_hardware, _pids, "the host's control group has room for threads"),
    Rule("limits.remove_ipc", ERROR, ("shared_memory",), always, _remove_ipc, "shared memory outlives an ssh session"),
)
