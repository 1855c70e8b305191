"""Mirrors, said once, reach every role that fetches; the distribution's own keys go on judging what comes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from .templated import SYSTEMS, Role

ROOT = Path(__file__).resolve().parents[3]
CUDA = "https://developer.download.nvidia.cn/compute/cuda/repos"
FILES = ("inventory/h20/group_vars/all/mirrors.yml", "inventory/mirrors_china.yml")


@pytest.mark.parametrize("system", SYSTEMS)
def test_one_variable_is_for_driver_and_toolkit(system: str) -> None:
    place = f"{CUDA}/{system.replace('.', '')}/x86_64"
    assert Role("cuda_toolkit", system, {"moefleet_mirror_cuda": CUDA})["_cuda_toolkit_repository"] == place
    assert Role("nvidia_driver", system, {"moefleet_mirror_cuda": CUDA})["_nvidia_driver_repository"] == place
    assert "nvidia.com" in Role("cuda_toolkit", system, {"moefleet_mirror_cuda": ""})["_cuda_toolkit_repository"]


@pytest.mark.parametrize("system", SYSTEMS)
def test_the_distributions_own_keys_judge(system: str) -> None:
    rendered = Role("mirrors", system, {"mirrors_distribution": "https://mirror/debian"})
    content = rendered["_mirrors_source_files"][0]["content"]
    assert "https://mirror/debian" in content
    assert "Signed-By: /usr/share/keyrings/" in content or "gpgcheck=1" in content
    assert "rusted" not in content


def test_debians_security_is_beside_it() -> None:
    rendered = Role("mirrors", "debian12", {"mirrors_distribution": "https://mirror/debian"})
    assert "URIs: https://mirror/debian-security\n" in rendered["_mirrors_source_files"][0]["content"]


def test_both_files_say_the_same_variables() -> None:
    read: list[dict[str, Any]] = [yaml.safe_load((ROOT / file).read_text(encoding="utf-8")) for file in FILES]
    assert set(read[0]) == set(read[1])
    assert set(read[0].values()) == {""}


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_bundle_goes_before_other_sources(system: str) -> None:
    major = {"distribution": "RedHat" if system == "rhel9" else "Debian", "distribution_major_version": "12"}
    given = {
        "ansible_facts": major,
        "bundle_path": "/var/lib/moefleet/bundle",
        "_bundle_repository": f"packages/{system}",
    }
    files = Role("bundle", system, given)["_bundle_source_files"]
    assert f"file:{'//' if system == 'rhel9' else ''}/var/lib/moefleet/bundle/packages/{system}" in files[0]["content"]
    assert "priority=1" in files[0]["content"] or "Pin-Priority: 990" in files[1]["content"]
