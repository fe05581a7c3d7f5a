"""Certificates of the tests' own: an authority, and what it vouches for. Made by openssl, as an operator would make them."""

import ssl
import subprocess


class Authority:
    def __init__(self, directory, name="tests"):
        directory.mkdir(parents=True, exist_ok=True)
        self.directory, self.name = directory, name
        self.bundle, self._key = directory / f"{name}.pem", directory / f"{name}.key"
        self._openssl("req", "-x509", *self._new_key(self._key), "-days", "2", "-subj", f"/CN={name}", "-out", self.bundle)

    def certificate(self, *names, days=2):
        """Paths of a certificate for these names, and of its key."""
        stem = self.directory / names[0].replace("*", "_")
        certificate, key, request, extensions = (stem.with_name(f"{stem.name}.{kind}") for kind in ("crt", "key", "csr", "ext"))
        kinds = [("IP" if name.replace(".", "").isdigit() else "DNS", name) for name in names]
        extensions.write_text("subjectAltName=" + ",".join(f"{kind}:{name}" for kind, name in kinds))
        self._openssl("req", *self._new_key(key), "-subj", f"/CN={names[0]}", "-out", request)
        authority = ("-CA", self.bundle, "-CAkey", self._key, "-CAcreateserial")
        self._openssl("x509", "-req", "-in", request, *authority, "-days", str(days), "-extfile", extensions, "-out", certificate)
        return certificate, key

    def server_context(self, *names):
        """What a Python server for these names needs."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.certificate(*names))
        return context

    def client_context(self):
        """A client that believes this authority alone."""
        return ssl.create_default_context(cafile=str(self.bundle))

    @staticmethod
    def _new_key(path):
        return ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", path)

    @staticmethod
    def _openssl(*arguments):
        subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, timeout=60)
