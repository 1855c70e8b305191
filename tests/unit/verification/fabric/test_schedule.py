"""Which commands run where: on the reference cluster, on hosts without RDMA or GPUs, and where something is missing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.moefleet.serving.plugins.module_utils.verification.catalogue.all import BY_ID
from ansible_collections.moefleet.serving.plugins.module_utils.verification.catalogue.model import FABRIC
from ansible_collections.moefleet.serving.plugins.module_utils.verification.fabric.commands import Endpoint, Settings
from ansible_collections.moefleet.serving.plugins.module_utils.verification.fabric.schedule import schedule
from ansible_collections.moefleet.serving.plugins.module_utils.verification.fabric.steps import Step
from ansible_collections.moefleet.serving.plugins.module_utils.verification.fabric.totals import aggregate

TOOLS = {name: f"/usr/bin/{name}" for name in ("ping", "iperf3", "ib_write_lat", "ib_write_bw", "nvbandwidth")}
PAIR_CHECKS = {"ip_round_trip", "ip_loss", "tcp_bandwidth"}
RDMA_CHECKS = {"rdma_latency_64b", "rdma_latency_1mb", "rdma_bandwidth_1mb"}


def hosts(number: int = 4, **changes: Any) -> list[Endpoint]:
    """Hosts of the reference cluster."""
    return [
        replace(
            Endpoint(
                name=f"node-{place}",
                address=f"192.168.1.1{place}",
                interface="eth1",
                tools=TOOLS,
                rdma={"device": "mlx5_0", "port": 1, "gid_index": 3},
                rdma_planned=True,
                gpus=8,
                gpus_planned=8,
                mtu=9000,
                python="/opt/vllm/bin/python",
                environment={"NCCL_IB_HCA": "=mlx5_0"},
            ),
            **changes,
        )
        for place in range(number)
    ]


SETTINGS = Settings(backend="nccl", ranks_per_host=8, traffic_class=106, gdr_required=True, program="print()")


def clients(made: dict[str, tuple[Step, ...]] | Any) -> list[Step]:
    """The steps that give figures."""
    return [step for steps in made.values() for step in steps if step.role != "server"]


def test_every_ordered_pair_has_every_figure_once() -> None:
    made = schedule(hosts(), SETTINGS)
    seen = [
        (step.host, step.peer, read.check) for entry in made.rounds for step in clients(entry) for read in step.reads
    ]
    assert len(made.rounds) == 3
    assert len(seen) == len(set(seen)) == 12 * len(PAIR_CHECKS | RDMA_CHECKS)


def test_each_server_has_its_client_on_the_other_end_in_the_same_round() -> None:
    for entry in schedule(hosts(5), SETTINGS).rounds:
        for name, steps in entry.items():
            for step in steps:
                if step.role != "client":
                    continue
                servers = [other for other in entry[step.peer] if other.role == "server" and other.peer == name]
                ours = [other for other in steps if other.role == "client"]
                assert [other.argv[0] for other in servers] == [other.argv[0] for other in ours]
                assert [other.meet for other in servers] == [other.meet for other in ours]


def test_the_commands_are_those_of_the_data_network() -> None:
    first = schedule(hosts(2), SETTINGS).rounds[0]
    commands = {step.argv[0]: " ".join(step.argv) for step in first["node-0"] if step.role != "server"}
    assert commands["ping"].endswith("-I 192.168.1.10 192.168.1.11")
    assert commands["iperf3"] == "iperf3 -J -c 192.168.1.11 -B 192.168.1.10 -p 5201 -t 5 -P 4"
    assert commands["ib_write_bw"] == (
        "ib_write_bw -d mlx5_0 -i 1 -x 3 -s 1048576 -F -p 5202 --tclass=106 -D 5 --report_gbits 192.168.1.11"
    )
    servers = [" ".join(step.argv) for step in first["node-1"] if step.role == "server"]
    assert "iperf3 -s -1 -B 192.168.1.11 -p 5201" in servers
    assert "ib_write_lat -d mlx5_0 -i 1 -x 3 -s 64 -F -p 5202 --tclass=106 -n 5000" in servers


def test_without_a_traffic_class_the_device_has_its_own() -> None:
    made = schedule(hosts(2), replace(SETTINGS, traffic_class=None))
    assert not [step for step in clients(made.rounds[0]) if any("tclass" in word for word in step.argv)]


def test_what_this_place_can_not_have_is_not_applicable() -> None:
    plain = hosts(rdma=None, rdma_planned=False, gpus=0, gpus_planned=0)
    made = schedule(plain, replace(SETTINGS, backend="gloo", ranks_per_host=1))
    given = [entry for entries in made.given.values() for entry in entries]
    assert {entry["not_applicable"] for entry in given if entry["check"] in RDMA_CHECKS} == {"no RDMA device"}
    assert len([entry for entry in given if entry["check"] in RDMA_CHECKS]) == 12 * 3
    assert {entry["not_applicable"] for entry in given if entry["check"].startswith("nvlink")} == {"no GPU"}
    assert {read.check for step in clients(made.rounds[0]) for read in step.reads} == PAIR_CHECKS
    assert not any(made.alone.values())


def test_what_is_planned_and_missing_is_unknown() -> None:
    broken = hosts(2)
    broken[1] = replace(broken[1], rdma=None, rdma_reason="no RDMA device behind eth1", gpus=0, tools={"ping": "/ping"})
    made = schedule(broken, SETTINGS)
    missing = {read.check: step.missing for step in clients(made.rounds[0]) for read in step.reads if step.missing}
    assert set(missing) == RDMA_CHECKS | {"tcp_bandwidth"}
    assert "node-1 has no RDMA device to measure with: no RDMA device behind eth1" in missing["rdma_latency_64b"]
    assert "iperf3 isn't installed on node-1" in missing["tcp_bandwidth"]
    assert "0 of 8 GPUs are here" in made.alone["node-1"][0].missing
    assert not [step for steps in made.rounds[0].values() for step in steps if step.role == "server"]


def test_a_host_alone_measures_its_gpus() -> None:
    built = hosts(1, files=("/opt/nccl-tests/build/all_reduce_perf",))
    pairs, reduce = schedule(built, replace(SETTINGS, nccl_tests="/opt/nccl-tests")).alone["node-0"]
    assert pairs.argv == (
        "/usr/bin/nvbandwidth",
        "-t",
        "device_to_device_memcpy_read_ce",
        "device_to_device_latency_sm",
    )
    assert [read.context for read in pairs.reads] == [{"expected_gpus": 8, "latency": True}, {"expected_gpus": 8}]
    assert pairs.program == ""
    assert reduce.argv[:1] == ("/opt/nccl-tests/build/all_reduce_perf",)
    assert " ".join(reduce.argv).endswith("-g 8 -c 1")


def test_without_nccl_tests_the_engines_own_library_measures() -> None:
    _pairs, reduce = schedule(hosts(4), SETTINGS).alone["node-2"]
    assert reduce.argv[0] == "/opt/vllm/bin/python"
    assert {"--hosts=1", "--host=0", "--ranks-per-host=8", "--master=192.168.1.12"} <= set(reduce.argv)
    assert reduce.reads[0].tool == "collective"
    assert reduce.program


def test_without_a_tool_for_pairs_of_gpus_the_engines_own_torch_measures() -> None:
    pairs, _reduce = schedule(hosts(1, tools={}), replace(SETTINGS, pairs_program="pass")).alone["node-0"]
    assert (pairs.argv, pairs.program, pairs.missing) == (("/opt/vllm/bin/python", "{program}"), "pass", "")
    assert pairs.environment["NCCL_IB_HCA"] == "=mlx5_0"
    assert {read.tool for read in pairs.reads} == {"p2p_bandwidth"}


def test_all_hosts_run_the_collectives_and_each_log_proves_its_transport() -> None:
    made = schedule(hosts(), SETTINGS).together
    steps = [made[f"node-{place}"][0] for place in range(4)]
    for place, step in enumerate(steps):
        assert {"--master=192.168.1.10", "--hosts=4", f"--host={place}", "--backend=nccl"} <= set(step.argv)
        assert step.environment["NCCL_DEBUG"] == "INFO"
        assert step.environment["NCCL_IB_HCA"] == "=mlx5_0"
        transport = next(read for read in step.reads if read.check == "collective_transport")
        assert (transport.tool, transport.context["gdr_required"]) == ("nccl_debug", True)
        assert transport.context["socket_allowed"] is False
    assert {"all_to_all_1kb", "all_to_all_bandwidth", "all_reduce_bandwidth"} <= {read.check for read in steps[0].reads}
    assert [read.check for read in steps[1].reads] == ["collective_transport"]


def test_every_figure_of_the_fabric_is_measured_and_is_in_the_catalogue() -> None:
    made = schedule(hosts(), SETTINGS)
    steps = [*clients(made.rounds[0]), *clients(made.alone), *clients(made.together)]
    measured = {read.check for step in steps for read in step.reads} | {"aggregate_bandwidth"}
    assert measured == {name for name, entry in BY_ID.items() if entry.phase == FABRIC}


def test_one_host_has_no_pairs() -> None:
    made = schedule(hosts(1), SETTINGS)
    assert made.rounds == ()
    assert "--hosts=1" in made.together["node-0"][0].argv


@pytest.mark.parametrize(
    ("entry", "kind"), [({"repeats": "many"}, ValueError), ({"nothing": 1}, TypeError), ({"group_bytes": 5}, TypeError)]
)
def test_settings_that_are_none_are_refused(entry: dict[str, Any], kind: type[Exception]) -> None:
    with pytest.raises(kind):
        Settings.from_dict(entry)


def bandwidth(
    check: str, figure: str, value: float | None, pair: tuple[str, str], verdict: str = "pass"
) -> dict[str, Any]:
    run = {"evidence": {"values": {figure: value}, "verdict": verdict}}
    return {"check": check, "host": pair[0], "peer": pair[1], "runs": [run, run], "not_applicable": ""}


PAIRS = [[["a", "b"], ["c", "d"]]]
DIRECTIONS = [("a", "b"), ("b", "a"), ("c", "d"), ("d", "c")]


def test_the_aggregate_is_the_sum_of_a_round_in_both_directions() -> None:
    tcp = [bandwidth("tcp_bandwidth", "received_bit_s", 20e9, pair) for pair in DIRECTIONS]
    rdma = [bandwidth("rdma_bandwidth_1mb", "bandwidth_gbit_s", 24.0, pair) for pair in DIRECTIONS]
    (run,) = aggregate(PAIRS, tcp)["runs"]
    assert run["evidence"]["values"] == {"aggregate_gbit_s": 80.0, "flows": 4, "of": "tcp_bandwidth"}
    (run,) = aggregate(PAIRS, tcp + rdma)["runs"]
    assert run["evidence"]["values"]["aggregate_gbit_s"] == 96.0


def test_a_round_that_lacks_a_pair_has_no_aggregate() -> None:
    tcp = [bandwidth("tcp_bandwidth", "received_bit_s", 20e9, pair) for pair in DIRECTIONS[:3]]
    tcp.append(bandwidth("tcp_bandwidth", "received_bit_s", None, DIRECTIONS[3]))
    (run,) = aggregate(PAIRS, tcp)["runs"]
    assert (run["evidence"]["verdict"], run["evidence"]["values"]["aggregate_gbit_s"]) == ("unknown", None)


def test_a_run_that_failed_is_in_no_aggregate() -> None:
    tcp = [bandwidth("tcp_bandwidth", "received_bit_s", 20e9, pair) for pair in DIRECTIONS[:3]]
    tcp.append(bandwidth("tcp_bandwidth", "received_bit_s", 0.0, DIRECTIONS[3], "fail"))
    (run,) = aggregate(PAIRS, tcp)["runs"]
    assert (run["evidence"]["verdict"], run["evidence"]["values"]["aggregate_gbit_s"]) == ("unknown", None)


def test_one_host_has_no_aggregate() -> None:
    assert aggregate([], [])["not_applicable"]
