// A layout that is painted: its map of class ids, its objects where it has such, and what was done to it.

import { el } from "./dom.js";

const MOST_UNDO = 64 << 20; // bytes
const EDGE = 0.55; // how dark pixels at the edge of an object are

// Base64 of unsigned 16-bit numbers, the low byte first.
export function decoded(text) {
  const bytes = Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0));
  return Uint16Array.from({ length: bytes.length / 2 }, (_, k) => bytes[2 * k] | (bytes[2 * k + 1] << 8));
}

export function encoded(numbers) {
  const parts = [];
  for (let k = 0; k < numbers.length; k += 8192) {
    const bytes = [];
    for (const number of numbers.subarray(k, k + 8192)) bytes.push(number & 255, number >> 8);
    parts.push(String.fromCharCode(...bytes));
  }
  return btoa(parts.join(""));
}

// Class ids and objects of (height, width), and changes to them; knows nothing of a screen.
export class Layout {
  constructor(size, ids, objects) {
    [this.height, this.width] = size;
    this.ids = ids;
    this.objects = objects;
    this.past = [];
    this.future = [];
  }

  copy() {
    return { ids: this.ids.slice(), objects: this.objects?.slice() ?? null };
  }

  // Remember the layout as it is, before it is changed.
  remember() {
    const bytes = this.ids.length * (this.objects ? 4 : 2);
    this.past.push(this.copy());
    if (this.past.length * bytes > MOST_UNDO) this.past.shift();
    this.future = [];
  }

  undo() { this.#back(this.past, this.future); }

  redo() { this.#back(this.future, this.past); }

  #back(from, to) {
    const state = from.pop();
    if (!state) return;
    to.push(this.copy());
    Object.assign(this, state);
  }

  inside(x, y) { return x >= 0 && y >= 0 && x < this.width && y < this.height; }

  set(x, y, id, object) {
    if (!this.inside(x, y)) return;
    this.ids[y * this.width + x] = id;
    if (this.objects) this.objects[y * this.width + x] = object;
  }

  // A round dab, `across` pixels wide, whose middle is at (x, y).
  dab(x, y, across, id, object) {
    const low = Math.floor((across - 1) / 2), square = (across / 2) ** 2, even = across % 2 ? 0 : 0.5;
    for (let dy = -low; dy < across - low; dy++) {
      for (let dx = -low; dx < across - low; dx++) {
        if (across < 3 || (dx - even) ** 2 + (dy - even) ** 2 <= square) this.set(x + dx, y + dy, id, object);
      }
    }
  }

  stroke(from, to, across, id, object) {
    const steps = Math.max(Math.abs(to.x - from.x), Math.abs(to.y - from.y), 1);
    for (let k = 0; k <= steps; k++) {
      const at = (a, b) => Math.round(a + ((b - a) * k) / steps);
      this.dab(at(from.x, to.x), at(from.y, to.y), across, id, object);
    }
  }

  box(a, b, id, object) {
    for (let y = Math.min(a.y, b.y); y <= Math.max(a.y, b.y); y++) {
      for (let x = Math.min(a.x, b.x); x <= Math.max(a.x, b.x); x++) this.set(x, y, id, object);
    }
  }

  // The number of an object to paint from (x, y) on: the one that lies there where it is of that class, else a new one.
  objectFor(x, y, id, isObject) {
    if (!this.objects || !isObject) return 0;
    const at = y * this.width + x;
    if (this.inside(x, y) && this.ids[at] === id && this.objects[at] > 0) return this.objects[at];
    return this.objects.reduce((most, one) => Math.max(most, one), 0) + 1;
  }

  // Places of what lies at (x, y): an object, or the connected region (by edges) of one class.
  regionAt(x, y) {
    const { ids, objects, width, height } = this;
    const first = y * width + x, found = [];
    const numbered = objects && objects[first] > 0;
    const same = (at) => (numbered ? objects[at] === objects[first] : ids[at] === ids[first] && !(objects?.[at] > 0));
    if (numbered) {
      for (let at = 0; at < ids.length; at++) if (same(at)) found.push(at);
      return found;
    }
    const seen = new Uint8Array(ids.length), queue = [first];
    seen[first] = 1;
    while (queue.length) {
      const at = queue.pop(), column = at % width;
      found.push(at);
      for (const [next, there] of [[at - 1, column > 0], [at + 1, column < width - 1], [at - width, at >= width],
        [at + width, at < width * (height - 1)]]) {
        if (there && !seen[next] && same(next)) { seen[next] = 1; queue.push(next); }
      }
    }
    return found;
  }

  // Take a region away: its pixels take what the nearest pixel shows that is no object, or else any other pixel.
  lift(region, isObject) {
    const { ids, objects, width, height } = this;
    const gone = new Uint8Array(ids.length);
    for (const at of region) gone[at] = 1;
    const owner = new Int32Array(ids.length).fill(-1);
    const all = [...ids.keys()].filter((at) => !gone[at]);
    const ground = all.filter((at) => !isObject(ids[at]) && !(objects?.[at] > 0));
    const queue = ground.length ? ground : all;
    for (const at of queue) owner[at] = at;
    for (let k = 0; k < queue.length; k++) {
      const at = queue[k], column = at % width;
      for (const [next, there] of [[at - 1, column > 0], [at + 1, column < width - 1], [at - width, at >= width],
        [at + width, at < width * (height - 1)]]) {
        if (there && owner[next] < 0) { owner[next] = owner[at]; queue.push(next); }
      }
    }
    for (const at of region) {
      if (owner[at] < 0) continue;
      ids[at] = ids[owner[at]];
      if (objects) objects[at] = objects[owner[at]];
    }
  }

  // Put a region of one class back, moved by (dx, dy).
  lay(region, id, object, dx, dy) {
    for (const at of region) this.set((at % this.width) + dx, Math.floor(at / this.width) + dy, id, object);
  }
}

// The layout on the screen, and the tools: brush, box, eraser, move.
export class Painter {
  // `classes` as the server describes them; `eraser` is the id that the eraser paints, or null; `changed()` is called.
  constructor(classes, eraser, changed) {
    this.classes = new Map(classes.map((one) => [one.id, one]));
    this.eraser = eraser;
    this.changed = changed;
    this.tool = "brush";
    this.across = 5;
    this.id = (classes.find((one) => one.objects) ?? classes[0]).id;
    this.zoom = 1;
    this.tallest = 480; // screen pixels that a layout fits into
    this.step = 1; // of the zoom that fits
    this.canvas = el("canvas", { class: "layout", "aria-label": "The layout that is painted", role: "img" });
    this.above = el("canvas", { class: "above", "aria-hidden": "true" });
    this.element = el("div", { class: "easel" }, el("div", { class: "stack" }, this.canvas, this.above));
    const on = (name, act) => this.above.addEventListener(name, act);
    on("pointerdown", (event) => this.#down(event));
    on("pointermove", (event) => this.#move(event));
    on("pointerup", () => this.#up());
    on("pointercancel", () => this.#up());
    on("pointerleave", () => { this.at = null; this.#show(); });
    this.element.addEventListener("wheel", (event) => {
      if (!event.ctrlKey) return;
      event.preventDefault();
      this.zoomTo(this.zoom * (event.deltaY < 0 ? 1.25 : 0.8));
    }, { passive: false });
  }

  take(layout) {
    this.layout = layout;
    this.stroke = null;
    this.canvas.width = layout.width;
    this.canvas.height = layout.height;
    this.zoomTo(0);
    this.draw();
  }

  isObject = (id) => this.classes.get(id)?.objects ?? false;

  // How much of what lies below a class covers, in [0, 1].
  alpha() { return 1; }

  // Screen pixels a pixel; 0 fits the layout into its place.
  zoomTo(zoom) {
    const { width, height } = this.layout;
    const room = Math.max(Math.min((this.element.clientWidth - 4) / width, this.tallest / height), 0.25);
    const fit = room >= 1 ? Math.floor(room / this.step) * this.step : room;
    this.zoom = zoom ? Math.min(Math.max(zoom, fit / 2), 40) : fit;
    const [across, down] = [Math.round(width * this.zoom), Math.round(height * this.zoom)];
    for (const canvas of [this.canvas, this.above]) {
      canvas.style.width = `${across}px`;
      canvas.style.height = `${down}px`;
    }
    this.above.width = across;
    this.above.height = down;
    this.#show();
  }

  undo() { this.layout.undo(); this.draw(); }

  redo() { this.layout.redo(); this.draw(); }

  draw() {
    const { ids, objects, width, height } = this.layout;
    const picture = new ImageData(width, height);
    const colors = new Map([...this.classes].map(([id, { color }]) => [id, rgb(color)]));
    const clear = new Map([...this.classes.keys()].map((id) => [id, Math.round(255 * this.alpha(id))]));
    for (let at = 0; at < ids.length; at++) {
      const shade = objects?.[at] > 0 && edge(objects, at, width) ? EDGE : 1;
      const color = colors.get(ids[at]) ?? [255, 0, 255];
      for (let k = 0; k < 3; k++) picture.data[4 * at + k] = color[k] * shade;
      picture.data[4 * at + 3] = Math.min((shade < 1 ? 2 : 1) * (clear.get(ids[at]) ?? 255), 255);
    }
    this.canvas.getContext("2d").putImageData(picture, 0, 0);
    this.#show();
    this.changed();
  }

  #place(event) {
    const box = this.above.getBoundingClientRect();
    return { x: Math.floor((event.clientX - box.left) / this.zoom), y: Math.floor((event.clientY - box.top) / this.zoom) };
  }

  #paints() {
    return this.tool === "eraser" ? this.eraser : this.id;
  }

  #down(event) {
    if (event.button !== 0 || !this.layout) return;
    const { layout, tool } = this;
    const from = this.#place(event);
    if (!layout.inside(from.x, from.y) && tool === "move") return;
    this.above.setPointerCapture(event.pointerId);
    const id = this.#paints();
    if (tool === "move") {
      const at = from.y * layout.width + from.x;
      if (!this.isObject(layout.ids[at])) return;
      layout.remember();
      const object = layout.objects?.[at] ?? 0;
      this.stroke = { from, id: layout.ids[at], object, region: layout.regionAt(from.x, from.y) };
      layout.lift(this.stroke.region, this.isObject);
      this.stroke.without = layout.copy();
    } else {
      layout.remember();
      this.stroke = { from, last: from, id, object: layout.objectFor(from.x, from.y, id, this.isObject(id)) };
    }
    this.#move(event);
  }

  #move(event) {
    this.at = this.#place(event);
    const { layout, stroke, at, tool } = this;
    if (stroke && tool === "move") {
      layout.ids.set(stroke.without.ids);
      layout.objects?.set(stroke.without.objects);
      layout.lay(stroke.region, stroke.id, stroke.object, at.x - stroke.from.x, at.y - stroke.from.y);
      this.draw();
    } else if (stroke && tool !== "box") {
      layout.stroke(stroke.last, at, this.across, stroke.id, stroke.object);
      stroke.last = at;
      this.draw();
    } else this.#show();
  }

  #up() {
    const { stroke, layout, at } = this;
    this.stroke = null;
    if (!stroke) return;
    if (this.tool === "box" && at) layout.box(stroke.from, at, stroke.id, stroke.object);
    this.draw();
  }

  // What the tool would touch.
  #show() {
    const context = this.above.getContext("2d"), { zoom, at, stroke } = this;
    context.clearRect(0, 0, this.above.width, this.above.height);
    if (!at || !this.layout) return;
    const outline = (path) => {
      for (const [color, wide] of [["rgb(0 0 0 / 70%)", 3], ["white", 1.2]]) {
        context.strokeStyle = color;
        context.lineWidth = wide;
        context.stroke(path);
      }
    };
    const path = new Path2D();
    if (this.tool === "box" && stroke) {
      const [x, y] = [Math.min(at.x, stroke.from.x), Math.min(at.y, stroke.from.y)];
      path.rect(x * zoom, y * zoom, (Math.abs(at.x - stroke.from.x) + 1) * zoom, (Math.abs(at.y - stroke.from.y) + 1) * zoom);
    } else if (this.tool === "brush" || this.tool === "eraser") {
      const middle = this.across % 2 ? 0.5 : 1;
      path.arc((at.x + middle) * zoom, (at.y + middle) * zoom, (this.across / 2) * zoom, 0, 2 * Math.PI);
    } else path.rect(at.x * zoom, at.y * zoom, zoom, zoom);
    outline(path);
  }
}

// Is another object above, to the left, below or to the right?
function edge(objects, at, width) {
  const own = objects[at], column = at % width;
  const other = (next) => next >= 0 && next < objects.length && objects[next] !== own;
  return other(at - width) || other(at + width) || (column > 0 && other(at - 1)) || (column < width - 1 && other(at + 1));
}

function rgb(color) {
  const number = parseInt(color.slice(1), 16);
  return [number >> 16, (number >> 8) & 255, number & 255];
}
