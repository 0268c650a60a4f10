// What every other script uses: the theme, inert data, and small helpers. Text only ever enters through textContent.
const root = document.documentElement;
root.classList.remove("no-js");

const json = (id) => JSON.parse(document.getElementById(id).textContent);
const theme = json("theme");
const all = (selector, within = document) => [...within.querySelectorAll(selector)];

function element(name, attributes = {}, text = "") {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text) made.textContent = text;
  return made;
}

function bytes(base64) {
  return Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
}

// {dtype, bdata} as Python wrote it, little-endian.
function numbers(encoded) {
  const buffer = bytes(encoded.bdata).buffer;
  return encoded.dtype === "i4" ? new Int32Array(buffer) : new Float32Array(buffer);
}

// Light or dark: the reader's choice on the page, else the system's.
const systemDark = matchMedia("(prefers-color-scheme: dark)");
const scheme = () => root.dataset.theme || (systemDark.matches ? "dark" : "light");
const schemeListeners = [];
let printing = false;
const palette = () => theme[printing ? "light" : scheme()];

function schemeChanged() {
  const button = document.getElementById("scheme");
  button.textContent = scheme() === "dark" ? "Light" : "Dark";
  button.setAttribute("aria-label", `Switch to ${button.textContent.toLowerCase()} colours`);
  for (const listener of schemeListeners) listener();
}
document.getElementById("scheme").addEventListener("click", () => {
  root.dataset.theme = scheme() === "dark" ? "light" : "dark";
  schemeChanged();
});
systemDark.addEventListener("change", schemeChanged);

// "@accent" or "@accent/0.2" to a colour of the current palette, all the way down a figure.
function colour(token) {
  const [name, alpha] = token.slice(1).split("/");
  const hex = palette()[name];
  if (!alpha) return hex;
  const channel = (i) => parseInt(hex.slice(i, i + 2), 16);
  return `rgba(${channel(1)},${channel(3)},${channel(5)},${alpha})`;
}

const TOKEN = /^@[a-z0-9-]+(\/[0-9.]+)?$/;
function painted(value, key = "") {
  if (typeof value === "string") {
    const paintable = key.endsWith("color") || key === "bgcolor";
    return paintable && TOKEN.test(value) ? colour(value) : value;
  }
  if (Array.isArray(value)) return value.map((item) => painted(item, key));
  if (value && typeof value === "object" && !ArrayBuffer.isView(value)) {
    return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, painted(item, name)]));
  }
  return value;
}

function merged(base, over) {
  const out = { ...base };
  for (const [key, value] of Object.entries(over)) {
    const both = [base[key], value].every((v) => v && typeof v === "object" && !Array.isArray(v));
    out[key] = both ? merged(base[key], value) : value;
  }
  return out;
}

// A name inside a sentence keeps its own direction of writing and leaves the sentence its own.
const isolated = (text) => `\u2068${text}\u2069`;

// The table of contents follows the reader.
const links = new Map(all("nav a").map((link) => [link.getAttribute("href").slice(1), link]));
const spy = new IntersectionObserver(
  (entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      links.forEach((link) => link.removeAttribute("aria-current"));
      const link = links.get(entry.target.id);
      link.setAttribute("aria-current", "true");
      const bar = link.closest("ol");
      if (bar.scrollWidth > bar.clientWidth) bar.scrollTo({ left: link.offsetLeft - 24 });
    }
  },
  { rootMargin: "-20% 0px -70% 0px" },
);
all("main > .stop").forEach((stop) => spy.observe(stop));

for (const box of all(".choice")) {
  const menu = box.querySelector("select");
  const panels = [...box.children].filter((child) => child.classList.contains("panel"));
  const show = () => panels.forEach((panel, i) => (panel.hidden = i !== menu.selectedIndex));
  panels.forEach((panel) => (panel.firstElementChild.hidden = true));
  menu.addEventListener("change", show);
  show();
}

for (const button of all("button.copy")) {
  const code = button.closest(".code").querySelector("code");
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(code.textContent);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(code);
      button.textContent = "Selected";
    }
    setTimeout(() => (button.textContent = "Copy"), 1500);
  });
}
schemeChanged();
