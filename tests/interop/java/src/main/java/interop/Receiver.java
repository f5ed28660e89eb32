package interop;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.cloudevents.CloudEvent;
import io.cloudevents.core.message.MessageReader;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import java.util.function.Supplier;

/** Tells what was received. On /reply it answers with the event it was told, elsewhere with none. */
final class Receiver {
    /** An event to answer with, and whether structured. */
    record Reply(CloudEvent event, boolean structured) {}

    private final Consumer<ObjectNode> told;
    private volatile Reply reply;

    Receiver(Consumer<ObjectNode> told) {
        this.told = told;
    }

    void replyWith(Reply next) {
        reply = next;
    }

    /** The reply, or null; throws what the SDK throws for a request that it refuses. */
    Reply receive(String path, Iterable<Map.Entry<String, String>> headers, byte[] body, Supplier<MessageReader> reader) {
        ObjectNode received;
        try {
            received = Samples.describe(reader.get().toEvent());
        } catch (RuntimeException error) {
            ObjectNode refused = Samples.JSON.createObjectNode();
            refused.put("path", path).put("refused", error.toString()).put("body", Base64.getEncoder().encodeToString(body));
            headers.forEach(header -> refused.withArray("headers").addPOJO(
                List.of(header.getKey().toLowerCase(), header.getValue())));
            tell(refused);
            throw error;
        }
        received.put("path", path);
        tell(received);
        return path.equals("/reply") ? reply : null;
    }

    private void tell(ObjectNode received) {
        ObjectNode line = Samples.JSON.createObjectNode();
        line.set("received", received);
        told.accept(line);
    }
}
