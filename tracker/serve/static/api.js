/** Requests to the server. Addresses are relative, so that a path prefix of a proxy works. */

export class ApiError extends Error {
  /**
   * @param {string} message A sentence for the user.
   * @param {number} status HTTP status; 0 without an answer.
   */
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

export const address = (path) => new URL(path, document.baseURI).href;

/** Returns a path of the API with the name of a source as `source=`. */
export const ofSource = (path, name) => `${path}?source=${encodeURIComponent(name)}`;

/** Returns the address of a WebSocket. */
export function socketAddress(path) {
  const url = new URL(path, document.baseURI);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  return url.href;
}

const reading = new Set();

export async function getJson(path) {
  const answer = request("GET", path).then((response) => response.json());
  reading.add(answer);
  try {
    return await answer;
  } finally {
    reading.delete(answer);
  }
}

/** Waits for the answers to all that is being read now. */
export const settled = () => Promise.allSettled(reading);

/** Sends a request, with an object as a JSON body if there is one. */
export function send(method, path, body) {
  return request(method, path, body);
}

async function request(method, path, body) {
  const options = { method, headers: {}, credentials: "same-origin" };
  if (body !== undefined) {
    options.headers["Content-Type"] = "application/json";
    options.body = JSON.stringify(body);
  }
  let response;
  try {
    response = await fetch(address(path), options);
  } catch {
    throw new ApiError("The server does not answer.", 0);
  }
  if (response.ok) return response;
  if (response.status === 401) window.dispatchEvent(new Event("login-needed"));
  throw new ApiError(problemOf(response.status, await response.text()), response.status);
}

/** Returns what an answer says is wrong: its `error`, or a sentence for its status. */
export function problemOf(status, text) {
  try {
    const { error } = JSON.parse(text);
    if (typeof error === "string" && error) return error;
  } catch {
    // Not JSON: an answer of a proxy, for example.
  }
  const sentences = {
    401: "The server asks for its token.",
    403: "The server refused the request: it came from another address than the page's.",
    404: "The server no longer has this.",
    413: "The file is larger than the server accepts.",
    415: "This is not a video that the server can read.",
    507: "The server's disk is full.",
  };
  return sentences[status] ?? `The server answered with status ${status}.`;
}
