"""Frames on descriptor 3: `u32` little-endian length of kind and body, one kind byte, the body.

System calls only, no buffered files: one read and one write per event is the budget.
"""

import os
import struct

FD = 3
PARKED, INIT_DONE, INIT_FAILED, RESULT, ERROR = b"P", b"K", b"X", b"O", b"F"
SNAPSHOT_READY, RESTORE_FAILED, IMAGE_DONE, NO_IMAGE = b"S", b"Y", b"V", b"N"
INIT, EVENT, RESTORE, LOAD = 73, 69, 82, 76  # ord("I"), ord("E"), ord("R"), ord("L")

# One read takes a typical event whole; a longer one is read into a buffer of its exact size.
_READ_BYTES = 32 * 1024
_HEAD = struct.Struct("<IB")
_pack_head = struct.Struct("<Ic").pack


class Closed(Exception):
    """The server closed its end: the sandbox is over."""


class Channel:
    """The sandbox's end of the socket."""

    __slots__ = ("fd", "_rest")

    def __init__(self, fd=FD):
        self.fd = fd
        self._rest = b""
        os.set_inheritable(fd, False)

    def receive(self):
        """The next frame, as its kind (an integer) and its body."""
        data = self._rest or self._read()
        while len(data) < 5:
            data += self._read()
        length, kind = _HEAD.unpack_from(data)
        end = 4 + length
        if len(data) < end:
            data = self._fill(data, end)
            self._rest = b""
        else:
            self._rest = data[end:]
        return kind, data[5:end]

    def send(self, kind, body=b""):
        """Writes one frame."""
        data = _pack_head(len(body) + 1, kind) + body
        written = os.write(self.fd, data)
        while written < len(data):
            data = memoryview(data)[written:]
            written = os.write(self.fd, data)

    def _read(self):
        data = os.read(self.fd, _READ_BYTES)
        if not data:
            raise Closed
        return data

    def _fill(self, start, size):
        buffer = bytearray(size)
        buffer[: len(start)] = start
        view, have = memoryview(buffer), len(start)
        while have < size:
            got = os.readv(self.fd, [view[have:]])
            if not got:
                raise Closed
            have += got
        view.release()
        return buffer
