import java.io.ByteArrayInputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublisher;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;

/** The JDK's client as it comes: over plain HTTP it asks for an upgrade to HTTP/2 with its first request on a connection. */
public class Send {
    private static HttpRequest request(String url, String id, BodyPublisher body) {
        return HttpRequest.newBuilder(URI.create(url)).timeout(Duration.ofSeconds(20)).header("x-id", id).POST(body).build();
    }

    private static void tell(String id, HttpResponse<String> answer) {
        System.out.println(id + " " + answer.statusCode() + " " + answer.version() + " " + answer.body().length());
    }

    public static void main(String[] arguments) throws Exception {
        String url = arguments[0];
        int size = Integer.parseInt(arguments[1]);
        byte[] data = new byte[size];
        java.util.Arrays.fill(data, (byte) 'x');
        for (String kind : List.of("length", "chunked")) {
            HttpClient client = HttpClient.newHttpClient();
            for (int number = 0; number < 3; number++) {
                String id = kind + "-" + number;
                tell(id, client.send(request(url, id, body(kind, data)), BodyHandlers.ofString()));
            }
        }
        HttpClient client = HttpClient.newHttpClient();
        List<CompletableFuture<HttpResponse<String>>> answers = new ArrayList<>();
        for (int number = 0; number < 8; number++) {
            String kind = number % 2 == 0 ? "length" : "chunked";
            answers.add(client.sendAsync(request(url, "many-" + number, body(kind, data)), BodyHandlers.ofString()));
        }
        for (int number = 0; number < 8; number++) {
            tell("many-" + number, answers.get(number).join());
        }
        HttpRequest expecting = HttpRequest.newBuilder(URI.create(url)).timeout(Duration.ofSeconds(20))
                .header("x-id", "expecting").expectContinue(true).POST(body("length", data)).build();
        tell("expecting", HttpClient.newHttpClient().send(expecting, BodyHandlers.ofString()));
    }

    private static BodyPublisher body(String kind, byte[] data) {
        return kind.equals("length")
                ? BodyPublishers.ofByteArray(data)
                : BodyPublishers.ofInputStream(() -> new ByteArrayInputStream(data));
    }
}
