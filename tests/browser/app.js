// An app on the Buddy client, with the one workaround that every app on it needs.
"use strict";

const AUTH_ACCESS_TOKEN_INVALID = 260;
const DEADLINE = 15_000; // milliseconds

// The client tells of a refusal in its callback. On an answer that it can't read it throws into the
// blue, and on a server signature that it can't verify it falls silent.
function call(method, ...parameters) {
  return new Promise((resolve, reject) => {
    window.addEventListener("error", (event) => reject(event.error));
    setTimeout(() => reject(new Error(`${method} has not called back`)), DEADLINE);
    Buddy[method](...parameters, (error, result) => {
      resolve({ errorNumber: error?.errorNumber ?? null, result: result ?? null });
    });
  });
}

function signUp({ username, password }) {
  return call("createUser", { username, password });
}

// After a logout the client still sends the dead token. It forgets everything when that is refused,
// so the same call once more registers the device anew and then logs in.
async function logIn({ username, password }) {
  const tries = [await call("loginUser", username, password)];
  if (tries[0].errorNumber === AUTH_ACCESS_TOKEN_INVALID) {
    tries.push(await call("loginUser", username, password));
  }
  return tries;
}

async function signUpLogOutAndComeBack(user) {
  const signedUp = await signUp(user);
  await call("logoutUser");
  const logins = await logIn(user);
  const me = await call("getUser");
  await call("logoutUser");
  return { signedUp, logins, me };
}
