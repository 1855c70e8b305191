"""Where the inventory says nothing, verify demands exactly what the other roles set up by default."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from jinja2.nativetypes import NativeEnvironment

ROLES = Path(__file__).resolve().parents[3] / "roles"


def defaults(role: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROLES / role / "defaults" / "main.yml").read_text(encoding="utf-8"))
    return loaded


def rendered(value: Any) -> Any:
    if isinstance(value, list):
        return [rendered(item) for item in value]
    return NativeEnvironment().from_string(value).render()


@pytest.mark.parametrize(
    ("name", "role", "other"),
    [
        ("verify_unit", "vllm_service", "vllm_service_unit"),
        ("verify_user", "vllm_service", "vllm_service_user"),
        ("verify_env_path", "vllm_env", "vllm_env_path"),
        ("verify_model_path", "model_weights", "model_weights_path"),
        ("verify_sysctl", "host_tuning", "host_tuning_sysctl"),
        ("verify_memlock", "vllm_service", "vllm_service_memlock"),
        ("verify_nofile", "vllm_service", "vllm_service_nofile"),
    ],
)
def test_fallbacks_are_the_roles_own_defaults(name: str, role: str, other: str) -> None:
    assert rendered(defaults("verify")[name]) == defaults(role)[other]


def test_files_are_those_that_the_roles_write() -> None:
    assert rendered(defaults("verify")["verify_files"]) == [
        defaults("vllm_service")["vllm_service_environment_file"],
        defaults("nccl")["nccl_environment_file"],
    ]


def test_hardening_is_what_the_unit_says() -> None:
    unit = (ROLES / "vllm_service" / "templates" / "vllm.service.j2").read_text(encoding="utf-8").splitlines()
    for name, value in defaults("verify")["verify_hardening"].items():
        assert f"{name}={value}" in unit
