"""The role ofed by distribution: packages, repository, key and source; and what it refuses with which words."""

from __future__ import annotations

import re
from typing import Any

import pytest

from .templated import SYSTEMS, Role

FINGERPRINT = "34ED70B40D1FD929F56779E269CC00AB38FD9E81"
FACTS = {"kernel": "5.14.0-427.13.1.el9_4.x86_64", "distribution_version": "9.4"}
VENDOR = "https://linux.mellanox.com/public/repo"
KERNELS = {
    "debian12": ("6.1.0-18-amd64", "6.1.0-18-cloud-amd64"),
    "ubuntu22.04": ("5.15.0-122-generic", "5.15.0-1073-azure"),
    "ubuntu24.04": ("6.8.0-58-generic", "6.8.0-1021-aws"),
    "rhel9": ("5.14.0-427.13.1.el9_4.x86_64", "5.15.0-302.167.6.el9uek.x86_64"),
}


def role(system: str = "ubuntu22.04", **given: Any) -> Role:
    return Role("ofed", system, given, FACTS)


def doca(system: str = "ubuntu22.04", version: str = "3.2.0-105000", **given: Any) -> Role:
    asked = {"ofed_kind": "doca", "ofed_version": version, "ofed_key_fingerprints": [FINGERPRINT], **given}
    return role(system, **asked)


def mlnx(system: str = "ubuntu22.04", version: str = "24.10-3.2.5.0", **given: Any) -> Role:
    return role(system, **{"ofed_kind": "mlnx_ofed", "ofed_version": version, **given})


def names(rendered: Role) -> list[str]:
    return [package["name"] for package in rendered["_ofed_packages_asked"]]


@pytest.mark.parametrize("system", SYSTEMS)
def test_the_distributions_own_stack(system: str) -> None:
    rendered = role(system)
    verbs = "libibverbs-utils" if system == "rhel9" else "ibverbs-utils"
    assert {"rdma-core", verbs, "perftest", "infiniband-diags"} <= set(names(rendered))
    assert rendered["_ofed_refusals"] == []
    assert rendered["_ofed_dependencies"] == []
    assert {"doca-*", "mlnx-*"} <= set(rendered["_ofed_absent"]["inbox"])


@pytest.mark.parametrize(
    ("system", "directory"),
    [("debian12", "debian12.5"), ("ubuntu22.04", "ubuntu22.04"), ("ubuntu24.04", "ubuntu24.04"), ("rhel9", "rhel9")],
)
def test_doca_comes_from_the_versions_own_repository(system: str, directory: str) -> None:
    rendered = doca(system)
    assert rendered["_ofed_repository"].strip() == f"{VENDOR}/doca/3.2.0/{directory}/x86_64"
    assert rendered["_ofed_key"] == f"{VENDOR}/doca/GPG-KEY-Mellanox.pub"
    assert f"{VENDOR}/doca/3.2.0/{directory}/x86_64" in rendered["_ofed_source"]
    assert rendered["_ofed_key_path"] in rendered["_ofed_source"]
    assert rendered["_ofed_refusals"] == []


@pytest.mark.parametrize("profile", ["doca-ofed", "doca-roce"])
def test_a_profile_is_one_package_of_an_exact_version_and_replaces_the_other(profile: str) -> None:
    rendered = doca(version="2.9.5-0.1.8", ofed_profile=profile)
    assert rendered["_ofed_packages_asked"] == [{"name": profile, "version": "2.9.5-0.1.8"}]
    assert ({"doca-ofed", "doca-roce"} - {profile}) <= set(rendered["_ofed_absent"]["doca"])
    assert profile not in rendered["_ofed_absent"]["doca"]


def test_an_rpm_is_pinned_by_the_version_before_its_release() -> None:
    assert doca("rhel9")["_ofed_packages_asked"] == [{"name": "doca-ofed", "version": "3.2.0"}]
    assert mlnx("rhel9")["_ofed_packages_asked"] == [{"name": "mlnx-ofed-all", "version": "24.10"}]


def test_rhels_minor_releases_have_no_doca_before_dkms() -> None:
    (words,) = doca("rhel9", "2.9.5-0.1.8")["_ofed_refusals"]
    assert "use 3.2 or newer" in words


def test_rhels_own_rdma_core_does_not_win() -> None:
    lines = doca("rhel9")["_ofed_source"].splitlines()
    assert {"priority=50", "gpgcheck=1", "gpgkey=file:///etc/pki/rpm-gpg/RPM-GPG-KEY-moefleet-ofed"} <= set(lines)


def test_docas_own_dkms_does_not_win() -> None:
    files = {entry["path"]: entry["content"] for entry in doca()["_ofed_source_files"]}
    assert files["/etc/apt/sources.list.d/60-moefleet-ofed.list"].startswith("deb [signed-by=/etc/apt/keyrings/")
    ours, dkms = files["/etc/apt/preferences.d/60-moefleet-doca"].split("\n\n")
    assert dkms == "Package: dkms\nPin: release l=DOCA-HOST*\nPin-Priority: -1\n"
    assert {"mlnx-*", "rdma-core*", "libibverbs*"} <= set(ours.splitlines()[0].split())
    assert ours.splitlines()[1:] == ["Pin: release l=DOCA-HOST*", "Pin-Priority: 1001"]


@pytest.mark.parametrize(
    ("system", "headers"),
    [("debian12", "linux-headers-6.1.0-18-amd64"), ("rhel9", "kernel-devel-5.14.0-427.13.1.el9_4.x86_64")],
)
def test_headers_are_of_the_kernel_that_runs(system: str, headers: str) -> None:
    rendered = Role("ofed", system, {}, {**FACTS, "kernel": KERNELS[system][0]})
    asked = [package["name"] for package in rendered["_ofed_build_set"]] + rendered["_ofed_build_packages"]
    assert headers in asked
    assert "dkms" in asked


@pytest.mark.parametrize("system", SYSTEMS)
def test_the_distributions_kernel_is_supported_and_a_clouds_is_not(system: str) -> None:
    patterns = role(system)["_ofed_supported_kernels"]
    fits, other = KERNELS[system]
    assert any(re.fullmatch(pattern, fits) for pattern in patterns)
    assert not any(re.fullmatch(pattern, other) for pattern in patterns)


# MLNX_OFED from the vendor's archive.

ARCHIVE = {"ofed_archive": "https://files/MLNX_OFED_LINUX-24.10-3.2.5.0-ubuntu22.04-x86_64.tgz"}


@pytest.mark.parametrize(
    ("system", "source"),
    [
        ("ubuntu22.04", "deb [trusted=yes] file:/var/lib/moefleet/ofed/24.10-3.2.5.0-abababababab/DEBS ./\n"),
        ("rhel9", "baseurl=file:///var/lib/moefleet/ofed/24.10-3.2.5.0-abababababab/RPMS\n"),
    ],
)
def test_an_archive_is_trusted_by_its_checksum(system: str, source: str) -> None:
    rendered = mlnx(system, **ARCHIVE, ofed_archive_sha256="ab" * 32)
    assert rendered["_ofed_refusals"] == []
    assert source in rendered["_ofed_source"]
    assert names(rendered) == ["mlnx-ofed-all"]
    assert "doca-*" in rendered["_ofed_absent"]["mlnx_ofed"]


@pytest.mark.parametrize("digest", ["", "ab" * 20, "AB" * 32, "zz" * 32])
def test_an_archive_without_a_checksum_is_refused(digest: str) -> None:
    (words,) = mlnx(**ARCHIVE, ofed_archive_sha256=digest)["_ofed_refusals"]
    assert "the vendor publishes none" in words
    assert "sha256sum" in words


def test_mlnx_ofed_from_a_repository_needs_the_keys_fingerprint() -> None:
    rendered = mlnx(ofed_key_fingerprints=[FINGERPRINT])
    assert rendered["_ofed_refusals"] == []
    assert rendered["_ofed_repository"].strip() == f"{VENDOR}/mlnx_ofed/24.10-3.2.5.0/ubuntu22.04/x86_64"
    assert "signed-by" in rendered["_ofed_source"]


@pytest.mark.parametrize("rendered", [doca(ofed_key_fingerprints=[]), mlnx()], ids=["doca", "mlnx_ofed"])
def test_a_key_that_nobody_knows_is_refused_with_how_to_know_it(rendered: Role) -> None:
    (words,) = rendered["_ofed_refusals"]
    assert "gpg --show-keys" in words
    assert "from the vendor on another way" in words


@pytest.mark.parametrize("version", ["25.01-0.6.0.0", "24.11-1.0.0.0"])
def test_mlnx_ofed_has_ended(version: str) -> None:
    (words,) = mlnx(version=version, ofed_key_fingerprints=[FINGERPRINT])["_ofed_refusals"]
    assert "use ofed_kind doca" in words


@pytest.mark.parametrize("version", ["", "2.9.5", "24.10-3.2.5.0", "latest"])
def test_docas_version_is_its_packages(version: str) -> None:
    (words,) = doca(version=version)["_ofed_refusals"]
    assert "such as 2.9.5-0.1.8" in words


@pytest.mark.parametrize("version", ["", "24.10", "2.9.5-0.1.8x"])
def test_mlnx_ofeds_version_is_its_release(version: str) -> None:
    refusals = mlnx(version=version, ofed_key_fingerprints=[FINGERPRINT])["_ofed_refusals"]
    assert any("such as 24.10-3.2.5.0" in words for words in refusals)


def test_everything_that_is_wrong_is_said_at_once() -> None:
    assert len(role(ofed_version="1", **ARCHIVE)["_ofed_refusals"]) == 2


def test_a_mirror_replaces_repository_and_key() -> None:
    rendered = doca(ofed_repository_url="https://mirror/doca", ofed_key_url="/etc/key.asc")
    assert "mellanox.com" not in rendered["_ofed_source"]
    assert rendered["_ofed_key"] == "/etc/key.asc"
