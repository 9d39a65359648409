// What the server tells while it goes on: one JSON document a line.

/** Yields what the server sends for `ask`; ends early, without an error, when `signal` aborts. */
export async function* answer(url, token, ask, signal) {
  yield* lines(url, {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-CSRF-Token": token },
    body: JSON.stringify(ask),
    signal,
  });
}

/** Yields every line of what `url` answers. */
export async function* lines(url, { headers = {}, ...request } = {}) {
  const response = await fetch(url, {
    ...request,
    headers: { Accept: "application/x-ndjson", ...headers },
  });
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) break;
    const whole = (rest + value).split("\n");
    rest = whole.pop();
    for (const line of whole) yield JSON.parse(line);
  }
}
