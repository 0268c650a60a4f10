// Thumbnails by row number, the card that shows one, slideshows and strips.
const store = document.getElementById("thumbnails") ? json("thumbnails") : null;
const TILES = 1024;
const tileOf = new Map();
if (store) {
  store.rows = numbers(store.rows);
  store.rows.forEach((row, i) => tileOf.set(row, i));
  for (const column of store.columns) column.values = numbers(column.values);
}

const sheets = new Map();
function sheet(page) {
  if (!sheets.has(page)) {
    const held = document.getElementById(`page-${page}`);
    const image = new Image();
    image.src = `data:${held.dataset.mime};base64,${held.textContent}`;
    sheets.set(page, image.decode().then(() => image));
  }
  return sheets.get(page);
}

// Draw thumbnail i on a canvas; a later call for the same canvas wins.
async function drawTile(canvas, i) {
  canvas.dataset.tile = i;
  const image = await sheet(Math.floor(i / TILES));
  if (canvas.dataset.tile !== String(i)) return;
  const across = store.across[Math.floor(i / TILES)];
  const k = i % TILES;
  const { width, height } = store;
  canvas.width = width;
  canvas.height = height;
  canvas.getContext("2d").drawImage(
    image, (k % across) * width, Math.floor(k / across) * height, width, height, 0, 0, width, height);
}

function describe(column, i) {
  const value = column.values[i];
  if (column.categories) return value < 0 ? "–" : column.categories[value];
  return Number.isFinite(value) ? String(Number(value.toPrecision(4))) : "–";
}

const card = document.getElementById("card");
function showCard(i, x, y, first = "") {
  if (!card.firstChild) card.append(element("canvas", { class: "px" }), element("dl"));
  card.firstChild.hidden = !store.width;
  if (store.width) drawTile(card.firstChild, i);
  const list = card.lastChild;
  list.replaceChildren(element("dt", {}, "id"), element("dd", {}, store.ids[i]));
  const chosen = store.columns.filter((column) => column.name === first);
  const others = store.columns.filter((column) => column.name !== first);
  for (const column of [...chosen, ...others].slice(0, 6)) {
    list.append(element("dt", {}, column.name), element("dd", {}, describe(column, i)));
  }
  card.hidden = false;
  const box = card.getBoundingClientRect();
  const left = x + 18 + box.width > innerWidth - 8 ? x - 18 - box.width : x + 18;
  const top = Math.min(Math.max(8, y - box.height / 2), innerHeight - box.height - 8);
  card.style.left = `${Math.max(8, Math.min(left, innerWidth - box.width - 8))}px`;
  card.style.top = `${top}px`;
}
const hideCard = () => (card.hidden = true);

document.addEventListener("pointerover", (event) => {
  const target = event.target.closest && event.target.closest("[data-row]");
  if (!target || !store) return;
  const i = tileOf.get(Number(target.dataset.row));
  if (i !== undefined) showCard(i, event.clientX, event.clientY);
});
document.addEventListener("pointerout", (event) => {
  if (event.target.closest && event.target.closest("[data-row]")) hideCard();
});
addEventListener("scroll", hideCard, { passive: true });
addEventListener("keydown", (event) => event.key === "Escape" && hideCard());

// A range input with its value in words, and a button that walks it to and fro.
function slider(box, words, move) {
  const field = box.querySelector("input");
  const output = box.querySelector("output");
  const play = box.querySelector(".play");
  let timer = 0;
  let direction = 1;
  const update = () => {
    output.textContent = words[field.valueAsNumber];
    field.setAttribute("aria-valuetext", words[field.valueAsNumber]);
    move(field.valueAsNumber);
  };
  const stop = () => {
    clearInterval(timer);
    timer = 0;
    play.textContent = "Play";
    play.setAttribute("aria-pressed", "false");
  };
  const tick = () => {
    const last = words.length - 1;
    if (field.valueAsNumber >= last) direction = -1;
    if (field.valueAsNumber <= 0) direction = 1;
    field.value = field.valueAsNumber + direction;
    update();
  };
  field.addEventListener("input", () => {
    stop();
    update();
  });
  play.addEventListener("click", () => {
    if (timer) return stop();
    play.textContent = "Pause";
    play.setAttribute("aria-pressed", "true");
    if (field.valueAsNumber >= words.length - 1) field.value = 0;
    update();
    timer = setInterval(tick, Math.max(120, 2400 / words.length));
  });
  return { field, update };
}

for (const show of all(".slideshow")) {
  const held = all(".held", show);
  const image = show.querySelector("img");
  const box = show.parentElement.querySelector(".slider");
  if (!box) continue;
  const sources = held.map((frame) => frame.textContent && `data:image/png;base64,${frame.textContent}`);
  sources[sources.length - 1] = image.src;
  const words = held.map((frame) => frame.dataset.label);
  slider(box, words, (i) => {
    image.src = sources[i];
    image.alt = `${show.dataset.alt}, ${words[i]}`;
  });
}

for (const strips of all(".strips")) {
  const words = JSON.parse(strips.querySelector(".steps").textContent);
  const canvases = all("canvas.big", strips);
  const names = canvases.map((canvas) => canvas.getAttribute("aria-label"));
  const traversals = all("img.frames", strips);
  const markers = all(".marker", strips);
  const move = (i) => {
    for (const marker of markers) marker.style.left = `${(100 * i) / words.length}%`;
    traversals.forEach(async (image, k) => {
      const canvas = canvases[k];
      canvas.dataset.step = i;
      canvas.setAttribute("aria-label", `${names[k]}, ${words[i]}`);
      if (!image.complete) await image.decode();
      if (canvas.dataset.step !== String(i)) return;
      const width = image.naturalWidth / words.length;
      canvas.width = width;
      canvas.height = image.naturalHeight;
      canvas.getContext("2d").drawImage(image, i * width, 0, width, canvas.height, 0, 0, width, canvas.height);
    });
  };
  const { field, update } = slider(strips.querySelector(".slider"), words, move);
  traversals.forEach((image) =>
    image.addEventListener("click", (event) => {
      const share = event.offsetX / image.clientWidth;
      field.value = Math.floor(share * words.length);
      field.dispatchEvent(new Event("input"));
    }),
  );
  update();
}
