// An Express service. Each request needs a live token: a logged-out one is refused with the next request.
// npm ci; GATE=https://auth.example.org/verify PORT=3000 node express.js
import express from "express";
import { createGate, expressMiddleware } from "../zapauth.js"; // "zapauth-client" in your project

const gate = createGate({ url: process.env.GATE ?? "http://localhost:8000/verify" });
const app = express();

app.use(expressMiddleware(gate, { onUnavailable: (error) => console.error(error.reason) }));
app.get("/orders", (request, response) => {
  response.json({ ordersOf: request.zapauth.userId });
});

const server = app.listen(process.env.PORT ?? 3000, "127.0.0.1", () => {
  console.log(`listens on http://127.0.0.1:${server.address().port}`);
});
