package interop;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.cloudevents.CloudEvent;
import java.io.BufferedReader;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;

/**
 * The Java SDK as a client of the interoperability tests: sends what it is told on standard input, tells on standard output what
 * it receives. One JSON object a line; tests/interop/client.py describes them. Its argument names the binding: basic or vertx.
 */
public final class Main {
    private static final PrintStream OUT = new PrintStream(new FileOutputStream(FileDescriptor.out), false, StandardCharsets.UTF_8);

    private Main() {}

    public static void main(String[] arguments) throws Exception {
        Binding binding = arguments[0].equals("vertx") ? new VertxBinding() : new BasicBinding();
        Receiver receiver = new Receiver(Main::tell);
        tell(Samples.JSON.createObjectNode().put("port", binding.listen(receiver)));
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            tell(answer(binding, receiver, Samples.JSON.readTree(line)));
        }
        System.exit(0);
    }

    private static ObjectNode answer(Binding binding, Receiver receiver, JsonNode asked) {
        ObjectNode told = Samples.JSON.createObjectNode();
        try {
            CloudEvent event = Samples.build(asked.get("events").get(0));
            String mode = asked.get("mode").asText();
            if (asked.get("do").asText().equals("send")) {
                return told.put("status", binding.send(asked.get("url").asText(), mode, event));
            }
            receiver.replyWith(new Receiver.Reply(event, mode.equals("structured")));
            return told.put("ready", true);
        } catch (Exception error) {
            return told.put("refused", error.toString());
        }
    }

    private static synchronized void tell(ObjectNode line) {
        OUT.println(line);
        OUT.flush();
    }

    static Thread daemon(Runnable work) {
        Thread thread = new Thread(work);
        thread.setDaemon(true);
        return thread;
    }
}
