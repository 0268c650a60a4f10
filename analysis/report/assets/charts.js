// Charts: plotly is unpacked when the first one comes near the window; each is drawn once, and redrawn for the scheme.
let library = null;
function plotly() {
  library ||= (async () => {
    const packed = bytes(document.getElementById("library").textContent);
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
    const script = element("script");
    script.textContent = await new Response(stream).text();
    document.head.append(script);
    return window.Plotly;
  })();
  return library;
}

const drawers = {};
drawers.lines = async (place, figure, Plotly) => {
  place.replaceChildren();
  const draw = () => {
    const layout = painted(merged(merged(theme.layout, narrow()), figure.layout));
    return Plotly.react(place, painted(figure.data), layout, { ...theme.config, displayModeBar: false });
  };
  schemeListeners.push(draw);
  return draw();
};

// On a phone the legend needs its own room and the labels less of it.
const narrow = () =>
  innerWidth < 640 ? { font: { size: 12 }, margin: { l: 46, r: 8 }, xaxis: { nticks: 5 }, legend: { font: { size: 12 } } } : {};

async function draw(place) {
  if (place.dataset.state) return;
  place.dataset.state = "drawing";
  try {
    const data = json(`data-${place.id}`);
    await drawers[place.dataset.chart](place, data, await plotly());
    place.dataset.state = "drawn";
  } catch (error) {
    place.dataset.state = "failed";
    place.replaceChildren(
      element("p", { class: "waiting" },
        `This browser could not draw the chart (${error.message}). The finding above says what it shows.`),
    );
  }
}

const near = new IntersectionObserver(
  (entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      near.unobserve(entry.target);
      draw(entry.target);
    }
  },
  { rootMargin: "400px 0px" },
);

addEventListener("beforeprint", () => {
  printing = true;
  all(".chart").forEach(draw);
  for (const listener of schemeListeners) listener();
});
addEventListener("afterprint", () => {
  printing = false;
  for (const listener of schemeListeners) listener();
});
