'use strict';
// Frames on descriptor 3: u32 little-endian length of kind and body, one kind byte, the body.
//
// Reading is part of the event loop, so that a function's own work goes on; the socket keeps the loop alive only while we
// wait for an event, so that `beforeExit` means "the function has nothing left to do". Writing is a plain system call.

const fs = require('fs');
const net = require('net');
const { writeSync } = fs;

const HEADER_BYTES = 5;
const READ_BYTES = 64 * 1024;

class Channel {
  constructor(fd, onFrame) {
    this.fd = fd;
    this.onFrame = onFrame;
    this.parts = null; // a frame longer than one read
    this.have = 0;
    this.want = 0;
    const buffer = Buffer.allocUnsafeSlow(READ_BYTES);
    this.socket = new net.Socket({
      fd,
      onread: { buffer, callback: (bytes, chunk) => (this.onBytes(chunk, bytes), true) },
    });
    this.socket.on('end', () => process.reallyExit(0)); // the server has closed its end: the sandbox is over
    this.socket.on('error', () => process.reallyExit(0));
    this.socket.resume();
  }

  // Waiting for an event.
  hold() {
    this.socket.ref();
  }

  // The function has its turn.
  release() {
    this.socket.unref();
  }

  onBytes(chunk, bytes) {
    let at = 0;
    if (this.parts !== null) {
      if (!this.collect(chunk, bytes)) return;
      chunk = this.parts;
      bytes = this.have;
      this.parts = null;
    }
    while (bytes - at >= HEADER_BYTES) {
      const end = at + 4 + chunk.readUInt32LE(at);
      if (end > bytes) break;
      this.onFrame(chunk[at + 4], chunk.subarray(at + HEADER_BYTES, end));
      at = end;
    }
    if (at < bytes) this.keep(chunk, at, bytes);
  }

  // Starts a buffer for the rest of a frame.
  keep(chunk, at, bytes) {
    this.have = bytes - at;
    this.want = this.have >= HEADER_BYTES ? 4 + chunk.readUInt32LE(at) : HEADER_BYTES;
    this.parts = Buffer.allocUnsafeSlow(Math.max(this.want, READ_BYTES) + READ_BYTES);
    chunk.copy(this.parts, 0, at, bytes);
  }

  // Adds to it; whether the frame is whole now.
  collect(chunk, bytes) {
    if (this.have + bytes > this.parts.length) {
      const larger = Buffer.allocUnsafeSlow(this.want + bytes + READ_BYTES);
      this.parts.copy(larger, 0, 0, this.have);
      this.parts = larger;
    }
    chunk.copy(this.parts, this.have, 0, bytes);
    this.have += bytes;
    if (this.have < HEADER_BYTES) return false;
    this.want = 4 + this.parts.readUInt32LE(0);
    if (this.want + READ_BYTES > this.parts.length) {
      const larger = Buffer.allocUnsafeSlow(this.want + READ_BYTES);
      this.parts.copy(larger, 0, 0, this.have);
      this.parts = larger;
    }
    return this.have >= this.want;
  }

  // Writes one frame of text or bytes; `then` runs when it is all with the server, which may be at once.
  send(kind, body, then) {
    const frame = frameOf(kind, body);
    let written = 0;
    if (this.socket.writableLength > 0) return this.later(frame, then);
    try {
      while (written < frame.length) written += writeSync(this.fd, frame, written);
    } catch (error) {
      if (error.code !== 'EAGAIN') process.reallyExit(0);
      return this.later(frame.subarray(written), then);
    }
    if (then) then();
  }

  // Behind what the server has not taken yet. (A pending write keeps the event loop alive by itself.)
  later(bytes, then) {
    this.socket.write(bytes, then);
  }
}

function frameOf(kind, body) {
  if (typeof body !== 'string') {
    const frame = Buffer.allocUnsafe(HEADER_BYTES + body.length);
    body.copy(frame, HEADER_BYTES);
    return withHeader(frame, kind);
  }
  // Most results are plain ASCII of small size: one pass, no counting.
  const frame = Buffer.allocUnsafe(HEADER_BYTES + (body.length < 2048 ? body.length * 3 : Buffer.byteLength(body)));
  return withHeader(frame.subarray(0, HEADER_BYTES + frame.utf8Write(body, HEADER_BYTES)), kind);
}

function withHeader(frame, kind) {
  frame.writeUInt32LE(frame.length - 4, 0);
  frame[4] = kind.charCodeAt(0);
  return frame;
}

module.exports = { Channel };
