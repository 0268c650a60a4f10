// The map: points coloured by any column, the image on hover, and the images of a drawn-around selection.
// Points are set pixel by pixel into a plain canvas: 70,000 of them take milliseconds on any machine, need no WebGL
// (which runs out of contexts, and whose libraries compile code from text), and print.
const NAMED = 12; // categories with a colour of their own; the rest are "other"
const SHOWN = 60; // images of a selection
const REACH = 9; // CSS pixels between the pointer and the point that it means
const ROOM = 22; // CSS pixels around the outermost points
const FAINT = 0.14; // of its colour that a point outside a selection keeps
const STEP = 1.4; // of one press on a zoom button

// Split positions by category, largest first past NAMED; -1 is unknown.
function parts(column, tiles) {
  const found = new Map();
  tiles.forEach((tile, position) => {
    const key = column.values[tile];
    if (!found.has(key)) found.set(key, []);
    found.get(key).push(position);
  });
  const known = [...found.keys()].filter((key) => key >= 0);
  known.sort((a, b) => found.get(b).length - found.get(a).length);
  const kept = known.slice(0, NAMED).sort((a, b) => a - b);
  const rest = known.slice(NAMED).flatMap((key) => found.get(key));
  const out = kept.map((key, i) => ({
    name: column.categories[key], positions: found.get(key), token: `@c${i % theme.categories}`,
    shape: theme.symbols[Math.floor(i / theme.categories)], named: true,
  }));
  if (rest.length) out.push({ name: "other", positions: rest, token: "@faint", shape: "square", named: false });
  if (found.has(-1)) out.push({ name: "unknown", positions: found.get(-1), token: "@unknown", shape: "circle", named: false });
  return out;
}

const channels = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
const word = ([r, g, b]) => ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0; // a pixel of a canvas

// Groups of points that share a legend entry: each has a colour, or a colour for each of its points.
function groupsOf(column, tiles) {
  const every = [...tiles.keys()];
  if (!column) return [{ name: "images", positions: every, token: "@accent", shape: "circle", named: false }];
  if (column.categories) return parts(column, tiles);
  const known = every.filter((p) => Number.isFinite(column.values[tiles[p]]));
  const unknown = every.filter((p) => !Number.isFinite(column.values[tiles[p]]));
  const [low, high] = known.reduce(([a, b], p) => [Math.min(a, column.values[tiles[p]]), Math.max(b, column.values[tiles[p]])],
    [Infinity, -Infinity]);
  const shades = theme.scale.map(channels), last = shades.length - 1;
  const shade = (value) => {
    const at = (last * (value - low)) / (high - low || 1), i = Math.min(Math.floor(at), last - 1);
    return shades[i].map((c, k) => c + (at - i) * (shades[i + 1][k] - c));
  };
  const out = [{ name: column.name, positions: known, shape: "circle", low, high, named: false,
    shades: known.map((p) => shade(column.values[tiles[p]])) }];
  if (unknown.length) out.push({ name: "unknown", positions: unknown, token: "@unknown", shape: "circle", named: false });
  return out;
}

// How much of each pixel around its centre a mark of this radius covers: dx, dy, share of all that it touches, in a row.
const SHAPES = {
  circle: (x, y) => x * x + y * y <= 1,
  square: (x, y) => Math.max(Math.abs(x), Math.abs(y)) <= 0.86,
  diamond: (x, y) => Math.abs(x) + Math.abs(y) <= 1.2,
};
function stamp(shape, radius) {
  const inside = SHAPES[shape] || SHAPES.circle, out = [], far = Math.ceil(radius * 1.2), n = 4;
  for (let dy = -far; dy <= far; dy++) for (let dx = -far; dx <= far; dx++) {
    let share = 0;
    for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) {
      if (inside((dx + (i + 0.5) / n - 0.5) / radius, (dy + (j + 0.5) / n - 0.5) / radius)) share++;
    }
    if (share) out.push(dx, dy, share / (n * n));
  }
  return out;
}

// The same order in every drawing, and none of the categories on top of the others.
function shuffled(n) {
  const order = Uint32Array.from({ length: n }, (_, i) => i);
  for (let i = n - 1, seed = 1; i > 0; i--) {
    seed = (Math.imul(seed, 1103515245) + 12345) & 0x7fffffff;
    const j = seed % (i + 1);
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}

const thin = (list, most) => list.filter((_, i) => i % Math.ceil(list.length / most) === 0);

// The point with the nearest quarter of its category: in the largest group, where a mean may lie between groups.
function densest(positions, { x, y }) {
  const others = thin(positions, 300);
  const reach = (p) => others.map((q) => (x[p] - x[q]) ** 2 + (y[p] - y[q]) ** 2).sort((a, b) => a - b)[others.length >> 2];
  return thin(positions, 150).map((p) => [reach(p), p]).reduce((a, b) => (b[0] < a[0] ? b : a))[1];
}

function within(polygon, x, y) {
  let inside = false;
  for (let i = 0, j = polygon.length - 1; i < polygon.length; j = i++) {
    const [ax, ay] = polygon[i], [bx, by] = polygon[j];
    if (ay > y !== by > y && x < ((bx - ax) * (y - ay)) / (by - ay) + ax) inside = !inside;
  }
  return inside;
}

class PointMap {
  constructor(place, data) {
    this.place = place;
    this.figure = place.closest("figure");
    this.tiles = [...numbers(data.rows)].map((row) => tileOf.get(row));
    this.views = data.views.map((view) => ({ ...view, x: numbers(view.x), y: numbers(view.y), frame: null }));
    this.view = this.views[0];
    this.order = shuffled(this.tiles.length);
    this.hidden = new Map(); // of each colouring, the names that its legend hides
    this.selected = null; // of all points, 1 where selected
    this.mode = matchMedia("(pointer: coarse)").matches ? "" : "select";
    this.build();
    this.colourBy(store.columns.find((column) => column.name === data.colour));
    this.listen();
    new ResizeObserver(() => this.draw()).observe(this.place);
    schemeListeners.push(() => this.recolour());
  }

  build() {
    const described = this.place.getAttribute("aria-label");
    this.place.removeAttribute("role");
    this.place.removeAttribute("aria-label");
    this.points = element("canvas", { class: "points", role: "img", "aria-label": described });
    this.loop = element("canvas", { class: "loop", "aria-hidden": "true" });
    this.names = element("div", { class: "names", "aria-hidden": "true" });
    this.surface = element("div", { class: "surface" });
    this.surface.append(this.points, this.names, this.loop);
    const press = (text, title, act) => {
      const button = element("button", { type: "button", title }, text);
      button.addEventListener("click", act);
      return button;
    };
    const mode = (name, text, title) => {
      const button = press(text, title, () => this.setMode(this.mode === name ? "" : name));
      button.dataset.mode = name;
      return button;
    };
    const tools = element("div", { class: "tools", role: "toolbar", "aria-label": "Map" });
    tools.append(
      mode("select", "Select", "Draw around points to see their images"), mode("move", "Move", "Drag the map"),
      press("+", "Zoom in", () => this.zoom(STEP)), press("\u2212", "Zoom out", () => this.zoom(1 / STEP)),
      press("Reset", "Show all points", () => this.reset()),
    );
    this.place.replaceChildren(this.surface, tools);
    this.legend = element("div", { class: "legend" });
    this.place.after(this.legend);
    this.selection = this.figure.querySelector(".selection");
    this.setMode(this.mode);
  }

  setMode(mode) {
    this.mode = mode;
    this.surface.dataset.mode = mode;
    for (const button of all("[data-mode]", this.place.querySelector(".tools"))) {
      button.setAttribute("aria-pressed", String(button.dataset.mode === mode));
    }
  }

  colourBy(column) {
    this.column = column;
    this.groups = groupsOf(column, this.tiles);
    this.groupOf = new Uint16Array(this.tiles.length);
    this.groups.forEach((group, g) => group.positions.forEach((p) => (this.groupOf[p] = g)));
    if (!this.hidden.has(column)) this.hidden.set(column, new Set());
    this.recolour();
  }

  shown(group) {
    return !this.hidden.get(this.column).has(group.name);
  }

  recolour() {
    const back = channels(palette().panel);
    this.words = new Uint32Array(this.tiles.length);
    this.faint = new Uint32Array(this.tiles.length);
    for (const group of this.groups) {
      const one = group.shades ? null : channels(colour(group.token));
      group.positions.forEach((p, i) => {
        const rgb = one || group.shades[i];
        this.words[p] = word(rgb.map(Math.round));
        this.faint[p] = word(rgb.map((c, k) => Math.round(back[k] + FAINT * (c - back[k]))));
      });
    }
    this.showLegend();
    this.draw();
  }

  // Pixel of a point: x = left + scale · value, of the whole arrangement first, then where the reader moved it.
  fit() {
    const { x, y } = this.view;
    let [a, b, c, d] = [Infinity, -Infinity, Infinity, -Infinity];
    for (let i = 0; i < x.length; i++) {
      a = Math.min(a, x[i]);
      b = Math.max(b, x[i]);
      c = Math.min(c, y[i]);
      d = Math.max(d, y[i]);
    }
    const scale = Math.min((this.width - 2 * ROOM) / (b - a || 1), (this.height - 2 * ROOM) / (d - c || 1));
    return { scale, left: this.width / 2 - (scale * (a + b)) / 2, top: this.height / 2 + (scale * (c + d)) / 2 };
  }

  across(p) {
    return this.frame.left + this.frame.scale * this.view.x[p];
  }

  down(p) {
    return this.frame.top - this.frame.scale * this.view.y[p];
  }

  measure() {
    const width = this.place.clientWidth, height = this.place.clientHeight;
    if (!width || !height) return false;
    if (width !== this.width || height !== this.height) {
      [this.width, this.height] = [width, height];
      for (const view of this.views) view.frame = null;
    }
    this.frame = this.view.frame ||= this.fit();
    return true;
  }

  draw() {
    if (!this.measure()) return;
    const ratio = Math.min(devicePixelRatio || 1, 3);
    const wide = Math.round(this.width * ratio), high = Math.round(this.height * ratio);
    for (const canvas of [this.points, this.loop]) {
      if (canvas.width !== wide || canvas.height !== high) [canvas.width, canvas.height] = [wide, high];
    }
    const n = this.tiles.length, zoomed = Math.min(2, Math.max(1, (this.frame.scale / this.fit().scale) ** 0.25));
    const radius = ratio * zoomed * (n < 400 ? 4.5 : n < 1500 ? 3.5 : n < 5000 ? 2.6 : n < 20000 ? 1.9 : 1.4);
    const image = new ImageData(wide, high), pixels = image.data, whole = new Uint32Array(pixels.buffer);
    whole.fill(word(channels(palette().panel)));
    const { x, y } = this.view, { scale, left, top } = this.frame, { order, words, faint, groupOf, selected } = this;
    const stamps = this.groups.map((group) => (this.shown(group) ? stamp(group.shape, radius) : []));
    const far = Math.ceil(1.2 * radius);
    for (let layer = selected ? 0 : 1; layer < 2; layer++) {
      for (let i = 0; i < n; i++) {
        const p = order[i];
        if (selected && selected[p] !== layer) continue;
        const px = Math.round((left + scale * x[p]) * ratio), py = Math.round((top - scale * y[p]) * ratio);
        if (px < far || py < far || px >= wide - far || py >= high - far) continue;
        const solid = layer ? words[p] : faint[p], marks = stamps[groupOf[p]];
        for (let m = 0; m < marks.length; m += 3) {
          const at = (py + marks[m + 1]) * wide + px + marks[m], cover = marks[m + 2];
          if (cover === 1) whole[at] = solid;
          else for (let k = 0; k < 3; k++) pixels[4 * at + k] += cover * (((solid >> (8 * k)) & 255) - pixels[4 * at + k]);
        }
      }
    }
    this.points.getContext("2d").putImageData(image, 0, 0);
    this.showNames();
  }

  // Draw once a frame, however often it is asked.
  ask() {
    this.asked ||= requestAnimationFrame(() => {
      this.asked = 0;
      this.draw();
    });
  }

  // The name of each category where its points lie closest; in shares of the map, so that they stay there in print.
  showNames() {
    this.names.replaceChildren();
    for (const group of this.groups) {
      if (!group.named || group.positions.length < 3 || !this.shown(group)) continue;
      group.centres ||= new Map();
      if (!group.centres.has(this.view)) group.centres.set(this.view, densest(group.positions, this.view));
      const p = group.centres.get(this.view), x = this.across(p) / this.width, y = this.down(p) / this.height;
      if (x < 0 || y < 0 || x > 1 || y > 1) continue;
      const name = element("span", { dir: "auto" }, group.name);
      name.style.left = `${100 * x}%`;
      name.style.top = `${100 * y}%`;
      this.names.append(name);
    }
  }

  showLegend() {
    const entries = this.groups.map((group) => {
      if (group.shades) return this.scaleEntry(group);
      if (!this.column) return "";
      const button = element("button", { type: "button", "aria-pressed": String(this.shown(group)), title: group.name });
      const mark = element("i", { class: `mark ${group.shape}` });
      mark.style.background = colour(group.token);
      button.append(mark, element("span", { dir: "auto" }, group.name));
      button.addEventListener("click", () => this.toggle(group));
      return button;
    });
    this.legend.replaceChildren(...entries.filter(Boolean));
  }

  scaleEntry(group) {
    const box = element("span", { class: "shades" }), bar = element("i");
    bar.style.background = `linear-gradient(to right, ${theme.scale.join(",")})`;
    const bound = (value) => element("span", {}, Number.isFinite(value) ? String(Number(value.toPrecision(3))) : "");
    box.append(element("span", { dir: "auto", class: "column" }, group.name), bound(group.low), bar, bound(group.high));
    return box;
  }

  toggle(group) {
    const hidden = this.hidden.get(this.column);
    if (!hidden.delete(group.name)) hidden.add(group.name);
    const place = this.groups.indexOf(group);
    this.recolour();
    all("button", this.legend)[place].focus();
  }

  // The shown point nearest to a place on the map, if it is near at all; -1 if not.
  nearest(x, y) {
    let best = -1, least = REACH * REACH;
    for (let p = 0; p < this.tiles.length; p++) {
      const far = (this.across(p) - x) ** 2 + (this.down(p) - y) ** 2;
      if (far <= least && this.shown(this.groups[this.groupOf[p]])) [best, least] = [p, far];
    }
    return best;
  }

  zoom(by, x = this.width / 2, y = this.height / 2) {
    if (!this.measure()) return;
    const { scale, left, top } = this.frame, whole = this.fit().scale;
    const wanted = Math.min(Math.max(scale * by, whole / 4), whole * 1000), kept = wanted / scale;
    this.view.frame = { scale: wanted, left: x - kept * (x - left), top: y - kept * (y - top) };
    this.ask();
  }

  move(dx, dy) {
    this.view.frame = { ...this.frame, left: this.frame.left + dx, top: this.frame.top + dy };
    this.frame = this.view.frame;
    this.ask();
  }

  reset() {
    this.view.frame = null;
    this.ask();
  }

  drawLoop(loop, closed) {
    const pen = this.loop.getContext("2d"), ratio = this.loop.width / this.width;
    pen.clearRect(0, 0, this.loop.width, this.loop.height);
    if (loop.length < 2) return;
    pen.beginPath();
    loop.forEach(([x, y], i) => (i ? pen.lineTo(x * ratio, y * ratio) : pen.moveTo(x * ratio, y * ratio)));
    if (closed) pen.closePath();
    pen.strokeStyle = colour("@accent");
    pen.lineWidth = 1.5 * ratio;
    pen.stroke();
  }

  select(loop) {
    this.drawLoop([], false);
    const chosen = [];
    const ends = (axis) => [Math.min(...loop.map((at) => at[axis])), Math.max(...loop.map((at) => at[axis]))];
    if (loop.length > 2) {
      const [a, b] = ends(0), [c, d] = ends(1);
      for (let p = 0; p < this.tiles.length; p++) {
        const x = this.across(p), y = this.down(p);
        if (x < a || x > b || y < c || y > d || !this.shown(this.groups[this.groupOf[p]])) continue;
        if (within(loop, x, y)) chosen.push(p);
      }
    }
    this.selected = chosen.length ? new Uint8Array(this.tiles.length) : null;
    for (const p of chosen) this.selected[p] = 1;
    this.showSelection(chosen.map((p) => this.tiles[p]));
    this.ask();
  }

  showSelection(tiles) {
    if (!tiles.length) return this.selection.replaceChildren();
    const counts = new Map();
    const column = this.column && this.column.categories ? this.column : null;
    if (column) for (const tile of tiles) counts.set(describe(column, tile), (counts.get(describe(column, tile)) || 0) + 1);
    const common = [...counts].sort((a, b) => b[1] - a[1]).slice(0, 5).map(([name, n]) => `${isolated(name)} (${n.toLocaleString("en")})`).join(", ");
    const more = tiles.length > SHOWN ? `, ${SHOWN} of them shown` : "";
    const words = `${tiles.length.toLocaleString("en")} images selected${more}${common ? `: ${common}` : ""}.`;
    const pictures = element("div", { class: "pictures" });
    const step = Math.max(1, tiles.length / SHOWN); // spread over the selection, not its first rows
    const shown = Array.from({ length: Math.min(SHOWN, tiles.length) }, (_, i) => tiles[Math.floor(i * step)]);
    for (const tile of store.width ? shown : []) {
      const canvas = element("canvas", { class: "px", role: "img", "data-row": store.rows[tile], "aria-label": store.ids[tile] });
      drawTile(canvas, tile);
      pictures.append(canvas);
    }
    this.selection.replaceChildren(element("p", {}, words), pictures);
  }

  listen() {
    const surface = this.surface;
    const spot = (event) => {
      const box = surface.getBoundingClientRect();
      return [event.clientX - box.left, event.clientY - box.top];
    };
    let last = null, loop = null;
    surface.addEventListener("pointerdown", (event) => {
      if (event.button || !this.mode) return;
      surface.setPointerCapture(event.pointerId);
      last = spot(event);
      loop = this.mode === "select" ? [last] : null;
      hideCard();
    });
    surface.addEventListener("pointermove", (event) => {
      const [x, y] = spot(event);
      if (!last) {
        const p = this.measure() ? this.nearest(x, y) : -1;
        if (p < 0) hideCard();
        else showCard(this.tiles[p], event.clientX, event.clientY, this.column ? this.column.name : "");
      } else if (loop) {
        loop.push([x, y]);
        this.drawLoop(loop, false);
      } else {
        this.move(x - last[0], y - last[1]);
        last = [x, y];
      }
    });
    surface.addEventListener("pointerup", () => {
      if (loop) this.select(loop);
      last = loop = null;
    });
    surface.addEventListener("pointercancel", () => {
      if (loop) this.drawLoop([], false);
      last = loop = null;
    });
    surface.addEventListener("pointerleave", hideCard);
    surface.addEventListener("click", (event) => { // a tap
      const p = this.mode ? -1 : this.nearest(...spot(event));
      if (p >= 0) showCard(this.tiles[p], event.clientX, event.clientY, this.column ? this.column.name : "");
    });
    surface.addEventListener("dblclick", () => this.reset());
    // The wheel zooms where the reader has moved the pointer onto the map, not where a scrolled page has put the map.
    let meant = false, at = "";
    surface.addEventListener("pointermove", (event) => {
      const now = `${event.screenX} ${event.screenY}`;
      meant ||= now !== at;
      at = now;
    });
    addEventListener("scroll", () => (meant = false), { passive: true });
    surface.addEventListener("wheel", (event) => {
      if (!meant) return;
      event.preventDefault();
      this.zoom(Math.exp(-Math.max(-240, Math.min(240, event.deltaY * (event.deltaMode ? 30 : 1))) / 400), ...spot(event));
    }, { passive: false });
    surface.tabIndex = 0;
    surface.setAttribute("role", "group");
    surface.setAttribute("aria-label", "Map: arrows move it, plus and minus zoom, 0 shows all points");
    surface.addEventListener("keydown", (event) => {
      const arrows = { ArrowLeft: [60, 0], ArrowRight: [-60, 0], ArrowUp: [0, 60], ArrowDown: [0, -60] };
      if (arrows[event.key] && this.measure()) this.move(...arrows[event.key]);
      else if (event.key === "+" || event.key === "=") this.zoom(STEP);
      else if (event.key === "-") this.zoom(1 / STEP);
      else if (event.key === "0") this.reset();
      else return;
      event.preventDefault();
    });
    const choice = this.figure.querySelector(".colour");
    if (choice) choice.addEventListener("change", () => this.colourBy(store.columns[Number(choice.value)]));
    const buttons = all("[data-view]", this.figure);
    buttons.forEach((button) => button.addEventListener("click", () => {
      this.view = this.views[Number(button.dataset.view)];
      buttons.forEach((other) => other.setAttribute("aria-pressed", String(other === button)));
      const note = this.figure.querySelector(".view-note");
      if (note) note.textContent = this.view.note;
      this.draw();
    }));
  }
}

drawers.map = (place, data) => void new PointMap(place, data);

all(".chart").forEach((chart) => near.observe(chart));
