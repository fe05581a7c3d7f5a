package updraft.boot;

import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.IOException;

/**
 * Frames on descriptor 3: u32 little-endian length of kind and body, one kind byte, the body. Plain blocking reads and
 * writes; one of each per event.
 */
final class Channel {
    static final byte PARKED = 'P';
    static final byte INIT_DONE = 'K';
    static final byte INIT_FAILED = 'X';
    static final byte RESULT = 'O';
    static final byte ERROR = 'F';
    static final byte SNAPSHOT_READY = 'S';
    static final byte RESTORE_FAILED = 'Y';

    private static final int HEADER_BYTES = 5;
    private static final int READ_BYTES = 32 * 1024;

    private final FileInputStream in;
    private final FileOutputStream out;
    private byte[] inbox = new byte[READ_BYTES];
    private int have;
    private byte[] outbox = new byte[READ_BYTES];

    Channel(int descriptor) throws ReflectiveOperationException {
        in = new FileInputStream(Process.descriptor(descriptor));
        out = new FileOutputStream(Process.descriptor(descriptor));
    }

    /** The body of the next frame; null when the server has closed its end. */
    byte[] receive() throws IOException {
        int length = 1;
        while (have < HEADER_BYTES || have < 4 + (length = littleEndian(inbox, 0))) {
            makeRoom(have < HEADER_BYTES ? READ_BYTES : 4 + length);
            int read = in.read(inbox, have, inbox.length - have);
            if (read < 0) {
                return null;
            }
            have += read;
        }
        byte[] body = new byte[length - 1];
        System.arraycopy(inbox, HEADER_BYTES, body, 0, body.length);
        have -= 4 + length;
        System.arraycopy(inbox, 4 + length, inbox, 0, have);
        if (have == 0 && inbox.length > READ_BYTES) {
            inbox = new byte[READ_BYTES]; // a large event's buffer is not kept
        }
        return body;
    }

    private void makeRoom(int bytes) {
        if (inbox.length < bytes) {
            byte[] larger = new byte[bytes];
            System.arraycopy(inbox, 0, larger, 0, have);
            inbox = larger;
        }
    }

    void send(byte kind, byte[] body, int length) throws IOException {
        byte[] frame = HEADER_BYTES + length > outbox.length ? new byte[HEADER_BYTES + length] : outbox;
        for (int i = 0; i < 4; i++) {
            frame[i] = (byte) ((length + 1) >>> (8 * i));
        }
        frame[4] = kind;
        System.arraycopy(body, 0, frame, HEADER_BYTES, length);
        out.write(frame, 0, HEADER_BYTES + length);
    }

    static int littleEndian(byte[] bytes, int at) {
        return (bytes[at] & 255) | (bytes[at + 1] & 255) << 8 | (bytes[at + 2] & 255) << 16 | (bytes[at + 3] & 255) << 24;
    }
}
