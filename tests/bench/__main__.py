"""What a second run and a launch cost, as ratios measured in one run.

Needs the lab as site.yml leaves it, and leaves it so.

usage: python -m tests.bench [--repeat N] [--launch-repeat N]
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import yaml

from .by_hand import Hosts
from .timing import Sample, alternate, command, slope

ROOT = Path(__file__).resolve().parents[2]
SSH_CONFIG = Path("/var/lib/moefleet/labs/lab/ssh_config")
API = "http://127.0.0.1:8000"
PINGS = 100
HOST_COUNTS = (1, 2, 4)


def playbook(*arguments: str) -> str:
    """Run a playbook on the lab, as a user would."""
    return command(["ansible-playbook", *arguments])


def ping_playbook(directory: Path, tasks: int) -> Path:
    """A play of so many pings, on the same hosts with the same connection settings."""
    ping = [{"name": f"Ping {number}", "ansible.builtin.ping": {}} for number in range(tasks)]
    path = directory / f"pings-{tasks}.yml"
    path.write_text(yaml.safe_dump([{"name": "Pings", "hosts": "serving", "gather_facts": False, "tasks": ping}]))
    return path


def unchanged_site(directory: Path, repeat: int) -> dict[str, Sample]:
    """The second, unchanged site.yml against the pings."""
    pings = ping_playbook(directory, PINGS)
    return alternate(
        {f"{PINGS} pings": lambda: playbook(str(pings)), "site.yml, unchanged": lambda: playbook("site.yml")}, repeat
    )


def growth(directory: Path, repeat: int) -> dict[str, float]:
    """What an added host costs, as a part of one host's time: provision.yml (site.yml refuses a part) and pings."""
    pings = ping_playbook(directory, 20)
    points: dict[str, list[tuple[float, float]]] = {"provision.yml": [], "20 pings": []}
    for count in HOST_COUNTS:
        limit = ",".join(["localhost", *(f"node-{number}" for number in range(count))])
        samples = alternate(
            {
                "provision.yml": lambda limit=limit: playbook("playbooks/provision.yml", "--limit", limit),  # type: ignore[misc]
                "20 pings": lambda limit=limit: playbook(str(pings), "--limit", limit),  # type: ignore[misc]
            },
            repeat,
        )
        for name, sample in samples.items():
            points[name].append((count, sample.median_s))
    # Relative to what each costs on one host, so that the two can be compared.
    return {name: slope(measured) / measured[0][1] for name, measured in points.items()}


def launches(hosts: Hosts, repeat: int) -> dict[str, Sample]:
    """launch.yml to the first completion against the same commands by hand; both from stopped ranks and warm caches."""
    seconds: dict[str, list[float]] = {"by hand": [], "launch.yml": []}
    for _ in range(repeat):
        hosts.stop_units()
        seconds["by hand"] += alternate({"by hand": hosts.launch_by_hand}, 1)["by hand"].seconds
        hosts.stop_by_hand()
        seconds["launch.yml"] += alternate({"launch.yml": lambda: playbook("playbooks/launch.yml")}, 1)[
            "launch.yml"
        ].seconds
    return {name: Sample(name, tuple(taken)) for name, taken in seconds.items()}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench", description=__doc__.splitlines()[0] if __doc__ else ""
    )
    parser.add_argument("--repeat", type=int, default=3, help="rounds of the Ansible timings")
    parser.add_argument("--launch-repeat", type=int, default=1, help="rounds of the launches, minutes each")
    given = parser.parse_args()
    if not SSH_CONFIG.exists():
        raise SystemExit("bench: there is no lab; run ansible-playbook site.yml first")
    print("site.yml once, so that there is nothing left to change", flush=True)
    playbook("site.yml")
    hosts = Hosts(SSH_CONFIG, json.loads((ROOT / "artifacts/plan.json").read_text()), API)
    with tempfile.TemporaryDirectory(prefix="moefleet-bench-") as name:
        site = unchanged_site(Path(name), given.repeat)
        steepness = growth(Path(name), given.repeat)
    launched = launches(hosts, given.launch_repeat)
    pings, unchanged = site[f"{PINGS} pings"], site["site.yml, unchanged"]
    by_hand, launch = launched["by hand"], launched["launch.yml"]
    rows = [
        (
            f"site.yml, unchanged / {PINGS} pings",
            unchanged.median_s / pings.median_s,
            f"{unchanged.median_s:.1f} s / {pings.median_s:.1f} s",
            0.6,
        ),
        (
            "growth a host, provision.yml / pings",
            steepness["provision.yml"] / steepness["20 pings"],
            f"{steepness['provision.yml']:.2f} / {steepness['20 pings']:.2f} of one host's time",
            1.0,
        ),
        (
            "launch.yml / the commands by hand",
            launch.median_s / by_hand.median_s,
            f"{launch.median_s:.1f} s / {by_hand.median_s:.1f} s",
            1.1,
        ),
    ]
    print(f"\n{'ratio of medians':42} {'ratio':>6} {'aim':>5}   from")
    for label, ratio, source, aim in rows:
        print(f"{label:42} {ratio:6.2f} {aim:5.1f}   {source}")
    result = {label: {"ratio": round(ratio, 3), "aim": aim, "from": source} for label, ratio, source, aim in rows}
    (ROOT / "artifacts/bench.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
