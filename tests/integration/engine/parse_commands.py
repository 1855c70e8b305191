"""Feed command lines to the installed vLLM and say what it makes of them.

Runs with the engine environment's Python on a lab host. Standard input: a JSON list of {"name", "argv", "env"};
standard output, last line: a JSON list of what vLLM's own parser, its own choice between head and follower, and its own
engine configuration came to, or the error with which it refused.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import vllm
from vllm.entrypoints.cli import serve
from vllm.usage.usage_lib import UsageContext

try:
    from vllm.utils.argparse_utils import FlexibleArgumentParser
except ImportError:  # its place in versions before 0.12
    from vllm.utils import FlexibleArgumentParser


class Started(Exception):  # noqa: N818  # it is no error
    """vLLM would now start; carries which way, and the arguments."""

    def __init__(self, way: str, args: Any) -> None:
        self.way, self.arguments = way, args


def stop_at(way: str) -> Any:
    """A stand-in for one of the functions that serve; everything before it, and the choice of it, is vLLM's own."""

    def stop(args: Any, *_: Any, **__: Any) -> None:
        raise Started(way, args)

    return stop


class NoLoop:
    """`uvloop.run(run_server(args))` without a loop: run_server has already raised."""

    @staticmethod
    def run(*_: Any) -> None:
        raise AssertionError("the server's function was not replaced")


def understand(argv: list[str]) -> dict[str, Any]:
    """What vLLM makes of `vllm serve …`."""
    parser = FlexibleArgumentParser()
    command = serve.ServeSubcommand()
    command.subparser_init(parser.add_subparsers(required=True, dest="subparser"))
    args = parser.parse_args(argv[1:])
    command.validate(args)
    try:
        command.cmd(args)
    except Started as started:
        way, args = started.way, started.arguments
    else:
        raise RuntimeError("nothing was started")
    config = vllm.AsyncEngineArgs.from_cli_args(args).create_engine_config(
        usage_context=UsageContext.OPENAI_API_SERVER, headless=way == "headless"
    )
    parallel = config.parallel_config
    if way == "headless" and parallel.data_parallel_hybrid_lb:
        raise ValueError("data_parallel_hybrid_lb is not applicable in headless mode")
    return {
        "way": way,
        "start_rank": args.data_parallel_start_rank,
        "rank": parallel.data_parallel_rank,
        "local": parallel.data_parallel_size_local,
        "size": parallel.data_parallel_size,
        "tensor": parallel.tensor_parallel_size,
        "stages": parallel.pipeline_parallel_size,
        "hosts": parallel.nnodes,
        "stage": parallel.node_rank,
        "workers": parallel.local_world_size,
        "meeting": [parallel.master_addr, parallel.master_port],
        "address": parallel.data_parallel_master_ip,
        "rpc_port": parallel.data_parallel_rpc_port,
        "hybrid": parallel.data_parallel_hybrid_lb,
        "external": parallel.data_parallel_external_lb,
        "expert": parallel.enable_expert_parallel,
        "backend": parallel.all2all_backend,
        "max_model_len": config.model_config.max_model_len,
        "max_num_seqs": config.scheduler_config.max_num_seqs,
    }


def main() -> None:
    """One answer a case; a refusal is an answer."""
    serve.run_headless = stop_at("headless")
    serve.run_multi_api_server = stop_at("head")
    serve.run_server = stop_at("head")
    serve.uvloop = NoLoop
    answers = []
    for case in json.load(sys.stdin):
        os.environ.update(case["env"])
        try:
            answers.append({"name": case["name"], "ok": True, **understand(case["argv"])})
        except (Exception, SystemExit) as error:  # noqa: BLE001  # whatever it refuses with is the answer
            answers.append({"name": case["name"], "ok": False, "error": f"{type(error).__name__}: {error}"[:600]})
    print("\n" + json.dumps({"version": vllm.__version__, "answers": answers}))


if __name__ == "__main__":
    main()
