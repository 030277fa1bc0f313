const MINUTES = 60;
const timeline = { drawn: -Infinity };

async function refreshTimeline() {
  if (performance.now() - timeline.drawn < 15000 || page.heardAt === null) return;
  timeline.drawn = performance.now();
  const { g } = wanted();
  const query = new URLSearchParams({ step: 60, ...(g ? { group: g } : {}) });
  const got = await ask(`/v1/history/buckets?${query}`).catch(() => null);
  if (got !== null) drawTimeline(got);
}

const LINES = ["down", "suspect", "unknown", "left", "up"];
const shape = (name, attributes) => {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
};

// Bars by minute; their heights are logarithms, so that one death is seen beside a thousand starts.
function drawTimeline({ step, buckets }) {
  const newest = Math.floor(now() / 1000 / step) * step;
  const oldest = newest - (MINUTES * 60) + step;
  const bars = Math.round((MINUTES * 60) / step);
  const heights = buckets.map((one) => Math.log2(1 + sum(LINES.map((state) => one[state] ?? 0))));
  const most = Math.max(1, ...heights);
  const counted = Object.fromEntries(LINES.map((state) => [state, sum(buckets.map((one) => one[state] ?? 0))]));
  const said = LINES.filter((state) => counted[state]).map((state) => `${number(counted[state])} to ${state}`).join(", ") || "none";
  const drawing = shape("svg", { viewBox: `0 0 ${bars * 10} 64`, preserveAspectRatio: "none", role: "img", "aria-label": `Changes within the last hour: ${said}` });
  drawing.append(shape("line", { x1: 0, x2: bars * 10, y1: 63.5, y2: 63.5, class: "axis" }));
  buckets.forEach((one, index) => {
    const place = Math.round((Date.parse(one.at) / 1000 - oldest) / step);
    if (place < 0 || place >= bars) return;
    const whole = sum(LINES.map((state) => one[state] ?? 0));
    let y = 63;
    for (const state of LINES.filter((each) => one[each])) {
      const height = Math.max(2, (60 * heights[index] / most) * (one[state] / whole));
      y -= height;
      const bar = shape("rect", { x: place * 10 + 1, y, width: 8, height, class: state });
      const title = shape("title", {});
      title.textContent = `${clock(one.at)}: ${number(one[state])} to ${state}`;
      bar.append(title);
      drawing.append(bar);
    }
  });
  fill(at("timeline"), drawing, make("div", { class: "scale soft" }, make("span", {}, "an hour ago"), make("span", {}, said), make("span", {}, "now")));
}
