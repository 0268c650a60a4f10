// The map: points coloured by any column, the image on hover, and the images of a drawn-around selection.
const SVG_LIMIT = 5000; // above, WebGL, which is freed while out of sight: browsers keep few WebGL contexts
const NAMED = 12; // categories with a colour of their own; the rest are "other"
const SHOWN = 60;

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
  const out = kept.map((key, i) => ({ name: column.categories[key], positions: found.get(key), index: i, named: true }));
  if (rest.length) out.unshift({ name: "other", positions: rest });
  if (found.has(-1)) out.unshift({ name: "unknown", positions: found.get(-1) });
  return out;
}

// A legend of long names would take the room of the points; the whole name is on the card.
const short = (name, most = innerWidth < 640 ? 16 : 24) => {
  const signs = [...name];
  return signs.length > most ? signs.slice(0, most - 1).join("") + "…" : name;
};

function mapTraces(state) {
  const { column, view, tiles, kind, size } = state;
  const pick = (positions, values) => positions.map((p) => values[p]);
  const trace = (positions, marker, name) => ({
    type: kind, mode: "markers", name: label(short(name)), hoverinfo: "none",
    x: pick(positions, view.x), y: pick(positions, view.y), customdata: pick(positions, tiles),
    marker: { size, opacity: 0.82, line: { width: 0 }, ...marker },
    selected: { marker: { opacity: 1 } }, unselected: { marker: { opacity: 0.14 } },
  });
  const every = [...tiles.keys()];
  if (!column) return [trace(every, { color: "@accent" }, "images")];
  if (column.categories) {
    return parts(column, tiles).map((part) =>
      trace(part.positions, part.named
        ? { color: `@c${part.index % theme.categories}`, symbol: theme.symbols[Math.floor(part.index / theme.categories)] }
        : { color: "@unknown" }, part.name));
  }
  const values = every.map((p) => column.values[tiles[p]]);
  const known = every.filter((p) => Number.isFinite(values[p]));
  const unknown = every.filter((p) => !Number.isFinite(values[p]));
  const scale = theme.scale.map((shade, i) => [i / (theme.scale.length - 1), shade]);
  const bar = { thickness: 10, len: 0.6, outlinewidth: 0, title: { text: label(short(column.name)), side: "right", font: { size: 13 } } };
  const out = [trace(known, { color: pick(known, values), colorscale: scale, colorbar: bar, showscale: true }, column.name)];
  if (unknown.length) out.unshift(trace(unknown, { color: "@unknown" }, "unknown"));
  return out;
}

const thin = (list, most) => list.filter((_, i) => i % Math.ceil(list.length / most) === 0);

// The point with the nearest quarter of its category: in the largest group, where a mean may lie between groups.
function densest(positions, { x, y }) {
  const others = thin(positions, 300);
  const reach = (p) => others.map((q) => (x[p] - x[q]) ** 2 + (y[p] - y[q]) ** 2).sort((a, b) => a - b)[others.length >> 2];
  return thin(positions, 150).map((p) => [reach(p), p]).reduce((a, b) => (b[0] < a[0] ? b : a))[1];
}

// The name of each category where its points lie closest.
function centres(state) {
  if (!state.column || !state.column.categories) return [];
  return parts(state.column, state.tiles).filter((part) => part.named && part.positions.length > 2).map((part) => {
    const p = densest(part.positions, state.view);
    return {
      x: state.view.x[p], y: state.view.y[p], text: label(short(part.name)), showarrow: false, captureevents: false,
      font: { size: 14, color: "@ink", weight: 650 }, bgcolor: "@panel/0.72", borderpad: 2,
    };
  });
}

function mapLayout(state) {
  const axis = { visible: false, fixedrange: false, autorange: true };
  const touch = matchMedia("(pointer: coarse)").matches;
  const legend = state.column && state.column.categories
    ? { y: -0.02, yanchor: "top", itemsizing: "constant" } : {};
  return merged(theme.layout, {
    xaxis: { ...axis, scaleanchor: "y" }, yaxis: axis, hovermode: "closest", dragmode: touch ? false : "lasso",
    margin: { l: 4, r: 4, t: 4, b: 4 }, legend, showlegend: Boolean(state.column && state.column.categories),
    annotations: centres(state), uirevision: state.view.name, selectionrevision: state.view.name,
    newselection: { line: { color: "@accent", width: 1.5 } }, activeselection: { fillcolor: "@accent", opacity: 0.06 },
  });
}

function showSelection(box, tiles, state) {
  if (!tiles) return box.replaceChildren();
  const counts = new Map();
  const column = state.column && state.column.categories ? state.column : null;
  if (column) for (const tile of tiles) counts.set(describe(column, tile), (counts.get(describe(column, tile)) || 0) + 1);
  const common = [...counts].sort((a, b) => b[1] - a[1]).slice(0, 5).map(([name, n]) => `${name} (${n})`).join(", ");
  const more = tiles.length > SHOWN ? `, ${SHOWN} of them shown` : "";
  const words = `${tiles.length} images selected${more}${common ? `: ${common}` : ""}.`;
  const pictures = element("div", { class: "pictures" });
  const step = Math.max(1, tiles.length / SHOWN); // spread over the selection, not its first rows
  const shown = Array.from({ length: Math.min(SHOWN, tiles.length) }, (_, i) => tiles[Math.floor(i * step)]);
  for (const tile of store.width ? shown : []) {
    const canvas = element("canvas", { class: "px", role: "img", "data-row": store.rows[tile], "aria-label": store.ids[tile] });
    drawTile(canvas, tile);
    pictures.append(canvas);
  }
  box.replaceChildren(element("p", {}, words), pictures);
}

drawers.map = async (place, data, Plotly) => {
  const figure = place.closest("figure");
  const tiles = [...numbers(data.rows)].map((row) => tileOf.get(row));
  const views = data.views.map((view) => ({ ...view, x: numbers(view.x), y: numbers(view.y) }));
  const n = tiles.length;
  const kind = n > SVG_LIMIT ? "scattergl" : "scatter";
  const size = n < 400 ? 9 : n < 1500 ? 7 : n < 5000 ? 5.5 : 3.5;
  const chosen = store.columns.find((column) => column.name === data.colour);
  const state = { column: chosen, view: views[0], tiles, kind, size };
  const selection = figure.querySelector(".selection");
  const config = { ...theme.config, displayModeBar: "hover",
    modeBarButtons: [["lasso2d", "zoom2d", "pan2d", "zoomIn2d", "zoomOut2d", "resetScale2d"]] };
  const redraw = () => Plotly.react(place, painted(mapTraces(state)), painted(mapLayout(state)), config);
  place.replaceChildren();
  await redraw();
  const listen = () => {
    place.on("plotly_hover", (event) => {
      const point = event.points[0];
      showCard(point.customdata, event.event.clientX, event.event.clientY, state.column ? state.column.name : "");
    });
    place.on("plotly_unhover", hideCard);
    place.on("plotly_selected", (event) =>
      showSelection(selection, event && event.points.length ? event.points.map((p) => p.customdata) : null, state));
    place.on("plotly_deselect", () => showSelection(selection, null, state));
  };
  listen();
  schemeListeners.push(() => place.data && redraw());
  const choice = figure.querySelector(".colour");
  if (choice) choice.addEventListener("change", () => {
    state.column = store.columns[Number(choice.value)];
    redraw();
  });
  const buttons = all("[data-view]", figure);
  buttons.forEach((button) => button.addEventListener("click", () => {
    state.view = views[Number(button.dataset.view)];
    buttons.forEach((other) => other.setAttribute("aria-pressed", String(other === button)));
    const note = figure.querySelector(".view-note");
    if (note) note.textContent = state.view.note;
    redraw();
  }));
  if (kind === "scattergl") new IntersectionObserver((entries) => {
    const seen = entries[entries.length - 1].isIntersecting;
    if (!seen && place.data) Plotly.purge(place);
    if (seen && !place.data) redraw().then(listen);
  }, { rootMargin: "600px 0px" }).observe(place);
};

all(".chart").forEach((chart) => near.observe(chart));
