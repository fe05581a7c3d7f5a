"""Container images made without a container tool: layers by hand, roots from the host's own files, an OCI layout around."""

import gzip
import hashlib
import importlib.util
import io
import json
import re
import subprocess
import sys
import sysconfig
import tarfile
from pathlib import Path

HERE = Path(__file__).parent
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
# What of Python's library no function asks for.
LEFT_OUT = {"test", "tests", "idlelib", "tkinter", "lib2to3", "ensurepip", "turtledemo", "__pycache__", "site-packages", "dist-packages"}


class Layer:
    """A layer's tar, entry by entry."""

    def __init__(self):
        self.buffer = io.BytesIO()
        self.tar = tarfile.open(fileobj=self.buffer, mode="w", format=tarfile.PAX_FORMAT)
        self.names = set()

    def file(self, path, content, mode=0o644):
        content = content.encode() if isinstance(content, str) else content
        return self._add(path, tarfile.REGTYPE, content, mode)

    def directory(self, path, mode=0o755):
        return self._add(path, tarfile.DIRTYPE, b"", mode)

    def link(self, path, target):
        return self._add(path, tarfile.SYMTYPE, b"", 0o777, target)

    def hard_link(self, path, target):
        return self._add(path, tarfile.LNKTYPE, b"", 0o644, target)

    def whiteout(self, path):
        directory, _, name = path.rpartition("/")
        return self.file(f"{directory}/.wh.{name}" if directory else f".wh.{name}", "")

    def opaque(self, directory):
        return self.file(f"{directory}/.wh..wh..opq", "")

    def host(self, path):
        """A file of the host's at its own place, and what its links lead to."""
        path = Path(path)
        if str(path) in self.names:
            return self
        self.names.add(str(path))
        real = path.resolve()
        if real != path:
            self.file(str(path).lstrip("/"), real.read_bytes(), real.stat().st_mode & 0o777)
            return self
        return self.file(str(path).lstrip("/"), path.read_bytes(), path.stat().st_mode & 0o777)

    def bytes(self):
        self.tar.close()
        return gzip.compress(self.buffer.getvalue(), compresslevel=1, mtime=0)

    def _add(self, path, kind, content, mode, target=""):
        entry = tarfile.TarInfo(path)
        entry.type, entry.mode, entry.size, entry.linkname = kind, mode, len(content), target
        self.tar.addfile(entry, io.BytesIO(content))
        return self


def digest(content):
    return "sha256:" + hashlib.sha256(content).hexdigest()


class Image:
    """An image of layers (bytes), with the configuration that a Dockerfile would give it."""

    def __init__(self, layers, architecture="amd64", **config):
        self.blobs = {digest(layer): layer for layer in layers}
        document = {"architecture": architecture, "os": "linux", "config": config, "rootfs": {"type": "layers"}}
        self.architecture = architecture
        config = self._keep(json.dumps(document).encode(), "application/vnd.oci.image.config.v1+json")
        layers = [self._keep(layer, "application/vnd.oci.image.layer.v1.tar+gzip") for layer in layers]
        manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers}
        self.descriptor = self._keep(json.dumps(manifest).encode(), MANIFEST)

    @property
    def digest(self):
        return self.descriptor["digest"]

    def _keep(self, content, media_type):
        self.blobs[digest(content)] = content
        return {"mediaType": media_type, "digest": digest(content), "size": len(content)}


def archive(*images, name=None, index=False):
    """An OCI layout in a tar. With `index`, one name for images of several platforms."""
    blobs = {key: blob for image in images for key, blob in image.blobs.items()}
    platforms = [
        image.descriptor | {"platform": {"architecture": image.architecture, "os": "linux"}} for image in images
    ]
    if index:
        content = json.dumps({"schemaVersion": 2, "manifests": platforms}).encode()
        blobs[digest(content)] = content
        kind = "application/vnd.oci.image.index.v1+json"
        platforms = [{"mediaType": kind, "digest": digest(content), "size": len(content)}]
    if name:
        platforms = [one | {"annotations": {"org.opencontainers.image.ref.name": name}} for one in platforms]
    tar = Layer().file("oci-layout", '{"imageLayoutVersion": "1.0.0"}').directory("blobs").directory("blobs/sha256")
    for key, blob in blobs.items():
        tar.file("blobs/sha256/" + key.removeprefix("sha256:"), blob)
    tar.file("index.json", json.dumps({"schemaVersion": 2, "manifests": platforms}))
    tar.tar.close()
    return tar.buffer.getvalue()


def docker_save(image, name):
    """The same image as `docker save` wrote it before it knew OCI."""
    manifest = json.loads(image.blobs[image.digest])
    config = manifest["config"]["digest"].removeprefix("sha256:") + ".json"
    tar = Layer().file(config, image.blobs[manifest["config"]["digest"]])
    layers = []
    for number, layer in enumerate(manifest["layers"]):
        layers.append(f"{number}/layer.tar")
        tar.file(layers[-1], gzip.decompress(image.blobs[layer["digest"]]))
    tar.file("manifest.json", json.dumps([{"Config": config, "RepoTags": [name], "Layers": layers}]))
    tar.tar.close()
    return tar.buffer.getvalue()


def static_runtime(directory):
    """The program of `static_runtime.rs`."""
    program = Path(directory) / "runtime"
    source = HERE / "static_runtime.rs"
    subprocess.run(
        ["rustc", "--edition", "2024", "-C", "target-feature=+crt-static", "-o", program, source], check=True
    )
    return program.read_bytes()


def python_layer():
    """A minimal root with the tests' own Python and Amazon's runtime interface client. Gives the layer and the program."""
    layer = Layer()
    base = getattr(sys, "_base_executable", sys.executable)
    program = Path(base).resolve()
    library = Path(sysconfig.get_path("stdlib"))
    files = [program]
    for path in sorted(library.rglob("*")):
        if not LEFT_OUT & set(path.relative_to(library).parts[:-1]) and path.is_file() and path.suffix != ".a":
            files.append(path)
    for path in files:
        layer.host(path)
    client = Path(importlib.util.find_spec("awslambdaric").origin).parent
    extension = Path(importlib.util.find_spec("runtime_client").origin)
    packages = [(path, path.relative_to(client.parent)) for path in client.rglob("*") if path.is_file()]
    packages.append((extension, extension.name))
    for name in ("simplejson", "snapshot_restore_py"):
        found = Path(importlib.util.find_spec(name).origin).parent
        packages += [(path, path.relative_to(found.parent)) for path in found.rglob("*") if path.is_file()]
    for path, relative in packages:
        if "__pycache__" not in path.parts:
            layer.file(f"var/task/{relative}", path.read_bytes(), 0o755)
    shared = [path for path in files if ".so" in path.name] + [program, extension]
    shared += [path for path, _ in packages if ".so" in path.name]
    for path in libraries(shared):
        layer.host(path)
    return layer.bytes(), str(program)


def libraries(programs):
    """What the loader would load for them, itself included."""
    shown = subprocess.run(["ldd", *map(str, programs)], capture_output=True, text=True).stdout
    return sorted(set(re.findall(r"(/\S+\.so\S*) \(0x", shown)))
