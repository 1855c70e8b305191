"""The module evidence: a text or a file, judged; odd text is unknown, not an error."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.moefleet.serving.plugins.module_utils.evidence import registry
from ansible_collections.moefleet.serving.plugins.modules import evidence

from .conftest import RunModule

DATA = Path(__file__).resolve().parents[2] / "data" / "evidence"


@pytest.mark.parametrize("check", [False, True])
def test_a_file(check: bool, run_module: RunModule) -> None:
    result = run_module(
        evidence,
        check=check,
        tool="gids",
        path=str(DATA / "R03_show_gids_node1.txt"),
        context={"subnet": "10.77.3.0/24"},
    )
    assert not result["changed"]
    assert result["evidence"]["verdict"] == "pass"
    assert result["evidence"]["values"]["index"] == {"mlx5_0": 5}
    assert result["evidence"]["reasons"] == []


def test_a_text(run_module: RunModule) -> None:
    result = run_module(evidence, tool="secure_boot", text="SecureBoot disabled\n")
    assert result["evidence"] == {
        "tool": "secure_boot",
        "values": {"enabled": False, "key_rejected": False, "key_enrolled": None},
        "verdict": "pass",
        "reasons": [],
    }


def test_a_text_that_ansible_made_a_structure_of(run_module: RunModule) -> None:
    document = json.loads((DATA / "N01_hca_match.json").read_text(encoding="utf-8"))
    result = run_module(evidence, tool="hca_match", text={**document, "cases": ["=mlx5_1"]})
    assert result["evidence"]["values"]["selected"] == ["mlx5_1"]


@pytest.mark.parametrize("tool", registry.TOOLS)
@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00\x01", b"odd text\n"])
def test_odd_text_is_unknown(tmp_path: Path, tool: str, content: bytes, run_module: RunModule) -> None:
    (tmp_path / "output").write_bytes(content)
    result = run_module(evidence, tool=tool, path=str(tmp_path / "output"))
    assert result["evidence"]["verdict"] == "unknown"
    assert result["evidence"]["reasons"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"tool": "nvidia-smi", "text": ""}, "nvidia-smi"),
        ({"tool": "gids"}, "text, path"),
        ({"tool": "gids", "text": "", "path": "/tmp"}, "mutually exclusive"),
        ({"tool": "gids", "path": "/does/not/exist"}, "/does/not/exist"),
        ({"tool": "gids", "path": "/"}, "directory"),
    ],
)
def test_a_wrong_call_fails(arguments: dict[str, Any], message: str, run_module: RunModule) -> None:
    result = run_module(evidence, **arguments)
    assert result["failed"]
    assert message in result["msg"]


def test_the_documentation_names_every_tool() -> None:
    options = yaml.safe_load(evidence.DOCUMENTATION)["options"]
    assert options["tool"]["choices"] == sorted(registry.TOOLS)
