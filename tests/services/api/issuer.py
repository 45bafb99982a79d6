"""An issuer of tokens with keys of its own, which serves its JWKS on a socket and counts asks."""

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
    """`keys` are by id; `status` is what it answers when it is asked for them."""

    url: str
    keys: dict[str, PrivateKey] = field(default_factory=dict)
    more: list[dict[str, Any]] = field(default_factory=list)
    status: int = 200
    asked: int = 0

    def add(self, key_id: str, algorithm: str) -> None:
        self.keys[key_id] = (
            ec.generate_private_key(ec.SECP256R1())
            if algorithm == "ES256"
            else rsa.generate_private_key(public_exponent=65_537, key_size=2048)
        )

    def issue(self, subject: object, key_id: str, algorithm: str, **claims: Any) -> str:
        said = {
            "sub": str(subject), "aud": "authenticated", "role": "authenticated",
            "exp": datetime.now(UTC) + timedelta(hours=1), **claims,
        }  # fmt: skip
        said = {name: value for name, value in said.items() if value is not None}
        return jwt.encode(said, self.keys[key_id], algorithm, {"kid": key_id})

    def pem(self, key_id: str) -> bytes:
        public = self.keys[key_id].public_key()
        return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    def jwks(self) -> bytes:
        found = list(self.more)
        for key_id, key in self.keys.items():
            public: Any = key.public_key()
            elliptic = isinstance(key, ec.EllipticCurvePrivateKey)
            made: Any = (ECAlgorithm if elliptic else RSAAlgorithm).to_jwk(public, as_dict=True)
            found.append({**made, "kid": key_id, "use": "sig",
                          "alg": "ES256" if elliptic else "RS256"})  # fmt: skip
        return json.dumps({"keys": found}).encode()


@contextmanager
def serving() -> Iterator[Issuer]:
    """An issuer that listens until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            issuer.asked += 1
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
