"""What a host is: from files and tools as they print it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.moefleet.serving.plugins.module_utils.hosts import commands, machine
from ansible_collections.moefleet.serving.plugins.module_utils.hosts.commands import Result

from .boot_loaders import put
from .runner import Programs, printed

SHOW = "systemctl show --property=Id,LoadState,ActiveState,UnitFileState " + " ".join(machine.TIME_UNITS)
TRACKING = (
    "C0248F97,192.36.143.151,2,1732659512.1,-0.000231145,0.000012,0.000034,-12.1,0.002,0.05,0.02,0.001,1031.5,Normal\n"
)
UNREACHABLE = "7F7F0101,,0,0.000000000,0.000000000,0.000000000,0.0,0.0,0.0,0.0,1.0,1.0,0.0,Not synchronised\n"
TIMESYNC = """       Server: 10.0.1.1 (ntp.internal)
Poll interval: 34min 8s (min: 32s; max 34min 8s)
         Leap: normal
      Version: 4
      Stratum: 2
       Offset: {offset}
        Delay: 7.9ms
       Jitter: 2.1ms
 Packet count: 31
"""


def units(**states: str) -> Result:
    """What systemd says of the units that keep a clock: `active enabled` by program, the others not found."""
    blocks = []
    for unit in machine.TIME_UNITS:
        active, _, file = states.get(unit.partition(".")[0].replace("-", "_"), " ").partition(" ")
        loaded = "loaded" if active else "not-found"
        blocks.append(f"Id={unit}\nLoadState={loaded}\nActiveState={active or 'inactive'}\nUnitFileState={file}\n")
    return printed("\n".join(blocks))


@pytest.mark.parametrize(
    ("path", "content", "kind"),
    [
        ("/run/systemd/container", "systemd-nspawn\n", "systemd-nspawn"),
        ("/run/systemd/container", "", "container"),
        ("/.dockerenv", "", "docker"),
        ("/run/.containerenv", "", "podman"),
        ("/etc/hostname", "node-0\n", ""),
    ],
)
def test_containers(tmp_path: Path, path: str, content: str, kind: str) -> None:
    put(tmp_path, path, content)
    assert machine.container(tmp_path) == kind


def test_the_processors_vendor(tmp_path: Path) -> None:
    assert machine.cpu_vendor(tmp_path) == ""
    put(tmp_path, "/proc/cpuinfo", "processor\t: 0\nvendor_id\t: AuthenticAMD\ncpu family\t: 25\n\nprocessor\t: 1\n")
    assert machine.cpu_vendor(tmp_path) == "AuthenticAMD"
    put(tmp_path, "/proc/cpuinfo", "processor\t: 0\nCPU implementer\t: 0x41\n")
    assert machine.cpu_vendor(tmp_path) == ""


def test_files_by_path_and_pattern(tmp_path: Path) -> None:
    for path in ("/etc/a/60-x", "/etc/b/60-x", "/etc/a/70-x"):
        put(tmp_path, path, "")
    assert machine.existing(["/etc/*/60-x", "/etc/a/60-x", "/etc/none"], tmp_path) == ["/etc/a/60-x", "/etc/b/60-x"]


def test_chrony_keeps_the_clock(tmp_path: Path) -> None:
    host = Programs({SHOW: units(chrony="active enabled"), "chronyc -c tracking": printed(TRACKING)})
    clock = machine.clock(host, tmp_path)
    assert clock == machine.Clock(("chrony",), ("chrony",), True, 0.000231145, "")


def test_timesyncd_keeps_the_clock(tmp_path: Path) -> None:
    told = printed(TIMESYNC.format(offset="-1.5ms"))
    host = Programs({SHOW: units(systemd_timesyncd="active enabled"), "timedatectl timesync-status": told})
    clock = machine.clock(host, tmp_path)
    assert (clock.active, clock.synchronized, clock.reason) == (("timesyncd",), True, "")
    assert clock.offset_s == pytest.approx(0.0015)


def test_two_are_seen_though_one_only_comes_at_the_next_boot(tmp_path: Path) -> None:
    both = units(chronyd="active enabled", systemd_timesyncd="inactive enabled")
    clock = machine.clock(Programs({SHOW: both, "chronyc -c tracking": printed(TRACKING)}), tmp_path)
    assert clock.active == ("chrony", "timesyncd")


def test_one_that_is_installed_and_off_is_no_second(tmp_path: Path) -> None:
    off = units(chrony="active enabled", systemd_timesyncd="inactive disabled")
    clock = machine.clock(Programs({SHOW: off, "chronyc -c tracking": printed(TRACKING)}), tmp_path)
    assert (clock.installed, clock.active) == (("chrony", "timesyncd"), ("chrony",))


@pytest.mark.parametrize(
    ("answers", "synchronized", "reason"),
    [
        ({"chronyc -c tracking": printed(UNREACHABLE)}, False, "chrony: Not synchronised"),
        ({"chronyc -c tracking": printed("")}, None, "chronyc printed no tracking data"),
        ({"chronyc -c tracking": Result(1, "506 Cannot talk to daemon\n")}, None, "506 Cannot talk to daemon"),
        ({}, None, "chronyc is not here"),
    ],
)
def test_unknown_is_not_right(
    tmp_path: Path, answers: dict[str, Result], synchronized: bool | None, reason: str
) -> None:
    clock = machine.clock(Programs({SHOW: units(chrony="active enabled"), **answers}), tmp_path)
    assert (clock.synchronized, clock.offset_s, clock.reason) == (synchronized, None, reason)


def test_a_server_that_does_not_answer() -> None:
    assert machine.timesyncd_offset("       Server: n/a\nPoll interval: 0 (min: 32s)\n Packet count: 0\n")[0] is False


def test_a_container_keeps_no_clock(tmp_path: Path) -> None:
    put(tmp_path, "/run/systemd/container", "systemd-nspawn\n")
    host = Programs({})
    clock = machine.clock(host, tmp_path)
    assert (clock.installed, clock.synchronized) == ((), None)
    assert "container" in clock.reason
    assert host.calls == []


@given(st.integers(0, 59), st.integers(1, 59_999), st.sampled_from("+-"))
def test_spans_are_added(minutes: int, milliseconds: int, sign: str) -> None:
    text = f"{sign}{f'{minutes}min ' if minutes else ''}{milliseconds / 1000}s"
    synchronized, offset, _ = machine.timesyncd_offset(TIMESYNC.format(offset=text))
    assert synchronized
    assert offset == pytest.approx(60 * minutes + milliseconds / 1000)


@given(st.text())
def test_any_text_is_read_to_an_end(text: str) -> None:
    for parse in (machine.chrony_offset, machine.timesyncd_offset):
        synchronized, offset, reason = parse(text)
        assert (offset is None) == bool(reason)
        assert synchronized or offset is None


def test_programs_speak_english_and_never_raise() -> None:
    assert commands.run(["sh", "-c", "echo $LC_ALL; echo no >&2; exit 3"]) == Result(3, "C\n", "no\n")
    missing = commands.run(["/no/such/program"])
    assert (missing.status, missing.why) == (127, "/no/such/program: /no/such/program is not installed")
    assert not missing.ended
    assert commands.run(["sh", "-c", "exit 127"]).ended


def test_a_program_without_end_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "TIMEOUT_S", 0.05)
    assert commands.run(["sleep", "60"]).status == commands.TIMED_OUT
    assert commands.run(["sleep", "60"], 0.01).last_words == "sleep 60: no end after 0.01 s"
