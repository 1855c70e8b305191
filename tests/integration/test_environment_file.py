"""What the filter environment_file writes, read by systemd itself."""

from __future__ import annotations

import itertools
import subprocess

from ansible_collections.moefleet.serving.plugins.filter.environment_file import environment_file

from .playbooks import SSH, Outcome, on_host

FILE = "/tmp/moefleet-environment-file.env"
# Every pair of characters that an environment file or a shell could take for something else, in every position.
ODD = " \t\"'\\$`#;=%{}!~*&|<>()[]n0é"
PIECES = [
    "",
    "%n",
    "${HOME}",
    "$HOME",
    "\\n",
    '{"num_redundant_experts": 32}',
    "=eth1",
    "it's",
    " both ends ",
    "中文 🚀",
]


def test_systemd_reads_what_was_written(lab: Outcome) -> None:
    values = PIECES + ["".join(pair) for pair in itertools.product(ODD, repeat=2)] + [f"a{odd}b" for odd in ODD]
    variables = {f"MOEFLEET_{number}": value for number, value in enumerate(values)}
    on_host("node-0", f"cat > {FILE}", environment_file(variables))
    command = f"systemd-run --quiet --pipe --wait --collect --property=EnvironmentFile={FILE} env -0; rm {FILE}"
    said = subprocess.run([*SSH, "node-0", command], capture_output=True, timeout=60, check=True).stdout
    read = dict(entry.decode().split("=", 1) for entry in said.split(b"\0") if entry)
    assert {name: value for name, value in read.items() if name.startswith("MOEFLEET_")} == variables
