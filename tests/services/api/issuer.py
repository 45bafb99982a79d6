"""A token issuer with its own keys that serves its JWKS on a socket and counts the requests."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@dataclass
class Issuer:
    """A token issuer; `keys` are by key id, `status` is the status of the JWKS response."""

    url: str
    keys: dict[str, PrivateKey] = field(default_factory=dict)
    additional_keys: list[dict[str, Any]] = field(default_factory=list)
    """JWKs that are served besides `keys`."""
    status: int = 200
    request_count: int = 0

    def add(self, key_id: str, algorithm: str) -> None:
        self.keys[key_id] = (
            ec.generate_private_key(ec.SECP256R1())
            if algorithm == "ES256"
            else rsa.generate_private_key(public_exponent=65_537, key_size=2048)
        )

    def issue(self, subject: object, key_id: str, algorithm: str, **claims: Any) -> str:
        payload = {
            "sub": str(subject), "aud": "authenticated", "role": "authenticated",
            "exp": datetime.now(UTC) + timedelta(hours=1), **claims,
        }  # fmt: skip
        payload = {name: value for name, value in payload.items() if value is not None}
        return jwt.encode(payload, self.keys[key_id], algorithm, {"kid": key_id})

    def pem(self, key_id: str) -> bytes:
        public_key = self.keys[key_id].public_key()
        return public_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    def jwks(self) -> bytes:
        served = list(self.additional_keys)
        for key_id, key in self.keys.items():
            public_key: Any = key.public_key()
            is_elliptic = isinstance(key, ec.EllipticCurvePrivateKey)
            jwk: Any = (ECAlgorithm if is_elliptic else RSAAlgorithm).to_jwk(
                public_key, as_dict=True
            )
            served.append({**jwk, "kid": key_id, "use": "sig",
                           "alg": "ES256" if is_elliptic else "RS256"})  # fmt: skip
        return json.dumps({"keys": served}).encode()


@contextmanager
def serve_issuer() -> Iterator[Issuer]:
    """Run an issuer until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            issuer.request_count += 1
            body = issuer.jwks() if issuer.status == 200 else b"{}"
            self.send_response(issuer.status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    issuer = Issuer(f"http://127.0.0.1:{server.server_port}/auth/v1/.well-known/jwks.json")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield issuer
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
