// A client of socket-server.js that prints what happens to its connection.
//
//   node socket-client.js http://127.0.0.1:3000 ACCESS_TOKEN

import { io } from "socket.io-client";

const [url, token] = process.argv.slice(2);
const socket = io(url, { auth: { token }, transports: ["websocket"] });
socket.on("connect", () => console.log("connected"));
socket.on("disconnect", (reason) => console.log(`disconnected: ${reason}`));
socket.on("connect_error", (error) => {
  console.log(`refused: ${error.message}`);
  process.exit(1); // socket.io does not try again by itself after a refusal
});
