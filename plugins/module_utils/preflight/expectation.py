# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a host must be: the plan's part of the judgement, read from a dictionary whose every key is known."""

from __future__ import annotations

import difflib
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

# What is read of the plan's `stack`; the rest of it is the planner's own.
STACK_KEYS = ("distribution", "driver", "python", "ofed", "kernels", "driver_route", "secure_boot")
GIB = 1 << 30


@dataclass(frozen=True)
class Expectation:
    """What one host is expected to be. None and empty: nothing is expected. Sizes in bytes, rates in Gbit/s."""

    platform: str | None = None
    gpus_per_host: int | None = None
    gpu_model: str | None = None
    nvswitches: int | None = None
    nic_gbit_s: float | None = None
    nic_models: tuple[str, ...] = ()
    nic_firmware: str | None = None
    mtu_bytes: int | None = None
    rdma_mtu_bytes: int | None = None
    data_interface: str | None = None
    data_address: str | None = None
    hca: str | None = None
    hosts: Mapping[str, str] = field(default_factory=dict)
    ports: tuple[int, ...] = ()
    service: str = "moefleet-vllm.service"
    balancer: str = "moefleet-balancer.service"
    user: str = "moefleet"
    model_path: str | None = None
    model_bytes: int | None = None
    engine_path: str | None = None
    engine_bytes: int | None = None
    shm_bytes: int | None = None
    memory_bytes: int | None = None
    clock_skew_s: float = 2.0
    architecture: str | None = None
    distribution: str | None = None
    kernels: tuple[str, ...] = ()
    driver: str | None = None
    driver_route: str | None = None
    ofed: str | None = None
    secure_boot: str = "refused"
    python: str | None = None

    @property
    def hardware(self) -> bool:
        """Whether there are to be GPUs, and with them a fabric, a driver and RDMA."""
        return self.platform == "cuda"


_DEFAULTS = Expectation()
_FIELDS = {item.name: getattr(_DEFAULTS, item.name) for item in fields(Expectation)}
_INTEGERS = (
    "gpus_per_host",
    "nvswitches",
    "mtu_bytes",
    "rdma_mtu_bytes",
    "model_bytes",
    "engine_bytes",
    "shm_bytes",
    "memory_bytes",
)
_RATES = ("nic_gbit_s", "clock_skew_s")
_LISTS = ("nic_models", "kernels", "ports")
_CHOICES = {
    "platform": ("cuda", "cpu"),
    "driver_route": ("nvidia", "distribution"),
    "secure_boot": ("refused", "allowed"),
}


def read_expectation(given: Any) -> tuple[Expectation, list[str]]:
    """The expectation that a dictionary describes, and what is wrong with it, a sentence each."""
    wrong: list[str] = []
    if not isinstance(given, Mapping):
        return _DEFAULTS, [f"it is {type(given).__name__}, not a dictionary"]
    flat = {str(key): value for key, value in given.items() if key != "stack"}
    stack = given.get("stack") or {}
    if isinstance(stack, Mapping):
        flat = {**{key: stack[key] for key in STACK_KEYS if key in stack}, **flat}
    else:
        wrong.append(f"stack is {type(stack).__name__}, not a dictionary")
    values: dict[str, Any] = {}
    for key, value in flat.items():
        if key not in _FIELDS:
            near = difflib.get_close_matches(key, _FIELDS, 1)
            wrong.append(f"there is no {key}" + (f"; is {near[0]} meant?" if near else ""))
        elif value is not None and value != "":
            read, complaint = _value(key, value)
            if complaint:
                wrong.append(f"{key} {complaint}")
            else:
                values[key] = read
    return Expectation(**values), wrong


def _value(key: str, value: Any) -> tuple[Any, str]:
    if key in _INTEGERS or key in _RATES:
        return _number(key, value)
    if key == "ports":
        return _ports(value)
    if key in _LISTS:
        texts = [value] if isinstance(value, str) else value
        return (tuple(map(str, texts)), "") if isinstance(texts, (list, tuple)) else (None, "is not a list")
    if key == "hosts":
        return (dict(value), "") if isinstance(value, Mapping) else (None, "is not a dictionary of addresses by host")
    text = str(value)
    if key == "data_address" and not _is_address(text):
        return None, f"is {text!r}, not an address: names resolve to something else on every host"
    choices = _CHOICES.get(key)
    return (text, "") if choices is None or text in choices else (None, f"is {text!r}, not one of {', '.join(choices)}")


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _number(key: str, value: Any) -> tuple[Any, str]:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None, f"is {value!r}, not a number"
    if isinstance(value, bool) or number < 0 or (key in _INTEGERS and number != int(number)):
        return None, f"is {value!r}, not a number of that kind"
    return (int(number) if key in _INTEGERS else number), ""


def _ports(value: Any) -> tuple[Any, str]:
    entries = value if isinstance(value, (list, tuple)) else [value]
    numbers = [int(entry) for entry in entries if str(entry).isdecimal() and 0 < int(entry) < 1 << 16]
    return (tuple(numbers), "") if len(numbers) == len(entries) else (None, f"is {value!r}, not a list of TCP ports")
