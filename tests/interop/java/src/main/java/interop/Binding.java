package interop;

import io.cloudevents.CloudEvent;

/** One of the SDK's HTTP bindings, sending and receiving. */
interface Binding {
    /** The status of the answer. Throws what the SDK or the transport throws. */
    int send(String url, String mode, CloudEvent event) throws Exception;

    /** Listens on a free port of the loopback interface and returns it. */
    int listen(Receiver receiver) throws Exception;
}
