# SPDX-License-Identifier: Apache-2.0
"""Certificates of an authority of our own, and a client that believes it."""

from __future__ import annotations

import http.client
import socket
import ssl
import subprocess

from pathlib import Path
from typing import Any

from harness.client import HOST, TIMEOUT, Headers, Reply


def _openssl(*words: str) -> None:
    subprocess.run(["openssl", *words], check=True, capture_output=True, timeout=60)


class Authority:
    """A directory with ca.crt, and NAME.crt and NAME.key for each name."""

    def __init__(self, directory: Path, *servers: str, clients: tuple[str, ...] = ()) -> None:
        self.directory = directory
        if not (directory / "ca.crt").exists():
            directory.mkdir(exist_ok=True)
            self._make("ca", "/CN=Authority of the tests", "basicConstraints=critical,CA:true")
            for name in servers:
                self._make(name, f"/CN={name}", f"subjectAltName=DNS:{name}", "ca")
            for name in clients:
                self._make(name, f"/O=Tests/CN={name}", "extendedKeyUsage=clientAuth", "ca")

    def _make(self, name: str, subject: str, extension: str, issuer: str = "") -> None:
        words = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
        words += ["-subj", subject, "-addext", extension, "-keyout", self.key(name), "-out", self.certificate(name)]
        if issuer:
            words += ["-addext", "basicConstraints=critical,CA:false"]
            words += ["-CA", self.certificate(issuer), "-CAkey", self.key(issuer)]
        _openssl(*words)

    def certificate(self, name: str = "ca") -> str:
        """Path of a certificate."""
        return str(self.directory / f"{name}.crt")

    def key(self, name: str) -> str:
        """Path of its key."""
        return str(self.directory / f"{name}.key")

    def lines(self, name: str) -> str:
        """What a virtual host needs."""
        return f"SSLEngine on\nSSLCertificateFile {self.certificate(name)}\nSSLCertificateKeyFile {self.key(name)}\n"

    def request(
        self,
        port: int,
        name: str,
        method: str,
        target: str,
        body: Any = None,
        headers: Headers = (),
        *,
        client: str = "",
    ) -> Reply:
        """One request over TLS to the host of that name, whose certificate is checked."""
        context = ssl.create_default_context(cafile=self.certificate())
        if client:
            context.load_cert_chain(self.certificate(client), self.key(client))
        connection = http.client.HTTPConnection(name, port, timeout=TIMEOUT)
        plain = socket.create_connection((HOST, port), timeout=TIMEOUT)
        connection.sock = context.wrap_socket(plain, server_hostname=name)
        try:
            connection.request(method, target, body, dict(headers))
            response = connection.getresponse()
            return Reply(response.status, response.reason, tuple(response.getheaders()), response.read())
        finally:
            connection.close()
