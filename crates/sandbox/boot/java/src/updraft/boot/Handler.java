package updraft.boot;

import com.amazonaws.services.lambda.runtime.Context;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;

/** A loaded function: one event in, one answer out. Throws what user code throws. */
interface Handler {
    void handle(ByteArrayInputStream event, ByteArrayOutputStream answer, Context context) throws Throwable;
}
