# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Running ``vllm bench serve`` once: in a directory of its own, gone afterwards, and never longer than allowed."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..evidence import bench_serve
from ..evidence.result import Evidence
from ..hosts import process_group

RESULT_NAME = "result.json"
_TAIL_CHARACTERS = 4000


@dataclass(frozen=True)
class BenchRequest:
    """What to run: the load (requests, tokens), the service it goes to, and the time allowed in seconds.

    ``concurrency`` 0 sets no limit; ``request_rate`` (requests/s) 0 sends them as fast as the limit lets.
    """

    executable: str
    host: str
    port: int
    model: str
    tokenizer: str
    num_prompts: int
    input_tokens: int
    output_tokens: int
    concurrency: int
    percentiles: tuple[str, ...]
    timeout_s: float
    seed: int = 0
    user: str = ""
    api_key: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    request_rate: float = 0.0
    detailed: bool = False


def command_line(request: BenchRequest, directory: str) -> list[str]:
    """Return the arguments of one run whose JSON result goes to ``directory``."""
    address = f"[{request.host}]" if ":" in request.host else request.host
    return [
        request.executable,
        "bench",
        "serve",
        "--base-url",
        f"http://{address}:{request.port}",
        "--model",
        request.model,
        "--tokenizer",
        request.tokenizer,
        "--dataset-name",
        "random",
        "--random-input-len",
        str(request.input_tokens),
        "--random-output-len",
        str(request.output_tokens),
        "--num-prompts",
        str(request.num_prompts),
        *(["--max-concurrency", str(request.concurrency)] if request.concurrency else []),
        *(["--request-rate", f"{request.request_rate:g}"] if request.request_rate else []),
        "--seed",
        str(request.seed),
        "--percentile-metrics",
        "ttft,tpot,itl,e2el",
        "--metric-percentiles",
        ",".join(request.percentiles),
        "--disable-tqdm",
        "--ignore-eos",
        "--save-result",
        *(["--save-detailed"] if request.detailed else []),
        "--result-dir",
        directory,
        "--result-filename",
        RESULT_NAME,
    ]


def measure(request: BenchRequest) -> tuple[dict[str, Any], str]:
    """Run the benchmark and return how it went, and beside it the saved result as text; empty where none was saved.

    How it went is ``argv``, ``rc``, ``timed_out``, ``seconds``, ``evidence`` and ``output_tail``. A benchmark that
    can't be run (no such command, user or temporary directory) has the exit status None and unknown evidence.
    """
    started = time.monotonic()
    try:
        directory = tempfile.mkdtemp(prefix="moefleet-bench-")
    except OSError as error:
        return _not_run(request, str(error)), ""
    try:
        account = process_group.account_of(request.user)
        if account is not None:
            os.chown(directory, account.pw_uid, account.pw_gid)
        argv = command_line(request, directory)
        ended = process_group.execute(
            argv, _environment(request, directory), request.timeout_s, directory=directory, account=account
        )
        saved = _result_text(directory)
        evidence = bench_serve.parse(saved or ended.output, requested=request.num_prompts)
        return {
            "argv": argv,
            "rc": ended.status,
            "timed_out": ended.timed_out,
            "seconds": round(time.monotonic() - started, 1),
            "evidence": evidence.to_dict(),
            "output_tail": ended.output[-_TAIL_CHARACTERS:],
        }, saved
    except OSError as error:
        return _not_run(request, str(error)), ""
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _not_run(request: BenchRequest, reason: str) -> dict[str, Any]:
    evidence = bench_serve.parse("", requested=request.num_prompts)
    unknown = Evidence(evidence.tool, evidence.values, evidence.verdict, (f"it could not be run: {reason}",))
    return {
        "argv": command_line(request, ""),
        "rc": None,
        "timed_out": False,
        "seconds": 0.0,
        "evidence": unknown.to_dict(),
        "output_tail": "",
    }


def _environment(request: BenchRequest, directory: str) -> dict[str, str]:
    environment = {"PATH": os.defpath, "LANG": "C.UTF-8"}
    environment.update(request.environment)
    environment.update(
        # Nothing may be left behind: every cache and byte code goes to the directory that is removed, or nowhere.
        HOME=directory,
        TMPDIR=directory,
        XDG_CACHE_HOME=directory,
        XDG_CONFIG_HOME=directory,
        VLLM_CACHE_ROOT=directory,
        VLLM_CONFIG_ROOT=directory,
        HF_HOME=directory,
        TORCHINDUCTOR_CACHE_DIR=directory,
        PYTHONDONTWRITEBYTECODE="1",
        VLLM_NO_USAGE_STATS="1",
    )
    if request.api_key:
        environment["OPENAI_API_KEY"] = request.api_key
    return environment


def _result_text(directory: str) -> str:
    try:
        return (Path(directory) / RESULT_NAME).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
