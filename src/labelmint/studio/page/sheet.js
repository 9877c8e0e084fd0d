// A sheet of pairs: cards that are walked with the arrow keys, kept and dropped.

import { ask, el, picture } from "./dom.js";

export class Sheet {
  // `studio` has `tell(error)` and `counted(kept)`; `nearest` is asked for the nearest training image of a pair.
  constructor(studio, name, nearest = null) {
    this.studio = studio;
    this.nearest = nearest;
    this.overlaid = false;
    this.cards = [];
    this.element = el("div", { class: "sheet", role: "listbox", "aria-label": name });
    this.element.addEventListener("focusin", (event) => this.#reach(event.target.closest(".card")));
  }

  keys() {
    return {
      ArrowLeft: ["move", () => this.#step(-1)],
      ArrowRight: ["", () => this.#step(1)],
      ArrowUp: ["", () => this.#step(-this.#columns())],
      ArrowDown: ["", () => this.#step(this.#columns())],
      k: ["keep", () => this.mark("keep")],
      d: ["drop", () => this.mark("drop")],
      o: ["label over image", () => this.overlay(!this.overlaid)],
    };
  }

  // Empty places for the pairs to come.
  begin(wanted) {
    this.cards = [];
    this.element.replaceChildren(...Array.from({ length: wanted }, () => el("div", { class: "card waiting" })));
    this.element.setAttribute("aria-busy", wanted > 0);
  }

  add(samples) {
    for (const sample of samples) {
      const card = this.#card(sample);
      const place = this.element.querySelector(".waiting");
      if (place) place.replaceWith(card.element);
      else this.element.append(card.element);
      this.cards.push(card);
    }
    if (this.cards.length && !this.element.querySelector('[tabindex="0"]')) this.cards[0].element.tabIndex = 0;
  }

  // No more pairs come.
  end() {
    this.element.querySelectorAll(".waiting").forEach((place) => place.remove());
    this.element.setAttribute("aria-busy", false);
    if (document.activeElement === document.body) this.focus();
  }

  focus() {
    this.#current()?.element.focus();
  }

  overlay(on) {
    this.overlaid = on;
    for (const card of this.cards) card.image.src = picture(card.sample.key, on ? "overlay" : "image");
    this.element.dispatchEvent(new CustomEvent("overlaid", { detail: on }));
  }

  // Keep or drop a pair, or neither if it is so already; what the server refuses is taken back.
  async mark(how, card = this.#current()) {
    if (!card) return;
    const before = card.sample.mark, mark = before === how ? "" : how;
    this.#show(card, mark);
    if (mark && card === this.#current()) this.#step(1);
    try {
      const { kept } = await ask("/api/mark", { key: card.sample.key, mark });
      this.studio.counted(kept);
    } catch (error) {
      this.#show(card, before);
      this.studio.tell(error);
    }
  }

  // A pair was kept or dropped elsewhere.
  marked(key, mark) {
    const card = this.cards.find((one) => one.sample.key === key);
    if (card) this.#show(card, mark);
  }

  #card(sample) {
    const where = sample.says;
    const alt = `New image, ${where}`;
    const image = el("img", { src: picture(sample.key, this.overlaid ? "overlay" : "image"), alt, draggable: false });
    const beside = this.nearest ? el("img", { class: "nearest", alt: "" }) : null;
    const note = this.nearest ? el("p", { class: "note quiet" }, "nearest: …") : null;
    const button = (how) => el("button", {
      type: "button", class: how, tabIndex: -1, onclick: (event) => { event.stopPropagation(); this.mark(how, card); },
    }, how);
    const caption = el("p", { class: "caption" }, el("span", { title: sample.source ?? "" }, where),
      el("span", { class: "marks" }, button("keep"), button("drop")));
    const element = el("div", { class: "card", role: "option", tabIndex: -1, "aria-label": alt },
      el("div", { class: "pictures" }, image, beside), caption, note);
    element.addEventListener("click", () => element.focus());
    const card = { sample, element, image, beside, note };
    this.#show(card, sample.mark);
    if (this.nearest) this.nearest(card);
    return card;
  }

  #show(card, mark) {
    card.sample.mark = mark;
    card.element.dataset.mark = mark;
    card.element.setAttribute("aria-selected", mark === "keep");
  }

  #current() {
    return this.cards.find((card) => card.element.tabIndex === 0);
  }

  #reach(element) {
    if (!element || element.classList.contains("waiting")) return;
    for (const card of this.cards) card.element.tabIndex = card.element === element ? 0 : -1;
  }

  #columns() {
    const top = this.cards[0]?.element.offsetTop;
    return this.cards.filter((card) => card.element.offsetTop === top).length || 1;
  }

  #step(by) {
    const at = this.cards.indexOf(this.#current());
    const to = this.cards[at + by];
    if (to) to.element.focus();
    else this.focus();
  }
}
