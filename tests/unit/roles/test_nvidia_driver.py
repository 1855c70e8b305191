"""Which packages, sources and refusals each distribution, route and branch get. The names are the vendor's."""

from __future__ import annotations

from fnmatch import fnmatchcase
from functools import cache
from typing import Any

import pytest

from .templated import SYSTEMS, Role

KERNEL, LATER = "5.15.0-119-generic", "5.15.0-122-generic"
BRANCHES = ("550.144.03", "570.172.08", "580.126.20", "595.91.07")


def role(
    system: str, version: str, *, route: str = "nvidia", nvswitch: bool = True, later: bool = False, **given: Any
) -> Role:
    """The role's variables on a host."""
    now = {
        "kernel": KERNEL,
        "next_kernel": LATER if later else KERNEL,
        "nvswitch": nvswitch,
        "obstacles": [],
        "gates": [],
        "loaded": None,
        "installed": None,
    }
    variables = {"nvidia_driver_version": version, "nvidia_driver_route": route, "__nvidia_driver_now": now, **given}
    return Role("nvidia_driver", system, variables)


def names(host: Role) -> dict[str, str | None]:
    """The set: versions by package."""
    return {entry["name"]: entry.get("version") for entry in host["_nvidia_driver_set"]}


ALWAYS = {
    "/etc/modprobe.d/moefleet-nouveau.conf",
    "/etc/systemd/system/nvidia-persistenced.service.d/60-moefleet.conf",
}


@cache
def vendors(system: str, version: str) -> frozenset[str]:
    """Names of the set from the vendor's repository."""
    return frozenset(names(role(system, version)))


UBUNTU_550 = ["nvidia-dkms-550-open", "libnvidia-compute-550", "nvidia-utils-550", "nvidia-compute-utils-550"]
UBUNTU_580 = ["nvidia-dkms-580-open", "libnvidia-compute-580", "nvidia-utils-580", "nvidia-compute-utils-580"]
UBUNTU_595 = ["nvidia-dkms-open", "libnvidia-compute", "nvidia-persistenced"]
RHEL = ["kmod-nvidia-open-dkms", "nvidia-driver-cuda", "nvidia-persistenced"]
DEBIAN_550 = ["nvidia-smi", "libcuda1", "nvidia-kernel-open-dkms", "nvidia-persistenced"]
DEBIAN_580 = ["nvidia-driver-cuda", "nvidia-kernel-open-dkms", "nvidia-persistenced"]


@pytest.mark.parametrize(
    ("system", "version", "expected"),
    [
        ("ubuntu22.04", "550.144.03", [*UBUNTU_550, "nvidia-fabricmanager-550", "libnvidia-nscq-550"]),
        ("ubuntu24.04", "580.126.20", [*UBUNTU_580, "nvidia-fabricmanager", "libnvidia-nscq"]),
        ("ubuntu24.04", "595.91.07", [*UBUNTU_595, "nvidia-fabricmanager", "libnvidia-nscq"]),
        ("debian12", "550.144.03", [*DEBIAN_550, "nvidia-fabricmanager-550", "libnvidia-nscq-550"]),
        ("debian12", "570.172.08", [*DEBIAN_580, "nvidia-fabricmanager-570", "libnvidia-nscq-570"]),
        ("debian12", "580.126.20", [*DEBIAN_580, "nvidia-fabricmanager", "libnvidia-nscq"]),
        ("rhel9", "550.144.03", [*RHEL, "nvidia-fabric-manager", "libnvidia-nscq-550"]),
        ("rhel9", "580.126.20", [*RHEL, "nvidia-fabricmanager", "libnvidia-nscq"]),
    ],
)
def test_names_of_the_vendors_repository(system: str, version: str, expected: list[str]) -> None:
    assert names(role(system, version)) == dict.fromkeys(expected, version)


def test_the_fabric_manager_is_only_for_hosts_with_switches() -> None:
    without = names(role("ubuntu22.04", "550.144.03", nvswitch=False))
    assert list(without) == UBUNTU_550


def test_the_distributions_route_has_modules_for_each_kernel_in_a_version_of_their_own() -> None:
    found = names(role("ubuntu22.04", "550.144.03", route="distribution", later=True))
    assert found == {
        "nvidia-headless-no-dkms-550-server-open": "550.144.03",
        "nvidia-utils-550-server": "550.144.03",
        "nvidia-compute-utils-550-server": "550.144.03",
        "nvidia-fabricmanager-550": "550.144.03",
        "libnvidia-nscq-550": "550.144.03",
        f"linux-modules-nvidia-550-server-open-{KERNEL}": None,
        f"linux-modules-nvidia-550-server-open-{LATER}": None,
    }


@pytest.mark.parametrize("system", SYSTEMS)
def test_modules_are_built_for_the_running_and_the_next_kernel(system: str) -> None:
    build = [entry["name"] for entry in role(system, "550.144.03", later=True)["_nvidia_driver_build_set"]]
    headers = "kernel-devel" if system == "rhel9" else "linux-headers"
    assert {f"{headers}-{KERNEL}", f"{headers}-{LATER}", "dkms"} <= set(build)
    assert len(build) == len(set(build))


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("version", BRANCHES)
def test_a_change_of_branch_takes_the_whole_old_set_and_nothing_of_the_new(system: str, version: str) -> None:
    """Whatever of another branch a host has by one of the role's names goes, unless this branch has it as well."""
    host = role(system, version)
    absent = host["_nvidia_driver_absent"]
    own = set(host["_nvidia_driver_own"]) | vendors(system, version)
    for other in BRANCHES:
        left = {name for name in vendors(system, other) - own if not any(fnmatchcase(name, glob) for glob in absent)}
        assert left <= {"nvidia-persistenced"}, other
    assert not [name for name in vendors(system, version) if any(fnmatchcase(name, glob) for glob in absent)]


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("version", ["550.144.03", "595.91.07"])
@pytest.mark.parametrize("route", ["nvidia", "distribution"])
def test_a_route_is_not_foreign_to_itself(system: str, version: str, route: str) -> None:
    host = role(system, version, route=route)
    foreign = host["_nvidia_driver_known"].get("foreign", [])
    own = [*names(host), *host["_nvidia_driver_companions"]]
    assert not [name for name in own if any(fnmatchcase(str(name), glob) for glob in foreign)]


@pytest.mark.parametrize("system", ["ubuntu22.04", "ubuntu24.04"])
def test_the_two_routes_know_each_other(system: str) -> None:
    ours, theirs = (role(system, "550.144.03", route=route) for route in ("nvidia", "distribution"))
    for one, other in ((ours, theirs), (theirs, ours)):
        strangers = [
            name
            for name in names(other)
            if any(fnmatchcase(name, glob) for glob in one["_nvidia_driver_known"]["foreign"])
        ]
        assert strangers


def test_companions_have_the_drivers_version() -> None:
    companions = role("ubuntu22.04", "550.144.03")["_nvidia_driver_companions"]
    assert {entry["version"] for entry in companions} == {"550.144.03"}
    assert [entry["name"] for entry in companions] == ["nvidia-*-550", "nvidia-*-550-open", "libnvidia-*-550"]


@pytest.mark.parametrize(
    ("system", "version", "route", "words"),
    [
        ("rhel9", "550.144.03", "distribution", "RHEL 9 has no driver of its own"),
        ("debian12", "535.216.03", "distribution", "Debian 12 has no fabric manager, and this host has NVSwitches"),
        ("ubuntu22.04", "550", "nvidia", "give the full version"),
        ("ubuntu22.04", "470.82.01", "nvidia", "branch 470 has no open kernel modules"),
    ],
)
def test_what_cant_be_had_is_refused(system: str, version: str, route: str, words: str) -> None:
    refusals = role(system, version, route=route)["_nvidia_driver_refusals"]
    assert any(words in refusal for refusal in refusals), refusals


def test_debians_own_driver_is_for_hosts_without_switches() -> None:
    host = role("debian12", "535.216.03", route="distribution", nvswitch=False)
    assert host["_nvidia_driver_refusals"] == []
    assert names(host) == {
        "nvidia-smi": "535.216.03",
        "libcuda1": "535.216.03",
        "nvidia-open-kernel-dkms": "535.216.03",
        "nvidia-persistenced": None,
    }


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("version", BRANCHES)
def test_the_vendors_route_is_open_everywhere(system: str, version: str) -> None:
    assert role(system, version)["_nvidia_driver_refusals"] == []


def test_rhel_follows_the_branch_by_a_module_stream() -> None:
    files = {entry["path"]: entry["content"] for entry in role("rhel9", "580.126.20")["_nvidia_driver_source_files"]}
    assert "stream=580-open\n" in files["/etc/dnf/modules.d/nvidia-driver.module"]
    assert "state=enabled\n" in files["/etc/dnf/modules.d/nvidia-driver.module"]
    repository = files["/etc/yum.repos.d/60-moefleet-cuda.repo"]
    assert "excludepkgs=mft* kernel-mft*\n" in repository
    assert "gpgcheck=1\n" in repository


@pytest.mark.parametrize("system", SYSTEMS)
def test_driver_and_toolkit_have_one_entry_of_the_repository(system: str) -> None:
    """apt refuses two entries of one repository with different keys."""
    driver, toolkit = role(system, "550.144.03"), Role("cuda_toolkit", system, {})
    entry = driver["_nvidia_driver_source_files"][0]
    assert (entry["path"], entry["content"]) == (toolkit["_cuda_toolkit_source_path"], toolkit["_cuda_toolkit_source"])
    assert driver["_nvidia_driver_key_path"] == toolkit["_cuda_toolkit_key_path"]
    assert driver["_nvidia_driver_fingerprints"] == toolkit["_cuda_toolkit_fingerprints"]
    assert driver["_nvidia_driver_key"] == toolkit["_cuda_toolkit_key"]


def test_a_mirror_takes_the_vendors_place() -> None:
    host = role("ubuntu24.04", "580.126.20", nvidia_driver_repository_url="https://mirror.example.net/cuda")
    assert "https://mirror.example.net/cuda /\n" in host["_nvidia_driver_source_files"][0]["content"]
    assert host["_nvidia_driver_key"] == "https://mirror.example.net/cuda/3bf863cc.pub"


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({}, ALWAYS),
        (
            {"nvidia_driver_ibgda": True, "nvidia_driver_peermem": "peermem"},
            ALWAYS | {"/etc/modprobe.d/moefleet-nvidia.conf", "/etc/modules-load.d/moefleet-nvidia-peermem.conf"},
        ),
    ],
)
def test_configuration_of_the_modules(given: dict[str, Any], wanted: set[str]) -> None:
    files = role("ubuntu22.04", "550.144.03", **given)["_nvidia_driver_files"]
    assert {file["path"] for file in files if file["wanted"]} == wanted
    assert {file["path"]: file["content"] for file in files}["/etc/modprobe.d/moefleet-nvidia.conf"] == (
        'options nvidia NVreg_EnableStreamMemOPs=1 NVreg_RegistryDwords="PeerMappingOverride=1;"\n'
    )
