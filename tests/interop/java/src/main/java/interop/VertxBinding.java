package interop;

import io.cloudevents.CloudEvent;
import io.cloudevents.core.message.MessageWriter;
import io.cloudevents.http.vertx.VertxMessageFactory;
import io.cloudevents.jackson.JsonFormat;
import io.cloudevents.rw.CloudEventWriter;
import io.vertx.core.Future;
import io.vertx.core.Vertx;
import io.vertx.core.VertxOptions;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.file.FileSystemOptions;
import io.vertx.core.http.HttpServerOptions;
import io.vertx.core.http.HttpServerRequest;
import io.vertx.core.http.HttpServerResponse;
import io.vertx.ext.web.client.HttpResponse;
import io.vertx.ext.web.client.WebClient;
import java.util.concurrent.TimeUnit;

/** cloudevents-http-vertx on Vert.x. */
final class VertxBinding implements Binding {
    // No cache folder: it would be left behind when the process ends.
    private final Vertx vertx = Vertx.vertx(new VertxOptions().setEventLoopPoolSize(1).setFileSystemOptions(
        new FileSystemOptions().setFileCachingEnabled(false).setClassPathResolvingEnabled(false)));
    private final WebClient client = WebClient.create(vertx);

    @Override
    public int send(String url, String mode, CloudEvent event) throws Exception {
        MessageWriter<CloudEventWriter<Future<HttpResponse<Buffer>>>, Future<HttpResponse<Buffer>>> writer =
            VertxMessageFactory.createWriter(client.postAbs(url));
        Future<HttpResponse<Buffer>> answer =
            mode.equals("structured") ? writer.writeStructured(event, JsonFormat.CONTENT_TYPE) : writer.writeBinary(event);
        return answer.toCompletionStage().toCompletableFuture().get(20, TimeUnit.SECONDS).statusCode();
    }

    @Override
    public int listen(Receiver receiver) throws Exception {
        HttpServerOptions options = new HttpServerOptions().setMaxHeaderSize(1 << 20);
        return vertx.createHttpServer(options)
            .requestHandler(request -> request.body().onSuccess(body -> handle(receiver, request, body)))
            .listen(0, "127.0.0.1").toCompletionStage().toCompletableFuture().get(20, TimeUnit.SECONDS).actualPort();
    }

    private static void handle(Receiver receiver, HttpServerRequest request, Buffer body) {
        HttpServerResponse response = request.response();
        try {
            Receiver.Reply reply = receiver.receive(
                request.path(), request.headers(), body.getBytes(),
                () -> VertxMessageFactory.createReader(request.headers(), body));
            if (reply == null) {
                response.setStatusCode(204).end();
                return;
            }
            MessageWriter<CloudEventWriter<HttpServerResponse>, HttpServerResponse> writer =
                VertxMessageFactory.createWriter(response.setStatusCode(200));
            if (reply.structured()) {
                writer.writeStructured(reply.event(), JsonFormat.CONTENT_TYPE);
            } else {
                writer.writeBinary(reply.event());
            }
        } catch (RuntimeException error) {
            response.setStatusCode(400).end(error.toString());
        }
    }
}
