"""One host of the weights' benchmark: an agent, told by JSON on stdin what to do; or, with `--serve`, the source."""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "collections"))

from ansible_collections.moefleet.serving.plugins.module_utils.weights.agent import Agent, Job
from ansible_collections.moefleet.serving.plugins.module_utils.weights.manifest import File, from_dict
from ansible_collections.moefleet.serving.plugins.module_utils.weights.server import Server
from ansible_collections.moefleet.serving.plugins.module_utils.weights.sources import Source

PORT = 18650


class Everyone(frozenset[str]):
    """The source answers whoever asks."""

    def __contains__(self, _: object) -> bool:
        return True


def serve(folder: Path, address: str) -> None:
    """Serve a folder's files with ranges."""
    files = {path.name: File(path.name, path.stat().st_size) for path in folder.iterdir()}
    server = Server((address, PORT), folder, files, ())
    server.clients = Everyone()
    server.serve_forever()


def main() -> None:
    """Serve, or do the job."""
    if sys.argv[1:2] == ["--serve"]:
        serve(Path(sys.argv[2]), sys.argv[3])
        return
    given = json.load(sys.stdin)
    path = Path(given["path"])
    job = Job(
        path,
        from_dict(given["manifest"]),
        Source(*given["source"]),
        path.with_name("status.json"),
        tuple(given["address"]),
        tuple(given["clients"]),
    )
    sys.exit(Agent(job).run())


if __name__ == "__main__":
    main()
