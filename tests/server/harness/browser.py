# SPDX-License-Identifier: Apache-2.0
"""A small browser: cookies, redirects, forms and multipart bodies."""

from __future__ import annotations

import re
import uuid

from http.cookies import SimpleCookie
from urllib.parse import urlencode, urljoin, urlsplit

from harness.client import Reply, request

Files = dict[str, tuple[str, bytes]]


class Browser:
    """Keeps cookies of one server and follows its redirects."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.cookies: dict[str, str] = {}

    def open(self, method: str, target: str, body: bytes | None = None, kind: str = "") -> Reply:
        """A request, and those it is redirected to."""
        for _ in range(5):
            headers = {"Cookie": "; ".join(f"{k}={v}" for k, v in self.cookies.items())}
            if kind:
                headers["Content-Type"] = kind
            reply = request(self.port, method, target, body, headers)
            for line in reply.all("Set-Cookie"):
                for name, morsel in SimpleCookie(line).items():
                    self.cookies[name] = morsel.value
            if reply.status not in (301, 302, 303):
                return reply
            parts = urlsplit(urljoin(target, reply.get("Location") or ""))
            target = parts.path + (f"?{parts.query}" if parts.query else "")
            method, body, kind = "GET", None, ""
        raise AssertionError(f"too many redirects, the last to {target}")

    def get(self, target: str) -> Reply:
        """GET with cookies."""
        return self.open("GET", target)

    def post(self, target: str, fields: dict[str, str], files: Files | None = None) -> Reply:
        """A form, as urlencoded text or, with files, in parts."""
        if files is None:
            return self.open("POST", target, urlencode(fields).encode(), "application/x-www-form-urlencoded")
        body, kind = multipart(fields, files)
        return self.open("POST", target, body, kind)


def multipart(fields: dict[str, str], files: Files) -> tuple[bytes, str]:
    """A multipart/form-data body and its Content-Type."""
    border = uuid.uuid4().hex
    parts = [
        f'--{border}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    for name, (filename, data) in files.items():
        head = (
            f'--{border}\r\nContent-Disposition: form-data; name="{name}"; '
            f'filename="{filename}"\r\nContent-Type: application/octet-stream\r\n\r\n'
        )
        parts.append(head.encode() + data + b"\r\n")
    parts.append(f"--{border}--\r\n".encode())
    return b"".join(parts), f"multipart/form-data; boundary={border}"


def csrf_token(page: str) -> str:
    """The hidden field of Django's forms."""
    found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
    assert found, "the page has a CSRF field"
    return found.group(1)
