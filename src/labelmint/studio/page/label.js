// The view Label: minted labels, the most doubtful first, to accept, to correct, or to send back.

import { ask, el, labelled, legend, swatch } from "./dom.js";
import { Layout, Painter, decoded, encoded } from "./canvas.js";

const TOOLS = { brush: "b", box: "x", eraser: "e" };
const MARKS = { accepted: "✓", corrected: "✎", "sent back": "↩", left: "" };
const STRIP = 9; // thumbnails around the label that is shown
const CLEAR = 0.45; // how much of an image a label that is corrected covers

let studio, about, lines, at = 0, kind = "overlay", stage, painter, tools;

export async function open(place, frame) {
  studio = frame;
  about = await ask("/api/label");
  if (about.source === null) {
    place.classList.add("look");
    place.replaceChildren(el("div", { class: "empty" },
      el("p", {}, "There are no minted labels to check. The first command mints some for images without any; the second shows them here:"),
      el("pre", { tabIndex: 0 }, el("code", {}, about.commands.join("\n")))));
    return;
  }
  lines = about.lines;
  stage = frameOf();
  place.classList.add("label");
  place.replaceChildren(stage.side, stage.main);
  if (about.told.length) studio.tell(new Error(about.told.join("; ")));
  at = Math.max(lines.findIndex((line) => line.state === "left"), 0);
  show();
}

// Opened once more: what is painted fits its place again.
export const shown = () => painter?.layout && painter.zoomTo(0);

export function keys() {
  if (!lines) return {};
  if (painter) {
    return {
      ...Object.fromEntries(Object.entries(TOOLS).map(([tool, key]) => [key, [tool, () => choose(tool)]])),
      "[": ["thinner", () => widen(-1)],
      "]": ["thicker", () => widen(1)],
      z: ["undo", () => painter.undo()],
      y: ["redo", () => painter.redo()],
      o: ["label", () => tools.hide()],
      Enter: ["accept corrected", save],
      Escape: ["leave uncorrected", leave],
    };
  }
  return {
    a: ["accept", () => decide("accepted")],
    s: ["send back", () => decide("sent back")],
    c: ["correct", correct],
    u: ["undecided", () => decide("left")],
    ArrowLeft: ["previous", () => go(at - 1), "←"],
    ArrowRight: ["next", () => go(at + 1), "→"],
    Home: ["", () => go(0)],
    End: ["", () => go(lines.length - 1)],
    n: ["next undecided", () => go(next())],
    o: ["label over image", () => view(kind === "overlay" ? "image" : "overlay")],
    ...(about.doubt ? { h: ["doubt", () => view(kind === "doubt" ? "overlay" : "doubt")] } : {}),
  };
}

const picture = (place, what, small = false) =>
  `/api/label/picture?place=${place}&kind=${what}${small ? "&small=1" : ""}&v=${lines[place].version ?? 0}`;

// What is on the screen.

function frameOf() {
  const bar = el("div", { class: "progress", role: "img" });
  const counts = el("ul", { class: "counts" });
  const format = el("select", {}, ...about.formats.map((name) => el("option", { value: name }, name)));
  const said = el("p", { class: "note quiet", role: "status" });
  const write = el("button", { class: "main" }, "Export");
  const exporting = el("form", { onsubmit: (event) => { event.preventDefault(); exported(); } },
    labelled("Format", format), el("div", { class: "row" }, write), el("p", { class: "note quiet" }, `to ${about.out}`), said);
  const side = el("div", { class: "controls" }, el("h2", {}, "Checked labels"), bar, counts, exporting);
  const title = el("h2", {}), facts = el("p", { class: "quiet note" });
  const shown = el("div", { class: "shown" });
  const strip = el("div", { class: "strip", role: "group", "aria-label": "Labels, the most doubtful first" });
  const act = (text, does, title, main = false) => el("button", { type: "button", title, class: main ? "main" : "", onclick: does }, text);
  const revert = act("Take the correction back", reverted, "as it was minted");
  const acts = el("div", { class: "row" }, act("Accept", () => decide("accepted"), "key a", true), act("Correct", correct, "key c"),
    act("Send back", () => decide("sent back"), "key s"), revert);
  const kinds = el("div", { class: "row", role: "group", "aria-label": "What is shown" },
    ...Object.entries({ image: "Image", overlay: "Label over image", ...(about.doubt ? { doubt: "Doubt" } : {}) }).map(([value, text]) =>
      el("button", { type: "button", "data-kind": value, onclick: () => view(value) }, text)));
  const classes = legend(about.classes);
  const heat = el("p", { class: "quiet note", hidden: true }, el("span", { class: "heat", "aria-hidden": "true" }),
    "1 − the probability of the class that was read: orange from 0.5 on, clear at 0. Slow for the first image.");
  const usual = el("div", { class: "acts" }, acts, kinds, classes, heat);
  const panel = el("div", { class: "panel" }, usual);
  const main = el("div", { class: "work" }, el("div", { class: "head" }, title, facts),
    el("div", { class: "desk" }, shown, panel), strip);
  return { side, main, bar, counts, format, said, write, title, facts, shown, strip, kinds, revert, usual, panel, classes, heat };
}

function counted(counts) {
  about.counts = counts;
  const total = lines.length || 1;
  stage.bar.replaceChildren(...Object.entries(counts).filter(([, count]) => count).map(([state, count]) => {
    const part = el("span", { "data-state": state });
    part.style.flexGrow = count / total;
    return part;
  }));
  stage.bar.setAttribute("aria-label", Object.entries(counts).map(([state, count]) => `${count} ${state}`).join(", "));
  stage.counts.replaceChildren(...Object.entries(counts).map(([state, count]) =>
    el("li", { "data-state": state }, el("span", { class: "dot", "aria-hidden": "true" }), el("b", {}, String(count)), ` ${state}`)));
  stage.write.disabled = counts.accepted + counts.corrected === 0;
}

function show() {
  const line = lines[at];
  const percent = (share) => `${(100 * share).toFixed(0)} %`;
  stage.title.textContent = line.name;
  stage.facts.textContent = [
    `${at + 1} of ${lines.length}`,
    line.state === "left" ? "undecided" : line.state,
    "doubt" in line ? `doubt ${line.doubt.toFixed(3)}, ${percent(line.kept)} of the pixels have a label` : "",
    line.refused ? `${line.refused} objects refused` : "",
  ].filter(Boolean).join(" · ");
  stage.title.dataset.state = line.state;
  stage.revert.hidden = !line.corrected;
  if (!painter) view(kind);
  thumbnails();
  counted(about.counts);
}

function view(what) {
  kind = what;
  for (const button of stage.kinds.children) button.setAttribute("aria-pressed", button.dataset.kind === what);
  stage.classes.hidden = what === "doubt";
  stage.heat.hidden = what !== "doubt";
  const names = { image: "image", overlay: "label over image", doubt: "where the segmenters doubt" };
  const image = el("img", { src: picture(at, what), alt: `${lines[at].name}: ${names[what]}` });
  const wanted = (stage.wanted = image); // what was shown stays until this is there
  stage.shown.setAttribute("aria-busy", true);
  image.decode().then(() => {
    if (wanted !== stage.wanted || painter) return;
    stage.shown.replaceChildren(image);
    stage.shown.setAttribute("aria-busy", false);
    studio.well();
  }, () => wanted === stage.wanted && refused(image.getAttribute("src")));
  const after = next();
  if (what !== "doubt" && after !== at) new Image().src = picture(after, what); // so that it is there at once
}

// Why a picture can't be shown, in the studio's words.
async function refused(path) {
  try {
    await ask(path);
  } catch (error) {
    if (!(error instanceof SyntaxError)) studio.tell(error);
  }
}

function thumbnails() {
  const first = Math.max(Math.min(at - 3, lines.length - STRIP), 0);
  stage.strip.replaceChildren(...lines.slice(first, first + STRIP).map((line, k) => {
    const place = first + k;
    return el("button", { type: "button", "data-state": line.state, "aria-current": place === at ? "true" : null,
      "aria-label": `${line.name}, ${line.state}`, onclick: () => go(place) },
      el("img", { src: picture(place, "overlay", true), alt: "", loading: "lazy" }), el("span", {}, MARKS[line.state]));
  }));
}

// The next label that nothing was decided about, from the one that is shown on; the shown one where there is none.
function next() {
  const order = [...lines.keys()].map((k) => (at + 1 + k) % lines.length);
  return order.find((place) => lines[place].state === "left" && place !== at) ?? at;
}

function go(place) {
  if (deciding || place < 0 || place >= lines.length || place === at) return;
  if (painter && !leave()) return;
  at = place;
  show();
}

// What is decided.

async function changed(path, body) {
  const { counts, ...line } = await ask(path, body);
  lines[body.place] = { ...line, version: (lines[body.place].version ?? 0) + 1 };
  about.counts = counts;
  studio.well();
}

// One decision at a time: a key pressed before the next label is shown would be about a label that nobody saw.
let deciding = false;

async function once(act) {
  if (deciding || (painter && !leave())) return;
  deciding = true;
  try {
    await act();
    show();
  } catch (error) {
    studio.tell(error);
  }
  deciding = false;
}

const decide = (decided) => once(async () => {
  await changed("/api/label/decide", { place: at, decided });
  if (decided !== "left") at = next();
});

const reverted = () => once(() => changed("/api/label/revert", { place: at }));

async function exported() {
  stage.write.disabled = true;
  stage.said.textContent = "writing…";
  try {
    const { out, format, counts, lost } = await ask("/api/label/export", { format: stage.format.value });
    stage.said.textContent = [
      `Wrote ${counts.accepted + counts.corrected} pairs to ${out}, format ${format}; ${counts["sent back"]} names in sent_back.txt.`, ...lost,
    ].join(" ");
  } catch (error) {
    stage.said.textContent = error.message;
  }
  stage.write.disabled = false;
}

// Correcting.

// The label in see-through colors over its image; what the eraser paints has none.
class Corrector extends Painter {
  constructor(image, changed) {
    super(about.classes, about.eraser, changed);
    this.hidden = false;
    this.tallest = Math.max(480, innerHeight - 330);
    this.step = 0.25;
    this.under = el("img", { class: "under", src: image, alt: "", "aria-hidden": "true", draggable: false });
    this.canvas.before(this.under);
  }

  alpha(id) {
    return this.hidden || id === this.eraser ? 0 : CLEAR;
  }
}

async function correct() {
  if (painter || deciding) return;
  const place = at;
  try {
    const { size, ids, instances } = await ask(`/api/label/layout?place=${place}`);
    if (place !== at || painter) return;
    painter = new Corrector(picture(place, "image"), painted);
    tools = toolbar(size);
    stage.shown.replaceChildren(painter.element);
    stage.shown.setAttribute("aria-busy", false);
    stage.panel.replaceChildren(tools.element);
    painter.take(new Layout(size, decoded(ids), instances ? decoded(instances) : null));
    choose("brush");
    studio.keysChanged();
    if (document.activeElement?.matches("button")) document.activeElement.blur();
  } catch (error) {
    painter = null;
    studio.tell(error);
  }
}

function toolbar(size) {
  const bar = el("div", { class: "row", role: "group", "aria-label": "Tools" }, ...Object.entries(TOOLS).map(([tool, key]) =>
    el("button", { type: "button", "data-tool": tool, title: `key ${key}`, onclick: () => choose(tool) }, tool)));
  const most = Math.max(Math.round(Math.min(...size) / 4), 8);
  painter.across = Math.max(Math.round(Math.min(...size) / 32), 1);
  const brush = el("input", { type: "range", min: 1, max: most, value: painter.across, oninput: () => (painter.across = Number(brush.value)) });
  const undo = el("button", { type: "button", onclick: () => painter.undo() }, "Undo");
  const redo = el("button", { type: "button", onclick: () => painter.redo() }, "Redo");
  const zoom = (text, name, by) => el("button", { type: "button", "aria-label": name, onclick: () => painter.zoomTo(by && painter.zoom * by) }, text);
  const hide = () => {
    painter.hidden = !painter.hidden;
    painter.draw();
  };
  const element = el("div", { class: "acts" }, el("div", { class: "tools" }, bar, labelled("Brush", brush, (control) => `${control.value} px`),
    el("div", { class: "row" }, undo, redo, zoom("−", "Smaller", 0.8), zoom("+", "Larger", 1.25), zoom("Fit", "Fit", 0))), palette(),
    el("div", { class: "row" }, el("button", { type: "button", class: "main", onclick: save }, "Accept corrected"),
      el("button", { type: "button", onclick: leave }, "Leave uncorrected")));
  return { element, bar, brush, undo, redo, hide };
}

function palette() {
  const choice = (one) => el("label", { class: "class" },
    el("input", { type: "radio", name: "label-class", value: one.id, checked: one.id === painter.id, onchange: () => {
      painter.id = one.id;
      if (painter.tool === "eraser") choose("brush");
    } }), swatch(one.color), one.name);
  return el("fieldset", { class: "classes" }, el("legend", {}, "Class"), ...about.classes.map(choice));
}

function choose(tool) {
  painter.tool = tool;
  painter.element.dataset.tool = tool;
  for (const button of tools.bar.children) button.setAttribute("aria-pressed", button.dataset.tool === tool);
}

function widen(by) {
  tools.brush.value = Number(tools.brush.value) + by;
  tools.brush.dispatchEvent(new Event("input"));
}

function painted() {
  if (!tools || !painter?.layout) return;
  tools.undo.disabled = !painter.layout.past.length;
  tools.redo.disabled = !painter.layout.future.length;
}

// Leave a label as it was; false where a person would rather not lose what is painted.
function leave() {
  if (painter.layout.past.length && !confirm("Leave the label as it was? What you painted is lost.")) return false;
  done();
  show();
  return true;
}

function done() {
  painter = tools = null;
  stage.panel.replaceChildren(stage.usual);
  studio.keysChanged();
}

async function save() {
  if (deciding) return;
  deciding = true;
  const { ids, objects } = painter.layout;
  try {
    await changed("/api/label/correct", { place: at, ids: encoded(ids), instances: objects ? encoded(objects) : null });
    done();
    at = next();
    show();
  } catch (error) {
    studio.tell(error);
  }
  deciding = false;
}

document.addEventListener("keydown", (event) => {
  if (!(event.ctrlKey || event.metaKey) || event.key.toLowerCase() !== "z" || !painter?.element.offsetParent) return;
  event.preventDefault();
  (event.shiftKey ? () => painter.redo() : () => painter.undo())();
});
