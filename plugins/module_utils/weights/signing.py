# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Signed addresses of an S3-compatible store (AWS Signature Version 4, in the query), so that its secret never leaves
this process.

Source: AWS, "Authenticating Requests: Using Query Parameters (AWS Signature Version 4)".
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import quote, urlsplit

ALGORITHM = "AWS4-HMAC-SHA256"


def _keyed(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


@dataclass(frozen=True)
class Keys:
    """Who asks."""

    access: str = field(repr=False)
    secret: str = field(repr=False)
    region: str = "us-east-1"


def presigned(url: str, keys: Keys, now: datetime, valid_s: int = 3600) -> str:
    """The address with a signature that lets its bearer GET it for `valid_s` seconds from `now` (UTC)."""
    parts = urlsplit(url)
    day, moment = now.strftime("%Y%m%d"), now.strftime("%Y%m%dT%H%M%SZ")
    scope = f"{day}/{keys.region}/s3/aws4_request"
    fields = {
        "X-Amz-Algorithm": ALGORITHM,
        "X-Amz-Credential": f"{keys.access}/{scope}",
        "X-Amz-Date": moment,
        "X-Amz-Expires": str(valid_s),
        "X-Amz-SignedHeaders": "host",
    }
    query = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in sorted(fields.items()))
    request = "\n".join(["GET", parts.path, query, f"host:{parts.netloc}", "", "host", "UNSIGNED-PAYLOAD"])
    text = "\n".join([ALGORITHM, moment, scope, hashlib.sha256(request.encode()).hexdigest()])
    key = _keyed(f"AWS4{keys.secret}".encode(), day)
    for step in (keys.region, "s3", "aws4_request"):
        key = _keyed(key, step)
    return f"{url}?{query}&X-Amz-Signature={_keyed(key, text).hex()}"
