"""The acceptance of hosts, for a user to run alone against any inventory.

`pytest tests/testinfra --hosts=ansible://serving [--ansible-inventory=inventory/h20] [--plan=artifacts/plan.json]`

What is looked at and how it is judged is verify.yml's own: the tasks and defaults of the role `verify`, the module
`host_state`, and the checks of `host_checks.py`. Nothing is changed on the hosts. Without --hosts nothing is collected.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from testinfra.host import Host

from ansible_collections.moefleet.serving.plugins.module_utils.verification.host_checks import check_host
from ansible_collections.moefleet.serving.plugins.module_utils.verification.model import (
    Check,
    Demands,
    HostState,
    Planned,
    View,
)

ROOT = Path(__file__).resolve().parents[2]
ROLE = ROOT / "roles" / "verify"
PLAN_TIMEOUT_S = 300
SET_FACT, HOST_STATE = "ansible.builtin.set_fact", "moefleet.serving.host_state"


def pytest_addoption(parser: pytest.Parser) -> None:
    """--plan."""
    parser.getgroup("moefleet").addoption(
        "--plan", help="plan.json that the hosts are judged by; without it the inventory is planned, as verify.yml does"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Ansible, which testinfra runs, is the one of this Python, with the repository's settings."""
    if config.getoption("hosts") is not None:
        os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
        os.environ.setdefault("ANSIBLE_CONFIG", str(ROOT / "ansible.cfg"))


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Acceptance is of hosts that somebody names."""
    return True if collection_path.name == "test_acceptance.py" and config.getoption("hosts") is None else None


@pytest.fixture(scope="session")
def plan(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The plan that was given, or what the inventory says now."""
    given = pytestconfig.getoption("plan")
    path = Path(given) if given else tmp_path_factory.mktemp("plan") / "plan.json"
    if not given:
        inventory = pytestconfig.getoption("ansible_inventory")
        command = ["ansible-playbook", *([f"--inventory={inventory}"] if inventory else [])]
        command += [f"--extra-vars=moefleet_artifacts_dir={path.parent}", str(ROOT / "playbooks" / "plan.yml")]
        done = subprocess.run(command, capture_output=True, text=True, timeout=PLAN_TIMEOUT_S, check=False)
        if done.returncode != 0:
            pytest.fail(f"This inventory has no plan:\n{done.stdout[-3000:]}{done.stderr[-1000:]}", pytrace=False)
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


@pytest.fixture(scope="module")
def checks(host: Host, plan: dict[str, Any]) -> list[Check]:
    """Every check of one host."""
    variables = host.ansible.get_variables()
    name = str(variables["inventory_hostname"])
    planned = Planned.from_plan(plan)
    own = next((entry for entry in planned.hosts if entry.name == name), None)
    if own is None:
        pytest.fail(f"{name} is not in the plan: {', '.join(entry.name for entry in planned.hosts)}", pytrace=False)
    # The inventory wins over the role's defaults, as it does in the role; templates are left to Ansible.
    given = {key: value for key, value in read("defaults").items() if key not in variables}
    given.update(read("vars"))
    # Of a plan only what says how to look: a command line has no room for all of it.
    given["verify_plan"] = {
        key: plan[key] for key in ("engine", "layout", "serve", "service", "workload") if key in plan
    }
    demanded = run(host, SET_FACT, given).get("ansible_facts", {}).get("__verify_demands")
    return check_host(
        View(
            own,
            planned,
            Demands.from_settings(demanded, name) if demanded else None,
            HostState.from_result(run(host, HOST_STATE, given)),
        )
    )


def read(part: str) -> Any:
    """A part of the role, as it is written."""
    return yaml.safe_load((ROLE / part / "main.yml").read_text(encoding="utf-8"))


def run(host: Host, action: str, variables: dict[str, Any]) -> dict[str, Any]:
    """Run the first task of the role that uses this action, with the task's own arguments, and return its result."""
    arguments = next(task[action] for task in read("tasks") if action in task)
    try:
        result: dict[str, Any] = host.ansible(action, json.dumps(arguments), become=True, extra_vars=variables)
    except host.ansible.AnsibleException as error:
        return dict(error.result)
    except AssertionError as error:  # ansible's exit status for a host that it couldn't reach
        return {"unreachable": True, "msg": str(error)[-600:]}
    return result
