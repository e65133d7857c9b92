// Draws the charts of reports in the page's own colours, anew when those change; a bar leads to what is in it. The
// numbers are in the table beside each chart, too, and that is all there is without this.

const LONGEST = 28;

const variable = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--chart-${name}`).trim();
const dollars = new Intl.NumberFormat("en-US", { style: "currency", currency: "USD" });
const small = new Intl.NumberFormat("en-US", { style: "currency", currency: "USD", maximumSignificantDigits: 2 });
const whole = new Intl.NumberFormat("en-US", { style: "currency", currency: "USD", maximumFractionDigits: 0 });
const counts = new Intl.NumberFormat("en-US");

function written(value, unit) {
  if (unit !== "usd") return counts.format(value);
  return value !== 0 && Math.abs(value) < 0.01 ? small.format(value) : dollars.format(value);
}

function onAxis(value, unit, most) {
  if (unit !== "usd") return counts.format(value);
  if (most >= 10) return whole.format(value);
  return most >= 0.1 ? dollars.format(value) : small.format(value);
}

function datasets({ series, line, labels }) {
  const bars = series.map(({ name, isRest, values }, place) => {
    const colour = variable(isRest ? "rest" : place + 1);
    return {
      type: "bar",
      label: name.length > LONGEST ? `${name.slice(0, LONGEST - 1).trim()}…` : name,
      data: values,
      backgroundColor: colour,
      hoverBackgroundColor: colour,
      borderColor: variable("ground"),
      borderWidth: { top: 1, right: 0, bottom: 0, left: 0 },
      borderSkipped: false,
      pointStyle: "rectRounded",
      maxBarThickness: 36,
      categoryPercentage: 0.82,
      barPercentage: 0.9,
      stack: "all",
      order: 1,
    };
  });
  if (!line) return bars;
  return [
    ...bars,
    {
      type: "line",
      label: line.name,
      data: labels.map(() => line.value),
      borderColor: variable("line"),
      backgroundColor: variable("line"),
      borderDash: [5, 4],
      borderWidth: 1.5,
      pointRadius: 0,
      pointStyle: "line",
      pointHitRadius: 6,
      order: 0,
    },
  ];
}

function address({ href, days, series, by, query }, place, which) {
  const found = new URLSearchParams(query);
  found.delete("range");
  found.set("from", days[place][0]);
  found.set("to", days[place][1]);
  if (by && series[which]?.key) found.set(by, series[which].key);
  return `${href}?${found}`;
}

function options(told) {
  const font = { family: getComputedStyle(document.body).fontFamily, size: 12 };
  const ink = variable("ink");
  const most = Math.max(
    told.line?.value ?? 0,
    ...told.labels.map((_, place) => told.series.reduce((sum, each) => sum + each.values[place], 0)),
  );
  return {
    animation: false,
    responsive: true,
    maintainAspectRatio: false,
    interaction: { mode: "index", intersect: false },
    onClick: (event, elements, chart) => {
      const [hit] = chart.getElementsAtEventForMode(event, "nearest", { intersect: true }, false);
      if (told.href && hit && hit.datasetIndex < told.series.length)
        location.assign(address(told, hit.index, hit.datasetIndex));
    },
    onHover: (event, elements, chart) => {
      const isOn = told.href && chart.getElementsAtEventForMode(event, "nearest", { intersect: true }, false).length > 0;
      chart.canvas.style.cursor = isOn ? "pointer" : "default";
    },
    scales: {
      x: {
        stacked: true,
        grid: { display: false },
        border: { color: variable("grid") },
        ticks: {
          color: ink,
          font,
          maxRotation: 0,
          autoSkipPadding: 14,
          // Of a week, its first day.
          callback: (value) => told.labels[value].split(" – ")[0],
        },
      },
      y: {
        stacked: true,
        beginAtZero: true,
        grid: { color: variable("grid") },
        border: { display: false },
        ticks: { color: ink, font, maxTicksLimit: 7, precision: told.unit === "usd" ? undefined : 0, callback: (value) => onAxis(value, told.unit, most) },
      },
    },
    plugins: {
      legend: {
        position: "bottom",
        labels: { color: ink, font, usePointStyle: true, pointStyleWidth: 14, boxHeight: 8, padding: 12 },
      },
      tooltip: {
        titleFont: { ...font, weight: 600 },
        bodyFont: font,
        footerFont: font,
        padding: 10,
        boxPadding: 4,
        usePointStyle: true,
        filter: ({ raw, dataset }) => raw !== 0 || dataset.type === "line",
        itemSort: (one, other) => other.datasetIndex - one.datasetIndex,
        callbacks: {
          label: ({ dataset, raw }) => ` ${dataset.label}: ${written(raw, told.unit)}`,
          footer: (items) => {
            const sum = items.reduce((so, { dataset, raw }) => (dataset.type === "line" ? so : so + raw), 0);
            return `All: ${written(sum, told.unit)}`;
          },
        },
      },
    },
  };
}

const drawn = new Map();

function draw(place) {
  const told = JSON.parse(document.getElementById(place.dataset.chart).textContent);
  // They come as exact texts; what is drawn is as exact as a picture is.
  for (const each of told.series) each.values = each.values.map(Number);
  if (told.line) told.line.value = Number(told.line.value);
  const canvas = place.querySelector("canvas");
  drawn.get(canvas)?.destroy();
  place.hidden = false;
  drawn.set(
    canvas,
    new window.Chart(canvas, { data: { labels: told.labels, datasets: datasets(told) }, options: options(told) }),
  );
}

function drawAll() {
  document.querySelectorAll("[data-chart]").forEach(draw);
}

drawAll();
new MutationObserver(drawAll).observe(document.documentElement, { attributeFilter: ["class"] });
