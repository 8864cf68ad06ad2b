"""Who schools sign on with: a real OpenID provider, and one that also says what it shouldn't."""

import gzip
import json
import re
import shutil
import socket
import sqlite3
import subprocess
import threading
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey

CLIENT, SECRET = "narvara", "client-secret-of-the-tests"
PASSWORD = "password-of-the-tests"

_DEBIAN = Path("/usr/share/doc/glewlwyd/database/init.sqlite3.sql.gz")


@dataclass
class Provider:
    """A stand-in that signs what it is told to."""

    issuer: str = ""
    claims: dict[str, Any] = field(default_factory=dict)
    """Over what an honest provider would say; None leaves a claim out."""
    userinfo: dict[str, Any] = field(default_factory=dict)
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(auto_kid=True))
    """What it signs with."""
    published: RSAKey | None = None
    """What its key set holds, where that is another."""
    algorithm: str = "RS256"
    discovery: dict[str, Any] = field(default_factory=dict)
    is_down: bool = False
    asked: dict[str, str] = field(default_factory=dict)
    """What the browser last brought."""
    taken: set[str] = field(default_factory=set)

    def sign_on(self, address: str) -> dict[str, str]:
        """Somebody signs on at an address; the query with which they are sent back."""
        self.asked = dict(parse_qsl(urlsplit(address).query))
        return {"code": f"code-{len(self.taken)}", "state": self.asked["state"]}

    def token(self, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        digest = sha256(form["code_verifier"].encode()).digest()
        challenge = urlsafe_b64encode(digest).decode().rstrip("=")
        if form["code"] in self.taken or challenge != self.asked["code_challenge"]:
            return 400, {"error": "invalid_grant"}
        self.taken.add(form["code"])
        now = int(time.time())
        said = {
            "iss": self.issuer, "aud": CLIENT, "sub": "s-1", "iat": now, "exp": now + 300,
            "nonce": self.asked["nonce"], **self.claims,
        }  # fmt: skip
        said = {name: value for name, value in said.items() if value is not None}
        return 200, {"access_token": "t", "token_type": "Bearer", "id_token": self._signed(said)}

    def _signed(self, claims: dict[str, Any]) -> str:
        header = {"alg": self.algorithm, "kid": self.key.kid}
        if self.algorithm == "none":
            return ".".join(_part(each) for each in (header, claims)) + "."
        key = OctKey.import_key(SECRET) if self.algorithm == "HS256" else self.key
        return str(jwt.encode(header, claims, key, algorithms=[self.algorithm]))

    def document(self) -> dict[str, Any]:
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
            "jwks_uri": f"{self.issuer}/keys",
            "id_token_signing_alg_values_supported": ["RS256", "HS256", "none"],
            **self.discovery,
        }

    def answer(self, path: str, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        if self.is_down:
            return 503, {}
        match path:
            case "/.well-known/openid-configuration":
                return 200, self.document()
            case "/keys":
                return 200, {"keys": [(self.published or self.key).as_dict(private=False)]}
            case "/token":
                return self.token(form)
            case "/userinfo":
                return 200, {"sub": "s-1", **self.userinfo}
        return 404, {}


def _part(of: dict[str, Any]) -> str:
    return urlsafe_b64encode(json.dumps(of).encode()).decode().rstrip("=")


@contextmanager
def provider() -> Iterator[Provider]:
    made = Provider()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer({})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            self._answer(dict(parse_qsl(body)))

        def _answer(self, form: dict[str, str]) -> None:
            status, found = made.answer(urlsplit(self.path).path, form)
            content = json.dumps(found).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        made.issuer = f"http://127.0.0.1:{server.server_port}"
        yield made
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def has_glewlwyd() -> bool:
    return bool(shutil.which("glewlwyd")) and _DEBIAN.exists()


@contextmanager
def glewlwyd(folder: Path, back: str, people: dict[str, str]) -> Iterator[str]:
    """A real provider (Debian's package) with people by name and address; yields its issuer.

    `back`: where it may send browsers.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    with sqlite3.connect(folder / "glewlwyd.db") as database:
        database.executescript(gzip.decompress(_DEBIAN.read_bytes()).decode())
    database.close()
    (folder / "glewlwyd.conf").write_text(_configured(folder, url, port))
    command = ["glewlwyd", "--config-file", str(folder / "glewlwyd.conf")]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as child:
        try:
            with httpx.Client(base_url=url) as client:
                _await(client)
                _set_up(client, f"{url}/api/oidc", back, people)
            yield f"{url}/api/oidc"
        finally:
            child.terminate()
            child.wait(10)


def _configured(folder: Path, url: str, port: int) -> str:
    text = Path("/etc/glewlwyd/glewlwyd.conf").read_text()
    for name, value in {
        "port": str(port),
        "external_url": f'"{url}/"',
        "log_mode": '"console"',
    }.items():
        text = re.sub(rf"^{name}=.*$", f"{name}={value}", text, flags=re.MULTILINE)
    database = f'database = {{ type = "sqlite3"; path = "{folder}/glewlwyd.db"; }};'
    return re.sub(r"^@include.*glewlwyd-db.*$", database, text, flags=re.MULTILINE)


def _await(client: httpx.Client) -> None:
    deadline = time.monotonic() + 10
    while True:
        try:
            client.get("/config")
            return
        except httpx.HTTPError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def _set_up(client: httpx.Client, issuer: str, back: str, people: dict[str, str]) -> None:
    key = RSAKey.generate_key()

    def post(path: str, **body: Any) -> None:
        client.post(f"/api/{path}/", json=body).raise_for_status()

    post("auth", username="admin", password="password")  # what the package's database begins with
    post("scope", name="email", display_name="email", password_required=True, scheme={})
    parameters = {
        "iss": issuer, "jwt-type": "rsa", "jwt-key-size": "256",
        "key": key.as_pem(private=True).decode(), "cert": key.as_pem(private=False).decode(),
        "access-token-duration": 3600, "refresh-token-duration": 3600, "code-duration": 600,
        "refresh-token-rolling": True, "allow-non-oidc": False, "auth-type-code-enabled": True,
        "auth-type-token-enabled": False, "auth-type-id-token-enabled": True,
        "auth-type-password-enabled": False, "auth-type-client-enabled": False,
        "auth-type-refresh-enabled": True, "auth-type-device-enabled": False,
        "subject-type": "public", "pkce-allowed": True, "pkce-required": True,
        "pkce-method-plain-allowed": False, "jwks-show": True, "email-claim": "on-demand",
        "email-claim-scope": ["email"], "name-claim": "no", "scope-claim": "no",
        "allowed-scope": ["openid", "email"], "session-management-allowed": True,
        "session-cookie-name": "oidc-session", "session-cookie-expiration": 2592000,
    }  # fmt: skip
    post("mod/plugin", module="oidc", name="oidc", display_name="oidc", parameters=parameters)
    post(
        "client",
        client_id=CLIENT,
        name="NärVara",
        confidential=True,
        password=SECRET,
        enabled=True,
        redirect_uri=[back],
        authorization_type=["code"],
        token_endpoint_auth_method=["client_secret_basic"],
        scope=[],
    )
    for name, email in people.items():
        scope = ["openid", "email", "g_profile"]
        post("user", username=name, email=email, password=PASSWORD, enabled=True, scope=scope)


def sign_on_at(issuer: str, name: str, address: str) -> str:
    """Sign on at the real provider and agree to what is asked; where it sends the browser."""
    parts = urlsplit(address)
    with httpx.Client(base_url=issuer.removesuffix("/api/oidc")) as client:
        who = {"username": name, "password": PASSWORD}
        client.post("/api/auth/", json=who).raise_for_status()
        agreed = {"scope": "openid email"}
        client.put(f"/api/auth/grant/{CLIENT}/", json=agreed).raise_for_status()
        answer = client.get(f"/api/oidc/auth?{parts.query}&g_continue=")
    return answer.headers["location"]
