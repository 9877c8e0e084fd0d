// The view Paint: a layout is painted, and images are drawn for it.

import { ask, dials, el, labelled, picture, stream, swatch } from "./dom.js";
import { Layout, Painter, decoded, encoded } from "./canvas.js";
import { Sheet } from "./sheet.js";

let studio, about, painter, sheet, controls, film, drawing;

const SOURCES = { drawn: "drawn by the run", stored: "training layouts", data: "the data", blank: "blank" };
const TOOLS = { brush: "b", box: "x", eraser: "e", move: "m" };

export async function open(place, frame) {
  studio = frame;
  about = await ask("/api/paint");
  if (about.refused) {
    place.replaceChildren(el("p", { class: "refused" }, `Nothing can be painted here: ${about.refused}.`));
    return;
  }
  painter = new Painter(about.classes, about.eraser, changed);
  sheet = new Sheet(studio, "Images of the painted layout");
  film = player();
  controls = form();
  const tools = toolbar();
  const work = el("div", { class: "work" }, tools.element, painter.element, palette());
  const images = el("div", { class: "images" }, film.element, sheet.element);
  place.classList.add("paint");
  place.replaceChildren(controls.element, work, images);
  sheet.element.addEventListener("overlaid", ({ detail }) => (controls.overlay.checked = detail));
  choose(painter.tool);
  await take();
  if (about.samples.length) {
    sheet.begin(about.samples.length);
    sheet.add(about.samples);
    sheet.end();
  }
}

export const shown = () => painter?.layout && painter.zoomTo(0);

export const marked = (key, mark) => sheet?.marked(key, mark);

export function keys() {
  if (!painter?.layout) return {};
  const tools = Object.entries(TOOLS).filter(([tool]) => tool !== "eraser" || about.eraser !== null);
  return {
    ...Object.fromEntries(tools.map(([tool, key]) => [key, [tool, () => choose(tool)]])),
    "[": ["thinner", () => widen(-1)],
    "]": ["thicker", () => widen(1)],
    z: ["undo", () => painter.undo()],
    y: ["redo", () => painter.redo()],
    g: ["draw images", () => draw()],
    ...sheet.keys(),
    ...(drawing ? { Escape: ["stop", () => drawing.abort()] } : {}),
  };
}

// Where the layout comes from, how images are drawn.

function form() {
  const number = (value, least, most) => el("input", { type: "number", min: least, max: most, step: 1, value });
  const names = [...Object.keys(about.sources), "blank"];
  const source = el("select", { onchange: () => place.max = (about.sources[source.value] ?? 1e9) - 1 },
    ...names.map((name) => el("option", { value: name }, SOURCES[name])));
  const place = number(0, 0, (about.sources[names[0]] ?? 1e9) - 1);
  const text = el("input", { type: "text", placeholder: sentence(), maxLength: 1000 });
  const n = number(4, 1, 64), seed = number(0, 0, Number.MAX_SAFE_INTEGER), to = number(1, 0, Number.MAX_SAFE_INTEGER);
  const frames = number(12, 2, about.most_frames);
  const overlay = el("input", { type: "checkbox", onchange: () => sheet.overlay(overlay.checked) });
  const sliders = dials(about.dials);
  const stop = el("button", { type: "button", hidden: true, onclick: () => drawing?.abort() }, "Stop");
  const seen = el("p", { class: "note quiet", role: "status", hidden: true });
  const said = el("p", { class: "note quiet", role: "status" });
  const submitting = (act) => ({ onsubmit: (event) => { event.preventDefault(); act(); } });
  const from = el("form", submitting(take), el("h2", {}, "Layout"),
    labelled("From", source),
    el("div", { class: "beside" }, labelled("Number", place), el("button", {}, "Take"),
      el("button", { type: "button", onclick: another }, "Next")));
  const wish = el("form", submitting(describe), 
    el("div", { class: "beside" }, labelled("In words", text), el("button", {}, "Lay out")));
  const images = el("form", submitting(() => draw()), el("h2", {}, "Images"),
    el("div", { class: "pair" }, about.random ? labelled("Images", n) : null, labelled("Seed", seed)),
    ...sliders.fields, el("div", { class: "row" }, el("button", { class: "main" }, "Draw"), stop),
    about.random ? null : el("p", { class: "note quiet" }, "The run draws one image of a layout."),
    el("label", { class: "check" }, overlay, "Label over image"), seen);
  const way = about.still
    ? el("p", { class: "note quiet" }, about.still)
    : el("form", submitting(between), el("div", { class: "pair" }, labelled("To seed", to), labelled("Frames", frames)),
      el("div", { class: "row" }, el("button", {}, "Between the seeds")));
  const element = el("div", { class: "controls" }, from, wish, said, images, way,
    about.boxes ? el("p", { class: "note quiet" }, "The run sees boxes: those around the regions that you paint.") : null);
  return { element, source, place, text, n, seed, to, frames, overlay, sliders, stop, said, seen };
}

function sentence() {
  const name = about.classes.find((one) => one.objects)?.name ?? "object";
  return `a ${name} on the left`;
}

function another() {
  const { place } = controls;
  place.value = Number(place.value) >= Number(place.max) ? 0 : Number(place.value) + 1;
  take();
}

let taken = 0; // layouts that were asked for: only the last one is laid out

async function take() {
  const { source, place, seed, said } = controls;
  if (source.value === "blank") {
    taken++;
    const [height, width] = studio.about.size;
    const ground = about.eraser ?? about.classes[0].id;
    const objects = about.instances ? new Uint16Array(height * width) : null;
    painter.take(new Layout([height, width], new Uint16Array(height * width).fill(ground), objects));
    said.textContent = "a blank layout";
    return;
  }
  said.textContent = "taking a layout…";
  await laid({ source: source.value, place: Number(place.value), seed: Number(seed.value) });
}

async function describe() {
  controls.said.textContent = "reading the sentence; the first time a prior over boxes is fitted, half a minute or so…";
  const { text, place, seed } = controls;
  await laid({ source: "described", text: text.value, place: Number(place.value), seed: Number(seed.value) });
}

async function laid(wish) {
  const own = ++taken;
  try {
    const { name, wishes, size, ids, instances } = await ask("/api/paint/layout", wish);
    if (own !== taken) return;
    const objects = instances ? decoded(instances) : about.instances ? new Uint16Array(size[0] * size[1]) : null;
    painter.take(new Layout(size, decoded(ids), objects));
    controls.said.textContent = [name, ...wishes.map((wish) => `✓ ${wish}`)].join(" · ");
    studio.well();
  } catch (error) {
    if (own !== taken) return;
    controls.said.textContent = "";
    studio.tell(error);
  }
}

// Tools and classes.

let bar, size, undo, redo;

function toolbar() {
  const tools = Object.keys(TOOLS).filter((tool) => tool !== "eraser" || about.eraser !== null);
  bar = el("div", { class: "row", role: "group", "aria-label": "Tools" }, ...tools.map((tool) =>
    el("button", { type: "button", "data-tool": tool, title: `key ${TOOLS[tool]}`, onclick: () => choose(tool) }, tool)));
  size = el("input", { type: "range", min: 1, max: Math.max(Math.round(Math.min(...studio.about.size) / 3), 8), value: painter.across,
    oninput: () => (painter.across = Number(size.value)) });
  undo = el("button", { type: "button", onclick: () => painter.undo() }, "Undo");
  redo = el("button", { type: "button", onclick: () => painter.redo() }, "Redo");
  const zoom = (text, name, by) => el("button", { type: "button", "aria-label": name, onclick: () => painter.zoomTo(by && painter.zoom * by) }, text);
  const element = el("div", { class: "tools" }, bar,
    el("div", { class: "row" }, undo, redo, zoom("−", "Smaller", 0.8), zoom("+", "Larger", 1.25), zoom("Fit", "Fit", 0)),
    labelled("Brush", size, (control) => `${control.value} px`));
  return { element };
}

function choose(tool) {
  painter.tool = tool;
  for (const button of bar.children) button.setAttribute("aria-pressed", button.dataset.tool === tool);
  painter.element.dataset.tool = tool;
}

function widen(by) {
  size.value = Number(size.value) + by;
  size.dispatchEvent(new Event("input"));
}

function changed() {
  undo.disabled = !painter.layout.past.length;
  redo.disabled = !painter.layout.future.length;
}

function palette() {
  const choice = (one) => el("label", { class: "class" },
    el("input", { type: "radio", name: "class", value: one.id, checked: one.id === painter.id, onchange: () => {
      painter.id = one.id;
      if (painter.tool === "eraser" || painter.tool === "move") choose("brush");
    } }), swatch(one.color), one.name);
  return el("fieldset", { class: "classes" }, el("legend", {}, "Class"), ...about.classes.map(choice));
}

// Images.

function wish() {
  const { ids, objects } = painter.layout;
  const { seed, sliders } = controls;
  return {
    ids: encoded(ids), instances: objects ? encoded(objects) : null, seed: Number(seed.value), dials: sliders.values(),
  };
}

async function drawn(path, body, wanted, took) {
  drawing?.abort();
  const own = (drawing = new AbortController());
  controls.stop.hidden = false;
  studio.keysChanged();
  sheet.begin(wanted);
  film.clear();
  try {
    await stream(path, body, ({ samples, differs }) => {
      if (own !== drawing) return;
      controls.seen.hidden = !differs;
      controls.seen.textContent = `The label is what the run sees of a layout: ${differs} pixels are not as you painted them.`;
      sheet.add(samples);
      took(samples);
    }, own.signal);
    studio.well();
  } catch (error) {
    studio.tell(error);
  }
  if (own !== drawing) return;
  sheet.end();
  drawing = null;
  controls.stop.hidden = true;
  studio.keysChanged();
}

function draw() {
  const n = about.random ? Number(controls.n.value) : 1;
  return drawn("/api/paint/draw", { ...wish(), n }, n, () => {});
}

function between() {
  const frames = Number(controls.frames.value);
  return drawn("/api/paint/between", { ...wish(), to_seed: Number(controls.to.value), frames }, frames, film.add);
}

// Frames between two seeds, back and forth.
function player() {
  const image = el("img", { alt: "The image between the two seeds" });
  const range = el("input", { type: "range", min: 0, max: 0, value: 0, "aria-label": "Frame", oninput: () => { pause(); show(); } });
  const button = el("button", { type: "button", onclick: () => (timer ? pause() : play()) }, "Play");
  const element = el("div", { class: "film", hidden: true }, image, el("div", {}, button, range));
  let frames = [], timer = null, by = 1;
  const show = () => (image.src = frames[Number(range.value)]?.src ?? "");
  const pause = () => { clearInterval(timer); timer = null; button.textContent = "Play"; };
  const step = () => {
    const at = Number(range.value) + by;
    if (at < 0 || at >= frames.length) by = -by;
    range.value = Number(range.value) + by;
    show();
  };
  const play = () => { pause(); timer = setInterval(step, 100); button.textContent = "Pause"; };
  return {
    element,
    clear() { pause(); frames = []; element.hidden = true; },
    add(samples) {
      for (const { key } of samples) {
        const held = new Image();
        held.src = picture(key, "image");
        frames.push(held);
      }
      range.max = frames.length - 1;
      element.hidden = frames.length < 2;
      show();
      if (frames.length > 1 && !timer && !matchMedia("(prefers-reduced-motion: reduce)").matches) play();
    },
  };
}

document.addEventListener("keydown", (event) => {
  if (!(event.ctrlKey || event.metaKey) || event.key.toLowerCase() !== "z" || !painter?.element.offsetParent) return;
  event.preventDefault();
  (event.shiftKey ? () => painter.redo() : () => painter.undo())();
});
