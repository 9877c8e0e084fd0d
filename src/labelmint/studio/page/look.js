// The view Look: what `evaluate` found, samples by doubt, the rarest training images.

import { ask, el, labelled, stream, swatch } from "./dom.js";

const PARTS = { report: "Report", doubt: "Samples by doubt", rare: "Rarest training images" };
const AT_ONCE = 24;
const LEVELS = { good: "Good", mixed: "Mixed", bad: "Bad" };

let studio, about, chosen, body, tabs, working;
const panels = new Map(); // part -> element

export async function open(place, frame) {
  studio = frame;
  about = await ask("/api/look");
  tabs = el("div", { class: "parts", role: "group", "aria-label": "What to look at" }, ...Object.entries(PARTS).map(([part, title]) =>
    el("button", { type: "button", "data-part": part, onclick: () => choose(part) }, title)));
  body = el("div", { class: "panel" });
  place.classList.add("look");
  place.replaceChildren(tabs, body);
  choose("report");
}

export const keys = () => (working ? { Escape: ["stop", () => working.abort()] } : {});

// The tab is opened once more: a report may have been made meanwhile.
export async function shown() {
  try {
    const now = await ask("/api/look");
    if (JSON.stringify(now) === JSON.stringify(about)) return;
    about = now;
    panels.clear();
    choose(chosen);
  } catch (error) {
    studio.tell(error);
  }
}

function choose(part) {
  chosen = part;
  for (const button of tabs.children) button.setAttribute("aria-pressed", button.dataset.part === part);
  if (!panels.has(part)) panels.set(part, { report, doubt, rare }[part]());
  body.replaceChildren(panels.get(part));
}

// What is missing, and the command that makes it.
function empty(text, command = null) {
  return el("div", { class: "empty" }, el("p", {}, text), command ? el("pre", { tabIndex: 0 }, el("code", {}, command)) : null);
}

// The report.

function report() {
  const found = about.report;
  if (!found) {
    return empty("There is no report about this run yet. This command measures it, and the report is shown here:", about.command);
  }
  return el("article", { class: "report" },
    el("div", { class: "verdict", "data-level": found.level },
      el("p", { class: "level" }, LEVELS[found.level]), el("p", { class: "answer" }, found.answer),
      found.reasons.length ? el("ul", {}, ...found.reasons.map((reason) => el("li", {}, reason))) : null),
    el("div", { class: "headline" }, ...found.headline.map(headline)),
    ...found.overview.map(picture),
    ...found.sections.map(section),
    el("p", { class: "note quiet" }, `${found.title}, ${found.made}. ${about.folder}`));
}

function headline(figure) {
  const small = [
    figure.interval === "-" ? "" : `95 % interval ${figure.interval}`,
    figure.real === "-" ? "" : `real data ${figure.real}`,
  ].filter(Boolean);
  return el("div", { class: "figure" }, el("p", { class: "quiet" }, figure.title),
    el("p", { class: figure.refused ? "quiet" : "value" }, figure.refused || figure.value),
    ...small.map((text) => el("p", { class: "note quiet" }, text)));
}

function section(one, place) {
  return el("details", { open: place === 0 },
    el("summary", {}, el("h2", {}, one.title), one.summary ? el("p", { class: "quiet" }, one.summary) : null),
    one.figures.length ? figures(one) : null,
    one.charts.length ? el("div", { class: "charts" }, ...one.charts.map(chart)) : null,
    ...one.tables.map(table), el("div", { class: "shots" }, ...one.pictures.map(picture)));
}

function figures(one) {
  const rows = one.figures.map((figure) => el("tr", {},
    el("th", { scope: "row" }, figure.title, el("span", { class: "note quiet" }, figure.how)),
    ...(figure.refused
      ? [el("td", { colSpan: 3, class: "quiet" }, figure.refused)]
      : [figure.value, figure.interval, figure.real].map((cell) => el("td", { class: "number" }, cell)))));
  const head = ["Figure", "Value", "95 % interval", "Real data"].map((name, k) => el("th", { scope: "col", class: k ? "number" : "" }, name));
  return scrolled(el("table", { class: "figures" }, el("thead", {}, el("tr", {}, ...head)), el("tbody", {}, ...rows)), `Figures: ${one.title}`);
}

function table(one) {
  const number = one.head.map((_, k) => k > 0 && one.rows.every((row) => /^[-+]?[\d.,e+-]*$/.test(row[k] ?? "")));
  const cells = (tag, row) => row.map((cell, k) => el(k ? tag : "th", { class: number[k] ? "number" : "" }, cell));
  return el("div", {}, scrolled(el("table", {}, el("caption", {}, one.title), el("thead", {}, el("tr", {}, ...cells("th", one.head))),
    el("tbody", {}, ...one.rows.map((row) => el("tr", {}, ...cells("td", row))))), one.title),
    one.note ? el("p", { class: "note quiet" }, one.note) : null);
}

const scrolled = (content, name) => el("div", { class: "scrolled", role: "region", tabIndex: 0, "aria-label": name }, content);

function chart(one) {
  const svg = new DOMParser().parseFromString(one.svg, "image/svg+xml").documentElement;
  return el("figure", {}, el("figcaption", {}, one.title), document.importNode(svg, true), one.note ? el("p", { class: "note quiet" }, one.note) : null);
}

function picture(one) {
  const image = el("img", { src: `/api/look/picture?file=${encodeURIComponent(one.file)}`, alt: one.title, loading: "lazy" });
  image.addEventListener("error", () => image.replaceWith(el("p", { class: "quiet" }, `${one.file} is not there`)));
  return el("figure", { class: "shot" }, el("figcaption", {}, one.title), image, one.note ? el("p", { class: "note quiet" }, one.note) : null);
}

// What takes a while: its progress, then what it shows.
function awaited(path, what, show) {
  const bar = el("progress", { "aria-label": what }), said = el("p", { class: "quiet", role: "status" }, `${what}…`);
  const place = el("div", {}, said, bar);
  const own = (working = new AbortController());
  studio.keysChanged();
  let last = null;
  stream(path, {}, (line) => {
    if ("done" in line) {
      bar.max = line.of;
      bar.value = line.done;
      said.textContent = `${what}: ${line.done} of ${line.of}`;
    } else last = line;
  }, own.signal).then(() => place.replaceChildren(show(last)), (error) => {
    for (const [part, panel] of panels) if (panel === place) panels.delete(part);
    const stopped = error.name === "AbortError";
    place.replaceChildren(empty(stopped ? "Stopped." : error.message), el("button", { type: "button", onclick: () => choose(chosen) }, "Once more"));
  }).finally(() => {
    if (working !== own) return;
    working = null;
    studio.keysChanged();
  });
  return place;
}

// Samples by doubt.

function doubt() {
  if (about.no_samples) return empty(about.no_samples, about.no_samples.endsWith(":") ? about.command : null);
  return awaited("/api/look/doubt", "The judge reads the samples", doubted);
}

function doubted({ samples, of, dropped, threshold }) {
  const kinds = { overlay: "label", read: "what the judge reads", doubt: "where it doubts the label" };
  const second = el("select", { onchange: () => cards.forEach((card) => card.beside()) },
    ...Object.entries(kinds).map(([value, text]) => el("option", { value, selected: value === "read" }, text)));
  const cards = [];
  const sheet = el("div", { class: "sheet triples" });
  const more = el("button", { type: "button", onclick: () => add() }, "More");
  const add = () => {
    for (const sample of samples.slice(cards.length, cards.length + AT_ONCE)) {
      const card = triple(sample, cards.length, second);
      cards.push(card);
      sheet.append(card.element);
    }
    more.hidden = cards.length >= samples.length;
  };
  add();
  return el("div", { class: "doubted" },
    el("p", {}, `${of} samples, those first whose label the judge reads least from their image. `,
      `${dropped} of them are below ${threshold.toFixed(2)}, which 5 % of real pairs are, and --filter on would drop them.`),
    labelled("Beside image and label", second), sheet, more);
}

function triple(sample, place, second) {
  const path = (kind) => `/api/look/sample?place=${place}&kind=${kind}`;
  const third = el("img", { loading: "lazy" });
  const beside = () => {
    third.src = path(second.value);
    third.alt = `${sample.name}: ${second.selectedOptions[0]?.textContent ?? ""}`;
  };
  beside();
  const element = el("div", { class: "card", "data-mark": sample.dropped ? "doubted" : "" },
    el("div", { class: "pictures" },
      el("img", { src: path("image"), alt: `${sample.name}: image`, loading: "lazy" }),
      el("img", { src: path("overlay"), alt: `${sample.name}: label over image`, loading: "lazy" }), third),
    el("p", { class: "caption" }, el("span", {}, sample.name), el("span", {}, `agreement ${sample.agreement.toFixed(2)}`)));
  return { element, beside };
}

// The rarest training images.

function rare() {
  if (about.no_rare) return empty(about.no_rare);
  if (about.rare) return rarest({ classes: about.rare });
  return awaited("/api/look/rare", "Looks are compared", rarest);
}

function rarest({ classes }) {
  const over = el("input", { type: "checkbox", onchange: () => images.forEach(({ show }) => show()) });
  const images = [];
  const card = (one, name, place) => {
    const image = el("img", { alt: `${one.name}: ${name}`, loading: "lazy" });
    const show = () => (image.src = `/api/look/rare?id=${one.id}&place=${place}&kind=${over.checked ? "overlay" : "image"}`);
    show();
    images.push({ show });
    return el("div", { class: "card free" }, el("div", { class: "pictures" }, image), el("p", { class: "caption" }, el("span", { title: name }, name)));
  };
  return el("div", { class: "doubted" },
    el("p", {}, "Training images in which the mean color of a class is rarest, the rarest first. ",
      "A label that looks wrong here often is; what is right and rare is what the run learns least."),
    el("label", { class: "check" }, over, "Label over image"),
    ...classes.map((one) => el("section", { class: "rare" }, el("h2", {}, swatch(one.color), one.name),
      el("div", { class: "sheet" }, ...one.names.map((name, place) => card(one, name, place))))));
}
