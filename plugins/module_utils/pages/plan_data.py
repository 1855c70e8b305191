# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A plan's parts as the page reads them: each may be missing, empty or ``None``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Data = Mapping[str, Any]

# What may limit a layout, in words.
LIMITS = {
    "NIC": "the network ports",
    "HBM": "memory bandwidth",
    "compute": "compute",
    "NVLink": "NVLink",
}
ENDS = ("low", "likely", "high")


def part(data: Any, *path: str) -> Data:
    """A mapping inside of mappings, empty where there is none."""
    for name in path:
        data = data.get(name) if isinstance(data, Mapping) else None
    return data if isinstance(data, Mapping) else {}


def listed(data: Any, *path: str) -> list[Data]:
    """The mappings of a list, empty where there is none."""
    found = part(data, *path[:-1]).get(path[-1])
    return [item for item in found if isinstance(item, Mapping)] if isinstance(found, (list, tuple)) else []


def words(data: Any, *path: str) -> list[str]:
    """A list of texts, empty where there is none."""
    found = part(data, *path[:-1]).get(path[-1])
    return [str(item) for item in found] if isinstance(found, (list, tuple)) else []


def requested(plan: Data) -> Data:
    """The alternative that is the plan itself."""
    return next((item for item in listed(plan, "alternatives") if item.get("requested")), {})


def best_other(plan: Data) -> Data:
    """The fastest layout that fits, may be launched and is not the plan itself; the search has them in that order."""
    return next((item for item in listed(plan, "alternatives") if usable(item) and not item.get("requested")), {})


def usable(alternative: Data) -> bool:
    """Whether a layout fits and is not known to be beyond launching."""
    return bool(alternative.get("fits")) and alternative.get("launchable") != "no"


def layout_name(plan: Data) -> str:
    """The plan's layout by the name that the search gives it, or by its sizes."""
    name = requested(plan).get("layout")
    if name:
        return str(name)
    sizes = {"DP": "data_parallel_size", "TP": "tensor_parallel_size", "PP": "pipeline_parallel_size"}
    sizes["EP"] = "expert_parallel_size"
    layout = part(plan, "layout")
    return " ".join(f"{short}{layout[key]}" for short, key in sizes.items() if layout.get(key) is not None)


def limit(name: object) -> str:
    """What limits, in words."""
    return LIMITS.get(str(name), str(name))
