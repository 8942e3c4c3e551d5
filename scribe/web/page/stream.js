// What comes from the server: events that answer a POST (which EventSource cannot send), errors, and files to save.

// Sends a request and calls onEvent(name, content) for each event of its answer. Throws an Error with the server's
// message and its status where the answer is none; an abort ends it silently with false, else it returns true.
export async function streamEvents(address, options, onEvent) {
  try {
    const response = await fetch(address, options);
    if (!response.ok) throw await problemOf(response);
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let left = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return true;
      const parts = (left + value).split("\n\n");
      left = parts.pop();
      for (const part of parts) {
        const match = /^event: (.*)\ndata: (.*)$/s.exec(part);
        if (match) onEvent(match[1], JSON.parse(match[2]));
      }
    }
  } catch (error) {
    if (error.name === "AbortError" || options.signal?.aborted) return false;
    throw error;
  }
}

// The error that an answer tells.
export async function problemOf(response) {
  let message = `The server answered ${response.status}.`;
  try {
    message = (await response.json()).error || message;
  } catch { /* no JSON: its status has to do */ }
  const error = new Error(message);
  error.status = response.status;
  error.retryAfter = Number(response.headers.get("Retry-After")) || 0;
  return error;
}

// Hands a file to the visitor.
export function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}
