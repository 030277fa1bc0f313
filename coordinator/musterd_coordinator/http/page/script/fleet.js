// What a member looks like, the worst first. A byte of a column is one of these.
const KINDS = ["down", "conflict", "suspect", "unknown", "disabled", "left", "up"];
const SAID = { disabled: "disabled or draining", left: "left", conflict: "in conflict" };
const SYMBOL = { down: "✕", conflict: "≠", suspect: "▲", unknown: "?", disabled: "‖", left: "○", up: "✓" };
const UP = KINDS.indexOf("up");
const STATES = ["unknown", "up", "suspect", "down", "left"];
const KIND_OF = Uint8Array.from({ length: 256 }, (_, byte) => KINDS.indexOf(kindOf(byte)));

function kindOf(byte) {
  const state = STATES[byte & 7] ?? "unknown";
  if (state === "down" || byte & 16) return "down";
  if (byte & 64) return "conflict";
  if (state === "up" && byte & 40) return "disabled";
  return state;
}

const fleet = { layout: null, groups: new Map() };

function bytes(text) {
  const raw = atob(text);
  const out = new Uint8Array(raw.length);
  for (let place = 0; place < raw.length; place += 1) out[place] = raw.charCodeAt(place);
  return out;
}

function takeColumns(columns) {
  fleet.layout = columns.layout;
  fleet.groups = new Map(columns.groups.map((one) => [one.group, grouped(one)]));
}

function grouped({ group, zones, cells }) {
  const all = bytes(cells);
  let start = 0;
  const placed = zones.map(({ zone, members }) => {
    const counts = new Uint32Array(KINDS.length);
    for (let place = start; place < start + members; place += 1) counts[KIND_OF[all[place]]] += 1;
    start += members;
    return { group, zone, members, start: start - members, counts };
  });
  const widest = zones.reduce((most, zone) => Math.max(most, zone.members), 0);
  return { group, zones: placed, cells: all, members: start, widest };
}

// Return the places that changed, by zone.
function takeCells(cells) {
  const changed = new Map();
  for (const [name, pairs] of Object.entries(cells)) {
    const group = fleet.groups.get(name);
    for (const [ordinal, byte] of group ? pairs : []) {
      const zone = zoneAt(group, ordinal);
      zone.counts[KIND_OF[group.cells[ordinal]]] -= 1;
      zone.counts[KIND_OF[byte]] += 1;
      group.cells[ordinal] = byte;
      if (!changed.has(zone)) changed.set(zone, []);
      changed.get(zone).push(ordinal - zone.start);
    }
  }
  return changed;
}

function zoneAt(group, ordinal) {
  let [low, high] = [0, group.zones.length - 1];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (group.zones[middle].start <= ordinal) low = middle;
    else high = middle - 1;
  }
  return group.zones[low];
}

function shownZones({ g, zone }) {
  const groups = [...fleet.groups.values()].filter((one) => !g || one.group === g);
  return groups.flatMap((one) => one.zones).filter((one) => zone === undefined || !g || one.zone === zone);
}

const total = (zones, kind) => sum(zones.map((zone) => zone.counts[KINDS.indexOf(kind)]));
const troubled = (zone) => zone.counts[0] + zone.counts[1] + zone.counts[2] + zone.counts[3];
const zoneName = (zone) => zone || "no zone";

// Names of members by their places, asked for in blocks when somebody points there.
const NAMES = 500;
const names = { layout: null, blocks: new Map() };

async function nameAt(group, ordinal) {
  if (names.layout !== fleet.layout) Object.assign(names, { layout: fleet.layout, blocks: new Map() });
  const from = ordinal - (ordinal % NAMES);
  const key = `${from} ${group}`;
  if (!names.blocks.has(key)) {
    const query = new URLSearchParams({ group, layout: fleet.layout, from, n: NAMES });
    if (names.blocks.size > 200) names.blocks.clear();
    names.blocks.set(key, ask(`/v1/names?${query}`).then((got) => got.names, () => null));
  }
  return (await names.blocks.get(key))?.[ordinal - from] ?? null;
}
