// Does what the tests order, line by line: {options, authorizations} asks about all of them at once.
import { createInterface } from "node:readline";
import { NotPassed, createGate } from "../../clients/js/zapauth.js";

const gates = new Map(); // by their options

function gateOf(options) {
  const key = JSON.stringify(options);
  if (!gates.has(key)) gates.set(key, createGate(options));
  return gates.get(key);
}

async function told(gate, authorization) {
  try {
    const { expiresAt, ...verdict } = await gate.check(authorization);
    return { passed: { ...verdict, expiresAt: expiresAt.toISOString() } };
  } catch (error) {
    if (!(error instanceof NotPassed)) return { bug: String(error) };
    return { status: error.status, word: error.error, headers: error.headers, reason: error.reason };
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const { options, authorizations } = JSON.parse(line);
  let answers;
  try {
    const gate = gateOf(options);
    answers = await Promise.all(authorizations.map((authorization) => told(gate, authorization)));
  } catch (error) {
    answers = { wrong: error.name };
  }
  console.log(JSON.stringify(answers));
}
