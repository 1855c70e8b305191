"""Running the benchmark: a stand-in for the engine's command that saves a result, lies, hangs or is not there."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.moefleet.serving.plugins.module_utils.verification import bench_runner

RESULT = '{"num_prompts": 16, "completed": 16, "failed": 0, "p99_ttft_ms": 12.5}'
SAVING = f"""#!/bin/sh
echo "asked: $*"
env | sort > "$RECORD"
pwd >> "$RECORD"
while [ "$1" != --result-dir ]; do shift; done
echo '{RESULT}' > "$2/result.json"
"""


def request(tmp_path: Path, script: str, **changes: Any) -> bench_runner.BenchRequest:
    executable = tmp_path / "vllm"
    executable.write_text(script, encoding="utf-8")
    executable.chmod(0o755)
    values: dict[str, Any] = {
        "executable": str(executable),
        "host": "192.168.1.10",
        "port": 8000,
        "model": "deepseek-v3-tiny",
        "tokenizer": "/model",
        "num_prompts": 16,
        "input_tokens": 32,
        "output_tokens": 8,
        "concurrency": 8,
        "percentiles": ("50", "95", "99"),
        "timeout_s": 600,
        "environment": {"RECORD": str(tmp_path / "record"), "OMP_NUM_THREADS": "1", "HOME": "/elsewhere"},
        **changes,
    }
    return bench_runner.BenchRequest(**values)


def run(tmp_path: Path, script: str, **changes: Any) -> dict[str, Any]:
    return bench_runner.measure(request(tmp_path, script, **changes))[0]


def test_the_result_is_read_and_the_directory_is_gone(tmp_path: Path) -> None:
    bench = run(tmp_path, SAVING, api_key="k")
    assert (bench["rc"], bench["timed_out"], bench["evidence"]["verdict"]) == (0, False, "pass")
    assert bench["evidence"]["values"]["ttft_ms"] == {"p99": 12.5}
    assert "asked: bench serve --base-url http://192.168.1.10:8000" in bench["output_tail"]
    *environment, directory = (tmp_path / "record").read_text(encoding="utf-8").splitlines()
    assert not Path(directory).exists()
    assert {f"HOME={directory}", "OMP_NUM_THREADS=1", "PYTHONDONTWRITEBYTECODE=1", "OPENAI_API_KEY=k"} <= set(
        environment
    )
    assert "k" not in bench["argv"]


def test_an_exit_status_of_0_proves_nothing(tmp_path: Path) -> None:
    bench = run(tmp_path, "#!/bin/sh\necho all fine\n")
    assert (bench["rc"], bench["evidence"]["verdict"]) == (0, "unknown")


def test_a_printed_result_serves_where_none_was_saved(tmp_path: Path) -> None:
    text = (Path(__file__).resolve().parents[2] / "data" / "evidence" / "B11_bench_all_failed_rc0.txt").read_text(
        "utf-8"
    )
    bench = run(tmp_path, f"#!/bin/sh\ncat <<'END'\n{text}END\n", num_prompts=200)
    assert bench["evidence"]["verdict"] == "fail"


def test_a_hanging_benchmark_and_its_children_are_ended(tmp_path: Path) -> None:
    started = time.monotonic()
    bench = run(tmp_path, '#!/bin/sh\nsleep 60 &\necho $! > "$RECORD"\necho begun\nwait\n', timeout_s=0.5)
    assert time.monotonic() - started < 5
    assert (bench["timed_out"], bench["evidence"]["verdict"]) == (True, "unknown")
    assert "begun" in bench["output_tail"]
    child = int((tmp_path / "record").read_text(encoding="utf-8"))
    state = Path(f"/proc/{child}/stat")
    assert not state.exists() or state.read_text(encoding="utf-8").rpartition(")")[2].split()[0] in {"Z", "X"}


@pytest.mark.parametrize("change", [{"executable": "/nowhere/vllm"}, {"user": "nobody-here"}])
def test_a_benchmark_that_cannot_be_run_is_unknown(tmp_path: Path, change: dict[str, str]) -> None:
    bench = run(tmp_path, SAVING, **change)
    assert (bench["rc"], bench["evidence"]["verdict"]) == (None, "unknown")
    assert "could not be run" in bench["evidence"]["reasons"][0]


@pytest.mark.skipif(os.geteuid() != 0, reason="changing the user needs root")
def test_it_runs_as_the_user_asked_for(tmp_path: Path) -> None:
    for place in (tmp_path, *tmp_path.parents[:-2]):
        place.chmod(0o755)
    (tmp_path / "record").touch()
    (tmp_path / "record").chmod(0o666)
    bench = run(tmp_path, "#!/bin/sh\nid -un\nid -G\ntouch here || exit 3\n", user="nobody")
    assert bench["output_tail"].split() == ["nobody", "65534"]
    assert bench["rc"] == 0


def test_an_ipv6_address_has_its_brackets(tmp_path: Path) -> None:
    asked = request(tmp_path, SAVING, host="fd00::1")
    assert "http://[fd00::1]:8000" in bench_runner.command_line(asked, "/d")
