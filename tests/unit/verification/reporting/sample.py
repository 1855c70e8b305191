"""A report as of a reference cluster: 4 hosts of 8 GPUs, 12 ordered pairs, one slow link and a rank that died.

`python -m ansible_collections.moefleet.serving.tests.unit.verification.reporting.sample` (from the repository, with
`PYTHONPATH=collections`) writes tests/data/verification/report.json again. Every number is made up, the same each time.
"""

from __future__ import annotations

import json
import random
from itertools import permutations
from pathlib import Path
from typing import Any

from ansible_collections.moefleet.serving.plugins.module_utils.verification.reporting import history, write
from ansible_collections.moefleet.serving.plugins.module_utils.verification.reporting.reading import complete

FILE = Path(__file__).resolve().parents[3] / "data" / "verification" / "report.json"
HOSTS = ("node-0", "node-1", "node-2", "node-3")
RANKS = 8
SLOW = ("node-1", "node-3")
# Id, title, unit, parser, where the figure is, the usual value, the slow link's, what is asked, its words.
PAIR_FIGURES = (
    (
        "rdma_latency_64b",
        "RDMA latency, 64 bytes",
        "us",
        "ib_latency",
        "average_us",
        3.1,
        14.2,
        10.0,
        "at most 10 us, fails above 25",
    ),
    (
        "rdma_latency_1mb",
        "RDMA latency, 1 MiB",
        "us",
        "ib_latency",
        "average_us",
        349.0,
        1480.0,
        402.0,
        "at most 402 us (the document's 100 us is unreachable: floor 335 us)",
    ),
    (
        "rdma_bandwidth_1mb",
        "RDMA bandwidth, 1 MiB",
        "Gbit/s",
        "ib_bandwidth",
        "bandwidth_gbit_s",
        23.1,
        5.9,
        20.0,
        "at least 20 Gbit/s, fails below 15",
    ),
    ("ip_round_trip", "Round trip", "us", "ping", "average_us", 41.0, 44.0, 200.0, "at most 200 us"),
)
FIRST_TOKENS = {
    512: ((412, 640, 1010), (800, 1200, 1500)),
    2048: ((830, 1190, 1600), (None, None, None)),
    4096: ((1490, 2140, 2610), (None, 2000, None)),
    8192: ((2800, 3900, 4400), (None, None, None)),
}
PREDICTIONS = (
    ("Decode throughput", "tokens/s", 1900.0, 2480.0, 3100.0, 2310.0),
    ("Time to first token, 512 tokens in", "ms", 300.0, 420.0, 700.0, 412.0),
    ("Time per output token", "ms", 55.0, 72.0, 95.0, 118.0),
    ("KV cache", "tokens", 410000.0, 455000.0, 500000.0, 461000.0),
    ("Peak memory of a GPU", "GiB", 78.0, 82.0, 86.4, None),
    ("Bandwidth of a link", "Gbit/s", None, 23.4, None, 23.1),
)


def check(identifier: str, section: str, title: str, **more: Any) -> dict[str, Any]:
    """A check that passed, unless ``more`` says otherwise."""
    return {
        "id": identifier,
        "section": section,
        "title": title,
        "host": "",
        "rank": None,
        "verdict": "pass",
        "expected": "as planned",
        "observed": "as planned",
        "reason": "",
        "fix": "",
        "peer": "",
        "value": None,
        "unit": "",
        "source": "",
        "command": "",
        **more,
    }


def measurement(identifier: str, place: dict[str, str], argv: str, runs: list[dict[str, Any]]) -> dict[str, Any]:
    """A measurement under the conditions of a quiet machine."""
    host = place.get("host") or HOSTS[0]
    return {
        "check": identifier,
        **place,
        "runs": runs,
        "argv": argv.split(),
        "conditions": {
            "time": "2026-03-03T10:41:00+00:00",
            "load": [0.4 + HOSTS.index(host) / 10, 0.5, 0.4],
            "kernel": "5.15.0-122-generic",
            "versions": {"vllm": "0.19.1", "driver": "550.163.01", "nccl": "2.27.5"},
            "topology": "1 x ConnectX-6 Lx 25G, 8 x H20, NVLink",
        },
    }


def run(tool: str, values: dict[str, Any], output: str) -> dict[str, Any]:
    """One run of a tool that went well."""
    return {"evidence": {"tool": tool, "values": values, "verdict": "pass", "reasons": []}, "output": output}


def network(dice: random.Random, *, slow: bool) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Every figure of every ordered pair; the slow link is slow, and one pair couldn't be measured."""
    checks, measurements = [], []
    for identifier, title, unit, tool, name, usual, bad, limit, expected in PAIR_FIGURES:
        for host, peer in permutations(HOSTS, 2):
            is_slow = slow and (host, peer) == SLOW
            values = [round((bad if is_slow else usual) * dice.uniform(0.985, 1.015), 2) for unused in range(3)]
            found = round(sum(values) / len(values), 2)
            small = unit == "us"
            good = found <= limit if small else found >= limit
            verdict = "pass" if good else "warn" if identifier == "rdma_latency_64b" else "fail"
            command = f"{tool} -d mlx5_0 -i 1 -s 65536 {peer}"
            reason = "" if good else f"{title} from {host} to {peer} is {found:g} {unit}"
            fix = "" if good else f"Look at the cable and the port between {host} and {peer}: `mlxlink -d mlx5_0`."
            place = {"host": host, "peer": peer}
            common = {
                "expected": expected,
                "unit": unit,
                "source": "§4.4.1",
                "command": f"ssh {host} {command}",
            }
            if slow and identifier == "rdma_latency_1mb" and (host, peer) == ("node-2", "node-0"):
                reason = "the client ended after 30 s without a result"
                gone = {"verdict": "unknown", "observed": "not measured", "reason": reason}
                checks.append(check(identifier, "network", title, **place, **common, **gone, fix="Run it by hand."))
                continue
            checks.append(
                check(
                    identifier,
                    "network",
                    title,
                    **place,
                    **common,
                    verdict=verdict,
                    observed=f"{found:g} {unit}, the mean of 3 runs",
                    value=found,
                    reason=reason,
                    fix=fix,
                )
            )
            runs = [run(tool, {name: value}, f" #bytes #iterations\n 65536 1000 {value}\n") for value in values]
            measurements.append(measurement(identifier, place, command, runs))
    return checks, measurements


def first_tokens(dice: random.Random) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Percentiles of the time to first token for each length of prompt."""
    checks, measurements = [], []
    for length, (values, limits) in FIRST_TOKENS.items():
        moved = [round(value * dice.uniform(0.97, 1.03)) for value in values]
        for name, found, limit in zip(("p50", "p95", "p99"), moved, limits):
            if limit is None and (length, name) not in ((2048, "p95"), (8192, "p95")):
                continue
            good = limit is None or found <= limit
            checks.append(
                check(
                    f"ttft_{length}_{name}",
                    "time to first token",
                    f"Time to first token, {length} tokens in, {name.upper()}",
                    expected="no objective" if limit is None else f"at most {limit} ms",
                    observed=f"{found} ms",
                    value=float(found),
                    unit="ms",
                    source="" if limit is None else "§7.1.1",
                    verdict="pass" if good else "fail",
                    reason="" if good else f"the P95 of {length} tokens is {found} ms, above {limit} ms",
                    fix="" if good else "Compare with the plan's estimate.",
                )
            )
        read = {"requested": 1000, "completed": 1000, "ttft_ms": dict(zip(("p50", "p95", "p99"), moved))}
        argv = f"vllm bench serve --num-prompts 1000 --random-input-len {length} --random-output-len 32"
        measurements.append(
            measurement(f"ttft_{length}_p95", {}, argv, [run("vllm_bench_serve", read, "Serving Benchmark Result\n")])
        )
    return checks, measurements


def hosts(*, dead: bool) -> list[dict[str, Any]]:
    """What is checked of hosts and ranks; where ``dead``, rank 21 died."""
    names = (
        ("host_reached", "The host was reached"),
        ("unit_active", "The unit runs"),
        ("process_arguments", "The running process has the plan's arguments"),
        ("process_environment", "The running process has the plan's environment"),
        ("limit_memlock", "The process may lock its memory"),
        ("kernel_parameters", "The kernel's parameters are as tuned"),
        ("model_checksums", "The model's files have their checksums"),
        ("engine_version", "The installed engine is the plan's version"),
        ("data_address", "The data address is on the data interface"),
    )
    checks = []
    for place, host in enumerate(HOSTS):
        checks += [check(identifier, "hosts", title, host=host) for identifier, title in names]
        for rank in range(RANKS * place, RANKS * (place + 1)):
            gone = {
                "verdict": "fail",
                "observed": f"no process of rank {rank}",
                "reason": f"rank {rank} is not running",
                "fix": f"See `journalctl -u moefleet-vllm.service` on {host}.",
            }
            more = gone if dead and rank == 21 else {"observed": "running"}
            checks.append(check("rank_running", "hosts", "The rank runs", host=host, rank=rank, **more))
            checks.append(
                check("engine_completion", "service", "The engine answers a completion", host=host, rank=rank)
            )
    if dead:
        for entry in checks:
            if entry["id"] == "kernel_parameters" and entry["host"] in ("node-1", "node-2"):
                entry.update(
                    verdict="warn",
                    expected="vm.swappiness=1",
                    observed="vm.swappiness=60",
                    reason="kernel parameters differ: vm.swappiness",
                    fix="Run `ansible-playbook site.yml`.",
                )
    return checks


def load(dice: random.Random) -> list[dict[str, Any]]:
    """Figures of the service under load, and what this place can't have."""
    tokens = round(2310 * dice.uniform(0.97, 1.03), 1)
    none = {"verdict": "not applicable", "observed": "not measured"}
    return [
        check(
            "sessions_throughput",
            "load",
            "Output of 200 sessions",
            expected="at least 1900 tokens/s",
            observed=f"{tokens} tokens/s",
            value=tokens,
            unit="tokens/s",
            source="plan",
        ),
        check(
            "sessions_error_rate",
            "load",
            "Requests that failed",
            expected="at most 0.1 percent",
            observed="0 percent",
            value=0.0,
            unit="percent",
            source="§2",
        ),
        check(
            "expert_balancedness",
            "experts",
            "Balancedness of the experts",
            **none,
            reason="not applicable here: EPLB is off in the plan",
        ),
        check(
            "eplb_rebalance_rate",
            "experts",
            "Rebalances",
            **none,
            reason="not applicable here: EPLB is off in the plan",
        ),
        check(
            "experiment_mtp",
            "optimisations",
            "Gain of multi-token prediction",
            **none,
            reason="not applicable here: the checkpoint has no such layer",
        ),
    ]


def judged(seed: int, *, wrong: bool, generated_at: str = "2026-03-03T11:00:00+00:00") -> dict[str, Any]:
    """A report before it is written."""
    dice = random.Random(seed)
    pair_checks, pair_measurements = network(dice, slow=wrong)
    token_checks, token_measurements = first_tokens(dice)
    checks = hosts(dead=wrong) + pair_checks + token_checks + load(dice)
    if not wrong:
        for entry in checks:
            if entry["verdict"] == "fail":
                entry.update(verdict="pass", reason="", fix="")
    verdicts = {entry["verdict"] for entry in checks}
    return {
        "schema": "moefleet.verify/2",
        "generated_at": generated_at,
        "verdict": next(word for word in ("fail", "unknown", "warn", "pass") if word in verdicts),
        "service": {
            "address": "192.168.1.10",
            "port": 8000,
            "model": "deepseek-v3",
            "engine": "vLLM 0.19.1",
            "engines": 32,
            "layout": {
                "data_parallel_size": 32,
                "expert_parallel_size": 32,
                "tensor_parallel_size": 1,
                "pipeline_parallel_size": 1,
            },
        },
        "hosts": [
            {
                "name": host,
                "role": "head" if place == 0 else "follower",
                "address": f"192.168.1.1{place}",
                "ranks": list(range(RANKS * place, RANKS * (place + 1))),
                "verdict": "fail"
                if wrong and host in ("node-1", "node-2")
                else "unknown"
                if wrong and host == "none"
                else "pass",
                "reached": True,
            }
            for place, host in enumerate(HOSTS)
        ],
        "thresholds": {},
        "checks": checks,
        "predictions": [
            {
                "name": name,
                "unit": unit,
                "low": low,
                "likely": likely,
                "high": high,
                "measured": measured,
                "error_percent": None if measured is None else round(100 * (measured - likely) / likely, 1),
                "inside": None if measured is None or low is None or high is None else low <= measured <= high,
            }
            for name, unit, low, likely, high, measured in PREDICTIONS
        ],
        "measurements": pair_measurements + token_measurements,
        "evidence": {"hosts": {host: {"unit": {"ActiveState": "active"}, "ranks": []} for host in HOSTS}},
    }


def earlier_runs(count: int = 6) -> list[dict[str, Any]]:
    """Good runs of the days before, the oldest first."""
    return [
        history.entry(complete(judged(seed, wrong=False, generated_at=f"2026-02-{20 + seed}T11:00:00+00:00")))
        for seed in range(1, count + 1)
    ]


def sample() -> dict[str, Any]:
    """The report with a slow link, a dead rank and a history."""
    return dict(write.finished(judged(0, wrong=True), earlier_runs()))


def text() -> str:
    """The file's content."""
    return write.files(judged(0, wrong=True), earlier_runs())["report.json"]


if __name__ == "__main__":
    FILE.parent.mkdir(parents=True, exist_ok=True)
    FILE.write_text(text(), encoding="utf-8")
    print(FILE, len(json.loads(text())["checks"]), "checks")
