"""What moefleet_cpu_engine adds to the engine, with the engine's own torch: two ranks over gloo on one lab host."""

from __future__ import annotations

from pathlib import Path

from .playbooks import ROOT, Outcome, on_host

PLUGIN = ROOT / "roles/vllm_env/files/packages/moefleet_cpu_engine/moefleet_cpu_engine.py"
CHECKS = Path(__file__).parent / "engine" / "check_cpu_engine.py"
PYTHON = "/shared/engine/vllm-0.32.0-cpu/bin/python"
DIRECTORY = "/tmp/moefleet-cpu-engine"


def test_collectives_and_experts_of_two_ranks(lab: Outcome) -> None:
    """The repository's file, not the installed one; it fails with what the checks said."""
    on_host("node-0", f"rm -rf {DIRECTORY} && mkdir {DIRECTORY}")
    for file in (PLUGIN, CHECKS):
        on_host("node-0", f"cat > {DIRECTORY}/{file.name}", file.read_text(encoding="utf-8"))
    said = on_host("node-0", f"cd {DIRECTORY} && {PYTHON} {CHECKS.name}")
    assert said == f"{DIRECTORY}/{PLUGIN.name}: [0, 0]\n"
    on_host("node-0", f"rm -r {DIRECTORY}")
