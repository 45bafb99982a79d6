"""A small OpenID Connect provider on a socket: discovery, keys, authorization and tokens.

It checks what a provider must check: the client, its secret, the redirect address, the PKCE
verifier, and that a code is used once.
"""

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit
from uuid import UUID, uuid4

from tests.services.api.issuer import Issuer

CLIENT_ID, CLIENT_SECRET = "crm-console", "a secret: 50%"
REDIRECT_URI = "http://test/console/sign-in/oidc/back"
KEY_ID = "rsa-1"


@dataclass
class OidcProvider:
    """A provider with one person. The claims are changed for the next tokens; None removes one."""

    url: str
    subject: UUID = field(default_factory=uuid4)
    id_claims: dict[str, Any] = field(default_factory=dict)
    access_claims: dict[str, Any] = field(default_factory=dict)
    document: dict[str, Any] = field(default_factory=dict)
    """Changes of the discovery document."""
    signer: Issuer = field(default_factory=lambda: Issuer(""))
    served: Issuer = field(default_factory=lambda: Issuer(""))
    """The keys that sign, and those that the provider serves: the same unless a test changes it."""
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    status: int = 200

    def __post_init__(self) -> None:
        self.signer.add(KEY_ID, "RS256")
        self.served.keys.update(self.signer.keys)

    def answer(self, path: str, fields: dict[str, str], basic: str) -> tuple[int, dict[str, Any]]:
        """Return status and body of a response; the authorization's is an address."""
        self.requests.append(path)
        if self.status != 200:
            return self.status, {}
        match path:
            case "/.well-known/openid-configuration":
                return 200, {
                    "issuer": self.url, "authorization_endpoint": f"{self.url}/authorize",
                    "token_endpoint": f"{self.url}/token", "jwks_uri": f"{self.url}/jwks",
                    **self.document,
                }  # fmt: skip
            case "/jwks":
                return 200, json.loads(self.served.jwks())
            case "/authorize":
                return self._authorize(fields)
            case "/token":
                return self._redeem(fields, basic)
        return 404, {}

    def _authorize(self, fields: dict[str, str]) -> tuple[int, dict[str, Any]]:
        expected = {
            "response_type": "code", "client_id": CLIENT_ID, "redirect_uri": REDIRECT_URI,
            "code_challenge_method": "S256",
        }  # fmt: skip
        if not expected.items() <= fields.items() or "openid" not in fields["scope"].split():
            return 400, {"error": "invalid_request"}
        code = uuid4().hex
        self.codes[code] = fields
        query = urlencode({"code": code, "state": fields["state"]})
        return 303, {"location": f"{REDIRECT_URI}?{query}"}

    def _redeem(self, fields: dict[str, str], basic: str) -> tuple[int, dict[str, Any]]:
        is_client = fields.get("client_id") == CLIENT_ID
        if not is_client or basic not in ("", "crm-console:a%20secret%3A%2050%25"):
            return 401, {"error": "invalid_client"}
        authorized = self.codes.pop(fields.get("code", ""), None)
        digest = hashlib.sha256(fields["code_verifier"].encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        if authorized is None or authorized["code_challenge"] != challenge:
            return 400, {"error": "invalid_grant"}
        if fields["redirect_uri"] != REDIRECT_URI:
            return 400, {"error": "invalid_grant"}
        now = datetime.now(UTC)
        identity = {"iss": self.url, "iat": now, "exp": now + timedelta(minutes=5)}
        identity |= {"aud": CLIENT_ID, "nonce": authorized["nonce"], "role": None, **self.id_claims}
        access = {"iss": self.url, "iat": now, **self.access_claims}
        return 200, {
            "token_type": "Bearer",
            "access_token": self.signer.issue(self.subject, KEY_ID, "RS256", **access),
            "id_token": self.signer.issue(self.subject, KEY_ID, "RS256", **identity),
        }


@contextmanager
def serve_oidc_provider() -> Iterator[OidcProvider]:
    """Run a provider until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(urlsplit(self.path).query)

        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            self._answer(self.rfile.read(length).decode())

        def _answer(self, text: str) -> None:
            kind, _, value = self.headers.get("Authorization", "").partition(" ")
            basic = base64.b64decode(value).decode() if kind == "Basic" else ""
            fields = {name: values[0] for name, values in parse_qs(text).items()}
            status, content = provider.answer(urlsplit(self.path).path, fields, basic)
            body = json.dumps(content).encode()
            self.send_response(status)
            if "location" in content:
                self.send_header("Location", content["location"])
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    provider = OidcProvider(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
