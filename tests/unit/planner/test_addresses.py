"""Addresses of the data network, and how they are written."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.moefleet.serving.plugins.module_utils.planner import addresses
from ansible_collections.moefleet.serving.plugins.module_utils.planner.checks import check_addresses
from ansible_collections.moefleet.serving.plugins.module_utils.planner.request import Host

# Right answers for the cases of V11_address_cases.csv: the URI, or why it is refused.
CASES = {
    "a": "tcp://10.77.3.21:13345",
    "b": "tcp://[fd42:77:3::21]:13345",
    "c": "tcp://[fd42:77:3::21]:13345",
    "d": "address.link_local",
    "e": "address.hostname",
    "f": "address.loopback",
    "g": "address.leading_zero",
    "h": "address.unspecified",
}


def test_the_cases(data_dir: Path) -> None:
    with (data_dir / "planner" / "V11_address_cases.csv").open(encoding="utf-8", newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert {row["case"] for row in rows} == set(CASES)
    for row in rows:
        finding = addresses.check("data_address", row["address"])
        uri = f"tcp://{addresses.bracketed(row['address'])}:{row['port']}"
        assert (uri if finding is None else finding.code) == CASES[row["case"]], row


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("127.0.0.1", "address.loopback"),
        ("::1", "address.loopback"),
        ("[::1]", "address.loopback"),
        ("::ffff:127.0.0.1", "address.loopback"),
        ("::", "address.unspecified"),
        ("169.254.7.7", "address.link_local"),
        ("fe80::1", "address.link_local"),
        ("224.0.0.1", "address.multicast"),
        ("ff02::1", "address.multicast"),
        ("255.255.255.255", "address.multicast"),
        ("192.168.1.300", "address.invalid"),
        ("192.168.1", "address.hostname"),
        ("192.168.1.10/24", "address.invalid"),
        ("localhost", "address.hostname"),
        ("two words", "address.invalid"),
        ("", "address.invalid"),
    ],
)
def test_refused(text: str, code: str) -> None:
    finding = addresses.check("data_address of a", text)
    assert finding is not None
    assert finding.code == code
    assert "data_address of a" in finding.message


def test_leading_zeros_are_offered_without() -> None:
    finding = addresses.check("data_address", "10.77.3.021")
    assert finding is not None
    assert "10.77.3.21" in finding.fix


@given(st.ip_addresses(v=6))
def test_brackets_are_never_doubled(address: object) -> None:
    once = addresses.bracketed(str(address))
    assert once == f"[{address}]"
    assert addresses.bracketed(once) == once
    assert addresses.parse(once) == addresses.parse(str(address))


@given(st.text())
def test_any_text_is_an_address_or_a_finding(text: str) -> None:
    assert addresses.check("x", text) is not None or addresses.parse(text) is not None


def codes(*hosts: Host) -> list[str]:
    return [finding.code for finding in check_addresses(hosts)]


def test_one_address_for_two_hosts_is_refused_however_it_is_written() -> None:
    first = Host("a", "fd42::21", data_interface="eth1")
    assert codes(first, Host("b", "[FD42:0::21]", data_interface="eth1")) == ["address.duplicate"]


def test_families_are_not_mixed() -> None:
    assert codes(Host("a", "10.0.0.1", data_interface="eth1"), Host("b", "fd42::2", data_interface="eth1")) == [
        "address.mixed_families"
    ]


def test_missing_addresses_are_named_in_one_finding() -> None:
    [finding] = check_addresses([Host("a", data_interface="e"), Host("b", data_interface="e")])
    assert finding.code == "address.missing"
    assert "a, b" in finding.message


def test_an_interface_that_is_not_named_is_a_warning() -> None:
    [finding] = check_addresses([Host("a", "10.0.0.1"), Host("b", "10.0.0.2", data_interface="eth1")])
    assert (finding.code, finding.severity) == ("address.no_interface", "warning")
    assert "on a:" in finding.message
    assert check_addresses([Host("a", "10.0.0.1")]) == []
