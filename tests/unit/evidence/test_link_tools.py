"""ping and the collective program: several formats, what was cut off, what stands around."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.moefleet.serving.plugins.module_utils.evidence import registry
from ansible_collections.moefleet.serving.plugins.module_utils.evidence.result import FAIL, PASS, UNKNOWN, WARN

IPUTILS = """PING 192.168.1.10 (192.168.1.10) from 192.168.1.11 : 56(84) bytes of data.

--- 192.168.1.10 ping statistics ---
20 packets transmitted, 20 received, 0% packet loss, time 308ms
rtt min/avg/max/mdev = 0.060/0.071/0.152/0.019 ms
"""
BUSYBOX = """PING 192.168.1.10 (192.168.1.10): 56 data bytes

--- 192.168.1.10 ping statistics ---
20 packets transmitted, 20 packets received, 0% packet loss
round-trip min/avg/max = 0.060/0.071/0.152 ms
"""
LOSSY = IPUTILS.replace("20 received, 0%", "15 received, +3 duplicates, 25%")
LOST = """PING 192.168.1.99 (192.168.1.99) 56(84) bytes of data.

--- 192.168.1.99 ping statistics ---
5 packets transmitted, 0 received, +5 errors, 100% packet loss, time 4079ms
pipe 3
"""
FRENCH = """PING 192.168.1.10 (192.168.1.10) 56(84) octets de données.

--- statistiques ping 192.168.1.10 ---
20 paquets transmis, 20 reçus, 0% packet loss, time 308ms
rtt min/avg/max/mdev = 0,060/0,071/0,152/0,019 ms
"""


@pytest.mark.parametrize("text", [IPUTILS, BUSYBOX, IPUTILS.replace(" ms\n", " ms, pipe 2, ipg/ewma 0.1/0.2 ms\n")])
def test_the_formats_of_ping(text: str) -> None:
    found = registry.parse("ping", text)
    assert found.verdict == PASS, found.reasons
    assert found.values == {
        "round_trip_us": 71.0,
        "minimum_us": 60.0,
        "maximum_us": 152.0,
        "loss_percent": 0.0,
        "sent": 20,
        "received": 20,
    }


@pytest.mark.parametrize(
    ("text", "context", "verdict"),
    [
        (LOSSY, {}, WARN),
        (LOSSY, {"maximum_loss_percent": 30}, PASS),
        (LOSSY, {"maximum_loss_percent": 1}, FAIL),
        (IPUTILS, {"maximum_us": 70}, FAIL),
        (LOST, {"maximum_loss_percent": 100}, FAIL),
        ("ping: connect: Network is unreachable\n", {}, FAIL),
        ("ping: bad address 'node-9'\n", {}, FAIL),
        (FRENCH, {}, UNKNOWN),
        ("", {}, UNKNOWN),
        (IPUTILS + IPUTILS, {}, UNKNOWN),
        (IPUTILS.replace("20 received, 0%", "20 received, 50%"), {}, UNKNOWN),
        (IPUTILS.replace("0.060/0.071", "0.160/0.071"), {}, UNKNOWN),
        (IPUTILS.replace("20 packets transmitted, 20", "0 packets transmitted, 0"), {}, UNKNOWN),
        (IPUTILS, {"maximum_us": "fast"}, UNKNOWN),
    ],
)
def test_what_ping_says_of_a_link(text: str, context: dict[str, Any], verdict: str) -> None:
    assert registry.parse("ping", text, context).verdict == verdict


RESULT = {
    "moefleet_collective": 1,
    "backend": "gloo",
    "ranks": 8,
    "hosts": 4,
    "transport": "tcp",
    "interface": "eth1",
    "operations": [
        {
            "operation": name,
            "sizes": [
                {"bytes": size, "seconds": size / 1e8, "algbw_gbyte_s": 0.1, "busbw_gbyte_s": bus, "wrong_values": 0}
                for size in (64, 1024, 1048576)
            ],
        }
        for name, bus in (("all_reduce", 0.175), ("all_to_all", 0.0875))
    ],
}
LOG = "node-0:12:34 [0] NCCL INFO Channel 00/0 : 0[0] -> 1[0] [send] via NET/IB/0/GDRDMA\n"
TEXT = LOG + json.dumps(RESULT) + "\n"


def result(**changes: Any) -> str:
    return json.dumps({**RESULT, **changes})


def test_an_operation_and_a_size_of_the_collectives() -> None:
    found = registry.parse("collective", TEXT, {"operation": "all_to_all", "bytes": 1000, "ranks": 8, "hosts": 4})
    assert found.verdict == PASS, found.reasons
    assert (found.values["bytes"], found.values["time_us"], found.values["busbw_gbyte_s"]) == (1024, 10.24, 0.0875)
    assert (found.values["operation"], found.values["transport"], found.values["wrong_values"]) == (
        "all_to_all",
        "tcp",
        0,
    )
    largest = registry.parse("collective", TEXT, {"operation": "all_reduce"})
    assert (largest.values["bytes"], largest.values["busbw_gbyte_s"]) == (1048576, 0.175)


def with_size(**changes: Any) -> str:
    size = {**RESULT["operations"][0]["sizes"][0], **changes}  # type: ignore[index]
    return result(operations=[{"operation": "all_reduce", "sizes": [size]}])


@pytest.mark.parametrize(
    ("text", "context", "verdict"),
    [
        (with_size(wrong_values=3), {}, FAIL),
        (with_size(wrong_values=None), {}, UNKNOWN),
        (with_size(seconds=0), {}, UNKNOWN),
        (with_size(), {"bytes": 4096}, UNKNOWN),
        (with_size(), {"operation": "all_gather"}, UNKNOWN),
        (with_size(), {"ranks": 32}, FAIL),
        (with_size(), {"hosts": 5}, FAIL),
        (with_size(), {"transports": ["ib", "ib_gdr"]}, FAIL),
        (with_size(), {"transports": ["tcp"]}, PASS),
        (result(transport=None), {"transports": ["tcp"]}, UNKNOWN),
        (with_size(), {"minimum_busbw_gbyte_s": 1}, FAIL),
        (result(ranks=None), {}, UNKNOWN),
        (result(operations=[]), {}, UNKNOWN),
        (result(operations="all"), {}, UNKNOWN),
        (result(moefleet_collective=2), {}, UNKNOWN),
        (TEXT + TEXT, {}, UNKNOWN),
        ("collective: rank 3 ended with 1; its log is above\n", {}, FAIL),
        (LOG, {}, UNKNOWN),
        ("", {}, UNKNOWN),
    ],
)
def test_what_the_collectives_say(text: str, context: dict[str, Any], verdict: str) -> None:
    assert registry.parse("collective", text, context).verdict == verdict


WHOLE = [("ping", IPUTILS), ("ping", BUSYBOX), ("collective", TEXT)]


@pytest.mark.parametrize(("tool", "text"), WHOLE)
def test_what_stands_around_changes_nothing(tool: str, text: str) -> None:
    plain = registry.parse(tool, text)
    tagged = "\r\n".join(f"[1,0]<stdout>:\x1b[32m{line}\x1b[0m" for line in text.splitlines())
    for dressed in (tagged, "Warning: something\n\n" + text, text + "\nConnection to host closed.\n"):
        assert registry.parse(tool, dressed) == plain


@pytest.mark.parametrize(("tool", "text"), WHOLE)
def test_what_is_cut_off_never_passes(tool: str, text: str) -> None:
    for end in range(len(text.rstrip()) - 3):
        assert registry.parse(tool, text[:end]).verdict == UNKNOWN, text[:end]


@given(st.randoms())
def test_what_is_shuffled_never_passes(mixer: random.Random) -> None:
    for text in (IPUTILS, BUSYBOX):
        lines = [line for line in text.splitlines() if line]
        mixed = mixer.sample(lines, len(lines))
        assert mixed == lines or registry.parse("ping", "\n".join(mixed)).verdict == UNKNOWN


@given(st.text(), st.sampled_from(["ping", "collective"]))
def test_nothing_raises(text: str, tool: str) -> None:
    for dressed in (text, IPUTILS.replace("20", text), TEXT.replace("64", text)):
        registry.parse(tool, dressed)
