"""What goes wrong with a running service is named by verify.yml: host, cause and fix. site.yml mends all of it."""

from __future__ import annotations

import json
import re
from typing import Any

from .playbooks import ROOT, Outcome, main_pids, on_host, play

UNIT = "moefleet-vllm.service"
# A head whose service answers every question with an error.
FAILING_API = """
import http.server
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_error(500)
    do_POST = do_GET
http.server.ThreadingHTTPServer(("", 8000), Handler).serve_forever()
"""


def bad(verdicts: tuple[str, ...] = ("fail",)) -> dict[tuple[str, str], dict[str, Any]]:
    """The report's checks with such a verdict by id and host."""
    content = json.loads((ROOT / "artifacts/verify/report.json").read_text(encoding="utf-8"))
    return {(check["id"], check["host"]): check for check in content["checks"] if check["verdict"] in verdicts}


def test_what_was_changed_by_hand_is_named(lab: Outcome) -> None:
    """A unit's argument, the interface in NCCL's file, a limit of the process; and a benchmark that is cut off.

    Each on a host of its own, with the service running: nothing else fails.
    """
    on_host("node-1", f"sed -i '/^ExecStart=/s/2048/1024/' /etc/systemd/system/{UNIT} && systemctl daemon-reload")
    on_host("node-2", "sed -i 's/^NCCL_SOCKET_IFNAME=.*/NCCL_SOCKET_IFNAME=eth0/' /etc/moefleet/nccl.env")
    # As the service's user: root may not touch the limits of others where it lacks CAP_SYS_RESOURCE.
    on_host("node-3", f"runuser -u moefleet -- prlimit --memlock=65536:65536 --pid $(systemctl show -P MainPID {UNIT})")
    outcome = play("verify.yml", variables={"verify_quick": True, "verify_latency_timeout_s": 5})
    assert outcome.rc != 0
    found = bad()
    hosts = {place for place in found if place[1]}
    assert hosts == {("unit_command", "node-1"), ("file_environment", "node-2"), ("limit_memlock", "node-3")}
    assert "NCCL_SOCKET_IFNAME=eth0 in /etc/moefleet/nccl.env" in found["file_environment", "node-2"]["reason"]
    assert "65536" in found["limit_memlock", "node-3"]["observed"]
    assert "ended after" in found["bench_complete", ""]["reason"]
    assert all(check["fix"] for check in found.values())
    for host, words in (("node-1", "another command"), ("node-2", "NCCL_SOCKET_IFNAME"), ("node-3", "65536")):
        assert any(host in failure and words in failure for failure in outcome.failures), outcome.failures


def test_a_killed_rank_is_named(lab: Outcome) -> None:
    """One rank of a follower dies without a word."""
    process = on_host("node-2", "pgrep -f '^VLLM::EngineCore_DP5$'").strip()
    on_host("node-2", f"kill -9 {process}")
    outcome = play("verify.yml", variables={"verify_quick": True})
    assert outcome.rc != 0, outcome.explain()
    found = bad(("fail", "unknown"))
    assert any(host == "node-2" and re.search(r"\brank 5\b", json.dumps(check)) for (_id, host), check in found.items())
    assert any("node-2" in failure and "rank 5" in failure for failure in outcome.failures), outcome.failures


def test_a_stopped_follower_and_an_api_of_errors_are_named(lab: Outcome) -> None:
    """Something else answers at the service's address, with errors, and a follower doesn't run."""
    for host in ("node-0", "node-3"):
        on_host(host, f"systemctl stop {UNIT}")
    on_host("node-0", f"systemd-run --quiet --unit=failing-api python3 -c '{FAILING_API}'")
    try:
        outcome = play("verify.yml", variables={"verify_quick": True})
    finally:
        on_host("node-0", "systemctl stop failing-api.service")
    assert outcome.rc != 0
    found = bad()
    assert "is inactive" in found["unit_active", "node-3"]["reason"]
    assert "500" in found["api_health", ""]["observed"]
    assert any("node-3" in failure and "inactive" in failure for failure in outcome.failures), outcome.failures


def test_site_mends_all_of_it(lab: Outcome) -> None:
    """The files are the plan's again, and the whole group was started anew, together."""
    before = main_pids()
    again = play("site.yml")
    assert again.rc == 0, again.explain()
    assert set(main_pids().values()).isdisjoint(set(before.values()))
    quick = play("verify.yml", "--tags", "hosts,service", variables={"verify_quick": True})
    assert quick.rc == 0, quick.explain()
    assert not bad(("fail", "unknown"))
