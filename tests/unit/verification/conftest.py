"""A healthy service of four hosts with two ranks each, as the modules report it. Tests break one thing at a time."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.moefleet.serving.plugins.module_utils.evidence import bench_serve, systemd
from ansible_collections.moefleet.serving.plugins.module_utils.verification import report
from ansible_collections.moefleet.serving.plugins.module_utils.verification.model import (
    Check,
    Demands,
    HostState,
    Planned,
)

HOSTS = ("node-0", "node-1", "node-2", "node-3")
SYSCTL = {"net.core.somaxconn": "4096", "net.ipv4.ip_local_port_range": "20000 60999"}
HARDENING = {"NoNewPrivileges": "yes", "ProtectSystem": "strict"}
THRESHOLDS = {"ttft_p50_ms": 800.0, "ttft_p99_ms": 1500.0, "output_tokens_s": 5.0}


def argv_of(index: int) -> list[str]:
    """The plan's command line of one host."""
    common = ["vllm", "serve", "/model", "--data-parallel-size", "8", "--data-parallel-size-local", "2"]
    return common + (["--port", "8000"] if index == 0 else ["--headless", "--data-parallel-start-rank", str(2 * index)])


def make_plan() -> dict[str, Any]:
    """A plan in the structure of artifacts/plan.json."""
    return {
        "layout": {
            "hosts": [
                {
                    "name": name,
                    "role": "head" if index == 0 else "follower",
                    "start_rank": 2 * index,
                    "local_ranks": 2,
                    "ranks": [2 * index, 2 * index + 1],
                }
                for index, name in enumerate(HOSTS)
            ],
            "expert_parallel_size": 8,
            "data_parallel_size": 8,
            "tensor_parallel_size": 1,
            "pipeline_parallel_size": 1,
        },
        "serve": {
            name: {
                "argv": argv_of(index),
                "env": {
                    "VLLM_HOST_IP": f"192.168.1.1{index}",
                    "GLOO_SOCKET_IFNAME": "eth1",
                    "NCCL_SOCKET_IFNAME": "=eth1",
                },
            }
            for index, name in enumerate(HOSTS)
        },
        "service": {
            "head": "node-0",
            "address": "192.168.1.10",
            "port": 8000,
            "rpc_port": 13345,
            "engines": 8,
            "served_model_name": "deepseek-v3-tiny",
            "model_path": "/model",
        },
        "engine": {"name": "vllm", "version": "0.32.0", "platform": "cpu"},
    }


def make_state(index: int) -> dict[str, Any]:
    """What host_state returns of a healthy host."""
    plan = make_plan()
    planned = plan["serve"][HOSTS[index]]
    return {
        "unit": {
            "ActiveState": "active",
            "SubState": "running",
            "Result": "success",
            "MainPID": "77",
            "User": "moefleet",
            "NRestarts": "0",
            "NeedDaemonReload": "no",
            "ExecStart": systemd.command_digest(" ".join(planned["argv"])),
            **HARDENING,
        },
        "main_process": {
            "pid": 77,
            "argv": ["/env/bin/python", "/env/bin/vllm", *planned["argv"][1:]],
            "environment": dict(planned["env"]),
            "user": "moefleet",
            "limits": {
                "Max locked memory": [systemd.UNLIMITED, systemd.UNLIMITED],
                "Max open files": [1048576, 1048576],
            },
        },
        "file_environment": {"/etc/moefleet/vllm.env": dict(planned["env"])},
        "ceilings": {},
        "ranks": [{"rank": 2 * index, "pid": 80}, {"rank": 2 * index + 1, "pid": 81}],
        "sysctl": dict(SYSCTL),
        "files": {"/etc/moefleet/vllm.env": {"exists": True, "sha256": "a" * 64, "mode": "0640", "owner": "root"}},
        "model": {
            "path": "/model",
            "files": 5,
            "matching": 5,
            "differing": [],
            "missing": [],
            "unlisted": [],
            "sums_sha256": "c" * 64,
        },
        "engine": {"version": "0.32.0+cpu", "python": "3.11.2"},
        "addresses": [f"192.168.1.1{index}", "fe80::1"],
        "reasons": {},
    }


def make_metrics(answered: int) -> dict[str, Any]:
    """What /metrics says after each engine answered so many completions."""
    return {
        "engines": list(range(8)),
        "models": ["deepseek-v3-tiny"],
        "per_engine": {str(engine): {"requests_succeeded": float(answered)} for engine in range(8)},
        "status": 200,
        "error": "",
    }


def make_probe() -> dict[str, Any]:
    """What service_probe returns of a healthy service."""
    return {
        "ready": True,
        "reasons": [],
        "health": {"ok": True, "status": 200, "seconds": 0.01, "error": ""},
        "models": {"names": ["deepseek-v3-tiny"], "status": 200, "error": ""},
        "metrics_before": make_metrics(3),
        "metrics_after": make_metrics(4),
        "completions": [
            {
                "engine": engine,
                "ok": True,
                "status": 200,
                "seconds": 0.4,
                "timed_out": False,
                "tokens": 4,
                "text": " jumps",
                "error": "",
                "asked": True,
            }
            for engine in range(8)
        ],
    }


def make_bench(**changes: Any) -> dict[str, Any]:
    """What load_test returns of a good run."""
    document = {
        "num_prompts": 16,
        "completed": 16,
        "failed": 0,
        "duration": 4.0,
        "output_throughput": 32.0,
        "total_token_throughput": 160.0,
        **{
            f"{statistic}_{latency}_ms": value * scale
            for latency, scale in (("ttft", 10), ("tpot", 1), ("itl", 1), ("e2el", 40))
            for statistic, value in (("mean", 21.0), ("median", 20.0), ("p50", 20.0), ("p95", 35.0), ("p99", 40.5))
        },
        **changes,
    }
    return {
        "argv": ["/env/bin/vllm", "bench", "serve"],
        "rc": 0,
        "timed_out": False,
        "seconds": 30.0,
        "evidence": bench_serve.parse(json.dumps(document), requested=16).to_dict(),
        "output_tail": "its <last> words",
    }


class Service:
    """All inputs of a judgement, to be changed by a test before it asks for the checks."""

    def __init__(self) -> None:
        self.plan = make_plan()
        self.results: dict[str, Any] = {name: {"state": make_state(index)} for index, name in enumerate(HOSTS)}
        self.demands = {
            name: Demands("moefleet-vllm.service", "moefleet", SYSCTL, nofile=1048576, hardening=HARDENING)
            for name in HOSTS
        }
        self.thresholds = dict(THRESHOLDS)
        self.probe: dict[str, Any] | None = make_probe()
        self.bench: dict[str, Any] | None = make_bench()
        self.measurements: list[dict[str, Any]] = []

    def state(self, host: str) -> dict[str, Any]:
        """The state of one host."""
        state: dict[str, Any] = self.results[host]["state"]
        return state

    def states(self) -> dict[str, HostState]:
        """All states, as they are judged."""
        return {name: HostState.from_result(result) for name, result in self.results.items()}

    def checks(self) -> list[Check]:
        """Judge."""
        return report.judge(
            Planned.from_plan(self.plan),
            self.demands,
            self.states(),
            thresholds=self.thresholds,
            probe=self.probe,
            bench=self.bench,
            missing_probe="the head is away",
            missing_bench="the service did not answer",
            measured=report.Measured(self.plan, self.measurements),
        )

    def trouble(self) -> list[tuple[str, str, int | None, str]]:
        """Id, host, rank and verdict of each check that failed or is unknown."""
        return [(check.id, check.host, check.rank, check.verdict) for check in report.trouble(self.checks())]

    def document(self) -> dict[str, Any]:
        """The report."""
        raw = {
            "hosts": {name: result.get("state") for name, result in self.results.items()},
            "probe": self.probe,
            "bench": self.bench,
        }
        return report.build(
            self.plan,
            Planned.from_plan(self.plan),
            thresholds=self.thresholds,
            checks=self.checks(),
            states=self.states(),
            raw=raw,
            generated_at="2026-03-03T11:00:00+00:00",
            measurements=self.measurements,
        )


@pytest.fixture
def service() -> Service:
    return Service()
