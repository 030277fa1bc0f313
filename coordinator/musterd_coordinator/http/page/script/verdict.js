const page = { status: null, groups: [], incidents: [], listening: null, staleness: null, heardAt: null, error: null, told: null };
const LOOKS = { // what it says, by title, icon and colour
  good: ["✓", "#1a7f4b", "M4 8.5l3 3 5-6"], warn: ["▲", "#b26a00", "M8 3.5l5 8.5H3z"],
  bad: ["▲", "#c02b2b", "M8 3.5l5 8.5H3z"], away: ["✕", "#5b6470", "M4.5 4.5l7 7m0-7l-7 7"],
};
const GRAVE = ["unheard", "mass_silence", "deaths", "conflict", "failing_checks"];

const members = () => sum([...fleet.groups.values()].map((one) => one.members));
const allZones = () => [...fleet.groups.values()].flatMap((one) => one.zones);

function verdict() {
  if (page.error !== null) return ["away", "No answer from this coordinator"];
  if (page.heardAt === null) return ["none", "Asking …"];
  const zones = allZones();
  const [down, suspect, conflict] = ["down", "suspect", "conflict"].map((kind) => total(zones, kind));
  const places = zones.filter((zone) => zone.counts[KINDS.indexOf("suspect")]).length;
  const { uncovered = 0, redundancy_lost: lost = [] } = page.status ?? {};
  const parts = [
    page.listening === false ? "not listening" : null,
    uncovered ? `${number(uncovered)} heard nowhere` : null,
    suspect ? `${number(suspect)} suspect in ${many(places, "zone")}` : null,
    down ? `${number(down)} down` : null,
    conflict ? `${number(conflict)} in conflict` : null,
    lost.length ? `${many(lost.length, "shard")} without a twin` : null,
  ].filter(Boolean);
  if (!parts.length && page.incidents.length) parts.push(page.incidents[0].what);
  if (!parts.length && page.status?.ready === false) return ["warn", "Not ready yet: it listens for its first time"];
  if (!parts.length) return ["good", members() ? `All ${number(members())} accounted for` : "No members yet"];
  const grave = page.listening === false || down || suspect || page.incidents.some((one) => GRAVE.includes(one.kind));
  return [grave ? "bad" : "warn", parts.join(" · ")];
}

function drawVerdict() {
  const [kind, text] = verdict();
  const [symbol, colour, line] = LOOKS[kind] ?? ["…", "#5b6470", "M5 8h6"];
  at("verdict").className = kind;
  if (at("verdict").textContent !== `${symbol} ${text}`) {
    fill(at("verdict"), make("span", { "aria-hidden": "true" }, symbol), " ", text);
  }
  document.title = kind === "away" ? "✕ no answer · musterd" : `${symbol} ${text} · musterd`;
  const icon = "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'>"
    + `<circle cx='8' cy='8' r='8' fill='${colour}'/><path d='${line}' fill='none' stroke='#fff' stroke-width='2'/></svg>`;
  const link = document.querySelector("link[rel=icon]");
  const address = `data:image/svg+xml,${encodeURIComponent(icon)}`;
  if (link.href !== address) link.href = address;
  document.body.classList.toggle("away", kind === "away"); // what was good then may not be so now
  drawAbout();
}

function drawAbout() {
  const { status } = page;
  const old = page.heardAt === null ? null : (performance.now() - page.heardAt) / 1000;
  const live = page.error ? "not live" : page.listening ? "live" : "connected";
  at("live").className = page.error ? "dot off" : "dot on";
  at("health").textContent = page.heardAt === null ? "" : page.error ? `${live}, heard ${seconds(old)} ago`
    : `${live} · ${page.listening ? "listening" : "not listening"}, last proven sweep ${page.staleness === null ? "never" : `${seconds(page.staleness)} ago`}`;
  at("about").textContent = status
    ? `${status.coordinator} · musterd ${status.musterd} · up for ${ago(status.started)} · ${status.store} · down after ${seconds(status.service_down_time)}`
    : "";
}

function drawBanner() {
  if (page.error === null) { fill(at("banners")); return; }
  const old = page.heardAt === null ? "" : `What you see is ${seconds((performance.now() - page.heardAt) / 1000)} old. `;
  const peers = page.status?.peers ?? [];
  fill(at("banners"), make("div", { class: "banner" }, make("b", {}, "The coordinator does not answer. "),
    old, page.error, " It is asked again every few seconds. ",
    peers.length ? ["Ask another one: ", peers.map((peer) => [peerLink(peer), " "])] : null,
    "Where it runs: ", make("code", {}, "systemctl status musterd-coordinator")));
}

// Another coordinator is known by its name, which is its host's unless somebody chose another one.
function peerLink(peer) {
  const host = peer.coordinator.replace(/[#:/].*$/, "");
  if (!/^[\w.-]+$/.test(host)) return apart(peer.coordinator);
  const port = location.port ? `:${location.port}` : "";
  return make("a", { href: `${location.protocol}//${host}${port}/`, "data-key": `peer ${host}`, rel: "noreferrer" }, peer.coordinator);
}
