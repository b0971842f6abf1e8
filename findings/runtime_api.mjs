// Just enough of the Runtime API for one event: hands `{}` to the program that the arguments name, prints what it answers with
// (the end of the path, and the body with each NUL as a dot), and ends it.
import { spawn } from "node:child_process";
import { createServer } from "node:http";

const [command, ...words] = process.argv.slice(2);
let answered = false;
const server = createServer((request, response) => {
  let body = "";
  request.on("data", (piece) => (body += piece));
  request.on("end", () => {
    if (request.method === "POST") {
      console.log(`${request.url.split("/").pop()}: ${body.replaceAll("\0", ".")}`);
      response.writeHead(202).end();
      answered = true;
    } else if (!answered) {
      const deadline = Date.now() + 10_000;
      response.writeHead(200, { "Lambda-Runtime-Aws-Request-Id": "1", "Lambda-Runtime-Deadline-Ms": deadline, "Content-Type": "application/json" });
      response.end("{}");
    } else {
      client.kill("SIGKILL");
      server.closeAllConnections();
      server.close();
    }
  });
}).listen(0, "127.0.0.1");
await new Promise((ready) => server.on("listening", ready));
const env = { ...process.env, AWS_LAMBDA_RUNTIME_API: `127.0.0.1:${server.address().port}`, AWS_LAMBDA_FUNCTION_NAME: "f", AWS_LAMBDA_FUNCTION_VERSION: "1", AWS_LAMBDA_FUNCTION_MEMORY_SIZE: "128" };
const client = spawn(command, words, { env, stdio: ["ignore", "ignore", "ignore"] });
