# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Addresses of the data network: what an engine may be told to bind and connect to."""

from __future__ import annotations

import ipaddress
import re
from typing import Union

from .findings import Finding, error

Address = Union[ipaddress.IPv4Address, ipaddress.IPv6Address]

_DOTTED = re.compile(r"\d+(\.\d+){3}")


def plain(text: str) -> str:
    """An address without the brackets and blanks some tools add; a zone (``%eth1``) stays."""
    text = text.strip()
    return text[1:-1] if text.startswith("[") and text.endswith("]") else text


def parse(text: str) -> Address | None:
    """The address, or ``None`` where it is not one (host names, leading zeros)."""
    try:
        return ipaddress.ip_address(plain(text))
    except ValueError:
        return None


def bracketed(text: str) -> str:
    """The address as it stands in a URL: IPv6 in brackets, once."""
    address = plain(text)
    return f"[{address}]" if ":" in address else address


def check(where: str, text: str) -> Finding | None:
    """What is wrong with an address other hosts shall reach, or ``None``.

    vLLM's coordinator takes an address, not a name (llm-d-modelservice issue 7), and a name that resolves to 127.0.1.1
    makes gloo listen on the loopback; so names are refused instead of resolved on a controller that may resolve
    differently.
    """
    address = parse(text)
    if address is None:
        return _not_an_address(where, plain(text))
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if address.is_unspecified:
        return error(
            "address.unspecified",
            f"{where} is {text}, which no peer can connect to",
            f"set {where} to the host's address on the data network",
        )
    if address.is_loopback:
        return error(
            "address.loopback",
            f"{where} is {text}, a loopback address: no other host reaches it",
            f"set {where} to the host's address on the data network",
        )
    if address.is_link_local:
        return error(
            "address.link_local",
            f"{where} is {text}, a link-local address, valid on one link and interface only",
            f"set {where} to a routable address of the data network",
        )
    if address.is_multicast or text == "255.255.255.255":
        return error(
            "address.multicast",
            f"{where} is {text}, a multicast or broadcast address",
            f"set {where} to the host's own address on the data network",
        )
    return None


def _not_an_address(where: str, text: str) -> Finding:
    if _DOTTED.fullmatch(text):
        octets = text.split(".")
        if any(len(octet) > 1 and octet.startswith("0") for octet in octets):
            return error(
                "address.leading_zero",
                f"{where} is {text}: leading zeros are octal to some tools and decimal to others",
                f"write {where} as {'.'.join(str(int(octet)) for octet in octets)}",
            )
        return error("address.invalid", f"{where} is {text}, which is no IPv4 address", f"correct {where}")
    if re.fullmatch(r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?\.?", text):
        return error(
            "address.hostname",
            f"{where} is '{text}', a name: engines need an address, and a name may resolve to the loopback on its host",
            f"set {where} to the address itself",
        )
    return error("address.invalid", f"{where} is {text!r}, which is no address", f"correct {where}")
