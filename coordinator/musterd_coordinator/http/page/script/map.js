const SIZES = [14, 11, 9, 7, 5, 4, 3, 2, 1];
const LABEL = 17; // pixels above each block
const HEAD = 22; // above each group
const GAP = 10;
const TALLEST = 12000; // a canvas has an end
const map = { canvas: at("map"), blocks: [], heads: [], size: 1, dirty: null, width: 0, height: 0, only: null };
const paint = map.canvas.getContext("2d");
let colours = {};
let patterns = {};

const rounded = (value) => Math.round(value * map.scale) / map.scale;

function readColours() {
  const style = getComputedStyle(document.documentElement);
  for (const name of ["card", "ink", "soft", "line", ...KINDS]) {
    colours[name] = style.getPropertyValue(`--${name === "up" ? "calm" : name}`).trim();
  }
  patterns = Object.fromEntries(KINDS.map((kind) => [kind, patternOf(kind)]));
}

// Beside its colour each kind has a pattern, for whoever tells colours apart badly.
function patternOf(kind) {
  if (!["suspect", "unknown", "disabled"].includes(kind)) return colours[kind];
  const tile = make("canvas", { width: 8, height: 8 });
  const brush = tile.getContext("2d");
  brush.fillStyle = colours[kind];
  brush.fillRect(0, 0, 8, 8);
  brush.fillStyle = brush.strokeStyle = colours.card;
  brush.lineWidth = 1.6;
  if (kind === "unknown") brush.fillRect(3, 3, 2, 2);
  else if (kind === "disabled") brush.fillRect(0, 3, 8, 2);
  else for (const from of [-8, 0, 8]) { brush.beginPath(); brush.moveTo(from, 8); brush.lineTo(from + 8, 0); brush.stroke(); }
  return paint.createPattern(tile, "repeat");
}

function arrange() {
  const zones = shownZones(wanted());
  map.width = at("map-holder").clientWidth;
  const room = Math.max(innerHeight * 0.55, 260);
  for (map.size of SIZES) if (placed(zones, map.size, 92) <= room) break;
  if (map.height > TALLEST) placed(zones, 1, 8);
  map.scale = Math.min(devicePixelRatio || 1, 16000 / Math.max(map.height, map.width), 3);
  map.canvas.width = Math.ceil(map.width * map.scale);
  map.canvas.height = Math.ceil(map.height * map.scale);
  map.canvas.style.height = `${map.height}px`;
  map.canvas.style.width = `${map.width}px`;
}

// Place blocks for cells of this size; return the height that they take.
function placed(zones, size, narrowest) {
  map.blocks = [];
  map.heads = [];
  map.cut = 0; // zones that have no room
  let [x, y, low, group, most] = [0, 0, 0, null, 1];
  for (const zone of zones) {
    if (low > TALLEST) { map.cut = zones.length - map.blocks.length; break; }
    if (zone.group !== group) {
      group = zone.group;
      most = 1 + Math.sqrt(1.8 * fleet.groups.get(group).widest);
      map.heads.push({ group, y: low ? low + GAP : 0 });
      [x, y] = [0, (low ? low + GAP : 0) + HEAD];
      low = y;
    }
    const columns = Math.max(1, Math.min(Math.floor(map.width / size), Math.max(Math.ceil(most), Math.floor(narrowest / size))));
    const width = columns * size;
    if (x && x + width > map.width) [x, y] = [0, low + GAP];
    const height = Math.ceil(zone.members / columns) * size;
    map.blocks.push({ zone, x, y, columns, width, height, top: y + LABEL, cells: fleet.groups.get(group).cells });
    x += width + GAP;
    low = Math.max(low, y + LABEL + height);
  }
  map.height = low + 4;
  return map.height;
}

function repaint() {
  readColours();
  map.only = wanted().kind ?? null;
  paint.setTransform(map.scale, 0, 0, map.scale, 0, 0);
  paint.clearRect(0, 0, map.width, map.height);
  paint.textBaseline = "alphabetic";
  paint.fillStyle = colours.ink;
  paint.font = "600 13px system-ui, sans-serif";
  for (const head of map.heads) paint.fillText(head.group, 0, head.y + 14);
  for (const block of map.blocks) paintBlock(block);
}

function paintBlock(block) {
  paintLabel(block);
  paintRows(block, 0, Math.ceil(block.zone.members / block.columns) - 1);
}

function paintLabel({ zone, x, y, width }) {
  paint.clearRect(x, y, width, LABEL - 3);
  if (width < 24) return;
  const trouble = ["down", "conflict", "suspect", "unknown"].filter((kind) => zone.counts[KINDS.indexOf(kind)]);
  const text = trouble.map((kind) => `${SYMBOL[kind]}${number(zone.counts[KINDS.indexOf(kind)])}`).join(" ");
  paint.font = "700 11px system-ui, sans-serif";
  const taken = text ? paint.measureText(text).width + 5 : 0;
  paint.fillStyle = colours[trouble[0] ?? "soft"];
  paint.fillText(text, x + width - taken + 5, y + 11);
  paint.fillStyle = trouble.length ? colours.ink : colours.soft;
  paint.font = `${trouble.length ? 600 : 400} 11px system-ui, sans-serif`;
  paint.fillText(fitting(zoneName(zone.zone), width - taken), x, y + 11);
}

function fitting(text, width) {
  if (paint.measureText(text).width <= width) return text;
  let kept = text.slice(0, 60);
  while (kept && paint.measureText(`…${kept}`).width > width) kept = kept.slice(1);
  return kept && `…${kept}`;
}

// Rows are painted in runs of the same kind, as most of a fleet is up.
function paintRows(block, first, last) {
  const { x, top, columns, width, zone, cells } = block;
  const { size } = map;
  const rows = Math.ceil(zone.members / columns) - 1;
  const [from, to] = [top + first * size, top + (Math.min(last, rows) + 1) * size];
  paint.save();
  paint.beginPath();
  paint.rect(x - 3, from - (first ? 0 : 2), width + 6, to - from + (first ? 0 : 2) + 3);
  paint.clip();
  paint.clearRect(x - 3, from - (first ? 0 : 2), width + 6, to - from + (first ? 0 : 2) + 3);
  const rings = [];
  for (let row = Math.max(0, first - 1); row <= Math.min(rows, last + 1); row += 1) {
    const end = Math.min(zone.members, (row + 1) * columns);
    let begin = row * columns;
    for (let place = begin + 1; place <= end; place += 1) {
      const kind = KIND_OF[cells[zone.start + begin]];
      if (place < end && KIND_OF[cells[zone.start + place]] === kind) continue;
      paintRun(x + (begin - row * columns) * size, top + row * size, (place - begin) * size, KINDS[kind], rings);
      begin = place;
    }
  }
  if (size >= 4) paintGrid(block);
  for (const [left, up, wide, kind] of rings) {
    paint.strokeStyle = colours[kind];
    paint.lineWidth = 1;
    paint.strokeRect(left - 1.5, up - 1.5, wide + 3, size + 3);
  }
  paint.restore();
}

function paintRun(x, y, width, kind, rings) {
  paint.globalAlpha = map.only && map.only !== kind ? 0.18 : 1;
  paint.fillStyle = patterns[kind];
  if (kind === "left" && map.size > 2) {
    paint.strokeStyle = colours.left;
    paint.strokeRect(x + 0.5, y + 0.5, width - 1, map.size - 1);
  } else paint.fillRect(x, y, width, map.size);
  if (kind === "down" && map.size >= 7) paintCrosses(x, y, width);
  paint.globalAlpha = 1;
  // One of a hundred thousand is found by the ring around it.
  if ((kind === "down" || kind === "conflict") && (!map.only || map.only === kind)) rings.push([x, y, width, kind]);
}

function paintCrosses(x, y, width) {
  paint.strokeStyle = colours.card;
  paint.lineWidth = 1.2;
  paint.beginPath();
  for (let left = x; left < x + width; left += map.size) {
    const [low, high] = [2, map.size - 3];
    paint.moveTo(left + low, y + low); paint.lineTo(left + high, y + high);
    paint.moveTo(left + high, y + low); paint.lineTo(left + low, y + high);
  }
  paint.stroke();
}

function paintGrid({ x, top, width, height, columns }) {
  paint.fillStyle = colours.card;
  for (let column = 1; column <= columns; column += 1) paint.fillRect(x + column * map.size - 1, top, 1, height);
  for (let line = map.size; line <= height; line += map.size) paint.fillRect(x, top + line - 1, width, 1);
}

// Only what changed is painted anew: those rows, and the label of their zone.
function repaintChanged(changed) {
  for (const block of map.blocks) {
    const places = changed.get(block.zone);
    if (!places) continue;
    paintLabel(block);
    const rows = [...new Set(places.map((place) => Math.floor(place / block.columns)))].sort((a, b) => a - b);
    let first = rows[0];
    rows.forEach((row, index) => {
      if (rows[index + 1] <= row + 3) return;
      paintRows(block, Math.max(0, first - 1), row + 1);
      first = rows[index + 1];
    });
  }
}

function pointed(event) {
  const box = map.canvas.getBoundingClientRect();
  const [x, y] = [event.clientX - box.left, event.clientY - box.top];
  const block = map.blocks.find((one) => x >= one.x && x < one.x + Math.max(one.width, 1) && y >= one.y && y < one.top + one.height);
  if (!block) return null;
  const place = Math.floor((y - block.top) / map.size) * block.columns + Math.floor((x - block.x) / map.size);
  const inside = y >= block.top && place < block.zone.members;
  return { zone: block.zone, ordinal: inside ? block.zone.start + place : null };
}

const marksOf = (byte) => [[8, "disabled"], [16, "forced down"], [32, "draining"], [64, "conflict"], [128, "check failing"]]
  .filter(([bit]) => byte & bit).map(([, text]) => text);

let hovered = null;

async function hover(event) {
  const found = pointed(event);
  const tip = at("tip");
  hovered = found && `${found.zone.group} ${found.zone.zone} ${found.ordinal}`;
  map.canvas.style.cursor = found ? "pointer" : "default";
  if (!found) { tip.hidden = true; return; }
  const mine = hovered;
  const { zone, ordinal } = found;
  const where = `${zone.group}, ${zoneName(zone.zone)}`;
  const counts = KINDS.filter((_, kind) => zone.counts[kind]).map((kind) => `${number(zone.counts[KINDS.indexOf(kind)])} ${kind}`).join(", ");
  const byte = ordinal === null ? null : fleet.groups.get(zone.group).cells[ordinal];
  const show = (name) => {
    const text = byte === null ? counts : [STATES[byte & 7], ...marksOf(byte)].join(", ");
    tip.replaceChildren(make("b", {}, name), make("br"), text);
    tip.hidden = false;
    const box = tip.getBoundingClientRect();
    tip.style.left = `${Math.max(4, Math.min(event.clientX + 14, innerWidth - box.width - 8))}px`;
    tip.style.top = `${event.clientY + 18 + box.height > innerHeight ? event.clientY - box.height - 10 : event.clientY + 18}px`;
  };
  show(byte === null ? where : `${where}: …`);
  if (byte === null) return;
  const name = await nameAt(zone.group, ordinal);
  if (hovered === mine && name !== null) show(name);
}

async function pick(event) {
  const found = pointed(event);
  if (!found) return;
  const { zone, ordinal } = found;
  if (ordinal === null || map.size < 3) { go({ g: zone.group, zone: zone.zone, m: "", after: "" }); return; }
  const name = await nameAt(zone.group, ordinal);
  if (name !== null) go({ g: zone.group, m: name });
}
