// The JavaScript SDK as a client of the interoperability tests: sends what it is told on standard input, tells on standard output
// what it receives. One JSON object a line; tests/interop/client.py describes them.
import http from "node:http";
import readline from "node:readline";
import { CloudEvent, HTTP } from "cloudevents";

const tell = (line) => process.stdout.write(JSON.stringify(line) + "\n");
const json = (contentType) => /^[^;]*[/+]json\s*(;|$)/i.test(contentType);

// The content types under which the SDK parses the body of a binary message; else it leaves that to the program.
const parsed = ["application/json", "application/json; charset=utf-8"];

// What an extension of each CloudEvents type is to a JavaScript program.
const typed = {
  String: (text) => text,
  URI: (text) => text,
  "URI-reference": (text) => text,
  Integer: (text) => Number(text),
  Boolean: (text) => text === "true",
  Binary: (text) => new Uint8Array(Buffer.from(text, "base64")),
  Timestamp: (text) => new Date(text),
};

function build({ attributes, data }) {
  const properties = {};
  for (const [name, { type, text }] of Object.entries(attributes)) {
    properties[name] = name === "time" ? text : typed[type](text);
  }
  if (data !== null) {
    properties.data = "base64" in data ? new Uint8Array(Buffer.from(data.base64, "base64")) : "text" in data ? data.text : data.json;
  }
  return new CloudEvent(properties);
}

function canonical(value) {
  if (value instanceof Date) return value.toISOString();
  if (ArrayBuffer.isView(value)) return Buffer.from(value).toString("base64");
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

function describe(event, structured) {
  const attributes = {};
  for (const [name, value] of Object.entries(event)) {
    if (value !== undefined && name !== "data" && name !== "data_base64") attributes[name] = canonical(value);
  }
  let data = null;
  if (ArrayBuffer.isView(event.data)) {
    // Out of data_base64 the SDK makes an array with an element of 32 bits for each byte.
    data = { base64: Buffer.from(Array.from(event.data)).toString("base64") };
  } else if (event.data !== undefined) {
    const type = event.datacontenttype;
    const value = structured ? type === undefined || json(type) : parsed.includes(type);
    data = typeof event.data === "string" && !value ? { text: event.data } : { json: event.data };
  }
  return { attributes, data };
}

// One event in the mode asked for, as headers and body; a batch is what the SDK has no function for.
function message(mode, [event]) {
  const { headers, body } = mode === "structured" ? HTTP.structured(event) : HTTP.binary(event);
  return { headers, body };
}

async function send({ url, mode, events }) {
  try {
    const { headers, body } = message(mode, events.map(build));
    const answer = await fetch(url, { method: "POST", headers, body });
    await answer.arrayBuffer();
    return { status: answer.status };
  } catch (error) {
    return { refused: String(error.cause ?? error) };
  }
}

let answer = null;

function replyWith({ mode, events }) {
  try {
    answer = message(mode, events.map(build));
    for (const [name, value] of Object.entries(answer.headers)) http.validateHeaderValue(name, value);
    return { ready: true };
  } catch (error) {
    return { refused: String(error) };
  }
}

function receive(request, response, body) {
  const path = request.url;
  let event;
  try {
    // A program gives the SDK the text where the content type says text, and the bytes where it doesn't.
    const type = request.headers["content-type"] ?? "";
    const structured = type.startsWith("application/cloudevents");
    const text = json(type) || /^text\/|xml/i.test(type);
    const whole = text ? body.toString("utf8") : body;
    event = HTTP.toEvent({ headers: request.headers, body: body.length === 0 ? undefined : whole });
    tell({ received: { path, ...describe(event, structured) } });
  } catch (error) {
    const headers = Object.entries(request.headers);
    tell({ received: { path, refused: String(error), headers, body: body.toString("base64") } });
    response.writeHead(400).end(String(error));
    return;
  }
  if (path !== "/reply" || answer === null) {
    response.writeHead(204).end();
    return;
  }
  response.writeHead(200, answer.headers);
  const bytes = answer.body;
  response.end(ArrayBuffer.isView(bytes) || bytes === undefined ? bytes : String(bytes));
}

const server = http.createServer({ maxHeaderSize: 1 << 20 }, (request, response) => {
  const chunks = [];
  request.on("data", (chunk) => chunks.push(chunk));
  request.on("end", () => receive(request, response, Buffer.concat(chunks)));
});

server.listen(0, "127.0.0.1", () => {
  tell({ port: server.address().port });
  const lines = readline.createInterface({ input: process.stdin });
  lines.on("line", async (line) => {
    const asked = JSON.parse(line);
    tell(asked.do === "send" ? await send(asked) : replyWith(asked));
  });
  lines.on("close", () => process.exit(0));
});
