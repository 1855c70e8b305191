"""What layouts keep of their speed on slower links: tokens/s of each on the lab, by the rate of the data ports.

Launches each layout on the default inventory with `site.yml`, limits what every host sends with `tc`, and loads it with
users that never pause. Writes artifacts/bench-layouts.json and docs/layouts.svg, and leaves the lab with the default
layout and without limits.

usage: python -m tests.bench.layouts [--seconds N] [--mbit N ...]     (as root)
"""

from __future__ import annotations

import argparse
import contextlib
import json
import re
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "collections"))

from .picture import Curve, picture
from .timing import command

ROOT = Path(__file__).resolve().parents[2]
URL = "http://127.0.0.1:8000/v1/completions"
LAYOUTS = ("wide_ep", "replicas")
NO_LIMIT = "no limit"
# Mbit/s a port. The lab's ports have no rate of their own: their packets cost processor time. Its model is small, and
# two cores compute few tokens: they are on the wire at rates that would be far too low for a real one.
RATES_MBIT = (30.0, 10.0, 3.0, 1.0, 0.5, 0.2, 0.1)
USERS = 8
SETTLE_S = 8.0
COUNTER = re.compile(r"^vllm:generation_tokens_total\{[^}]*\} ([0-9.e+]+)$", re.MULTILINE)


@dataclass(frozen=True)
class Service:
    """What is measured: the plan says where each group answers by itself, and what is to be expected."""

    plan: Mapping[str, Any]

    def tokens(self) -> float:
        """Tokens that all engines have generated. Each group is asked on its own host: that is not on the links."""
        total = 0.0
        for instance in self.plan["serving"]["instances"]:
            url = f"http://{instance['address']}:{instance['port']}/metrics"
            said = command([*namespace(instance["head"]), "curl", "--silent", "--fail", "--max-time", "60", url])
            total += sum(float(value) for value in COUNTER.findall(said))
        return total

    def bound(self, rate_bit_s: float) -> float | None:
        """Tokens/s that the plan says ports of a rate allow at most; `None` where no token crosses them."""
        each = self.plan["network"]["port_bytes_per_token"].get(self.plan["network"]["backend"])
        if not each or not isinstance(each, (int, float)):
            return None
        return float(self.plan["network"]["goodput_fraction"] * rate_bit_s / 8 / each)


def namespace(host: str) -> list[str]:
    """The beginning of a command in a lab host's network."""
    return ["ip", "netns", "exec", f"moefleet-lab-{host}"]


def launch(layout: str) -> Service:
    """Bring the lab to a layout."""
    print(f"{layout}: site.yml", flush=True)
    command(["ansible-playbook", "site.yml", "-e", f"serving_layout={layout}", "-e", "fabric_gate=false"])
    return Service(json.loads((ROOT / "artifacts/plan.json").read_text()))


@contextlib.contextmanager
def limited(hosts: list[str], mbit: float | None) -> Iterator[None]:
    """Every host's data port sends no faster; so none receives faster either."""
    if mbit is None:
        yield
        return
    shape = ["rate", f"{round(mbit * 1000)}kbit", "burst", "16kb", "limit", "64kb"]
    try:
        for host in hosts:
            command([*namespace(host), "tc", "qdisc", "add", "dev", "eth1", "root", "tbf", *shape])
        yield
    finally:
        for host in hosts:
            drop = [*namespace(host), "tc", "qdisc", "del", "dev", "eth1", "root"]
            subprocess.run(drop, capture_output=True, check=False)


@contextlib.contextmanager
def load(model: str) -> Iterator[None]:
    """Users that ask again as soon as they have their answer."""
    stop = threading.Event()
    body = {"model": model, "prompt": "The quick brown fox", "max_tokens": 16, "temperature": 0, "ignore_eos": True}

    def user() -> None:
        while not stop.is_set():
            request = urllib.request.Request(URL, json.dumps(body).encode(), {"Content-Type": "application/json"})
            with contextlib.suppress(OSError), urllib.request.urlopen(request, timeout=600) as answer:
                answer.read()

    users = [threading.Thread(target=user, daemon=True) for _ in range(USERS)]
    for one in users:
        one.start()
    try:
        yield
    finally:
        stop.set()
        for one in users:
            one.join(600)


def measure(layout: str, rates: tuple[float | None, ...], seconds: float) -> list[dict[str, Any]]:
    """Tokens/s of a layout at each rate."""
    service = launch(layout)
    hosts = [host["name"] for host in service.plan["layout"]["hosts"]]
    rows = []
    for mbit in rates:
        with load(service.plan["service"]["served_model_name"]), limited(hosts, mbit):
            time.sleep(SETTLE_S)
            before, began = service.tokens(), time.monotonic()
            time.sleep(seconds)
            seen = (service.tokens() - before) / (time.monotonic() - began)
        bound = None if mbit is None else service.bound(mbit * 1e6)
        rows.append({"layout": layout, "mbit": mbit, "tokens_s": round(seen, 2), "bound_tokens_s": bound})
        told = f"   bound of the plan {bound:,.1f}" if bound else ""
        print(f"  {layout:9} {mbit or NO_LIMIT:>8} Mbit/s: {seen:6.1f} tokens/s{told}", flush=True)
    return rows


def curves(rows: list[dict[str, Any]]) -> list[Curve]:
    """A curve a layout, and the plan's bound."""
    found = []
    for layout in LAYOUTS:
        mine = [row for row in rows if row["layout"] == layout and row["mbit"]]
        found.append(Curve(f"{layout}, measured", [(row["mbit"], row["tokens_s"]) for row in mine]))
        bound = [(row["mbit"], row["bound_tokens_s"]) for row in mine if row["bound_tokens_s"]]
        if bound:
            found.append(Curve(f"{layout}, at most, by the plan", bound, dashed=True))
    return found


def main() -> None:
    """Measure, draw, and go back."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.layouts")
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--mbit", type=float, nargs="+", default=RATES_MBIT)
    given = parser.parse_args()
    rows: list[dict[str, Any]] = []
    for layout in reversed(LAYOUTS):
        rows += measure(layout, (None, *given.mbit), given.seconds)
    (ROOT / "artifacts/bench-layouts.json").write_text(json.dumps(rows, indent=1) + "\n")
    drawn = picture(curves(rows), "Mbit/s of each host's data port", "tokens/s in all", "Layouts on slower links")
    (ROOT / "docs/layouts.svg").write_text(drawn, encoding="utf-8")


if __name__ == "__main__":
    main()
