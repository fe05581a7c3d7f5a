"""An issuer of tokens (OpenID Connect) on this machine: keys made and used by openssl, published as AWS's authorizers read them."""

import base64
import hashlib
import hmac
import json
import re
import subprocess
import time

from .http_apis import Backend


def _text(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Key:
    """An RSA key pair."""

    def __init__(self, directory, name, bits=2048):
        self.id, self.path = name, directory / f"{name}.pem"
        subprocess.run(["openssl", "genrsa", "-out", self.path, str(bits)], check=True, capture_output=True)
        self.public = subprocess.run(
            ["openssl", "rsa", "-in", self.path, "-pubout"], check=True, capture_output=True
        ).stdout

    def jwk(self, **more):
        modulus = subprocess.run(
            ["openssl", "rsa", "-in", self.path, "-noout", "-modulus"], check=True, capture_output=True, text=True
        ).stdout
        number = bytes.fromhex(re.fullmatch(r"Modulus=([0-9A-F]+)\n", modulus)[1])
        return {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": self.id, "n": _text(number), "e": "AQAB"} | more

    def sign(self, message, digest="sha256"):
        command = ["openssl", "dgst", f"-{digest}", "-sign", self.path]
        return subprocess.run(command, input=message, check=True, capture_output=True).stdout


class Issuer(Backend):
    """Publishes keys, and makes tokens. `keys` is what it publishes; `answers` may be replaced by a function of a test's own."""

    def __init__(self, directory):
        self.directory, self.key = directory, Key(directory, "first")
        self.keys, self.answers = [self.key.jwk()], None
        super().__init__(self._answer)

    def _answer(self, request):
        if self.answers is not None:
            return self.answers(request)
        if request.path == "/.well-known/openid-configuration":
            return request.give(200, {"issuer": self.url, "jwks_uri": f"{self.url}/keys"})
        if request.path == "/keys":
            return request.give(200, {"keys": self.keys})
        return request.give(404)

    def asked_for_keys(self):
        return sum(request.path == "/keys" for request in self.asked)

    def claims(self, **claims):
        now = int(time.time())
        whole = {"iss": self.url, "aud": "me", "sub": "somebody", "iat": now - 1, "exp": now + 600} | claims
        return {name: value for name, value in whole.items() if value is not None}

    def token(self, key=None, header=None, sign=None, **claims):
        key = key or self.key
        header = {"alg": "RS256", "typ": "JWT", "kid": key.id} | (header or {})
        header = {name: value for name, value in header.items() if value is not None}
        message = ".".join(_text(json.dumps(part).encode()) for part in (header, self.claims(**claims)))
        return f"{message}.{_text((sign or key.sign)(message.encode()))}"


def hmac_with(secret):
    """Signs with a secret that is none: a public key's text."""
    return lambda message: hmac.new(secret, message, hashlib.sha256).digest()
