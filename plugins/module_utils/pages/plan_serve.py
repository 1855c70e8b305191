# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The command line and environment of each host, as text to be copied, without what is secret."""

from __future__ import annotations

import re
import shlex

from .markup import folded, text
from .plan_data import Data, part, words
from .plan_tables import rank_table

MASK = "(hidden)"
_SECRET_VARIABLE = re.compile(r"KEY|TOKEN|SECRET|PASSWORD")
# Flags name a secret at their end: --api-key and --hf-token, and not --max-num-batched-tokens.
_SECRET_FLAG = re.compile(r"^--.*(key|token|secret|password)$")
_SECRET_MEMBER = re.compile(r'("[^"]*(?:key|token|secret|password)"\s*:\s*)"[^"]*"', re.IGNORECASE)


def serve(plan: Data) -> str:
    """Ranks, and the commands: the head's to be seen, the others' folded."""
    ranks, address = rank_table(plan), part(plan, "service").get("url")
    hosts = part(plan, "serve")
    blocks = ""
    for place, name in enumerate(hosts):
        block = f'<pre class="copy">{text(command(part(hosts, str(name))))}</pre>'
        blocks += f"<h3>{text(name)}</h3>{block}" if place == 0 else folded(text(name), block, printed=True)
    if not ranks and not blocks:
        return ""
    answers = f'<p>The service will answer at <code class="select">{text(address)}</code>.</p>' if address else ""
    told = '<p class="soft">One click selects a whole command.</p>' if blocks else ""
    return f'<section id="hosts-section"><h2>Hosts and commands</h2>{ranks}{answers}{told}{blocks}</section>'


def command(host: Data) -> str:
    """Variables and arguments as one shell command, an argument with its value a line."""
    lines = [
        shlex.quote(str(name)) + "=" + _quoted(hidden(str(name), str(value)))
        for name, value in part(host, "env").items()
    ]
    arguments = words(host, "argv")
    start = next((place for place, word in enumerate(arguments) if word.startswith("--")), len(arguments))
    lines.append(shlex.join(arguments[:start]))
    flag = ""
    for word in arguments[start:]:
        if word.startswith("--"):
            flag, equals, value = word.partition("=")
            lines.append("  " + flag + (equals + _quoted(hidden(flag, value)) if equals else ""))
        else:
            lines[-1] += " " + _quoted(hidden(flag, word))
    return " \\\n".join(line for line in lines if line)


def hidden(name: str, value: str) -> str:
    """The value, or a mask where the variable or flag is named like a secret; so for members of JSON."""
    if _SECRET_FLAG.search(name) if name.startswith("-") else _SECRET_VARIABLE.search(name.upper()):
        return MASK
    return _SECRET_MEMBER.sub(rf'\1"{MASK}"', value)


def _quoted(value: str) -> str:
    return value if value == MASK else shlex.quote(value)
