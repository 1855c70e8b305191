"""The role cuda_toolkit by distribution: package, repository, key and source; and what it refuses with which words."""

from __future__ import annotations

import re
from typing import Any

import pytest

from .templated import SYSTEMS, Role

NVIDIA = "https://developer.download.nvidia.com/compute/cuda/repos"


def role(system: str = "ubuntu22.04", **given: Any) -> Role:
    return Role("cuda_toolkit", system, given)


@pytest.mark.parametrize(
    ("system", "repository", "key", "fingerprint", "path"),
    [
        ("debian12", "debian12", "3bf863cc.pub", "EB693B30", "/etc/apt/sources.list.d/60-moefleet-cuda.list"),
        ("ubuntu22.04", "ubuntu2204", "3bf863cc.pub", "EB693B30", "/etc/apt/sources.list.d/60-moefleet-cuda.list"),
        ("ubuntu24.04", "ubuntu2404", "3bf863cc.pub", "EB693B30", "/etc/apt/sources.list.d/60-moefleet-cuda.list"),
        ("rhel9", "rhel9", "D42D0685.pub", "610C7B14", "/etc/yum.repos.d/60-moefleet-cuda.repo"),
    ],
)
def test_the_repository_is_the_distributions(
    system: str, repository: str, key: str, fingerprint: str, path: str
) -> None:
    rendered = role(system)
    assert rendered["_cuda_toolkit_key"] == f"{NVIDIA}/{repository}/x86_64/{key}"
    assert rendered["_cuda_toolkit_source_path"] == path
    assert f"{NVIDIA}/{repository}/x86_64" in rendered["_cuda_toolkit_source"]
    assert rendered["_cuda_toolkit_key_path"] in rendered["_cuda_toolkit_source"]
    assert rendered["_cuda_toolkit_fingerprints"][0].startswith(fingerprint)


def test_apt_trusts_the_repository_by_its_own_key_only() -> None:
    assert role()["_cuda_toolkit_source"] == (
        f"deb [signed-by=/etc/apt/keyrings/moefleet-cuda.asc] {NVIDIA}/ubuntu2204/x86_64 /\n"
    )


def test_rhel_leaves_the_adapters_tools_to_doca() -> None:
    lines = role("rhel9")["_cuda_toolkit_source"].splitlines()
    assert "excludepkgs=mft* kernel-mft*" in lines
    assert "gpgcheck=1" in lines
    assert "gpgkey=file:///etc/pki/rpm-gpg/RPM-GPG-KEY-moefleet-cuda" in lines


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_mirror_replaces_the_repository_and_where_its_key_is(system: str) -> None:
    rendered = role(system, cuda_toolkit_repository_url="https://mirror/cuda")
    assert rendered["_cuda_toolkit_key"].startswith("https://mirror/cuda/")
    assert "https://mirror/cuda" in rendered["_cuda_toolkit_source"]
    assert "nvidia.com" not in rendered["_cuda_toolkit_source"]


@pytest.mark.parametrize("system", SYSTEMS)
def test_the_package_is_the_toolkit_and_never_a_meta_package(system: str) -> None:
    rendered = role(system, cuda_toolkit_version="12.5")
    assert [package["name"] for package in rendered["_cuda_toolkit_set"]] == ["cuda-toolkit-12-5"]
    assert "version" not in rendered["_cuda_toolkit_set"][0]
    assert role(system, cuda_toolkit_update="12.4.1")["_cuda_toolkit_set"][0]["version"] == "12.4.1"


def test_what_builds_get_is_the_releases_own_directory() -> None:
    variables = role(cuda_toolkit_arch_list=["9.0", "10.0"])["_cuda_toolkit_variables"]
    assert variables["CUDA_HOME"] == "/usr/local/cuda-12.4"
    assert variables["PATH"].startswith("/usr/local/cuda-12.4/bin:")
    assert "/usr/local/cuda/" not in variables["PATH"]
    assert variables["TORCH_CUDA_ARCH_LIST"] == "9.0;10.0"


@pytest.mark.parametrize("system", ["debian12", "ubuntu22.04", "rhel9"])
def test_cuda_12_4_is_there_for(system: str) -> None:
    assert role(system)["_cuda_toolkit_refusals"] == []


def test_cuda_12_4_is_not_there_for_ubuntu_24_04_and_what_to_do() -> None:
    (words,) = role("ubuntu24.04")["_cuda_toolkit_refusals"]
    assert "Ubuntu 24.04 begins with CUDA 12.5, asked for is 12.4" in words
    assert "Ask for 12.5 or newer" in words
    assert role("ubuntu24.04", cuda_toolkit_version="12.8")["_cuda_toolkit_refusals"] == []
    assert role("ubuntu24.04", cuda_toolkit_repository_url="https://mirror/x")["_cuda_toolkit_refusals"] == []


def test_versions_are_compared_as_numbers() -> None:
    assert role("rhel9", cuda_toolkit_version="11.10")["_cuda_toolkit_refusals"] == []
    assert len(role("debian12", cuda_toolkit_version="9.2")["_cuda_toolkit_refusals"]) == 1


@pytest.mark.parametrize(("wheel", "fits"), [("12.8", True), ("12", True), ("", True), ("13.0", False), ("1.2", False)])
def test_a_toolkit_of_another_major_version_than_the_wheels(wheel: str, fits: bool) -> None:
    refusals = role(cuda_toolkit_wheel_cuda=wheel)["_cuda_toolkit_refusals"]
    assert len(refusals) == (0 if fits else 1)
    if wheel == "13.0":
        assert "Take a toolkit 13.x, or a wheel of CUDA 12" in refusals[0]


@pytest.mark.parametrize(
    "name",
    [
        "cuda",
        "cuda-12-4",
        "cuda-drivers",
        "cuda-drivers-550",
        "cuda-drivers-fabricmanager-550",
        "cuda-runtime-12-4",
        "cuda-demo-suite-12-4",
        "nvidia-open",
        "nvidia-driver-550-open",
        "libnvidia-compute-550",
        "kmod-nvidia-open-dkms",
    ],
)
def test_packages_that_bring_a_driver_are_refused_by_name(name: str) -> None:
    (words,) = role(cuda_toolkit_packages=[{"name": name}])["_cuda_toolkit_refusals"]
    assert words.startswith(f"{name} brings a driver")
    assert "cuda-toolkit-12-4 alone" in words


@pytest.mark.parametrize(
    "name",
    [
        "cuda-nvcc-12-4",
        "cuda-toolkit-12-4",
        "libnvjitlink-12-4",
        "libcublas-12-4",
        "nvidia-container-toolkit",
        "cuda-keyring",
    ],
)
def test_packages_that_bring_none_are_taken(name: str) -> None:
    assert role(cuda_toolkit_packages=[{"name": name}])["_cuda_toolkit_refusals"] == []


def test_everything_that_is_wrong_is_said_at_once() -> None:
    refusals = role(
        "ubuntu24.04",
        cuda_toolkit_update="12.8.1",
        cuda_toolkit_wheel_cuda="13.0",
        cuda_toolkit_packages=[{"name": "cuda"}],
    )["_cuda_toolkit_refusals"]
    assert len(refusals) == 4


@pytest.mark.parametrize("version", ["12", "12.4.1", "12-4", "", "latest"])
def test_a_release_is_major_and_minor(version: str) -> None:
    assert "MAJOR.MINOR" in role(cuda_toolkit_version=version)["_cuda_toolkit_refusals"][0]


def test_dnf_is_asked_for_the_whole_transaction() -> None:
    """apt's is foretold by the package set; dnf names dependencies only when it is about to install them."""
    assert role()["_cuda_toolkit_simulation"] == []
    rendered = role("rhel9", cuda_toolkit_update="12.4.1")
    assert rendered["_cuda_toolkit_simulation"] == ["dnf", "--assumeno", "install", "cuda-toolkit-12-4-12.4.1*"]
    printed = (
        "Dependencies resolved.\n"
        "================================================================\n"
        " Package              Arch     Version          Repository   Size\n"
        "================================================================\n"
        "Installing:\n"
        " cuda-toolkit-12-4    x86_64   12.4.1-1         moefleet-cuda  8.6 k\n"
        "Installing dependencies:\n"
        " cuda-nvcc-12-4       x86_64   12.4.131-1       moefleet-cuda   69 M\n"
        " nvidia-driver-libs   x86_64   3:550.90.07-1.el9 moefleet-cuda  120 M\n"
        "\nOperation aborted.\n"
    )
    names = re.findall(rendered["_cuda_toolkit_simulated"], printed)
    assert names == ["cuda-toolkit-12-4", "cuda-nvcc-12-4", "nvidia-driver-libs"]
    touched = [name for name in names if re.match(rendered["_cuda_toolkit_brings_driver"], name)]
    assert touched == ["nvidia-driver-libs"]


@pytest.mark.parametrize("system", SYSTEMS)
def test_the_driver_writes_the_same_source(system: str) -> None:
    """Two roles, one repository: each writes it, and neither changes what the other wrote."""
    mirror = "https://mirror/cuda"
    toolkit = role(system, cuda_toolkit_repository_url=mirror)
    driver = Role(
        "nvidia_driver", system, {"nvidia_driver_version": "550.144.03", "nvidia_driver_repository_url": mirror}
    )
    written = {entry["path"]: entry["content"] for entry in driver["_nvidia_driver_source_files"]}
    assert written[toolkit["_cuda_toolkit_source_path"]] == toolkit["_cuda_toolkit_source"]
    assert driver["_nvidia_driver_key_path"] == toolkit["_cuda_toolkit_key_path"]
    assert driver["_nvidia_driver_fingerprints"] == toolkit["_cuda_toolkit_fingerprints"]
