"""Command lines: head and followers, every version only what it knows, values as one token each."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.moefleet.serving.plugins.module_utils.planner.engine.flags import FLAGS
from ansible_collections.moefleet.serving.plugins.module_utils.planner.plan import Plan, make_plan
from ansible_collections.moefleet.serving.plugins.module_utils.planner.versions import parse_version, version

Reference = Callable[..., dict[str, Any]]
Published = Callable[[str], list[dict[str, str]]]

VERSIONS = ["0.9.2", "0.10.2", "0.11.2", "0.12.0", "0.14.1", "0.16.0", "0.19.1", "0.23.0", "0.32.0", "0.33.0"]
# Flags every release has; they are not in the table of changes.
ALWAYS = {
    "--host",
    "--port",
    "--served-model-name",
    "--max-model-len",
    "--tensor-parallel-size",
    "--enforce-eager",
    "--speculative-config",
}
HEAD_ONLY = {"--host", "--port", "--api-server-count"}
FOLLOWER_ONLY = {"--headless", "--data-parallel-start-rank"}

EVERYTHING = {
    "engine.all2all_backend": "allgather_reducescatter",
    "engine.api_server_count": 8,
    "engine.served_model_name": "deepseek-v3",
    "engine.max_num_batched_tokens": 8192,
    "engine.eplb_config": {"window_size": 500, "step_interval": 1500, "log_balancedness": True},
    "engine.arguments": {"enforce-eager": True},
}


def options(argv: list[str]) -> dict[str, list[str]]:
    """Values by flag; a flag given twice fails."""
    found: dict[str, list[str]] = {}
    current = ""
    for token in argv[3:]:
        if token.startswith("--"):
            assert token not in found, token
            current = token
            found[current] = []
        else:
            found[current].append(token)
    return found


def sound(raw: dict[str, Any]) -> Plan:
    plan = make_plan(raw)
    assert plan.errors == [], [str(finding) for finding in plan.errors]
    return plan


def everything(reference: Reference, release: str) -> dict[str, Any]:
    """The reference cluster with as many settings as the release takes."""
    changes = dict(EVERYTHING, **{"engine.version": release})
    if version(release) < version("0.11.0"):
        changes["engine.all2all_backend"] = "naive"
    return reference(changes)


def test_head_and_followers_of_the_reference(reference: Reference) -> None:
    plan = sound(reference({"engine.all2all_backend": "allgather_reducescatter", "engine.api_server_count": 4}))
    head = options(plan.serve["node-0"].argv)
    assert plan.serve["node-0"].argv[:3] == ["vllm", "serve", "deepseek-ai/DeepSeek-V3"]
    assert head["--host"] == ["0.0.0.0"]
    assert head["--port"] == ["8000"]
    assert head["--api-server-count"] == ["4"]
    assert not FOLLOWER_ONLY & set(head)
    for index in (1, 2, 3):
        follower = options(plan.serve[f"node-{index}"].argv)
        assert follower["--headless"] == []
        assert follower["--data-parallel-start-rank"] == [str(8 * index)]
        assert not HEAD_ONLY & set(follower)
    for serve in plan.serve.values():
        found = options(serve.argv)
        assert found["--data-parallel-size"] == ["32"]
        assert found["--data-parallel-size-local"] == ["8"]
        assert found["--data-parallel-address"] == ["192.168.1.10"]
        assert found["--data-parallel-rpc-port"] == ["13345"]
        assert found["--enable-expert-parallel"] == []
        assert found["--max-num-seqs"] == ["7"]
        assert found["--gpu-memory-utilization"] == ["0.9"]
        assert json.loads(found["--eplb-config"][0]) == {"num_redundant_experts": 32}


@pytest.mark.parametrize("release", VERSIONS)
def test_hosts_differ_in_nothing_but_their_place(reference: Reference, release: str) -> None:
    plan = sound(everything(reference, release))
    own = HEAD_ONLY | FOLLOWER_ONLY
    shared = [
        {flag: values for flag, values in options(serve.argv).items() if flag not in own}
        for serve in plan.serve.values()
    ]
    assert all(other == shared[0] for other in shared[1:])


def known_by_table(published: Published, flag: str, release: str) -> bool | None:
    """Whether vllm_flags.csv says the release knows the flag; ``None`` where it has no row."""
    for row in published("vllm_flags"):
        if flag in re.findall(r"--[a-z0-9-]+", row["flag"]):
            introduced = re.findall(r"\d+\.\d+\.\d+", row["introduced"])[-1]
            removed = re.findall(r"\d+\.\d+\.\d+", row["removed"])
            return version(introduced) <= version(release) and (not removed or version(release) < version(removed[-1]))
    return None


@pytest.mark.parametrize("release", VERSIONS)
def test_every_flag_is_known_to_its_version(reference: Reference, published: Published, release: str) -> None:
    plan = sound(everything(reference, release))
    flags = {flag for serve in plan.serve.values() for flag in options(serve.argv)}
    said = {flag: known_by_table(published, flag, release) for flag in flags}
    assert {flag for flag, known in said.items() if known is False} == set()
    assert {flag for flag, known in said.items() if known is None} <= ALWAYS
    assert len(flags) > 15


@pytest.mark.parametrize("release", ["0.9.2", "0.10.2", "0.12.0", "0.19.1", "0.33.0"])
def test_every_flag_is_in_the_versions_sources(reference: Reference, data_dir: Path, release: str) -> None:
    """Against the flags read from the release's own ``arg_utils.py``, ``cli_args.py`` and ``serve.py``."""
    known = set((data_dir / "vllm" / f"flags-{release}.txt").read_text(encoding="utf-8").split())
    plan = sound(everything(reference, release))
    assert {flag for serve in plan.serve.values() for flag in options(serve.argv)} <= known
    listed = {flag for flag, lifetime in FLAGS.items() if lifetime.covers(version(release))}
    assert listed <= known
    assert not {flag for flag in FLAGS if flag not in listed} & known


def test_the_table_agrees_with_the_published_one(published: Published) -> None:
    compared = 0
    for flag, lifetime in FLAGS.items():
        for release in VERSIONS:
            known = known_by_table(published, flag, release)
            if known is not None:
                compared += 1
                assert lifetime.covers(version(release)) == known, (flag, release)
    assert compared > 400


@pytest.mark.parametrize(
    ("release", "flat"), [("0.9.2", True), ("0.10.2", False), ("0.11.2", False), ("0.12.0", False), ("0.33.0", False)]
)
def test_eplb_is_flags_of_its_own_and_later_one_json_token(reference: Reference, release: str, flat: bool) -> None:
    found = options(sound(everything(reference, release)).serve["node-2"].argv)
    assert found["--enable-eplb"] == []
    if flat:
        assert "--eplb-config" not in found
        assert found["--num-redundant-experts"] == ["32"]
        assert found["--eplb-window-size"] == ["500"]
        assert found["--eplb-step-interval"] == ["1500"]
        assert found["--eplb-log-balancedness"] == []
    else:
        assert "--num-redundant-experts" not in found
        [text] = found["--eplb-config"]
        assert json.loads(text) == {
            "num_redundant_experts": 32,
            "window_size": 500,
            "step_interval": 1500,
            "log_balancedness": True,
        }


@pytest.mark.parametrize(
    ("release", "by_flag"), [("0.9.2", False), ("0.10.2", False), ("0.11.2", True), ("0.32.0", True)]
)
def test_all2all_is_an_environment_variable_and_later_a_flag(reference: Reference, release: str, by_flag: bool) -> None:
    serve = sound(everything(reference, release)).serve["node-1"]
    assert ("--all2all-backend" in serve.argv) == by_flag
    assert ("VLLM_ALL2ALL_BACKEND" in serve.env) != by_flag


@pytest.mark.parametrize(("release", "known"), [("0.12.0", False), ("0.14.1", True), ("0.33.0", True)])
def test_ready_timeout_only_where_it_is_read(reference: Reference, release: str, known: bool) -> None:
    env = sound(everything(reference, release)).serve["node-0"].env
    assert ("VLLM_ENGINE_READY_TIMEOUT_S" in env) == known


def test_api_servers_default_to_the_heads_ranks_and_never_to_all(reference: Reference) -> None:
    assert options(sound(reference()).serve["node-0"].argv)["--api-server-count"] == ["8"]
    old = sound(reference({"engine.version": "0.9.0", "parallel.redundant_experts": 0}))
    assert "--api-server-count" not in old.serve["node-0"].argv


def test_environment_is_text_with_addresses_and_exact_interfaces(reference: Reference) -> None:
    for serve in sound(reference()).serve.values():
        assert all(isinstance(value, str) for value in serve.env.values())
    env = sound(reference()).serve["node-2"].env
    assert env["VLLM_HOST_IP"] == "192.168.1.12"
    assert env["GLOO_SOCKET_IFNAME"] == "eth1"
    assert env["NCCL_SOCKET_IFNAME"] == "=eth1"
    assert "HF_HUB_OFFLINE" not in env


def test_a_model_on_disk_is_served_offline(reference: Reference) -> None:
    plan = sound(reference({"model_path": "/var/lib/moefleet/models/deepseek-v3"}))
    assert plan.serve["node-0"].env["HF_HUB_OFFLINE"] == "1"
    assert plan.serve["node-0"].argv[2] == "/var/lib/moefleet/models/deepseek-v3"


def test_cpu_ranks_get_the_labs_environment(reference: Reference) -> None:
    plan = sound(
        reference(
            {
                "engine.platform": "cpu",
                "engine.version": "0.32.0",
                "parallel.redundant_experts": 0,
                "engine.kv_cache_memory_bytes": 20 << 30,
                "engine.environment": {"OMP_NUM_THREADS": 2},
            }
        )
    )
    env = plan.serve["node-1"].env
    expected = {
        "HF_HUB_OFFLINE": "1",
        "TRANSFORMERS_OFFLINE": "1",
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",
        "TORCHDYNAMO_DISABLE": "1",
        "OMP_NUM_THREADS": "2",  # the inventory's word is the last
        "MALLOC_ARENA_MAX": "2",
        "PYTHONFAULTHANDLER": "1",
        "NCCL_SOCKET_IFNAME": "eth1",
    }
    assert {name: env[name] for name in expected} == expected
    assert options(plan.serve["node-1"].argv)["--kv-cache-memory-bytes"] == [str(20 << 30)]


def test_ipv6_is_never_bracketed_in_arguments(reference: Reference) -> None:
    hosts = [
        {"name": f"n{index}", "data_address": f"[fd42:77:3::2{index}]", "data_interface": "eth1"} for index in range(4)
    ]
    plan = sound(reference({"cluster.hosts": hosts}))
    assert options(plan.serve["n3"].argv)["--data-parallel-address"] == ["fd42:77:3::20"]
    assert plan.serve["n3"].env["VLLM_HOST_IP"] == "fd42:77:3::23"
    service = plan.as_dict()["service"]
    assert service["rpc_address"] == "tcp://[fd42:77:3::20]:13345"
    assert service["url"] == "http://[fd42:77:3::20]:8000"


def test_one_rank_needs_no_data_parallel_flags(reference: Reference) -> None:
    plan = sound(
        reference(
            {
                "cluster.hosts": [{"name": "only", "data_address": "10.0.0.1"}],
                "cluster.gpu": "H200-141G",
                "parallel": {"tensor": 8, "data": 1},
                "workload.sessions": 8,
            }
        )
    )
    assert not [token for token in plan.serve["only"].argv if token.startswith("--data-parallel")]


def test_arguments_are_one_token_each(reference: Reference) -> None:
    given_arguments = {
        "compilation-config": {"cudagraph_mode": "FULL_DECODE_ONLY"},
        "chat-template": "/opt/vllm/tpl$v1.jinja",
        "enforce_eager": True,
        "async-scheduling": False,
        "seed": 7,
        "allowed-origins": ["a", "b"],
        "rope-scaling": None,
    }
    found = options(sound(reference({"engine.arguments": given_arguments})).serve["node-3"].argv)
    assert json.loads(found["--compilation-config"][0]) == {"cudagraph_mode": "FULL_DECODE_ONLY"}
    assert found["--chat-template"] == ["/opt/vllm/tpl$v1.jinja"]
    assert found["--enforce-eager"] == []
    assert found["--no-async-scheduling"] == []
    assert found["--seed"] == ["7"]
    assert found["--allowed-origins"] == ["a", "b"]
    assert "--rope-scaling" not in found


@given(
    st.dictionaries(
        st.sampled_from(["seed", "block-size", "chat-template", "compilation-config", "dtype"]),
        st.one_of(
            st.integers(),
            st.floats(allow_nan=False, allow_infinity=False),
            st.text(min_size=1).filter(lambda text: not text.startswith("-")),
            st.dictionaries(st.text(), st.integers()),
        ),
    )
)
def test_any_argument_comes_back(arguments: dict[str, Any]) -> None:
    raw = {
        "cluster": {"hosts": [{"name": "a", "data_address": "10.0.0.1"}], "gpus_per_host": 8, "gpu": "H200-141G"},
        "model": "deepseek-v3",
        "parallel": {"tensor": 8},
        "engine": {"version": "0.19.1", "max_model_len": 4096, "arguments": arguments},
        "workload": {"sessions": 4},
    }
    argv = sound(raw).serve["a"].argv
    for name, value in arguments.items():
        [text] = [argv[index + 1] for index, token in enumerate(argv) if token == f"--{name}"]
        if isinstance(value, str):
            assert text == value
        else:
            assert json.loads(text) == value


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("0.19.1", (0, 19, 1)),
        ("v0.19.1", (0, 19, 1)),
        ("0.32.0+cpu", (0, 32, 0)),
        ("0.18.0+rhaiv", (0, 18, 0)),
        ("0.20", (0, 20, 0)),
        ("0.20.0rc1", (0, 20, 0)),
        ("newest", None),
        ("19", None),
        ("", None),
    ],
)
def test_versions(text: str, parsed: tuple[int, int, int] | None) -> None:
    assert parse_version(text) == parsed


def test_a_wrong_version_in_the_code_is_noticed() -> None:
    with pytest.raises(ValueError):
        version("newest")
