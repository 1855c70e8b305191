"""The module serving_plan and the role plan that calls it: in process, from the command line, from the playbook."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args

from ansible_collections.moefleet.serving.plugins.module_utils.pages.plan_page import render
from ansible_collections.moefleet.serving.plugins.modules import serving_plan
from ansible_collections.moefleet.serving.tests.unit.planner.conftest import REFERENCE as REQUEST

ROOT = Path(__file__).resolve().parents[3]
INVENTORIES = ROOT / "tests" / "data" / "inventories"
Module = Callable[..., dict[str, Any]]


@pytest.fixture
def module(capsys: pytest.CaptureFixture[str]) -> Module:
    """Runs the module's main in this process; returns what it prints."""

    def run(arguments: dict[str, Any], **internal: Any) -> dict[str, Any]:
        given = {**arguments, **{f"_ansible_{name}": value for name, value in internal.items()}}
        with patch_module_args(given), pytest.raises(SystemExit) as caught:
            serving_plan.main()
        result: dict[str, Any] = json.loads(capsys.readouterr().out)
        assert bool(caught.value.code) == result.get("failed", False)
        return result

    return run


def test_the_plan(module: Module) -> None:
    result = module(REQUEST)
    assert result["changed"] is False
    assert result["plan"]["layout"]["hosts"][2]["start_rank"] == 16
    assert result["plan"]["memory"]["per_rank"]["fits"] is True
    assert result["summary"][0].startswith("DP=32")


def test_a_refusal_lists_every_error_and_carries_the_plan(module: Module) -> None:
    wrong = {**REQUEST, "precision": "bf16", "engine": {**REQUEST["engine"], "all2all_backend": "none-such"}}
    result = module(wrong)
    assert result["failed"] is True
    assert "2 error(s)" in result["msg"]
    assert "engine.all2all_backend: " in result["msg"]
    assert "memory.does_not_fit: " in result["msg"]
    assert "76.61 GiB" in result["msg"]
    assert result["plan"]["memory"]["per_rank"]["fits"] is False
    assert result["plan"]["serve"]["node-0"]["argv"]


def test_the_file_is_written_once(module: Module, tmp_path: Path) -> None:
    dest = tmp_path / "new" / "artifacts" / "plan.json"
    first = module({**REQUEST, "dest": str(dest)})
    assert first["changed"] is True
    assert json.loads(dest.read_text(encoding="utf-8")) == first["plan"]
    before = dest.stat().st_mtime_ns
    assert module({**REQUEST, "dest": str(dest)})["changed"] is False
    assert dest.stat().st_mtime_ns == before


def test_check_mode_predicts_and_writes_nothing(module: Module, tmp_path: Path) -> None:
    dest = tmp_path / "artifacts" / "plan.json"
    predicted = module({**REQUEST, "dest": str(dest)}, check_mode=True, diff=True)
    assert predicted["changed"] is True
    assert not dest.parent.exists()
    done = module({**REQUEST, "dest": str(dest)}, diff=True)
    assert predicted["diff"] == done["diff"]
    assert done["diff"]["after"] == dest.read_text(encoding="utf-8")
    assert module({**REQUEST, "dest": str(dest)}, check_mode=True)["changed"] is False


def test_a_refused_plan_replaces_no_file(module: Module, tmp_path: Path) -> None:
    dest = tmp_path / "plan.json"
    dest.write_text("the last good plan", encoding="utf-8")
    assert module({**REQUEST, "precision": "bf16", "dest": str(dest)})["failed"] is True
    assert dest.read_text(encoding="utf-8") == "the last good plan"


def test_a_place_that_cannot_be_written_is_said(module: Module, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    result = module({**REQUEST, "dest": str(tmp_path / "file" / "plan.json")})
    assert result["failed"] is True
    assert "plan.json" in result["msg"]


def test_other_content_in_the_files_place_is_replaced(module: Module, tmp_path: Path) -> None:
    dest = tmp_path / "plan.json"
    dest.write_bytes(b"\xff\xfe")
    assert module({**REQUEST, "dest": str(dest)})["changed"] is True
    assert json.loads(dest.read_text(encoding="utf-8"))["service"]["head"] == "node-0"


def test_the_page_is_written_once_beside_the_plan(module: Module, tmp_path: Path) -> None:
    dest, page = tmp_path / "plan.json", tmp_path / "new" / "plan.html"
    request = {**REQUEST, "dest": str(dest), "page": str(page)}
    predicted = module(request, check_mode=True, diff=True)
    assert not page.parent.exists()
    done = module(request, diff=True)
    assert predicted["changed"] is done["changed"] is True
    assert predicted["diff"] == done["diff"]
    assert [item["after_header"] for item in done["diff"]] == [str(page), str(dest)]
    assert done["diff"][0]["after"] == page.read_text(encoding="utf-8") == render(done["plan"])
    before = page.stat().st_mtime_ns
    assert module(request)["changed"] is False
    assert page.stat().st_mtime_ns == before
    dest.unlink()
    again = module(request, diff=True)
    assert again["changed"] is True
    assert again["diff"]["after_header"] == str(dest)


def test_a_refused_plan_has_a_page(module: Module, tmp_path: Path) -> None:
    dest, page = tmp_path / "plan.json", tmp_path / "plan.html"
    result = module({**REQUEST, "precision": "bf16", "dest": str(dest), "page": str(page)})
    assert result["failed"] is True
    assert result["changed"] is True
    assert "Does not fit" in page.read_text(encoding="utf-8")
    assert not dest.exists()


# --- through Ansible itself


def ansible(program: str, *arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "ANSIBLE_NOCOLOR": "1",
        "PWD": str(cwd),  # as a shell would have it
    }
    return subprocess.run(
        [str(Path(sys.executable).parent / program), *arguments],
        env=environment,
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def playbook(tmp_path: Path, inventory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """playbooks/plan.yml, followed by a play on every host that leaves a mark when it is reached."""
    mark = tmp_path / "reached"
    after = tmp_path / "site.yml"
    after.write_text(
        json.dumps(
            [
                {"import_playbook": "moefleet.serving.plan"},
                {
                    "hosts": "all",
                    "gather_facts": False,
                    "tasks": [
                        {"ansible.builtin.file": {"path": str(mark), "state": "touch"}, "delegate_to": "localhost"}
                    ],
                },
            ]
        ),
        encoding="utf-8",
    )
    result = ansible("ansible-playbook", "-i", str(inventory), str(after), *arguments, cwd=tmp_path)
    assert mark.exists() == (result.returncode == 0), result.stdout
    return result


def test_from_the_command_line() -> None:
    result = ansible("ansible", "localhost", "-m", "moefleet.serving.serving_plan", "-a", json.dumps(REQUEST))
    assert result.returncode == 0, result.stdout
    assert "start_rank: 24" in result.stdout
    refused = ansible(
        "ansible",
        "localhost",
        "-m",
        "moefleet.serving.serving_plan",
        "-a",
        json.dumps({**REQUEST, "precision": "bf16"}),
    )
    assert refused.returncode != 0
    assert "memory.does_not_fit" in refused.stdout + refused.stderr


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("duplicate_host_key.yml", ["inventory.duplicate_key", "'gpu-a03' is given twice", "address.missing"]),
        ("hosts_list.yml", ["inventory.not_a_mapping", "is a list (gpu-a01, gpu-a02)"]),
        ("host_in_two_groups.ini", ["inventory.conflicting_variable", "gpu-a01 has more than one node_rank"]),
        ("dash_group.yml", ["inventory.group_missing", "'vllm-nodes' has 2 (gpu-a01, gpu-a02)"]),
    ],
)
def test_bad_inventories_are_refused_before_any_host_is_touched(tmp_path: Path, name: str, said: list[str]) -> None:
    result = playbook(tmp_path, INVENTORIES / name, "-e", "moefleet_group=vllm_nodes")
    assert result.returncode != 0
    output = result.stdout + result.stderr
    assert [text for text in said if text not in output] == []
    assert "memory." not in output
    assert "parallel." not in output
    assert [path.name for path in (tmp_path / "artifacts").iterdir()] == ["plan.html"]


def test_the_reference_cluster_is_planned_from_its_inventory(tmp_path: Path) -> None:
    directory = ROOT / "inventory" / "h20"
    result = ansible("ansible-playbook", "-i", str(directory), "moefleet.serving.plan", cwd=tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "[WARNING]" not in result.stderr
    assert "[DEPRECATION" not in result.stderr
    plan = json.loads((tmp_path / "artifacts" / "plan.json").read_text(encoding="utf-8"))
    assert plan["layout"]["expert_parallel_size"] == 32
    assert [host["start_rank"] for host in plan["layout"]["hosts"]] == [0, 8, 16, 24]
    argv = plan["serve"]["node-3"]["argv"]
    assert argv[argv.index("--data-parallel-start-rank") + 1] == "24"
    assert argv[argv.index("--all2all-backend") + 1] == "allgather_reducescatter"
    assert plan["serve"]["node-3"]["env"]["NCCL_SOCKET_IFNAME"] == "=eth1"
    again = ansible("ansible-playbook", "-i", str(directory), "moefleet.serving.plan", cwd=tmp_path)
    assert "changed=0" in again.stdout


def test_a_limit_leaves_the_plan_whole(tmp_path: Path) -> None:
    """The plan is made from the group, never from the hosts that are wanted or alive."""
    arguments = ["-i", str(ROOT / "inventory" / "h20"), "moefleet.serving.plan", "--limit", "localhost,node-1"]
    result = ansible("ansible-playbook", *arguments, cwd=tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
    plan = json.loads((tmp_path / "artifacts" / "plan.json").read_text(encoding="utf-8"))
    assert [host["name"] for host in plan["layout"]["hosts"]] == ["node-0", "node-1", "node-2", "node-3"]
