package interop;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.cloudevents.CloudEvent;
import io.cloudevents.core.builder.CloudEventBuilder;
import io.cloudevents.jackson.JsonCloudEventData;
import io.cloudevents.types.Time;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.time.OffsetDateTime;
import java.util.Base64;

/** Events of the tests to and from those of the SDK: attributes with their CloudEvents type, data as one of json, text, base64. */
final class Samples {
    static final ObjectMapper JSON = new ObjectMapper();

    private Samples() {}

    /** Made through the SDK's own builder and types; throws what the SDK throws. */
    static CloudEvent build(JsonNode sample) {
        io.cloudevents.core.v1.CloudEventBuilder builder = CloudEventBuilder.v1();
        sample.get("attributes").fields().forEachRemaining(
            entry -> set(builder, entry.getKey(), entry.getValue().get("type").asText(), entry.getValue().get("text").asText()));
        JsonNode data = sample.get("data");
        if (data.has("text")) {
            builder.withData(data.get("text").asText().getBytes(StandardCharsets.UTF_8));
        } else if (data.has("base64")) {
            builder.withData(Base64.getDecoder().decode(data.get("base64").asText()));
        } else if (data.has("json")) {
            builder.withData(JsonCloudEventData.wrap(data.get("json")));
        }
        return builder.build();
    }

    private static void set(io.cloudevents.core.v1.CloudEventBuilder builder, String name, String type, String text) {
        switch (name) {
            case "specversion" -> {}
            case "id" -> builder.withId(text);
            case "source" -> builder.withSource(URI.create(text));
            case "type" -> builder.withType(text);
            case "subject" -> builder.withSubject(text);
            case "dataschema" -> builder.withDataSchema(URI.create(text));
            case "datacontenttype" -> builder.withDataContentType(text);
            case "time" -> builder.withTime(Time.parseTime(text));
            default -> extension(builder, name, type, text);
        }
    }

    private static void extension(io.cloudevents.core.v1.CloudEventBuilder builder, String name, String type, String text) {
        switch (type) {
            case "Integer" -> builder.withExtension(name, Integer.valueOf(text));
            case "Boolean" -> builder.withExtension(name, Boolean.valueOf(text));
            case "Binary" -> builder.withExtension(name, Base64.getDecoder().decode(text));
            case "URI", "URI-reference" -> builder.withExtension(name, URI.create(text));
            case "Timestamp" -> builder.withExtension(name, Time.parseTime(text));
            default -> builder.withExtension(name, text);
        }
    }

    /** What the SDK shows to a program that received the event: canonical texts and the bytes of the data. */
    static ObjectNode describe(CloudEvent event) {
        ObjectNode described = JSON.createObjectNode();
        ObjectNode attributes = described.putObject("attributes");
        for (String name : event.getAttributeNames()) {
            Object value = event.getAttribute(name);
            if (value != null) {
                attributes.put(name, canonical(value));
            }
        }
        for (String name : event.getExtensionNames()) {
            attributes.put(name, canonical(event.getExtension(name)));
        }
        if (event.getData() == null) {
            described.putNull("data");
        } else {
            described.putObject("data").put("base64", Base64.getEncoder().encodeToString(event.getData().toBytes()));
        }
        return described;
    }

    private static String canonical(Object value) {
        if (value instanceof OffsetDateTime time) {
            return Time.writeTime(time);
        }
        if (value instanceof byte[] bytes) {
            return Base64.getEncoder().encodeToString(bytes);
        }
        return value.toString();
    }
}
