// Elements, and what the page asks of the server.

const token = document.querySelector('meta[name="studio-token"]').content;

// An element with properties, attributes (aria-..., data-..., for, role) and children.
export function el(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "class") element.className = value;
    else if (name in element && !name.includes("-")) element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

let numbered = 0;

// A control under its label; what it shows beside the label is kept up to date by `shown`.
export function labelled(text, control, shown = null, hint = "") {
  control.id ||= `control-${++numbered}`;
  const value = shown ? el("output", { for: control.id }, shown(control)) : null;
  if (shown) control.addEventListener("input", () => (value.textContent = shown(control)));
  return el("div", { class: "field", title: hint }, el("label", { htmlFor: control.id }, text), value, control);
}

async function checked(reply) {
  if (reply.ok) return reply;
  let said = `the studio replied ${reply.status}`;
  try {
    said = (await reply.json()).error || said;
  } catch { /* it was no JSON */ }
  throw new Error(said);
}

async function fetched(path, options) {
  try {
    return await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("the studio does not reply; was it stopped?");
  }
}

function posting(body, signal) {
  const headers = { "content-type": "application/json", "x-studio-token": token };
  return { method: "POST", headers, body: JSON.stringify(body), signal };
}

// JSON of a path; with a body it is posted.
export async function ask(path, body = undefined, signal = undefined) {
  const options = body === undefined ? { signal } : posting(body, signal);
  return (await checked(await fetched(path, options))).json();
}

// Post a body, and hand over each line of JSON that comes back.
export async function stream(path, body, took, signal) {
  const reply = await checked(await fetched(path, posting(body, signal)));
  const reader = reply.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    for (const line of lines) {
      const content = JSON.parse(line);
      if (content.error) throw new Error(content.error);
      took(content);
    }
  }
}

export const picture = (key, kind) => `/api/picture?key=${encodeURIComponent(key)}&kind=${kind}`;

// Sliders of dials; `values()` are those that were moved.
export function dials(described) {
  const controls = described.map((dial) => {
    // a range of several powers of ten is walked by factors, with the usual value in reach
    const most = dial.usual > 0 ? Math.min(dial.most, Math.max(dial.usual * 4, 2)) : dial.most;
    const step = dial.whole ? 1 : 0.01;
    const range = el("input", { type: "range", min: dial.least, max: most, step, value: dial.usual });
    const field = labelled(dial.name.replaceAll("_", " "), range, (control) => String(Number(control.value)), dial.says);
    return { dial, range, field };
  });
  return {
    fields: controls.map((one) => one.field),
    values: () => Object.fromEntries(
      controls.filter(({ dial, range }) => Math.abs(Number(range.value) - dial.usual) > 0.005)
        .map(({ dial, range }) => [dial.name, Number(range.value)])),
  };
}

// The names and colors of classes; `used` are the ids that are shown, all unless given.
export function legend(classes) {
  const item = (one) => el("li", { "data-id": one.id }, swatch(one.color), one.name);
  return el("ul", { class: "legend", "aria-label": "Classes" }, ...classes.map(item));
}

export function swatch(color) {
  const box = el("span", { class: "swatch", "aria-hidden": "true" });
  box.style.backgroundColor = color;
  return box;
}
