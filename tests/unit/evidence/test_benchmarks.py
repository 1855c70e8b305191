"""Formats of other versions and states: perftest, nccl-tests, P2P, topology, iperf3, vLLM."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.moefleet.serving.plugins.module_utils.evidence import registry
from ansible_collections.moefleet.serving.plugins.module_utils.evidence.result import FAIL, PASS, UNKNOWN

DATA = Path(__file__).resolve().parents[2] / "data" / "evidence"


def read(name: str) -> str:
    return (DATA / name).read_text(encoding="utf-8")


GBITS = read("B01_ib_write_bw_Gb.txt")
PERFTEST_JSON = read("B03_perftest_valid.json")


@pytest.mark.parametrize(
    ("text", "context", "verdict", "bandwidth"),
    [
        (GBITS, {"line_rate_gbit_s": 25}, PASS, 24.46),
        (GBITS, {"line_rate_gbit_s": 100}, FAIL, 24.46),
        (GBITS, {"line_rate_gbit_s": 10}, UNKNOWN, 24.46),
        (GBITS, {"minimum_gbit_s": 24.5}, FAIL, 24.46),
        (
            GBITS.replace("24.47              24.46", "46.90              46.80").replace(
                "BW Test", "Bidirectional BW Test"
            ),
            {"line_rate_gbit_s": 25},
            PASS,
            46.8,
        ),
        (GBITS.replace("24.47              24.46", "24.47              -nan"), {}, UNKNOWN, None),
        (GBITS.replace("24.47              24.46", "0.00               0.00"), {}, FAIL, 0.0),
        (
            GBITS.replace(" Mtu             : 4096[B]", " Mtu             : 1024[B]").replace("24.46", "21.00"),
            {"line_rate_gbit_s": 25},
            PASS,
            21.0,
        ),
        (
            "Conflicting CPU frequency values detected: 800.0 != 3500.0. CPU Frequency is not max.\n" + GBITS,
            {},
            PASS,
            24.46,
        ),
        (PERFTEST_JSON, {"line_rate_gbit_s": 25}, PASS, 24.46),
        (
            PERFTEST_JSON.replace("24.46", "2915.40").replace("24.47", "2917.02"),
            {"unit": "MB", "line_rate_gbit_s": 25},
            PASS,
            24.456,
        ),
        (PERFTEST_JSON.replace("24.46", "2915.40"), {"line_rate_gbit_s": 25}, UNKNOWN, 2915.4),
        (PERFTEST_JSON.replace('"', "").replace("test_info: {", "{\ntest_info: {"), {}, PASS, 24.46),
        (PERFTEST_JSON.replace('24.47,\n"', '24.47\n"'), {}, PASS, 24.46),
        (PERFTEST_JSON.rstrip("}\n"), {}, UNKNOWN, 24.46),
        (PERFTEST_JSON.replace("24.46", "nan"), {}, UNKNOWN, None),
        (
            " Couldn't connect to 10.77.3.22:18515\n Unable to open file descriptor for socket connection\n",
            {},
            FAIL,
            None,
        ),
        (
            GBITS[: GBITS.index(" #bytes")]
            + " Completion with error at client\n Failed status 12: wr_id 0 syndrom 0x81\n",
            {},
            FAIL,
            None,
        ),
    ],
)
def test_ib_bandwidth(text: str, context: dict[str, Any], verdict: str, bandwidth: float | None) -> None:
    evidence = registry.parse("ib_bandwidth", text, context)
    assert (evidence.verdict, evidence.values["bandwidth_gbit_s"]) == (verdict, bandwidth), evidence.reasons


def test_both_directions_are_said_to_be_both() -> None:
    evidence = registry.parse("ib_bandwidth", GBITS.replace("BW Test", "Bidirectional BW Test"))
    assert evidence.values["bidirectional"] is True


LATENCY = read("B05_ib_write_lat.txt")
DURATION = """                    RDMA_Write Latency Test
---------------------------------------------------------------------------------------
 #bytes        #iterations       t_avg[usec]    tps average
 2             1000000           1.85           540540.54
---------------------------------------------------------------------------------------
"""
LATENCY_JSON = """{"test_info": {"test": "RDMA_Write_Lat"},
"results": {
"MsgSize": 2,
"t_avg": 1.83,
"percentile_99": 2.30,
"percentile_99.9": 6.20
}
}
"""


@pytest.mark.parametrize(
    ("text", "context", "verdict", "figures"),
    [
        (LATENCY, {"maximum_average_us": 2, "maximum_p99_us": 2.5, "maximum_p999_us": 10}, PASS, (1.83, 2.3, 6.2)),
        (LATENCY, {"maximum_p99_us": 2}, FAIL, (1.83, 2.3, 6.2)),
        (LATENCY, {"message_bytes": 64}, UNKNOWN, (None, None, None)),
        (DURATION, {"maximum_average_us": 2}, PASS, (1.85, None, None)),
        (DURATION, {"maximum_p99_us": 2}, UNKNOWN, (1.85, None, None)),
        (LATENCY_JSON, {}, PASS, (1.83, 2.3, 6.2)),
        (LATENCY_JSON.rstrip("}\n"), {}, UNKNOWN, (1.83, 2.3, 6.2)),
    ],
)
def test_ib_latency(text: str, context: dict[str, Any], verdict: str, figures: tuple[float | None, ...]) -> None:
    evidence = registry.parse("ib_latency", text, context)
    seen = tuple(evidence.values[name] for name in ("average_us", "p99_us", "p999_us"))
    assert (evidence.verdict, seen) == (verdict, figures), evidence.reasons


ALL_REDUCE = read("B07_nccl_allreduce_4x8_25g.txt")
GATHER = """# nThread 1 nGpus 8 minBytes 1048576 maxBytes 2097152 step: 2(factor) iters: 20
#                                    out-of-place                     in-place
#       size         count    type     time   algbw   busbw  error     time   algbw   busbw  error
#        (B)    (elements)            (us)  (GB/s)  (GB/s)            (us)  (GB/s)  (GB/s)
     1048576         32768   float    100.0   10.49    9.18  0e+00    100.0   10.49    9.18  0e+00
     2097152         65536   float    150.0   13.98   12.23  0e+00    150.0   13.98   12.20  0e+00
# Out of bounds values : 0 OK
# Avg bus bandwidth    : 10.7
"""


@pytest.mark.parametrize(
    ("text", "context", "verdict", "busbw"),
    [
        (ALL_REDUCE, {"ranks": 2, "minimum_busbw_gbyte_s": 5.5, "size_bytes": 8589934592}, PASS, 5.8),
        (ALL_REDUCE, {"ranks": 32}, FAIL, 5.8),
        (ALL_REDUCE, {"minimum_busbw_gbyte_s": 6}, FAIL, 5.8),
        (ALL_REDUCE.replace("maxBytes 8589934592", "maxBytes 34359738368"), {}, UNKNOWN, 5.8),
        (ALL_REDUCE.replace("Out of bounds values : 0 OK", "Out of bounds values : 3 FAILED"), {}, FAIL, 5.8),
        (ALL_REDUCE.replace("# Avg bus bandwidth    : 3.7325 \n", ""), {}, UNKNOWN, 5.8),
        (GATHER, {}, PASS, 12.23),
        (GATHER, {"ranks": 8}, UNKNOWN, 12.23),
        ("gpu: Test NCCL failure common.cu:941 'unhandled system error'\n", {}, FAIL, None),
        (ALL_REDUCE[: ALL_REDUCE.index("  8589934592")] + "Test CUDA failure common.cu:294\n", {}, FAIL, 5.8),
    ],
)
def test_nccl_tests(text: str, context: dict[str, Any], verdict: str, busbw: float | None) -> None:
    evidence = registry.parse("nccl_tests", text, context)
    assert (evidence.verdict, evidence.values["busbw_gbyte_s"]) == (verdict, busbw), evidence.reasons


P2P = read("B17_p2p_ok.txt")
NVBANDWIDTH = """Running device_to_device_memcpy_read_ce.
memcpy CE GPU(row) -> GPU(column) bandwidth (GB/s)
           0         1
 0       N/A    376.07
 1    376.11       N/A

SUM device_to_device_memcpy_read_ce 752.18
"""


@pytest.mark.parametrize(
    ("text", "context", "verdict", "pairs"),
    [
        (P2P, {"expected_gpus": 8, "minimum_gbyte_s": 300}, PASS, 56),
        (P2P, {"minimum_gbyte_s": 400}, FAIL, 56),
        (P2P, {"expected_gpus": 4}, FAIL, 56),
        (P2P.replace("Device=0 CAN Access Peer Device=1", "Device=0 CANNOT Access Peer Device=1"), {}, FAIL, 56),
        (P2P[: P2P.index("     7 376.50")], {}, UNKNOWN, None),
        (P2P.replace(" 376.50 2490.22", "    nan 2490.22"), {}, UNKNOWN, 49),
        (NVBANDWIDTH, {}, PASS, 2),
        ("p2pBandwidthLatencyTest.cu:120 CUDA error: system not yet initialized\n", {}, FAIL, None),
    ],
)
def test_p2p_bandwidth(text: str, context: dict[str, Any], verdict: str, pairs: int | None) -> None:
    evidence = registry.parse("p2p_bandwidth", text, context)
    assert (evidence.verdict, evidence.values["pairs"]) == (verdict, pairs), evidence.reasons


NVBANDWIDTH = """Running device_to_device_memcpy_read_ce.
memcpy CE GPU(row) -> GPU(column) bandwidth (GB/s)
           0         1
 0       N/A    376.51
 1    376.49       N/A

Running device_to_device_latency_sm.
Device to Device Latency SM GPU(row) <-> GPU(column) (ns)
           0         1
 0       N/A    772.58
 1    773.42       N/A
"""


@pytest.mark.parametrize(("text", "latency_us"), [(P2P, 2.6), (NVBANDWIDTH, 0.773)])
def test_latency_between_gpus(text: str, latency_us: float) -> None:
    evidence = registry.parse("p2p_bandwidth", text, {})
    assert (evidence.verdict, evidence.values["latency_us"]) == (PASS, latency_us)
    assert evidence.values["median_gbyte_s"] == pytest.approx(376.5)


@pytest.mark.parametrize("end", ["P2P=Enabled Latency", "   CPU     0"])
def test_latency_between_gpus_that_is_not_whole(end: str) -> None:
    """Half a matrix of latencies is none, and what was cut off is unknown."""
    whole = P2P[: P2P.rindex(end)].rstrip()
    half = "\n".join(whole.split("\n")[:-1]) if "CPU" in end else whole
    evidence = registry.parse("p2p_bandwidth", half, {})
    assert (evidence.verdict, evidence.values["median_gbyte_s"], evidence.values["latency_us"]) == (
        UNKNOWN,
        376.5,
        None,
    )


TOPOLOGY = read("B18_topo_ansi.txt")
OLD_TOPOLOGY = (
    "\tGPU0\tGPU1\tmlx5_0\tCPU Affinity\nGPU0\t X \tSYS\tPHB\t0-47\nGPU1\tSYS\t X \tSYS\t0-47\n"
    "mlx5_0\tPHB\tSYS\t X \t\n\nLegend:\n"
)


@pytest.mark.parametrize(
    ("text", "context", "verdict", "affinity"),
    [
        (TOPOLOGY, {"expected_gpus": 4}, FAIL, {"mlx5_0": ["GPU0", "GPU1"], "mlx5_1": ["GPU4", "GPU5"]}),
        (OLD_TOPOLOGY, {}, PASS, {"mlx5_0": ["GPU0"]}),
        (OLD_TOPOLOGY, {"nvlink": True}, FAIL, {"mlx5_0": ["GPU0"]}),
        (OLD_TOPOLOGY.replace("GPU1\tSYS", "GPU1\tPIX"), {}, UNKNOWN, {}),
        (TOPOLOGY[: TOPOLOGY.index("NIC Legend")], {}, UNKNOWN, {"NIC0": ["GPU0", "GPU1"], "NIC1": ["GPU4", "GPU5"]}),
        (TOPOLOGY.expandtabs(), {"nvlink": True}, PASS, {"mlx5_0": ["GPU0", "GPU1"], "mlx5_1": ["GPU4", "GPU5"]}),
    ],
)
def test_nvidia_topology(text: str, context: dict[str, Any], verdict: str, affinity: dict[str, list[str]]) -> None:
    evidence = registry.parse("nvidia_topology", text, context)
    assert (evidence.verdict, evidence.values["nic_affinity"]) == (verdict, affinity), evidence.reasons


def test_one_pair_without_its_links_is_seen() -> None:
    lines = TOPOLOGY.split("\n")
    lines[1] = lines[1].replace("NV18", "NODE", 1)
    lines[2] = lines[2].replace("NV18", "NODE", 1)
    evidence = registry.parse("nvidia_topology", "\n".join(lines))
    assert evidence.verdict == FAIL
    assert "GPU0-GPU1 NODE" in evidence.reasons[0]


def iperf(**end: Any) -> str:
    return json.dumps({"start": {"version": "iperf 3.12"}, "intervals": [], "end": end})


IPERF_TEXT = """[ ID] Interval           Transfer     Bitrate         Retr
[  5]   0.00-10.00  sec  13.6 GBytes  11.7 Gbits/sec    5             sender
[  5]   0.00-10.04  sec  13.6 GBytes  11.6 Gbits/sec                  receiver
[SUM]   0.00-10.00  sec  27.3 GBytes  23.5 Gbits/sec   12             sender
[SUM]   0.00-10.04  sec  27.3 GBytes  23.4 Gbits/sec                  receiver

iperf Done.
"""
UDP = {"bits_per_second": 1e9, "lost_percent": 2.0}


@pytest.mark.parametrize(
    ("text", "context", "verdict", "received"),
    [
        (
            iperf(sum_sent={"bits_per_second": 2e10, "retransmits": 3}, sum_received={"bits_per_second": 1.9e10}),
            {},
            PASS,
            1.9e10,
        ),
        (iperf(sum_sent={"bits_per_second": 2e10}), {}, UNKNOWN, None),
        (iperf(sum_received={"bits_per_second": 1.9e10}), {"minimum_bit_s": 2e10}, FAIL, 1.9e10),
        (iperf(sum_received={"bits_per_second": 3e10}), {"line_rate_gbit_s": 25}, UNKNOWN, 3e10),
        (iperf(sum=UDP), {"maximum_loss_percent": 1}, FAIL, 0.98e9),
        (iperf(sum=UDP, sum_received={**UDP, "bits_per_second": 0.98e9}), {}, PASS, 0.98e9),
        (iperf(sum_received={"bits_per_second": 0}), {}, FAIL, 0.0),
        (iperf(), {}, UNKNOWN, None),
        (
            iperf(sum_received={"bits_per_second": 1e9}).replace(
                '"end": {', '"end": {"sum_received": {"bits_per_second": 9e9}, '
            ),
            {},
            UNKNOWN,
            None,
        ),
        (IPERF_TEXT, {"maximum_retransmits": 20}, PASS, 23.4e9),
        (IPERF_TEXT, {"maximum_retransmits": 2}, FAIL, 23.4e9),
        (IPERF_TEXT[: IPERF_TEXT.rindex("[SUM]")], {}, UNKNOWN, None),
        ("iperf3: error - unable to connect to server: Connection refused\n", {}, FAIL, None),
    ],
)
def test_iperf3(text: str, context: dict[str, Any], verdict: str, received: float | None) -> None:
    evidence = registry.parse("iperf3", text, context)
    assert evidence.verdict == verdict, evidence.reasons
    assert evidence.values["received_bit_s"] == (received if received is None else pytest.approx(received))


HELP = read("V07_help_eplb_config.txt")


@pytest.mark.parametrize(
    ("text", "context", "verdict", "flags"),
    [
        (HELP, {"required": ["eplb-config"]}, PASS, {"eplb-config": "yes"}),
        (HELP, {"required": ["--num-redundant-experts"]}, FAIL, {"--num-redundant-experts": "no"}),
        (HELP, {"flags": "-dp, data_parallel_size"}, PASS, {"-dp": "yes", "data_parallel_size": "yes"}),
        (
            HELP + "For full list: vllm serve --help=all\n",
            {"flags": ["dbo", "enable-eplb"]},
            UNKNOWN,
            {"dbo": "unknown", "enable-eplb": "yes"},
        ),
        ("vllm: error\n", {"flags": ["dbo"]}, UNKNOWN, {"dbo": "unknown"}),
    ],
)
def test_vllm_help(text: str, context: dict[str, Any], verdict: str, flags: dict[str, str]) -> None:
    evidence = registry.parse("vllm_help", text, context)
    assert (evidence.verdict, evidence.values["flags"]) == (verdict, flags), evidence.reasons


OLD_KV = (
    "ValueError: The model's max seq len (163840) is larger than the maximum number of tokens that can be stored in KV"
    " cache (93456). Try increasing `gpu_memory_utilization` or decreasing `max_model_len`.\n"
)
SIZE = (
    "INFO 11-26 15:52:57 [kv_cache_utils.py:2327] GPU KV cache size: {} tokens, Maximum concurrency for 2,048 tokens"
    " per request: 4.73x\n"
)


@pytest.mark.parametrize(
    ("text", "context", "verdict", "values"),
    [
        (OLD_KV, {}, FAIL, {"requested_length": 163840, "suggested_length": 93456}),
        (SIZE.format("9,696") + SIZE.format("9,000"), {}, PASS, {"kv_cache_tokens": 9000, "maximum_concurrency": 4.73}),
        (SIZE.format("9,696"), {"minimum_kv_cache_tokens": 10000}, FAIL, {"kv_cache_tokens": 9696}),
        ("INFO:     Application startup complete.\n", {}, PASS, {"ready": True}),
        ("INFO:     Application startup complete.\n", {"minimum_kv_cache_tokens": 1}, UNKNOWN, {}),
        (SIZE.format("9,696") + "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate\n", {}, FAIL, {}),
        ("RuntimeError: Engine core initialization failed. See root cause above.\n", {}, FAIL, {}),
        ("INFO 11-26 15:47:42 starting\n", {}, UNKNOWN, {"ready": None}),
    ],
)
def test_vllm_log(text: str, context: dict[str, Any], verdict: str, values: dict[str, Any]) -> None:
    evidence = registry.parse("vllm_log", text, context)
    assert evidence.verdict == verdict, evidence.reasons
    assert {name: evidence.values[name] for name in values} == values


def test_a_real_start_of_vllm() -> None:
    log = (DATA.parent / "launch" / "head_vllm_0.32.0.log").read_text(encoding="utf-8")
    evidence = registry.parse("vllm_log", log, {"minimum_kv_cache_tokens": 9696})
    assert (evidence.verdict, evidence.values["kv_cache_tokens"], evidence.values["ready"]) == (PASS, 9696, True)


@pytest.mark.parametrize(
    ("context", "verdict"),
    [
        ({"output_tokens_s": 5000}, PASS),
        ({"thresholds": {"output_tokens_s": 6000}}, FAIL),
        ({"ttft_p99_ms": 1500}, FAIL),
        ({"requested": 1200}, FAIL),
        ({"thresholds": {"speed": 1}}, UNKNOWN),
        ({"ttft_p99_ms": "fast"}, UNKNOWN),
    ],
)
def test_bench_serve_takes_its_limits_from_the_context(context: dict[str, Any], verdict: str) -> None:
    evidence = registry.parse("vllm_bench_serve", read("B11_bench_new_label.txt"), context)
    assert evidence.verdict == verdict, evidence.reasons


def test_the_first_of_two_results_counts_and_its_lines_must_be_in_order() -> None:
    text = read("B11_bench_new_label.txt")
    assert registry.parse("vllm_bench_serve", text + text).verdict == PASS
    lines = text.split("\n")
    turned = [lines[0], *reversed(lines[1:-2]), *lines[-2:]]
    assert registry.parse("vllm_bench_serve", "\n".join(turned)).verdict == UNKNOWN
