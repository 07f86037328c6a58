// A socket.io server for users who are logged in with ZapAuth. It cuts a connection as soon as its session has ended.
//
//   npm ci
//   ZAPAUTH_URL=https://auth.example.org APP_ID=… APP_KEY=… PORT=3000 node socket-server.js
//
// The app needs access to events: manage.py appaccess NAME --events all

import { createServer } from "node:http";
import { Server } from "socket.io";
import { listen } from "./events.js";

const { ZAPAUTH_URL, APP_ID, APP_KEY, PORT = "3000", LONGEST_UNKNOWN = "30000" } = process.env;

const server = createServer();
const io = new Server(server);

// --- who may connect ------------------------------------------------------------------------

// For each connection that is being opened: the events that came since its token was checked.
const opening = new Set();
let isTold = false; // whether events arrive at the moment

io.use(async (socket, next) => {
  // While no events arrive, a new connection could not be cut.
  if (!isTold) return next(new Error("unavailable"));
  const cameSince = [];
  opening.add(cameSince);
  socket.conn.once("close", () => opening.delete(cameSince));
  try {
    const session = await verified(socket.handshake.auth.token);
    if (!session) return next(new Error("unauthorized"));
    socket.data = { ...session, cameSince };
    next();
  } catch {
    next(new Error("unavailable"));
  }
});

io.on("connection", (socket) => {
  const { session, user, app, cameSince } = socket.data;
  opening.delete(cameSince);
  // The session may have ended while ZapAuth's answer was on its way.
  if (cameSince.some(({ name, data }) => concerns(socket.data, name, data))) return socket.disconnect(true);
  socket.join([`session:${session}`, `app:${app}`, `user:${user}@${app}`]);
  socket.on("say", (text) => io.emit("said", { user, text }));
});

/** Return the session of a token that ZapAuth accepts now; null for another one. */
async function verified(token) {
  if (typeof token !== "string" || !/^[\w.-]+$/.test(token)) return null;
  const headers = { Authorization: `Bearer ${token}` };
  const answer = await fetch(`${ZAPAUTH_URL}/verify?level=user`, { headers, signal: AbortSignal.timeout(1_000) });
  if (answer.status === 401 || answer.status === 403) return null;
  if (!answer.ok) throw new Error(`ZapAuth answers ${answer.status}`);
  const [session, user, app] = ["x-session-id", "x-user-id", "x-app-id"].map((name) => answer.headers.get(name));
  return { session, user, app };
}

// --- who must leave -------------------------------------------------------------------------

function concerns({ session, user, app }, name, data) {
  if (name === "reset") return true;
  if (name === "session-ended") return data.session === session;
  if (name === "sessions-ended") return data.sessions.some((one) => one.session === session);
  if (name === "sessions-refused") return data.app === app && (data.users?.includes(user) ?? true);
  return false;
}

/** Return the rooms whose connections an event cuts. */
function roomsOf(name, data) {
  if (name === "session-ended") return [`session:${data.session}`];
  if (name === "sessions-ended") return data.sessions.map((one) => `session:${one.session}`);
  if (name === "sessions-refused") return data.users?.map((user) => `user:${user}@${data.app}`) ?? [`app:${data.app}`];
  return [];
}

function onEvent(name, data) {
  for (const cameSince of opening) cameSince.push({ name, data });
  if (name === "ready") {
    isTold = true;
    clearTimeout(unknown);
  } else if (name === "reset") {
    // Nobody knows what was missed. A client whose session lives connects again at once.
    io.disconnectSockets(true);
  } else {
    const rooms = roomsOf(name, data);
    if (rooms.length) io.in(rooms).disconnectSockets(true);
  }
}

let unknown; // a timer

function onLost() {
  if (!isTold) return;
  isTold = false;
  // Until the events are back, a logged-out user could stay. This is the longest time for that.
  unknown = setTimeout(() => io.disconnectSockets(true), Number(LONGEST_UNKNOWN));
}

listen({ url: ZAPAUTH_URL, id: APP_ID, key: APP_KEY, onEvent, onLost });

server.listen(Number(PORT), "127.0.0.1", () => console.log(`listens on ${server.address().port}`));
