"""The whole service from a bundle, on hosts that no route leads out of and with a controller that reaches no index."""

from __future__ import annotations

import json
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.moefleet.serving.tests.integration.playbooks import on_host, play

STORAGE = Path("/var/lib/moefleet/storage")
# What an earlier lab left on the storage, and would be taken from there.
LEFT = ("wheels", "engine/vllm-0.32.0-cpu", "engine/vllm-0.32.0-cpu.src")
HOSTS = ("node-0", "node-1", "node-2", "node-3")
NOWHERE = "http://127.0.0.1:9"
# Packages that the lab's hosts lack.
CHOICES = {"vllm_env_manage_packages": True}


@pytest.fixture
def bundle(tmp_path: Path) -> Iterator[Path]:
    """A bundle for the lab; its wheels are linked where the machine has them, so that only what is missing comes."""
    assert play("playbooks/lab_down.yml").rc == 0
    directory = tmp_path / "bundle"
    if (STORAGE / "wheels").is_dir():
        shutil.copytree(STORAGE / "wheels", directory / "wheels")
    outcome = play("playbooks/bundle.yml", variables={**CHOICES, "bundle": str(directory)})
    assert outcome.rc == 0, outcome.explain()
    moved = [name for name in LEFT if (STORAGE / name).exists()]
    for name in moved:
        (STORAGE / name).rename(STORAGE / f"{name}.aside")
    yield directory
    assert play("playbooks/lab_down.yml").rc == 0
    for name in moved:
        if (STORAGE / name).exists():
            shutil.rmtree(STORAGE / name)
        (STORAGE / f"{name}.aside").rename(STORAGE / name)


def test_site_from_a_bundle_on_hosts_without_a_route(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=bundle, check=True)
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, NOWHERE)
    monkeypatch.setenv("no_proxy", "127.0.0.1,localhost,10.0.1.0/24,192.168.1.0/24")

    asked = {**CHOICES, "bundle": str(bundle)}
    outcome = play("site.yml", variables=asked)
    assert outcome.rc == 0, outcome.explain()
    for host in HOSTS:
        assert "default" not in on_host(host, "ip route")
        assert "no route" in on_host(
            host, "timeout 5 bash -c '</dev/tcp/151.101.2.132/80' 2>/dev/null || echo no route"
        )
        assert "ii " in on_host(host, "dpkg -l gcc | tail -1")
    assert "file:/var/lib/moefleet/bundle" in on_host("node-0", "apt-cache policy gcc")
    assert not (STORAGE / "wheels").exists()

    body = {"model": "deepseek-v3-tiny", "prompt": "The quick brown fox", "max_tokens": 8, "temperature": 0}
    request = urllib.request.Request(
        "http://127.0.0.1:8000/v1/completions", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=120) as answer:
        assert json.load(answer)["usage"]["completion_tokens"] == 8

    again = play("site.yml", variables=asked)
    assert again.rc == 0, again.explain()
    assert {host: number for host, number in again.changed.items() if number} == {}, again.explain()
