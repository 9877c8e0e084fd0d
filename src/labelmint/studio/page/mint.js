// The view Mint: new pairs, to keep or to drop.

import { ask, dials, el, labelled, legend, picture, stream } from "./dom.js";
import { Sheet } from "./sheet.js";

let studio, sheet, controls, drawing, about;

export async function open(place, frame) {
  studio = frame;
  about = await ask("/api/mint");
  const looked = about.nearest?.refused === null;
  sheet = new Sheet(studio, "New pairs", looked ? lookUp : null);
  sheet.element.classList.toggle("compared", looked);
  controls = form(looked ? null : about.nearest?.refused);
  place.replaceChildren(controls.element, sheet.element);
  sheet.element.addEventListener("overlaid", ({ detail }) => (controls.overlay.checked = detail));
  if (about.samples.length) {
    sheet.begin(about.samples.length);
    sheet.add(about.samples);
    sheet.end();
  } else draw();
}

export const keys = () => ({
  ...sheet?.keys(),
  n: ["next draw", next],
  ...(drawing ? { Escape: ["stop", () => drawing.abort()] } : {}),
});

export const marked = (key, mark) => sheet.marked(key, mark);

function form(refused) {
  const number = (value, least, most) => el("input", { type: "number", min: least, max: most, step: 1, value });
  const n = number(8, 1, about.most);
  const seed = number(0, 0, Number.MAX_SAFE_INTEGER);
  const start = number(0, 0, Number.MAX_SAFE_INTEGER);
  const sources = Object.entries(about.layouts).map(([value, text]) => el("option", { value }, text));
  const layouts = el("select", {}, ...sources);
  const overlay = el("input", { type: "checkbox", onchange: () => sheet.overlay(overlay.checked) });
  const sliders = dials(about.dials);
  const stop = el("button", { type: "button", hidden: true, onclick: () => drawing?.abort() }, "Stop");
  const element = el("form", { class: "controls", onsubmit: (event) => { event.preventDefault(); draw(); } },
    el("div", { class: "pair" }, labelled("Pairs", n), labelled("Seed", seed), labelled("From", start, null, "The index of the first pair")),
    sources.length > 1 ? labelled("Layouts", layouts) : null,
    ...sliders.fields,
    el("div", { class: "row" }, el("button", { class: "main" }, "Draw"),
      el("button", { type: "button", onclick: next }, "Next draw"), stop),
    studio.about.labelled ? el("label", { class: "check" }, overlay, "Label over image") : null,
    studio.about.labelled ? legend(studio.about.classes) : null,
    refused ? el("p", { class: "note quiet" }, refused) : null);
  return { element, n, seed, start, layouts, overlay, sliders, stop };
}

function next() {
  controls.start.value = Number(controls.start.value) + Number(controls.n.value);
  draw();
}

async function draw() {
  drawing?.abort();
  const own = (drawing = new AbortController());
  const { n, seed, start, layouts, sliders, stop } = controls;
  const wish = {
    n: Number(n.value), seed: Number(seed.value), start: Number(start.value), layouts: layouts.value, dials: sliders.values(),
  };
  stop.hidden = false;
  studio.keysChanged();
  sheet.begin(Math.min(wish.n, about.most));
  try {
    await stream("/api/mint/draw", wish, ({ samples }) => own === drawing && sheet.add(samples), own.signal);
    studio.well();
  } catch (error) {
    studio.tell(error);
  }
  if (own !== drawing) return;
  sheet.end();
  drawing = null;
  stop.hidden = true;
  studio.keysChanged();
}

// One search at a time: they share the thread that draws.
let searches = Promise.resolve();

function lookUp(card) {
  searches = searches.then(async () => {
    if (!card.element.isConnected) return;
    try {
      const found = await ask(`/api/mint/nearest?key=${encodeURIComponent(card.sample.key)}`);
      card.beside.src = picture(card.sample.key, "nearest");
      card.beside.alt = `Nearest training image, ${found.name}`;
      card.note.textContent = `nearest: ${found.name} · ${found.distance.toFixed(1)}`;
      card.note.title = `The nearest of all training images, ${found.distance} grey levels away after a fit of brightness` +
        (found.searched < 1 ? `; ${Math.round(100 * found.searched)} % of its places were searched` : "");
    } catch (error) {
      card.note.textContent = error.message;
    }
  });
}
