"""What pasted commands would do: every planted defect is found, and the planner's own commands have none."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.moefleet.serving.plugins.module_utils.planner.commands.audit import (
    CommandAudit,
    audit_commands,
)
from ansible_collections.moefleet.serving.plugins.module_utils.planner.commands.line import read_command
from ansible_collections.moefleet.serving.plugins.module_utils.planner.commands.together import differences
from ansible_collections.moefleet.serving.plugins.module_utils.planner.findings import Finding
from ansible_collections.moefleet.serving.plugins.module_utils.planner.plan import Plan, make_plan
from ansible_collections.moefleet.serving.plugins.module_utils.planner.request_reading import read_request
from ansible_collections.moefleet.serving.plugins.module_utils.planner.versions import version

Reference = Callable[..., dict[str, Any]]
NAMES = [f"node-{index}" for index in range(4)]
ADDRESS = "192.168.1.10"


def audited(
    raw: Any, reference: Reference, changes: dict[str, Any] | None = None
) -> tuple[CommandAudit | None, list[Finding]]:
    request = read_request(reference(changes or {}), [])
    assert request.engine is not None
    findings: list[Finding] = []
    cluster = request.cluster
    audit = audit_commands(
        raw, request.engine, cluster.hosts, gpus_per_host=cluster.gpus_per_host, model=request.model, findings=findings
    )
    return audit, findings


def from_file(path: Path) -> dict[str, str]:
    """Commands under ``# node N`` lines."""
    parts = re.split(r"^# node (\d+)\n", path.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    return {f"node-{number}": text for number, text in zip(parts[::2], parts[1::2])}


def good(**extra: str) -> dict[str, str]:
    """Commands for the reference cluster that have no error; ``extra`` is appended on the host of that name."""
    shared = (
        "vllm serve deepseek-ai/DeepSeek-V3 --enable-expert-parallel --data-parallel-size 32"
        f" --data-parallel-size-local 8 --data-parallel-address {ADDRESS} --data-parallel-rpc-port 13345"
        " --max-model-len 32768 --max-num-seqs 7"
    )
    own = ["--port 8000 --api-server-count 8"]
    own += [f"--headless --data-parallel-start-rank {8 * index}" for index in (1, 2, 3)]
    environment = "GLOO_SOCKET_IFNAME=eth1 NCCL_SOCKET_IFNAME==eth1"
    return {
        name: f"{environment} {shared} {role} {extra.get(name.replace('-', '_'), extra.get('every', ''))}"
        for name, role in zip(NAMES, own)
    }


def codes(findings: list[Finding], severity: str = "error") -> list[str]:
    return [finding.code for finding in findings if finding.severity == severity]


def test_planted_defects_of_four_commands(reference: Reference, data_dir: Path) -> None:
    hosts = [{"name": name, "data_address": f"10.77.3.{21 + index}"} for index, name in enumerate(NAMES)]
    raw = from_file(data_dir / "planner" / "V01_commands_bad.txt")
    audit, findings = audited(raw, reference, {"cluster.hosts": hosts})
    assert audit is not None
    said = {finding.code: finding.message for finding in findings if finding.severity == "error"}
    # The second's own address, the third's start rank (16-23 are nobody's) and API server, the fourth's role and port.
    assert set(said) == {
        "command.address",
        "command.rank_overlap",
        "command.rank_gap",
        "command.headless_api_servers",
        "command.missing_headless",
        "command.rpc_port",
    }
    assert "node-1" in said["command.address"]
    assert "its own address" in said["command.address"]
    assert "8-15" in said["command.rank_overlap"]
    assert "16-23" in said["command.rank_gap"]
    assert "node-2" in said["command.headless_api_servers"]
    assert "node-3" in said["command.missing_headless"]
    assert "13346" in said["command.rpc_port"]
    assert audit.outcome == "does_not_start"


@pytest.mark.parametrize(
    ("release", "eplb_code", "variable_code"),
    [
        ("0.10.2", "command.deprecated_flag", None),
        ("0.12.0", "command.removed_flag", "command.variable_deprecated"),
        ("0.19.1", "command.removed_flag", "command.variable_unread"),
        ("0.33.0", "command.removed_flag", "command.variable_unread"),
    ],
)
def test_a_documents_four_commands(
    reference: Reference, data_dir: Path, release: str, eplb_code: str, variable_code: str | None
) -> None:
    raw = from_file(data_dir / "planner" / "commands_document.txt")
    audit, findings = audited(raw, reference, {"engine.version": release})
    assert audit is not None
    assert audit.outcome == "does_not_start"
    assert audit.effect.expert == 32
    assert [item["local_ranks"] for item in audit.as_dict()["layout"]["hosts"]] == [32] * 4
    assert set(codes(findings)) >= {
        "command.too_many_ranks",
        "command.no_start_rank",
        "command.no_address",
        "command.differs",
    }
    [ranks] = [finding for finding in findings if finding.code == "command.too_many_ranks"]
    assert "all of them" in ranks.message
    assert "--data-parallel-size-local 8" in ranks.fix
    flags = [finding for finding in findings if finding.code == eplb_code]
    assert {word for finding in flags for word in re.findall(r"--(?:eplb|num)-[a-z-]+", finding.message)} == {
        "--eplb-window-size",
        "--eplb-step-interval",
        "--eplb-log-balancedness",
        "--num-redundant-experts",
    }
    assert any("""--eplb-config '{"num_redundant_experts": 32}'""" in finding.fix for finding in flags)
    every = {finding.code: finding for finding in findings}
    assert variable_code is None or "--all2all-backend" in every[variable_code].fix
    assert "6400" in every["command.max_num_seqs"].message
    assert "25 Gb/s" in every["command.deepep"].message
    assert {"--max-model-len", "--max-num-seqs"} <= set(re.findall(r"--[a-z-]+", every["command.differs"].message))
    # 0.9 is the default until 0.19; from 0.20 on followers that leave it out have another.
    other = every["command.differs_other"].message
    assert ("--gpu-memory-utilization" in other) == (version(release) >= version("0.20.0"))
    assert "command.no_interface" in every
    assert "command.rpc_port_default" in every


def rendered(plan: Plan) -> dict[str, str]:
    """The plan's commands as text a shell runs."""
    assert [str(finding) for finding in plan.errors] == []
    return {
        name: " ".join([*(f"{key}={shlex.quote(value)}" for key, value in serve.env.items()), shlex.join(serve.argv)])
        for name, serve in plan.serve.items()
    }


FULL = {
    "engine.kv_cache_dtype": "fp8",
    "engine.speculative_tokens": 1,
    "engine.api_server_count": 8,
    "engine.max_num_batched_tokens": 8192,
    "engine.eplb_config": {"window_size": 1000, "step_interval": 3000},
    "engine.arguments": {"compilation-config": {"cudagraph_mode": "FULL_DECODE_ONLY"}, "async-scheduling": False},
}


@pytest.mark.parametrize(
    "release", ["0.9.2", "0.10.2", "0.11.2", "0.12.0", "0.14.1", "0.19.1", "0.23.0", "0.32.0", "0.33.0"]
)
@pytest.mark.parametrize("changes", [{}, FULL, {"parallel": {"tensor": 8, "data": 4}, "workload.sessions": 32}])
def test_the_planners_own_commands_are_sound(reference: Reference, release: str, changes: dict[str, Any]) -> None:
    changes = {**changes, "engine.version": release}
    if release == "0.9.2":
        changes.pop("engine.arguments", None)
    plan = make_plan(reference(changes))
    audit, findings = audited(rendered(plan), reference, changes)
    assert audit is not None
    assert [str(finding) for finding in findings if finding.severity == "error"] == []
    assert audit.outcome == "starts"
    assert plan.layout is not None
    shown = audit.as_dict()
    assert shown["reasons"] == []
    assert shown["layout"]["data_parallel_size"] == plan.layout.data_parallel_size
    assert shown["layout"]["expert_parallel_size"] == plan.layout.expert_parallel_size
    assert [
        (item["name"], item["role"], item["start_rank"], item["local_ranks"]) for item in shown["layout"]["hosts"]
    ] == [(host.name, host.role, host.start_rank, host.local_ranks) for host in plan.layout.hosts]


def test_good_commands_are_good(reference: Reference) -> None:
    audit, findings = audited(good(), reference)
    assert audit is not None
    assert audit.outcome == "starts"
    assert codes(findings) + codes(findings, "warning") == []


@pytest.mark.parametrize(
    ("extra", "release", "code", "outcome"),
    [
        # Flags
        ({"every": "--eplb-rebalance-freq 3000"}, "0.19.1", "unknown_flag", "does_not_start"),
        ({"every": "--expert-parallel-size 32"}, "0.19.1", "unknown_flag", "does_not_start"),
        ({"every": "--swap-space 4"}, "0.19.1", "removed_flag", "does_not_start"),
        ({"every": "--rope-theta 1"}, "0.19.1", "removed_flag", "does_not_start"),
        ({"every": "--device-ids 0"}, "0.19.1", "flag_not_yet", "does_not_start"),
        ({"every": "--grpc-port 1"}, "0.19.1", "flag_not_yet", "does_not_start"),
        ({"every": "-ep"}, "0.12.0", "unknown_flag", "does_not_start"),
        ({"every": "--enable-eplb true"}, "0.19.1", "switch_value", "does_not_start"),
        ({"every": "--enable-eplb --eplb-config {num_redundant_experts:32}"}, "0.19.1", "json", "does_not_start"),
        ({"every": "--seed 1 --nnodes four"}, "0.19.1", "number", "does_not_start"),
        ({"every": "--headless extra"}, "0.19.1", "extra_argument", "does_not_start"),
        # Settings
        ({"every": "--tensor-parallel-size 3"}, "0.19.1", "heads", "does_not_start"),
        (
            {"every": "--enable-eplb --eplb-config.num_redundant_experts 16"},
            "0.19.1",
            "redundant_experts",
            "does_not_start",
        ),
        ({"every": "--eplb-config.num_redundant_experts 32"}, "0.19.1", "redundant_without_eplb", "does_not_start"),
        ({"every": "--enable-eplb --eplb-config.rebalance 1"}, "0.19.1", "eplb_setting", "does_not_start"),
        ({"every": "--all2all-backend deepep"}, "0.19.1", "all2all_backend", "does_not_start"),
        ({"every": "--all2all-backend deepep_v2"}, "0.19.1", "all2all_backend", "does_not_start"),
        ({"every": "--enable-dbo"}, "0.19.1", "dbo_backend", "does_not_start"),
        ({"every": "--gpu-memory-utilization 90"}, "0.19.1", "gpu_memory_utilization", "does_not_start"),
        ({"every": "--decode-context-parallel-size 8"}, "0.19.1", "decode_context", "does_not_start"),
        (
            {"every": """--speculative-config '{"method": "mtp", "num_speculative_tokens": 1}'"""},
            "0.10.2",
            "speculation_method",
            "does_not_start",
        ),
        # Roles and ranks
        ({"node_0": "--data-parallel-start-rank 0"}, "0.33.0", "head_start_rank", "does_not_start"),
        ({"node_2": "--data-parallel-hybrid-lb"}, "0.19.1", "headless_hybrid", "does_not_start"),
        ({"node_0": "--headless"}, "0.19.1", "no_head", "does_not_start"),
        ({"node_3": "--data-parallel-size 24"}, "0.19.1", "data_size", "does_not_start"),
        ({"node_3": "--data-parallel-start-rank 28"}, "0.19.1", "rank_range", "does_not_start"),
        ({"node_3": "--data-parallel-size-local 4"}, "0.19.1", "rank_gap", "hangs"),
        # Addresses
        ({"node_3": "--data-parallel-address 192.168.1.11"}, "0.19.1", "address", "hangs"),
        ({"node_3": "--data-parallel-address 127.0.0.1"}, "0.19.1", "address", "hangs"),
        ({"node_1": "--data-parallel-rpc-port 13346"}, "0.19.1", "rpc_port", "hangs"),
        ({"node_0": "--port 13345"}, "0.19.1", "port_conflict", "does_not_start"),
        # What must be alike
        ({"node_1": "--enable-eplb"}, "0.19.1", "differs_parallel", "does_not_start"),
        ({"node_1": "--enable-eplb"}, "0.10.2", "differs_parallel", "hangs"),
        ({"node_1": "--max-num-batched-tokens 4096"}, "0.19.1", "differs", "unknown"),
    ],
)
def test_defects(reference: Reference, extra: dict[str, str], release: str, code: str, outcome: str) -> None:
    raw = good(**extra)
    raw = {name: text.replace("--headless  --headless extra", "--headless extra") for name, text in raw.items()}
    audit, findings = audited(raw, reference, {"engine.version": release})
    assert audit is not None
    assert f"command.{code}" in codes(findings)
    assert audit.outcome == outcome
    assert audit.as_dict()["reasons"]


@pytest.mark.parametrize(
    ("extra", "release", "code"),
    [
        ({"every": "--all2all-backend pplx"}, "0.19.1", "all2all_fallback"),
        ({"every": "--all2all-backend deepep_high_throughput"}, "0.19.1", "deepep"),
        ({"node_0": "--data-parallel-start-rank 0"}, "0.19.1", "head_start_rank"),
        ({"node_0": "--data-parallel-start-rank 0"}, "0.26.0", "head_start_rank"),
        ({"every": "--tensor-parallel 1"}, "0.19.1", "abbreviated_flag"),
        ({"every": "--config more.yaml"}, "0.19.1", "config_file"),
        ({"every": "--seed $SEED"}, "0.19.1", "open_value"),
        ({"node_2": "--gpu-memory-utilization 0.8"}, "0.19.1", "differs_other"),
        ({"every": "--data-parallel-size-local 4 --data-parallel-size 16"}, "0.19.1", "idle_devices"),
        ({"every": "--kv-cache-dtype fp8_ds_mla"}, "0.19.1", "kv_cache_dtype"),
        ({"every": "--data-parallel-backend ray"}, "0.19.1", "ray"),
    ],
)
def test_reservations(reference: Reference, extra: dict[str, str], release: str, code: str) -> None:
    _audit, findings = audited(good(**extra), reference, {"engine.version": release})
    assert f"command.{code}" in codes(findings, "warning")


@pytest.mark.parametrize(
    ("variable", "code"),
    [
        ("NCCL_IB_DISABLE=0", "variable_no_effect"),
        ("NCCL_IB_DISABLE=1", "no_rdma"),
        ("NCCL_NET_GDR_LEVEL=3", "variable_discouraged"),
        ("NCCL_CROSS_NIC=1", "variable_no_effect"),
        ("NCCL_IB_GID_INDEX=", "variable_empty"),
        ("NCCL_IB_GID_INDEX=0", "gid_index"),
        ("VLLM_ALL2ALL_BACKEND=naive", "variable_unread"),
        ("VLLM_USE_V1=1", "variable_unread"),
        ("VLLM_ATTENTION_BACKEND=FLASHMLA", "variable_unread"),
        ("GLOO_SOCKET_IFNAME=eth0", "interface"),
    ],
)
def test_variables(reference: Reference, variable: str, code: str) -> None:
    raw = {name: text.replace(" vllm serve", f" {variable} vllm serve") for name, text in good().items()}
    _audit, findings = audited(raw, reference)
    assert f"command.{code}" in codes(findings, "warning")


def test_a_host_that_claims_anothers_address_hangs(reference: Reference) -> None:
    raw = good()
    raw["node-2"] = "VLLM_HOST_IP=192.168.1.13 " + raw["node-2"]
    audit, findings = audited(raw, reference)
    assert audit is not None
    assert codes(findings) == ["command.host_ip"]
    assert audit.outcome == "hangs"


def test_variables_that_differ(reference: Reference) -> None:
    raw = good()
    raw["node-2"] = "VLLM_USE_DEEP_GEMM=0 " + raw["node-2"]
    assert "command.environment_differs" in codes(audited(raw, reference)[1], "warning")


def test_hybrid_load_balancing_on_every_host_is_a_layout_too(reference: Reference) -> None:
    raw = {
        name: text.replace("--headless ", "").replace("--api-server-count 8", "--data-parallel-start-rank 0")
        + " --data-parallel-hybrid-lb"
        for name, text in good().items()
    }
    audit, findings = audited(raw, reference, {"engine.version": "0.33.0"})
    assert audit is not None
    assert "command.balancing" in codes(findings, "info")
    assert [item.role for item in audit.effect.shares] == ["server"] * 4
    assert "command.missing_headless" not in codes(findings)


def test_node_ranks_place_the_ranks(reference: Reference) -> None:
    shared = f"GLOO_SOCKET_IFNAME=eth1 vllm serve m --data-parallel-size 32 --nnodes 4 --master-addr {ADDRESS}"
    raw = {
        name: f"{shared} --node-rank {index}" + (" --headless" if index else " --api-server-count 8")
        for index, name in enumerate(NAMES)
    }
    audit, findings = audited(raw, reference)
    assert audit is not None
    assert codes(findings) == []
    assert [(item.start, item.local) for item in audit.effect.shares] == [(0, 8), (8, 8), (16, 8), (24, 8)]


def test_services_of_their_own_and_hosts_without_a_command(reference: Reference) -> None:
    audit, findings = audited({"node-0": "vllm serve m -tp 8", "node-1": "vllm serve m -tp 8"}, reference)
    assert audit is not None
    assert audit.outcome == "starts"
    assert codes(findings, "info") == ["command.independent"]
    assert codes(findings, "warning") == ["command.no_command"]


def test_api_servers_that_nobody_counted(reference: Reference) -> None:
    raw = good()
    raw["node-0"] = raw["node-0"].replace("--api-server-count 8", "")
    [finding] = [item for item in audited(raw, reference)[1] if item.code == "command.api_servers"]
    assert "32 API server processes" in finding.message
    assert "command.api_servers" not in codes(audited(raw, reference, {"engine.version": "0.12.0"})[1], "warning")


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        ("vllm serve m", "input.not_a_mapping"),
        ({"node-0": 7}, "input.not_text"),
        ({"node-9": "vllm serve m"}, "command.unknown_host"),
    ],
)
def test_wrong_input(reference: Reference, raw: Any, code: str) -> None:
    assert code in codes(audited(raw, reference)[1])


def test_nothing_to_audit_is_none(reference: Reference) -> None:
    assert audited(None, reference) == (None, [])


def test_an_argv_is_taken_as_it_is(reference: Reference) -> None:
    argv = {name: shlex.split(text.split("NCCL_SOCKET_IFNAME==eth1 ", 1)[1]) for name, text in good().items()}
    audit, findings = audited(argv, reference)
    assert audit is not None
    assert codes(findings) == []


def test_the_same_of_several_hosts_is_one_finding(reference: Reference) -> None:
    _audit, findings = audited(good(every="--swap-space 4"), reference)
    [finding] = [item for item in findings if item.code == "command.removed_flag"]
    assert finding.message.startswith("commands.node-0, node-1, node-2, node-3: ")


def test_arguments_that_differ_only_in_how_they_are_written(data_dir: Path) -> None:
    release = version("0.19.1")
    first, other = (
        read_command(
            name, "vllm serve m " + (data_dir / "evidence" / f"V04_args_{name}.txt").read_text("utf-8"), release
        )
        for name in ("node0", "node2")
    )
    assert set(differences(other, first, release)) == {"--max-num-batched-tokens"}


def test_the_plan_carries_the_audit(reference: Reference) -> None:
    plan = make_plan({**reference(), "commands": good(every="--swap-space 4")})
    shown: Mapping[str, Any] = plan.as_dict()["commands"]
    assert shown["outcome"] == "does_not_start"
    assert "command.removed_flag" in [finding.code for finding in plan.errors]
    assert make_plan(reference()).as_dict()["commands"] is None
