// A service for runtimes with `fetch(request)`: Deno, Bun, workers. The last lines run it in Node.
// GATE=https://auth.example.org/verify PORT=3000 node fetch.js
import { createServer } from "node:http";
import { createGate, toResponse } from "../zapauth.js"; // "zapauth-client" in your project

const gate = createGate({ url: process.env.GATE ?? "http://localhost:8000/verify" });

const service = {
  async fetch(request) {
    try {
      const verdict = await gate.check(request.headers.get("Authorization"));
      return Response.json({ ordersOf: verdict.userId });
    } catch (error) {
      return toResponse(error);
    }
  },
};
export default service;

async function answer({ method, url, headers }, outgoing) {
  const response = await service.fetch(new Request(new URL(url, "http://localhost"), { method, headers }));
  outgoing.writeHead(response.status, Object.fromEntries(response.headers)).end(await response.text());
}

const server = createServer((incoming, outgoing) => {
  answer(incoming, outgoing).catch(() => outgoing.writeHead(400).end()); // a method or URL that fetch does not know
});
server.listen(process.env.PORT ?? 3000, "127.0.0.1", () => {
  console.log(`listens on http://127.0.0.1:${server.address().port}`);
});
