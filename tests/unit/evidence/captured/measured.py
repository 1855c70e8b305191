"""Measured: of a port, a GPU, a group, the engine."""

from __future__ import annotations

from ansible_collections.moefleet.serving.plugins.module_utils.evidence.result import FAIL, PASS

from .model import Captured

MEASURED = [
    *(
        Captured(
            "ib_bandwidth",
            file,
            PASS,
            {
                "bandwidth_gbit_s": bandwidth,
                "peak_gbit_s": peak,
                "message_bytes": size,
                "rows": rows,
                "bidirectional": False,
            },
            {"line_rate_gbit_s": 25},
        )
        for file, bandwidth, peak, size, rows in (
            ("B01_ib_write_bw_MB.txt", 24.456, 24.47, 65536, 1),
            ("B01_ib_write_bw_Gb.txt", 24.46, 24.47, 65536, 1),
            ("B02_ib_write_bw_duration.txt", 24.46, None, 65536, 1),
            ("B03_perftest_valid.json", 24.46, 24.47, 65536, 1),
            ("B06_ib_write_bw_all_sizes.txt", 24.453, 24.47, 8388608, 23),
        )
    ),
    Captured(
        "ib_bandwidth",
        "B06_ib_write_bw_failed.txt",
        FAIL,
        {"bandwidth_gbit_s": None, "peak_gbit_s": None, "rows": None},
        reasons=("nvidia_peermem", "dmabuf"),
    ),
    Captured(
        "ib_latency",
        "B05_ib_write_lat.txt",
        PASS,
        {"average_us": 1.83, "p99_us": 2.30, "p999_us": 6.20, "message_bytes": 2},
    ),
    Captured(
        "nccl_tests",
        "B07_nccl_allreduce_4x8_25g.txt",
        PASS,
        {"busbw_gbyte_s": 5.80, "size_bytes": 8589934592, "wrong_values": 0, "ranks": 2},
    ),
    Captured(
        "nccl_tests",
        "B08_nccl_alltoall_na.txt",
        PASS,
        {"busbw_gbyte_s": 4.17, "in_place_busbw_gbyte_s": 4.15, "wrong_values": 0, "ranks": 1},
    ),
    Captured(
        "nccl_tests",
        "B08_nccl_wrong_values.txt",
        FAIL,
        {"busbw_gbyte_s": 5.80, "wrong_values": 131072, "ranks": None},
        reasons=("131072 values are wrong",),
    ),
    Captured("iperf3", "B13_iperf3_error.json", FAIL, {"received_bit_s": None}, reasons=("No route to host",)),
    Captured(
        "iperf3",
        "B14_iperf3_warning_prefix.txt",
        PASS,
        {"received_bit_s": 23.498e9, "sent_bit_s": 23.51e9, "retransmits": 12, "loss_percent": None},
        {"line_rate_gbit_s": 25},
    ),
    Captured(
        "p2p_bandwidth", "B17_p2p_ok.txt", PASS, {"median_gbyte_s": 376.50, "pairs": 56, "low_pairs": [], "gpus": 8}
    ),
    Captured(
        "p2p_bandwidth",
        "B17_p2p_one_bad_pair.txt",
        FAIL,
        {"median_gbyte_s": 376.50, "pairs": 56, "low_pairs": [[2, 6], [6, 2]]},
        reasons=("GPU 2 to GPU 6: 31.4 GB/s", "GPU 6 to GPU 2: 31.1 GB/s"),
    ),
    Captured(
        "nvidia_topology",
        "B18_topo_ansi.txt",
        PASS,
        {
            "gpus": 8,
            "nic_affinity": {"mlx5_0": ["GPU0", "GPU1"], "mlx5_1": ["GPU4", "GPU5"]},
            "numa": {f"GPU{gpu}": int(gpu > 3) for gpu in range(8)},
        },
        {"expected_gpus": 8, "nvlink": True},
        complete=False,
    ),
    *(
        Captured("vllm_help", file, PASS, {"flags": flags}, {"flags": list(flags)}, complete=False)
        for file, flags in (
            (
                "V07_help_flat_flags.txt",
                {"num-redundant-experts": "yes", "eplb-config": "no", "all2all-backend": "no", "no-enable-eplb": "yes"},
            ),
            (
                "V07_help_eplb_config.txt",
                {"num-redundant-experts": "no", "eplb-config": "yes", "--all2all_backend": "yes"},
            ),
        )
    ),
    Captured("vllm_log", "V27_kv_new.log", FAIL, {"requested_length": 163840, "suggested_length": 93456}),
    Captured(
        "vllm_log",
        "V02_config_mismatch.log",
        FAIL,
        {"mismatched_engine": 9, "mismatched_node": 1, "mismatched_local_rank": 1},
        {"data_parallel_size_local": 8},
    ),
    Captured("vllm_bench_serve", "B11_bench_all_failed_rc0.txt", FAIL, {"completed": 0}),
    Captured("vllm_bench_serve", "B11_bench_new_label.txt", PASS, {"failed": 0}, {"requested": 1000}, complete=False),
    Captured("vllm_bench_serve", "B11_bench_result.json", FAIL, {"requested": 500, "failed": 69}),
]
