// The frame around the views: tabs, messages, keys, what is kept.

import { ask, el, picture } from "./dom.js";

const part = (id) => document.getElementById(id);
const views = new Map(); // name -> {tab, place, module, opened}
let active = null;

const studio = {
  about: null,

  // A problem in one line, which stays until it is dismissed or all is well again.
  tell(error) {
    if (error?.name === "AbortError") return;
    part("told").querySelector("p").textContent = error.message;
    part("told").hidden = false;
  },

  well() {
    part("told").hidden = true;
  },

  counted(kept) {
    part("kept").textContent = `${kept} kept`;
    part("kept").disabled = kept === 0;
    part("export-write").disabled = kept === 0;
  },

  // Views tell what can't be seen by the keys of their own.
  keysChanged() {
    showKeys();
  },
};

const NAMES = { ArrowLeft: "← ↑ → ↓", Escape: "esc", Delete: "del" };

function keysOf(view) {
  const keys = view?.module?.keys;
  return typeof keys === "function" ? keys() : keys ?? {};
}

function showKeys() {
  const said = Object.entries(keysOf(views.get(active))).filter(([, [what]]) => what);
  part("keys").replaceChildren(...said.map(([key, [what, , sign]]) => el("span", {}, el("kbd", {}, sign ?? NAMES[key] ?? key), ` ${what}`)));
}

async function show(name) {
  active = name;
  for (const [other, { tab, place }] of views) {
    const on = other === name;
    tab.setAttribute("aria-selected", on);
    tab.tabIndex = on ? 0 : -1;
    place.hidden = !on;
  }
  history.replaceState(null, "", `#${name}`);
  const view = views.get(name);
  try {
    view.module ??= await import(`./${name}.js`);
    view.opened ??= view.module.open(view.place, studio);
    await view.opened;
    view.module.shown?.();
  } catch (error) {
    view.opened = undefined;
    studio.tell(error);
  }
  showKeys();
}

function tabs(about) {
  for (const { name, title } of about.views) {
    const tab = el("button", {
      type: "button", role: "tab", id: `tab-${name}`, "aria-controls": `view-${name}`, onclick: () => show(name),
    }, title);
    const place = el("section", { id: `view-${name}`, role: "tabpanel", "aria-labelledby": `tab-${name}`, hidden: true });
    views.set(name, { tab, place });
    part("tabs").append(tab);
    part("views").append(place);
  }
  part("tabs").addEventListener("keydown", (event) => {
    const names = [...views.keys()];
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!by) return;
    event.stopPropagation();
    const next = names[(names.indexOf(active) + by + names.length) % names.length];
    show(next);
    views.get(next).tab.focus();
  });
}

const TYPED = 'input:not([type="checkbox"]):not([type="radio"]), select, textarea';

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  if (event.target.matches(TYPED) && event.key !== "Escape") return;
  const found = keysOf(views.get(active))[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (!found) return;
  event.preventDefault();
  found[1](event);
});

// What is kept, and its export.

async function openKept() {
  try {
    const { samples, out } = await ask("/api/kept");
    part("export-sheet").replaceChildren(...samples.map(thumbnail));
    part("export-write").textContent = `Export to ${out}`;
    part("export-said").textContent = "";
    studio.counted(samples.length);
    part("export").showModal();
  } catch (error) {
    studio.tell(error);
  }
}

function thumbnail(sample) {
  const what = sample.says;
  const drop = async () => {
    try {
      const { kept } = await ask("/api/mark", { key: sample.key, mark: "" });
      figure.remove();
      studio.counted(kept);
      for (const { module } of views.values()) module?.marked?.(sample.key, "");
    } catch (error) {
      part("export-said").textContent = error.message;
    }
  };
  const figure = el("figure", {},
    el("img", { src: picture(sample.key, "overlay"), alt: `Kept pair, ${what}` }),
    el("button", { type: "button", "aria-label": `Do not keep ${what}`, onclick: drop }, "✕"));
  return figure;
}

async function write() {
  part("export-write").disabled = true;
  part("export-said").textContent = "writing…";
  try {
    const said = await ask("/api/export", { format: part("export-format").value });
    const lines = [`Wrote ${said.pairs} pairs to ${said.out}, format ${said.format}.`, ...said.lost];
    part("export-said").textContent = lines.join(" ");
  } catch (error) {
    part("export-said").textContent = error.message;
  }
  part("export-write").disabled = false;
}

async function begin() {
  part("told").querySelector("button").addEventListener("click", studio.well);
  part("kept").addEventListener("click", openKept);
  part("export-write").addEventListener("click", write);
  part("export-close").addEventListener("click", () => part("export").close());
  const about = (studio.about = await ask("/api/about"));
  document.title = `${about.run} · labelmint studio`;
  part("run").textContent = `${about.run} · ${about.system} · ${about.size.join("×")}`;
  part("export-format").append(...about.formats.map((name) => el("option", { value: name }, name)));
  studio.counted(about.kept);
  tabs(about);
  const wanted = location.hash.slice(1);
  await show(views.has(wanted) ? wanted : about.views[0].name);
}

begin().catch(studio.tell);
