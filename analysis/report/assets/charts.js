// Charts of curves: plotly is unpacked when the first one comes near the window; each is redrawn for the scheme.
function plotly() {
  if (!window.Plotly) {
    const script = element("script");
    script.textContent = new TextDecoder().decode(gunzip(bytes(document.getElementById("library").textContent)));
    document.head.append(script);
  }
  return window.Plotly;
}

const drawers = {};
drawers.lines = (place, figure) => {
  const Plotly = plotly();
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

// A chart of curves or points stands on the page when this returns, whatever its promise still waits for.
function draw(place) {
  if (place.dataset.state) return;
  place.dataset.state = "drawing";
  const failed = (error) => {
    place.dataset.state = "failed";
    place.replaceChildren(
      element("p", { class: "waiting" },
        `This browser could not draw the chart (${error.message}). The finding above says what it shows.`),
    );
  };
  try {
    Promise.resolve(drawers[place.dataset.chart](place, json(`data-${place.id}`))).then(
      () => (place.dataset.state = "drawn"), failed);
  } catch (error) {
    failed(error);
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

// What is printed must stand there when this handler returns.
addEventListener("beforeprint", () => {
  printing = true;
  all(".chart").forEach(draw);
  for (const listener of schemeListeners) listener();
});
addEventListener("afterprint", () => {
  printing = false;
  for (const listener of schemeListeners) listener();
});
