// Listens to ZapAuth's events (docs/events.md). It needs no package: Node has `fetch`.

// ZapAuth sends something every five seconds. After this silence the connection counts as lost.
const LONGEST_SILENCE = 15_000;
const FIRST_PAUSE = 100;
const LONGEST_PAUSE = 5_000;

/**
 * Listen until `signal` is aborted. A lost connection is opened again, and goes on where it stopped.
 *
 * @param {object} options
 * @param {string} options.url the address of ZapAuth
 * @param {string} options.id the id of an app with access to events, and its `key`
 * @param {(name: string, data: any) => void} options.onEvent is called for each event, in order
 * @param {() => void} options.onLost is called when the connection is lost
 */
export async function listen({ url, id, key, onEvent, onLost, signal }) {
  const authorization = "Basic " + Buffer.from(`${encodeURIComponent(id)}:${encodeURIComponent(key)}`).toString("base64");
  const place = { last: "" };
  let pause = FIRST_PAUSE;
  while (!signal?.aborted) {
    try {
      await readOnce({ url, authorization, place, signal, onEvent: (name, data) => { pause = FIRST_PAUSE; onEvent(name, data); } });
    } catch (error) {
      if (!signal?.aborted) console.error(`events: ${error.cause?.message ?? error.message}`);
    }
    onLost();
    await new Promise((resolve) => setTimeout(resolve, pause));
    pause = Math.min(LONGEST_PAUSE, 2 * pause);
  }
}

async function readOnce({ url, authorization, place, signal, onEvent }) {
  const silence = new AbortController();
  const stop = AbortSignal.any([silence.signal, ...(signal ? [signal] : [])]);
  const startAgain = () => {
    clearTimeout(startAgain.timer);
    startAgain.timer = setTimeout(() => silence.abort(new Error("ZapAuth is silent")), LONGEST_SILENCE);
  };
  startAgain();
  try {
    const headers = { Authorization: authorization, Accept: "text/event-stream" };
    if (place.last) headers["Last-Event-ID"] = place.last;
    const answer = await fetch(`${url}/events`, { headers, signal: stop });
    if (!answer.ok) throw new Error(`ZapAuth answers ${answer.status}`);
    let text = "";
    for await (const part of answer.body.pipeThrough(new TextDecoderStream())) {
      startAgain();
      const blocks = (text + part).split("\n\n");
      text = blocks.pop(); // not complete yet
      for (const block of blocks) {
        const event = parse(block);
        if (!event) continue;
        onEvent(event.name, event.data);
        // Only now: if this process dies before, the event comes again.
        if (event.id) place.last = event.id;
      }
    }
  } finally {
    clearTimeout(startAgain.timer);
  }
}

function parse(block) {
  const fields = Object.fromEntries(block.split("\n").map((line) => line.split(/: (.*)/s, 2)));
  return fields.event && { name: fields.event, id: fields.id, data: JSON.parse(fields.data) };
}
