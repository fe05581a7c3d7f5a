"""Deployment packages made in memory, honest and otherwise."""

import io
import stat
import struct
import zipfile
import zlib


def zip_of(files, executable=()):
    """A zip of {path: text or bytes}."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in files.items():
            entry = zipfile.ZipInfo(path, (2026, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = (0o100755 if path in executable else 0o100644) << 16
            archive.writestr(entry, content)
    return buffer.getvalue()


class Pipe(io.RawIOBase):
    """Takes bytes and cannot go back, so that an archiver writes sizes behind its entries, as those of Go and Java do."""

    def __init__(self):
        self.written = bytearray()

    def writable(self):
        return True

    def write(self, data):
        self.written += data
        return len(data)


def streamed_zip(path, content):
    """A zip of one file, written as a stream."""
    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(path, content)
    return bytes(pipe.written)


def link_to(target, name="link"):
    """A zip with an app and a symbolic link."""
    buffer = io.BytesIO(zip_of({"app.py": "def handler(event, context):\n    return event\n"}))
    with zipfile.ZipFile(buffer, "a") as archive:
        entry = zipfile.ZipInfo(name)
        entry.create_system = 3
        entry.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(entry, target)
    return buffer.getvalue()


def bomb(declares, megabytes=300):
    """Zeros, packed small: 300 MB in some 300 KB. With `declares` it says less than it holds."""
    compressor = zlib.compressobj(1, zlib.DEFLATED, -15)
    chunk, crc, data = bytes(1 << 20), 0, b""
    for _ in range(megabytes):
        data += compressor.compress(chunk)
        crc = zlib.crc32(chunk, crc)
    data += compressor.flush()
    size, name = declares or megabytes << 20, b"app.py"
    common = struct.pack("<HHHHHIIIHH", 20, 0, 8, 0, 0, crc, len(data), size, len(name), 0)
    local = b"PK\x03\x04" + common + name + data
    directory = b"PK\x01\x02" + b"\x14\x03" + common + bytes(6) + struct.pack("<II", 0o100644 << 16, 0) + name
    end = b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, 1, 1, len(directory), len(local), 0)
    return local + directory + end
