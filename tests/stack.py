"""The services of compose.yaml as plain processes, behind a real nginx."""

import contextlib
import datetime
import http.client
import json
import os
import re
import secrets
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from pathlib import Path
from string import Template
from typing import Any

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from websockets.asyncio.client import ClientConnection, connect

from tests.servers import PATIENCE, ROOT
from tests.services import REDIS_URL

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
PROCESSES = ("web1", "web2")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def filled_in(value: str, given: dict[str, str]) -> str:
    """As compose fills in its variables."""
    plain = re.sub(
        r"\$\{(\w+):([?-])([^}]*)\}",
        lambda m: given.get(m[1], m[3] if m[2] == "-" else f"NOT SET: {m[1]}"),
        value,
    )
    return Template(plain).substitute(given)


class Stack:
    """The services of compose.yaml that are ours, and the proxy, on ports of their own."""

    def __init__(self, folder: Path, database_url: str) -> None:
        self.folder = folder
        self.port, self.plain_port = free_port(), free_port()
        self.ports = {name: free_port() for name in PROCESSES}
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self._database_url = database_url
        self._prefix = f"test-{secrets.token_hex(4)}"

    # -- the server's services

    def environment(self, service: str) -> dict[str, str]:
        """The service's own, where its databases and its proxy are here."""
        given = {
            "SERVER_NAME": "sessions.example.com",
            "SECRET_KEY": "only-for-tests-" * 4,
            "POSTGRES_PASSWORD": "secret",
        }
        variables = {
            name: filled_in(str(value), given)
            for name, value in SERVICES[service]["environment"].items()
        }
        assert "NOT SET" not in str(variables)
        assert variables["DATABASE_URL"].startswith("postgres://sessions:secret@postgres:5432/")
        elsewhere = {
            "DATABASE_URL": self._database_url,
            "REDIS_URL": REDIS_URL,
            "REDIS_PREFIX": self._prefix,
            "TRUSTED_PROXIES": "127.0.0.1",
            "STATIC_ROOT": str(self.folder / "static"),
        }
        kept = {
            name: value
            for name, value in os.environ.items()
            if name in {"PATH", "HOME", "LANG"} or name.startswith("COVERAGE_")
        }
        return {**kept, **variables, **elsewhere, "DJANGO_SETTINGS_MODULE": "project.settings"}

    def command(self, service: str) -> list[str]:
        """The service's own, with this Python and a port of its own."""
        python, *rest = SERVICES[service]["command"]
        assert python == "python"
        here = {"0.0.0.0": "127.0.0.1", "8000": str(self.ports.get(service))}
        return [sys.executable, *(here.get(word, word) for word in rest)]

    def run(self, command: list[str], service: str = "migrate") -> None:
        """Run to the end."""
        ran = subprocess.run(
            command, cwd=ROOT, env=self.environment(service),
            capture_output=True, text=True, timeout=PATIENCE, check=False,
        )  # fmt: skip
        assert ran.returncode == 0, ran.stderr

    def start(self, service: str) -> None:
        with (self.folder / f"{service}.log").open("ab") as log:
            self.running[service] = subprocess.Popen(
                self.command(service), cwd=ROOT, env=self.environment(service),
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip
        self.until(lambda: self.is_ready(service), service)

    def stop(self, service: str) -> int:
        """SIGTERM; the exit status."""
        process = self.running.pop(service)
        process.send_signal(signal.SIGTERM)
        return process.wait(PATIENCE + 10)

    def is_ready(self, service: str) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.ports[service], timeout=2)
        try:
            connection.request("GET", "/healthz/ready")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()

    def until(self, true: Any, service: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while not true():
            log = (self.folder / f"{service}.log").read_text()
            assert self.running[service].poll() is None, log
            assert time.monotonic() < deadline, log
            time.sleep(0.02)

    # -- the proxy

    def start_proxy(self) -> None:
        """nginx with deploy/nginx.conf: other ports, places and user, and nothing else."""
        written = (ROOT / "deploy" / "nginx.conf").read_text()
        mime = next(
            each
            for each in ("/etc/nginx/mime.types", "/usr/local/etc/nginx/mime.types")
            if Path(each).exists()
        )
        changes = {
            "web1:8000": f"127.0.0.1:{self.ports['web1']}",
            "web2:8000": f"127.0.0.1:{self.ports['web2']}",
            "listen 80;": f"listen 127.0.0.1:{self.plain_port};",
            "listen 443 ssl;": f"listen 127.0.0.1:{self.port} ssl;",
            "/etc/nginx/tls": str(self.folder),
            "/etc/nginx/mime.types": mime,
            "worker_processes auto;": f"pid {self.folder}/nginx.pid; error_log stderr;"
            " daemon off; worker_processes 1;",
            "worker_rlimit_nofile 65536;": "",
            "client_header_timeout 10s;": "client_header_timeout 1s;",
            "worker_connections 32768;": "worker_connections 512;",
            "http {": "http {" + "".join(
                f" {kind}_temp_path {self.folder}/{kind};"
                for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
            ),
        }  # fmt: skip
        for before, after in changes.items():
            assert before in written, before
            written = written.replace(before, after)
        if os.geteuid() == 0:
            written = f"user root;\n{written}"
        path = self.folder / "nginx.conf"
        path.write_text(written)
        make_certificate(self.folder)
        nginx = shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin")
        with (self.folder / "proxy.log").open("ab") as log:
            self.running["proxy"] = subprocess.Popen(
                [str(nginx), "-p", str(self.folder), "-c", str(path)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip
        self.until(self._proxy_answers, "proxy")

    def _proxy_answers(self) -> bool:
        try:
            return self.get("/healthz/live").status == 200
        except OSError:
            return False

    def close(self) -> None:
        for process in self.running.values():
            process.terminate()
        for process in self.running.values():
            process.wait(PATIENCE + 10)

    # -- a browser's side

    @property
    def tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.folder / "fullchain.pem"))

    @property
    def origin(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    def get(
        self, path: str, *, method: str = "GET", body: str = "", **headers: str
    ) -> http.client.HTTPResponse:
        """What the proxy answers, with its body read into `.text`."""
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, context=self.tls)
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, named)
            response = connection.getresponse()
            response.text = response.read().decode(errors="replace")  # type: ignore[attr-defined]
            return response
        finally:
            connection.close()

    async def node_of(self, service: str, headers: dict[str, str]) -> str:
        """What a process calls itself, asked past the proxy."""
        url = f"ws://127.0.0.1:{self.ports[service]}/ws/"
        async with connect(url, additional_headers=headers, proxy=None) as socket:
            node: str = (await welcome_of(socket))["node"]
            return node

    @contextlib.asynccontextmanager
    async def socket(self, **headers: str) -> Any:
        url = f"wss://127.0.0.1:{self.port}/ws/"
        async with connect(url, ssl=self.tls, additional_headers=headers, proxy=None) as socket:
            yield socket


def make_certificate(folder: Path) -> None:
    """A certificate for 127.0.0.1 that signs itself."""
    import ipaddress

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tests")])
    now = datetime.datetime.now(datetime.UTC)
    alternative = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(alternative, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    pem = serialization.Encoding.PEM
    (folder / "fullchain.pem").write_bytes(certificate.public_bytes(pem))
    (folder / "privkey.pem").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )


async def welcome_of(socket: ClientConnection) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(await socket.recv())["params"]
    return found
