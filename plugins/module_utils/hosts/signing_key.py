# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Public OpenPGP keys: which ones a file holds, and a file that holds only those that are trusted.

Hosts often have ``gpgv`` alone, which can't show a key's fingerprint. A fingerprint is a digest over the key's own
packet (RFC 9580, section 5.5.4), so no tool is needed for it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

_PRIMARY_KEY = 6
_BLOCK = re.compile(
    r"-----BEGIN PGP PUBLIC KEY BLOCK-----[ \t]*\r?\n(.*?)-----END PGP PUBLIC KEY BLOCK-----", re.DOTALL
)
_HEAD = "-----BEGIN PGP PUBLIC KEY BLOCK-----"
_TAIL = "-----END PGP PUBLIC KEY BLOCK-----"
_CRC_START, _CRC_POLYNOMIAL = 0xB704CE, 0x1864CFB


@dataclass(frozen=True)
class Key:
    """One key: its fingerprint in capital hexadecimal digits, and all its packets (names, signatures, subkeys)."""

    fingerprint: str
    packets: bytes


def normal(fingerprint: str) -> str:
    """A fingerprint without blanks, in capitals.

    Raises:
        ValueError: it isn't 40 hexadecimal digits. A short id is not enough: others can make a key that has it, too.
    """
    plain = re.sub(r"[\s:]", "", fingerprint).upper()
    if not re.fullmatch(r"[0-9A-F]{40}", plain):
        raise ValueError(
            f"{fingerprint!r} is no fingerprint: give all 40 hexadecimal digits, as gpg --show-keys prints them"
        )
    return plain


def keys(content: bytes) -> tuple[Key, ...]:
    """The keys of a file, armoured or binary.

    Raises:
        ValueError: it isn't a file of public keys.
    """
    found: list[tuple[str, bytearray]] = []
    for tag, body, packet in _packets(_binary(content)):
        if tag == _PRIMARY_KEY:
            found.append((_fingerprint(body), bytearray()))
        if not found:
            raise ValueError(f"the file begins with a packet of kind {tag}, not with a public key")
        found[-1][1].extend(packet)
    if not found:
        raise ValueError("the file holds no public key")
    return tuple(Key(fingerprint, bytes(packets)) for fingerprint, packets in found)


def armoured(chosen: Iterable[Key]) -> str:
    """Keys as text, which apt reads from ``.asc`` files and rpm imports."""
    content = b"".join(key.packets for key in chosen)
    text = base64.b64encode(content).decode("ascii")
    lines = [text[start : start + 64] for start in range(0, len(text), 64)]
    check = base64.b64encode(_crc24(content).to_bytes(3, "big")).decode("ascii")
    return "\n".join((_HEAD, "", *lines, f"={check}", _TAIL)) + "\n"


def _binary(content: bytes) -> bytes:
    if _HEAD.encode() not in content:
        return content
    parts: list[bytes] = []
    for block in _BLOCK.findall(content.decode("ascii", "replace")):
        # Headers such as "Version: GnuPG" end at the first empty line; the line that begins with "=" is a checksum.
        lines = [line.strip() for line in block.splitlines()]
        start = lines.index("") + 1 if "" in lines else 0
        data = "".join(line for line in lines[start:] if line and not line.startswith("="))
        try:
            parts.append(base64.b64decode(data, validate=True))
        except binascii.Error as error:
            raise ValueError(f"the armoured key is damaged: {error}") from error
    if not parts:
        raise ValueError("the armoured key has no end")
    return b"".join(parts)


def _packets(content: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Each packet's kind, body and whole bytes."""
    at = 0
    while at < len(content):
        first = content[at]
        if not first & 0x80:
            raise ValueError("the file is no OpenPGP key: it may be an error page of the server")
        kind, start, length = _new_header(content, at) if first & 0x40 else _old_header(content, at)
        if start + length > len(content):
            raise ValueError("the key is cut off")
        yield kind, content[start : start + length], content[at : start + length]
        at = start + length


def _new_header(content: bytes, at: int) -> tuple[int, int, int]:
    kind, head = content[at] & 0x3F, content[at + 1 : at + 6]
    if not head:
        raise ValueError("the key is cut off")
    if head[0] < 192:
        return kind, at + 2, head[0]
    if head[0] < 224 and len(head) > 1:
        return kind, at + 3, ((head[0] - 192) << 8) + head[1] + 192
    if head[0] == 255 and len(head) > 4:
        return kind, at + 6, int.from_bytes(head[1:5], "big")
    raise ValueError("the key has a packet of unknown length, which keys don't have")


def _old_header(content: bytes, at: int) -> tuple[int, int, int]:
    kind, width = (content[at] >> 2) & 0x0F, (1, 2, 4, 0)[content[at] & 3]
    if not width or at + 1 + width > len(content):
        raise ValueError("the key has a packet of unknown length, which keys don't have")
    return kind, at + 1 + width, int.from_bytes(content[at + 1 : at + 1 + width], "big")


def _fingerprint(body: bytes) -> str:
    if body[:1] != b"\x04":
        raise ValueError(f"a key of version {body[0] if body else 'none'} is not supported, only version 4")
    digest = hashlib.sha1(b"\x99" + len(body).to_bytes(2, "big") + body)  # noqa: S324 - what a fingerprint is defined as
    return digest.hexdigest().upper()


def _crc24(content: bytes) -> int:
    crc = _CRC_START
    for byte in content:
        crc ^= byte << 16
        for _ in range(8):
            crc <<= 1
            if crc & 0x1000000:
                crc ^= _CRC_POLYNOMIAL
    return crc & 0xFFFFFF
