package interop;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import io.cloudevents.CloudEvent;
import io.cloudevents.core.message.MessageWriter;
import io.cloudevents.http.HttpMessageFactory;
import io.cloudevents.jackson.JsonFormat;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.util.AbstractMap.SimpleEntry;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Executors;

/** cloudevents-http-basic on the client and the server of the JDK. */
final class BasicBinding implements Binding {
    private final HttpClient client = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();

    @Override
    public int send(String url, String mode, CloudEvent event) throws Exception {
        HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(url));
        write(HttpMessageFactory.createWriter(
            request::header,
            body -> request.POST(body == null
                ? HttpRequest.BodyPublishers.noBody() : HttpRequest.BodyPublishers.ofByteArray(body))), mode, event);
        return client.send(request.build(), HttpResponse.BodyHandlers.ofByteArray()).statusCode();
    }

    private static void write(MessageWriter<?, Void> writer, String mode, CloudEvent event) {
        if (mode.equals("structured")) {
            writer.writeStructured(event, JsonFormat.CONTENT_TYPE);
        } else {
            writer.writeBinary(event);
        }
    }

    @Override
    public int listen(Receiver receiver) throws IOException {
        HttpServer server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        server.setExecutor(Executors.newCachedThreadPool(Main::daemon));
        server.createContext("/", exchange -> handle(receiver, exchange));
        server.start();
        return server.getAddress().getPort();
    }

    private static void handle(Receiver receiver, HttpExchange exchange) throws IOException {
        byte[] body = exchange.getRequestBody().readAllBytes();
        List<Map.Entry<String, String>> headers = new ArrayList<>();
        exchange.getRequestHeaders().forEach(
            (name, values) -> values.forEach(value -> headers.add(new SimpleEntry<>(name, value))));
        try {
            Receiver.Reply reply = receiver.receive(
                exchange.getRequestURI().getPath(), headers, body,
                () -> HttpMessageFactory.createReaderFromMultimap(exchange.getRequestHeaders(), body));
            if (reply == null) {
                exchange.sendResponseHeaders(204, -1);
            } else {
                write(HttpMessageFactory.createWriter(exchange.getResponseHeaders()::add, bytes -> answer(exchange, 200, bytes)),
                    reply.structured() ? "structured" : "binary", reply.event());
            }
        } catch (RuntimeException error) {
            answer(exchange, 400, error.toString().getBytes(StandardCharsets.UTF_8));
        } finally {
            exchange.close();
        }
    }

    private static void answer(HttpExchange exchange, int status, byte[] body) {
        try {
            if (body == null || body.length == 0) {
                exchange.sendResponseHeaders(status, -1);
                return;
            }
            exchange.sendResponseHeaders(status, body.length);
            exchange.getResponseBody().write(body);
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
    }
}
