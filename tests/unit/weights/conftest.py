"""A made-up checkpoint, a server that can misbehave, and an agent in this process."""

from __future__ import annotations

import http.server
import json
import random
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args

from ansible_collections.moefleet.serving.plugins.module_utils.weights import transfer
from ansible_collections.moefleet.serving.plugins.module_utils.weights.manifest import Manifest
from ansible_collections.moefleet.serving.plugins.module_utils.weights.metadata import record
from ansible_collections.moefleet.serving.plugins.module_utils.weights.sources import Source

from .agents import Host

REVISION = "a" * 40
SHARD = "model-00002-of-00002.safetensors"


def write_checkpoint(folder: Path, seed: int = 1) -> Path:
    """Two shards, an index, a config, and a file of code in a folder of its own."""
    rng = random.Random(seed)
    (folder / "code").mkdir(parents=True)
    for name in ("model-00001-of-00002.safetensors", SHARD):
        (folder / name).write_bytes(rng.randbytes(300_000))
    (folder / "code" / "model.py").write_text("print('hello')\n")
    config = {"architectures": ["DeepseekV3ForCausalLM"], "quantization_config": {"quant_method": "fp8"}}
    (folder / "config.json").write_text(json.dumps(config))
    index = {"metadata": {"total_size": 600_000}, "weight_map": {"a": "model-00001-of-00002.safetensors", "b": SHARD}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return folder


@dataclass
class Web:
    """An HTTP directory. `cuts` says after how many bytes of an answer it hangs up, one answer each; `asked` lists
    path, range and credentials; `lie` is added to the length that it says.
    """

    folder: Path
    cuts: list[int] = field(default_factory=list)
    asked: list[tuple[str, str, str]] = field(default_factory=list)
    ranges: bool = True
    status: int = 0
    url: str = ""
    redirect: str = ""
    lie: int = 0


class Handler(http.server.BaseHTTPRequestHandler):
    """Sends files of the folder with ranges."""

    def __init__(self, web: Web, *args: Any) -> None:
        self.web = web
        super().__init__(*args)

    def do_GET(self) -> None:
        """A file, or what the test wants instead."""
        web, wanted = self.web, self.headers.get("Range", "")
        web.asked.append((self.path, wanted, self.headers.get("Authorization", "")))
        path = web.folder / self.path.split("?")[0].lstrip("/")
        if web.redirect:
            self.send_response(302)
            self.send_header("Location", web.redirect + self.path)
            self.end_headers()
            return
        if web.status or not path.is_file():
            self.send_error(web.status or 404)
            return
        content = path.read_bytes()
        begin = int(wanted[6:].split("-")[0]) if wanted and web.ranges else 0
        self.send_response(206 if begin else 200)
        self.send_header("Content-Length", str(len(content) - begin + web.lie))
        if begin:
            self.send_header("Content-Range", f"bytes {begin}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        if self.command == "GET":
            cut = web.cuts.pop(0) if web.cuts else len(content)
            self.wfile.write(content[begin:][:cut])

    def do_HEAD(self) -> None:
        """The same without the content."""
        self.do_GET()

    def log_message(self, *_: Any) -> None:
        """Quiet."""


def serve(folder: Path) -> Iterator[Web]:
    """Serve a folder until the test is over."""
    web = Web(folder)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, web))
    web.url = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield web
    server.shutdown()
    server.server_close()


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """Where the made-up checkpoint lies."""
    return write_checkpoint(tmp_path / "source")


@pytest.fixture
def manifest(checkpoint: Path) -> Manifest:
    """Its manifest."""
    return record("made up", REVISION, checkpoint)


@pytest.fixture
def web(checkpoint: Path) -> Iterator[Web]:
    """It, served."""
    yield from serve(checkpoint)


@pytest.fixture
def elsewhere(checkpoint: Path) -> Iterator[Web]:
    """The same on another server."""
    yield from serve(checkpoint)


@pytest.fixture
def place(web: Web, tmp_path: Path) -> transfer.Place:
    """Where files go in the tests, from the server."""
    return transfer.Place(tmp_path / "target", Source("http", web.url), give_up_s=0.2, retry_s=0.01)


@pytest.fixture
def chain(tmp_path: Path) -> Iterator[list[Host]]:
    """Three hosts."""
    hosts = [Host(tmp_path / f"host-{number}" / "model") for number in range(3)]
    yield hosts
    for host in hosts:
        host.stop()


@pytest.fixture
def run_module(capsys: pytest.CaptureFixture[str]) -> Callable[..., dict[str, Any]]:
    """Call a module with arguments; its result."""

    def run(module: ModuleType, **arguments: Any) -> dict[str, Any]:
        with patch_module_args(arguments), pytest.raises(SystemExit):
            module.main()
        result: dict[str, Any] = json.loads(capsys.readouterr().out)
        return result

    return run
