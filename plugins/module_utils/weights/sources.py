# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where files come from: kinds of sources as data, the addresses of their files, and how they are opened."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, cast
from urllib.parse import quote, urlsplit

from .errors import WeightsError
from .signing import Keys, presigned

# By kind: the endpoint if none is given, the address of a file, and of the list of files.
ENDPOINTS = {"huggingface": "https://huggingface.co", "modelscope": "https://modelscope.cn"}
FILES = {
    "huggingface": "{base}/{repository}/resolve/{revision}/{path}",
    "modelscope": "{base}/api/v1/models/{repository}/repo?Revision={revision}&FilePath={path}",
    "s3": "{base}/{path}",
    "http": "{base}/{path}",
    "peer": "{base}/{path}",
}
LISTS = {
    "huggingface": "{base}/api/models/{repository}/tree/{revision}?recursive=1",
    "modelscope": "{base}/api/v1/models/{repository}/repo/files?Revision={revision}&Recursive=true",
    "s3": "{base}/SHA256SUMS",
    "http": "{base}/SHA256SUMS",
}
TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Source:
    """A source. `url` is the endpoint, base address or, for `file`, the folder; what is secret is not shown."""

    kind: str
    url: str = ""
    repository: str = ""
    revision: str = ""
    token: str = field(default="", repr=False)
    access_key: str = field(default="", repr=False)
    secret_key: str = field(default="", repr=False)
    region: str = "us-east-1"
    # This host's address that a peer knows it by.
    bind: str = ""

    @property
    def words(self) -> str:
        """For people."""
        return " ".join(word for word in (self.kind, self.repository, self.url) if word)

    def _address(self, template: str, path: str = "") -> str:
        base = (self.url or ENDPOINTS.get(self.kind, "")).rstrip("/")
        safe = "" if self.kind == "modelscope" else "/"
        url = template.format(
            base=base, repository=quote(self.repository), revision=quote(self.revision), path=quote(path, safe=safe)
        )
        if self.kind == "s3" and self.access_key:
            now = datetime.now(timezone.utc)
            return presigned(url, Keys(self.access_key, self.secret_key, self.region), now)
        return url

    def file_address(self, path: str) -> str:
        """The address of a file."""
        return self._address(FILES[self.kind], path)

    def list_address(self) -> str:
        """The address of the list of files."""
        return self._address(LISTS[self.kind])

    def headers(self) -> dict[str, str]:
        """Credentials as headers."""
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Credentials go along to the same host only: stores refuse a second kind, and others may not see them."""

    def redirect_request(  # noqa: PLR0917  # the base class's arguments
        self, req: Any, fp: Any, code: Any, msg: Any, headers: Any, newurl: Any
    ) -> Any:
        """The next request."""
        following = super().redirect_request(req, fp, code, msg, headers, newurl)
        given = req.unredirected_hdrs.get("Authorization")
        if following is not None and given and urlsplit(newurl)[:2] == urlsplit(req.full_url)[:2]:
            following.add_unredirected_header("Authorization", given)
        return following


class _From(urllib.request.HTTPHandler):
    """Connections that leave from one of this host's addresses."""

    def __init__(self, address: str) -> None:
        self.address = address
        super().__init__()

    def http_open(self, req: urllib.request.Request) -> Any:
        """Open one."""
        return self.do_open(partial(http.client.HTTPConnection, source_address=(self.address, 0)), req)


def _opener(source: Source) -> urllib.request.OpenerDirector:
    if source.kind != "peer":
        return urllib.request.build_opener(_Redirects)
    # Hosts of the group are asked directly, whatever proxy leads out.
    leaving = [_From(source.bind)] if source.bind else []
    return urllib.request.build_opener(_Redirects, urllib.request.ProxyHandler({}), *leaving)


def ask(source: Source, url: str, offset: int = 0, method: str = "GET") -> http.client.HTTPResponse:
    """Open an address, from a byte on; what the source says no to for good is a WeightsError, the rest an OSError."""
    if not url.startswith(("http://", "https://")):
        raise WeightsError("source-invalid", f"{url!r} is no address of http or https", "Correct model_weights_url.")
    shown = url.split("?", maxsplit=1)[0]
    request = urllib.request.Request(url, method=method)  # noqa: S310  # checked above
    for name, value in source.headers().items():
        request.add_unredirected_header(name, value)
    if offset:
        request.add_header("Range", f"bytes={offset}-")
    try:
        return cast(http.client.HTTPResponse, _opener(source).open(request, timeout=TIMEOUT_S))
    except urllib.error.HTTPError as error:
        error.close()
        if source.kind != "peer" and error.code in (401, 403):
            raise WeightsError(
                "source-refused",
                f"{source.words} answered {error.code} to {shown}",
                "Check model_weights_credentials, and that the account may read the model.",
            ) from error
        if source.kind != "peer" and error.code in (404, 410):
            raise WeightsError(
                "source-vanished",
                f"{source.words} has no {shown} (it answered {error.code})",
                "Check the repository and the revision.",
            ) from error
        raise OSError(f"{shown} answered {error.code}") from error
    except http.client.HTTPException as error:
        raise OSError(f"{shown}: {error!r}") from error


def _total(answer: http.client.HTTPResponse, offset: int) -> tuple[int, int]:
    """Where an answer's bytes begin, and how many the whole file has (-1: not said)."""
    words = answer.headers.get("Content-Range", "")
    if answer.status == 206 and "/" in words:
        total = words.rsplit("/", 1)[1]
        return offset, int(total) if total.isdecimal() else -1
    length = answer.headers.get("Content-Length", "")
    return 0, int(length) if length.isdecimal() and not answer.headers.get("Content-Encoding") else -1


def open_file(source: Source, path: str, offset: int) -> tuple[BinaryIO, int, int]:
    """A file's bytes: a stream, the byte it begins with (0 where the source can't begin elsewhere), bytes of all."""
    if source.kind != "file":
        answer = ask(source, source.file_address(path), offset)
        return cast(BinaryIO, answer), *_total(answer, offset)
    place = Path(source.url) / path
    try:
        stream = place.open("rb")
    except FileNotFoundError as error:
        raise WeightsError("source-vanished", f"{place} is not there", "Is the disk mounted on this host?") from error
    stream.seek(offset)
    return stream, offset, place.stat().st_size


def sizes(source: Source, paths: list[str]) -> Mapping[str, int]:
    """Bytes of files of an HTTP directory, as its server says; what it doesn't say is left out."""
    found = {}
    for path in paths:
        with ask(source, source.file_address(path), method="GET" if source.kind == "s3" else "HEAD") as answer:
            total = _total(answer, 0)[1]
        if total >= 0:
            found[path] = total
    return found
