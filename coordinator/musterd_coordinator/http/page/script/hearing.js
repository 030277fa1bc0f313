const RECENT = 300000; // milliseconds in which an unproven sweep is news
const unproven = new Map(); // by shard: [[when, how many]…]

function newlyUnproven(shard) {
  const seen = unproven.get(shard.shard) ?? [];
  const time = performance.now();
  if (!seen.length || seen.at(-1)[1] !== shard.unproven_sweeps) seen.push([time, shard.unproven_sweeps]);
  while (seen.length > 1 && seen[1][0] < time - RECENT) seen.shift();
  unproven.set(shard.shard, seen);
  return Math.max(0, shard.unproven_sweeps - seen[0][1]);
}

function shardRow(shard, status) {
  const slow = shard.sweep_seconds > status.sweep_period;
  const stale = shard.staleness === null || shard.staleness > 3 * status.sweep_period + 1;
  const fresh = newlyUnproven(shard);
  const lost = !shard.listening && status.redundancy_lost.includes(shard.shard);
  const rejected = sum(Object.values(shard.rejected));
  const state = shard.listening ? ["✓ listening", "good"] : lost ? ["◐ not listening", "warn"] : ["✕ not listening", "bad"];
  const why = shard.listening ? null : make("div", { class: "why" }, `${shard.reason.replace(/[.\s]+$/, "")}. `,
    lost ? "Its members are heard on other shards: redundancy lost." : "Nobody is declared down for silence here meanwhile.");
  return make("tr", {},
    make("th", { scope: "row", class: "name" }, shard.shard),
    make("td", {}, badge(...state), ` for ${ago(shard.since)}`, why),
    cell(seconds(shard.staleness), `number${stale ? " warn" : ""}`),
    cell([milliseconds(shard.sweep_seconds), slow ? " ▲" : ""].join(""), `number${slow ? " warn" : ""}`),
    cell(milliseconds(shard.canary_seconds), "number"),
    cell(`${number(shard.beats)} of ${number(shard.members)}`, "number"),
    make("td", { class: `number${fresh ? " warn" : ""}`, title: `${number(shard.unproven_sweeps)} of ${number(shard.sweeps)} since it started` }, fresh ? `${number(fresh)} ▲` : "0"),
    cell(number(rejected), `number${rejected ? " warn" : ""}`));
}

function drawHearing() {
  const { status } = page;
  if (status === null) {
    fill(at("shards"), page.heardAt === null ? null : empty("Your token is for some groups: shards are shown to those of all groups."));
    fill(at("peers"));
    return;
  }
  fill(at("shards"), status.shards.length === 0 ? empty("No shard yet.")
    : table(["Shard", "Heard", "#Last proven", "#Sweep", "#Canary", "#Beats", "#Unproven, 5 min", "#Rejected"],
      status.shards.map((shard) => shardRow(shard, status))));
  const held = status.held.map((hold) => make("p", { class: "why" }, `Held back: ${hold.reason} (${many(hold.members, "member")})`));
  const registry = status.registry_ok ? null
    : make("p", { class: "bad" }, `✕ The registry: ${status.registry_reason}; ${many(status.unsaved, "change")} not written`);
  const peers = status.peers.length === 0 ? null : table(["Other coordinators", "Agrees?", "#Looked at"], status.peers.map((peer) =>
    make("tr", {}, make("th", { scope: "row", class: "name" }, peerLink(peer)),
      make("td", {}, peer.differs ? badge("≠ it says otherwise", "bad") : badge("✓ it agrees", "good"),
        peer.listening ? null : [" ", badge("✕ not listening", "bad")],
        peer.differs ? make("div", { class: "why" }, Object.entries(peer.states).map(([state, count]) => `${number(count)} ${state}`).join(", ")) : null),
      cell(`${seconds(peer.age)} ago`, "number"))));
  fill(at("peers"), registry, held, peers);
}
