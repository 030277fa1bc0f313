const TIMEOUT = 5000;
const QUIET = 10000; // pings come every five seconds at least
const RETRY = 1500;
const TOKEN = /^mt_[0-9a-f]{8}_[\w-]{43}$/;

// What fetch says where there is no answer.
const WHY = {
  TypeError: "Nobody is there, or the network does not lead there.",
  TimeoutError: `It takes more than ${TIMEOUT / 1000} s.`,
  AbortError: `Nothing came for ${QUIET / 1000} s.`,
};

let token = remembered();

// The token is in this tab alone, and goes with it: no cookie takes it to a request of another page.
function remembered() {
  try { return sessionStorage.getItem("token"); } catch { return null; }
}

function remember(text) {
  token = text;
  try {
    if (text === null) sessionStorage.removeItem("token");
    else sessionStorage.setItem("token", text);
  } catch { /* then it is asked for again when the page is loaded again */ }
}

const bearer = () => (token === null ? {} : { authorization: `Bearer ${token}` });

async function checked(asked) {
  const answer = await asked.catch((error) => { throw new Error(WHY[error.name] ?? error.message); });
  const date = Date.parse(answer.headers.get("date"));
  if (Math.abs(date - Date.now()) > 2000) clockSkew = date - Date.now();
  if (answer.ok) return answer;
  const problem = await answer.json().catch(() => ({}));
  throw Object.assign(new Error(problem.detail ?? `status ${answer.status}`), { status: answer.status });
}

async function ask(path, method = "GET", body = undefined) {
  const headers = bearer();
  if (body !== undefined) headers["content-type"] = "application/json";
  const how = { method, headers, body: body && JSON.stringify(body), signal: AbortSignal.timeout(TIMEOUT) };
  const answer = await checked(fetch(path, how));
  return answer.status === 204 ? null : answer.json();
}

const askOrMissing = (path) => ask(path).catch((error) => {
  if (error.status === 404) return { missing: error.message };
  throw error;
});

// Server-sent events by fetch, as the browser's own way sends no token.
async function follow(path, stop, take) {
  let timer = null;
  const quiet = new AbortController();
  const wait = () => { clearTimeout(timer); timer = setTimeout(() => quiet.abort(), QUIET); };
  const signal = AbortSignal.any([stop, quiet.signal]);
  wait();
  try {
    const answer = await checked(fetch(path, { headers: bearer(), signal }));
    const reader = answer.body.pipeThrough(new TextDecoderStream(), { signal }).getReader();
    let parts = [];
    for (;;) {
      const { value, done } = await reader.read();
      if (done) throw Object.assign(new Error("It ended the connection."), { ended: true });
      wait();
      parts.push(value);
      if (value.includes("\n\n") || parts.at(-2)?.endsWith("\n")) parts = [taken(parts.join(""), take)];
    }
  } catch (error) {
    throw error.message && !WHY[error.name] ? error : new Error(WHY[error.name] ?? "It does not answer.");
  } finally {
    clearTimeout(timer);
  }
}

function taken(text, take) {
  const events = text.split("\n\n");
  const rest = events.pop();
  for (const event of events) {
    const fields = Object.fromEntries(event.split("\n").map((line) => {
      const colon = line.indexOf(": ");
      return [line.slice(0, colon), line.slice(colon + 2)];
    }));
    if (fields.data) take(fields.event, JSON.parse(fields.data), fields.id);
  }
  return rest;
}
