# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Every threshold of the reference document, row by row, and the check that it belongs to.

A row is what the document says of one figure in one place: a line of a table that gives a time and a bandwidth is two.
Its baselines (25 Gb/s: 100 %) ask for nothing and are no rows.
"""

from __future__ import annotations

from typing import NamedTuple


class Row(NamedTuple):
    """One threshold: the document's section, what it says, and the id of the check."""

    section: str
    text: str
    check: str


ROWS: tuple[Row, ...] = (
    # Commands.
    Row("4.4.1", "RDMA, 64 B, one way: < 10 us, warning > 15 us, failure > 25 us (commands)", "rdma_latency_64b"),
    Row("4.4.1", "RDMA, 1 MB: > 20 Gbps, warning < 18, failure < 15 (commands)", "rdma_bandwidth_1mb"),
    Row("4.4.1", "All-to-all, 1 KB: < 50 us; warning 50 %, failure 100 % more (commands)", "all_to_all_1kb"),
    Row("4.4.1", "All-to-all, 1 KB: > 5 GB/s; warning 30 %, failure 50 % less (commands)", "all_to_all_bandwidth_1kb"),
    Row("4.4.1", "All-to-all, 1 MB: < 500 us; warning 50 %, failure 100 % more (commands)", "all_to_all_1mb"),
    Row("4.4.1", "All-to-all, 1 MB: > 15 GB/s; warning 30 %, failure 50 % less (commands)", "all_to_all_bandwidth_1mb"),
    Row("4.4.1", "NVLink latency: < 2 us, small messages (commands)", "nvlink_latency_64b"),
    Row("4.4.1", "NVLink bandwidth: > 400 GB/s, large messages (commands)", "nvlink_bandwidth"),
    # Table.
    Row("4.4.1", "RDMA point to point, 64 B: < 10 us, > 15 us, > 25 us", "rdma_latency_64b"),
    Row("4.4.1", "RDMA point to point, 1 MB: < 100 us, > 150 us, > 200 us", "rdma_latency_1mb"),
    Row("4.4.1", "RDMA point to point, 1 MB: > 20 Gbps", "rdma_bandwidth_1mb"),
    Row("4.4.1", "All-to-all, 1 KB: < 50 us, > 75 us, > 100 us", "all_to_all_1kb"),
    Row("4.4.1", "All-to-all, 1 KB: > 5 GB/s", "all_to_all_bandwidth_1kb"),
    Row("4.4.1", "All-to-all, 1 MB: < 500 us, > 750 us, > 1000 us", "all_to_all_1mb"),
    Row("4.4.1", "All-to-all, 1 MB: > 15 GB/s", "all_to_all_bandwidth_1mb"),
    Row("4.4.1", "NVLink P2P, 64 B: < 2 us, > 3 us, > 5 us", "nvlink_latency_64b"),
    Row("4.4.1", "NVLink P2P, 1 MB: < 10 us, > 15 us, > 20 us", "nvlink_bandwidth"),
    Row("4.4.1", "NVLink P2P, 1 MB: > 400 GB/s", "nvlink_bandwidth"),
    Row("4.4.2", "Inside a host: 900 GB/s (NVLink, aggregate)", "nvlink_bandwidth"),
    Row("4.4.2", "Between hosts: 100 Gbps (4 x 25G, aggregate)", "aggregate_bandwidth"),
    Row("4.4.2", "All-to-all bandwidth: 80-90 Gbps (with conflicts)", "aggregate_bandwidth"),
    Row("4.4.2", "Experts' data: 70-80 Gbps (real load)", "aggregate_bandwidth"),
    Row("4.5.1", "+5 ms: TTFT +2-5 % (acceptable)", "sensitivity_delay_5ms_ttft"),
    Row("4.5.1", "+5 ms: throughput -1-3 %", "sensitivity_delay_5ms_throughput"),
    Row("4.5.1", "+10 ms: TTFT +5-10 % (warning)", "sensitivity_delay_10ms_ttft"),
    Row("4.5.1", "+10 ms: throughput -3-7 %", "sensitivity_delay_10ms_throughput"),
    Row("4.5.1", "+20 ms: TTFT +10-20 % (serious)", "sensitivity_delay_20ms_ttft"),
    Row("4.5.1", "+20 ms: throughput -7-15 %", "sensitivity_delay_20ms_throughput"),
    Row("4.5.1", "+50 ms: TTFT +25-40 % (not acceptable)", "sensitivity_delay_50ms_ttft"),
    Row("4.5.1", "+50 ms: throughput -15-30 %", "sensitivity_delay_50ms_throughput"),
    Row("4.5.1", "+100 ms: TTFT +50-80 % (out of order)", "sensitivity_delay_100ms_ttft"),
    Row("4.5.1", "+100 ms: throughput -30-50 %", "sensitivity_delay_100ms_throughput"),
    Row("4.5.2", "20G: all-to-all at 85-90 %", "sensitivity_rate_20g_all_to_all"),
    Row("4.5.2", "20G: throughput at 90-95 %", "sensitivity_rate_20g_throughput"),
    Row("4.5.2", "20G: routing to experts +10-15 %", "sensitivity_rate_20g_routing"),
    Row("4.5.2", "15G: all-to-all at 70-80 %", "sensitivity_rate_15g_all_to_all"),
    Row("4.5.2", "15G: throughput at 75-85 %", "sensitivity_rate_15g_throughput"),
    Row("4.5.2", "15G: routing to experts +20-30 %", "sensitivity_rate_15g_routing"),
    Row("4.5.2", "10G: all-to-all at 50-65 %", "sensitivity_rate_10g_all_to_all"),
    Row("4.5.2", "10G: throughput at 60-75 %", "sensitivity_rate_10g_throughput"),
    Row("4.5.2", "10G: routing to experts +40-60 %", "sensitivity_rate_10g_routing"),
    Row("4.5.2", "5G: all-to-all at 25-40 %", "sensitivity_rate_5g_all_to_all"),
    Row("4.5.2", "5G: throughput at 35-50 %", "sensitivity_rate_5g_throughput"),
    Row("4.5.2", "5G: routing to experts +80-120 %", "sensitivity_rate_5g_routing"),
    Row("4.5.4", "One link down: 20-30 % less, and the service goes on", "fault_link_throughput"),
    Row("4.5.4", "One host lost: 25 % less, the other 24 GPUs go on", "fault_host_throughput"),
    Row("4.5.4", "More than half of the hosts lost: the service stops", "fault_half_hosts_throughput"),
    Row("4.5.4", "Recovery: as before within 30 s of the network's return", "fault_recovery"),
    Row("4.5.5", "TTFT +5-10 % for each 10 ms more delay", "sensitivity_delay_10ms_ttft"),
    Row("4.5.5", "Throughput -10-15 % for each 20 % less bandwidth", "sensitivity_rate_20g_throughput"),
    Row("4.5.5", "Routing to experts +30-40 % for each 50 % more all-to-all latency", "sensitivity_all_to_all_routing"),
    Row("4.5.5", "One host lost: the service goes on with less", "fault_host_throughput"),
    Row("4.5.5", "Several hosts lost: it must be started again", "fault_half_hosts_throughput"),
    Row("4.6.4", "Latency between hosts: < 10 us, 10-20 us, > 20 us", "rdma_latency_64b"),
    Row("4.6.4", "Use of the bandwidth: < 70 %, 70-85 %, > 85 %", "port_utilisation"),
    Row("4.6.4", "All-to-all latency: < 50 us, 50-100 us, > 100 us", "all_to_all_1kb"),
    Row("4.6.4", "Packets lost: < 0.01 %, 0.01-0.1 %, > 0.1 %", "ip_loss"),
    Row("7.1.1", "TTFT P50: < 0.8 s (512 tokens in)", "ttft_512_p50"),
    Row("7.1.1", "TTFT P95: < 1.2 s (512 tokens in)", "ttft_512_p95"),
    Row("7.1.1", "TTFT P99: < 1.5 s (512 tokens in)", "ttft_512_p99"),
    Row("7.1.1", "TTFT, long input: < 2.0 s (4K tokens in)", "ttft_4096_p95"),
    Row("7.1.2", "Throughput: >= 35,000 tokens/s (200 sessions, target 50,000)", "sessions_throughput"),
    Row("7.1.2", "P99: < 3.0 s (generation)", "sessions_p99"),
    Row("7.1.2", "Errors: < 0.1 %", "sessions_error_rate"),
    Row("7.1.2", "GPU memory: < 90 %", "gpu_memory_share"),
    Row("7.1.2", "Stability: 60 minutes without a crash or restart", "soak_restarts"),
    Row("7.1.3", "Latency between hosts: < 5 us (small messages)", "rdma_latency_64b"),
    Row("7.1.3", "Bandwidth between hosts: > 22 Gbps (one link)", "rdma_bandwidth_1mb"),
    Row("7.1.3", "All-to-all latency: < 20 us (32 GPUs)", "all_to_all_1kb"),
    Row("7.1.3", "Aggregate bandwidth: > 80 Gbps (all-to-all)", "aggregate_bandwidth"),
    Row("7.2.1", "Balance: variation of the experts' use < 20 %", "engine_token_variation"),
    Row("7.2.1", "EPLB: 1-3 rebalances in 1000 steps", "eplb_rebalance_rate"),
    Row("7.2.1", "Cost of a rebalance: < 100 ms", "eplb_rebalance_cost"),
    Row("7.2.2", "Throughput: 3-12 % more", "eplb_throughput_gain"),
    Row("7.2.2", "Throughput: 3-5 % more (slight imbalance)", "eplb_throughput_gain"),
    Row("7.2.2", "Throughput: 5-8 % more (medium imbalance)", "eplb_throughput_gain"),
    Row("7.2.2", "Throughput: 8-12 % more (severe imbalance)", "eplb_throughput_gain"),
    Row("7.2.2", "P99: 10-20 % less", "eplb_p99_gain"),
    Row("7.2.2", "Use of the GPUs: 3-8 % more", "eplb_gpu_use_gain"),
)
