const drawer = at("drawer");
let opener = null;

async function refreshMember() {
  const { g, m } = wanted();
  if (!g || !m) { closeDrawer(); return; }
  if (page.heardAt === null) return;
  const path = `/v1/groups/${encodeURIComponent(g)}/members/${encodeURIComponent(m)}`;
  const [member, history] = await Promise.all([askOrMissing(path), askOrMissing(`${path}/history?limit=20`)]);
  const still = wanted();
  if (still.g === g && still.m === m) drawMember(member, history, still);
}

function closeDrawer() {
  if (drawer.hidden) return;
  drawer.hidden = true;
  fill(at("member"));
  document.body.classList.remove("drawn");
  draw("map");
  opener?.focus?.();
}

function openDrawer() {
  if (!drawer.hidden) return;
  opener = document.activeElement;
  drawer.hidden = false;
  document.body.classList.add("drawn");
  draw("map");
  drawer.scrollTop = 0;
}

function drawMember(member, history, { m }) {
  const first = drawer.hidden;
  openDrawer();
  fill(at("drawer-title"), m);
  fill(at("member"), member.missing ? empty(member.missing) : [
    make("p", { class: "state" }, badges(member), ` for ${ago(member.since)}`),
    make("p", { class: "reason" }, member.reason),
    verdicts(member), strip(member), evidence(member),
    make("h3", {}, "What is known"), facts(member),
    make("div", { class: "command" }, make("code", {}, commandOf(member)),
      make("button", { type: "button", "data-copy": commandOf(member), "data-key": "copy member" }, "Copy")),
    make("h3", {}, "History"), changes(history.changes ?? [])]);
  if (first) at("close").focus({ preventScroll: true });
}

const quoted = (text) => (/^[\w.:@%+=,-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);
const commandOf = (one) => `musterd show ${quoted(one.group)} ${quoted(one.member)}`;

const verdicts = (one) => make("dl", { class: "verdicts" }, [
  ["May I talk to it?", one.up], ["May I place work on it?", one.schedulable], ["May I evacuate it?", one.down],
].map(([question, yes]) => make("div", { class: yes ? "yes" : "no" }, make("dt", {}, question), make("dd", {}, yes ? "✓ yes" : "✕ no"))));

// One box for each beat that is due before it is down; those that did not come are filled.
function strip(one) {
  const due = one.interval > 0 ? Math.round(one.down_after / one.interval) : 0;
  if (due < 1 || due > 60 || one.silent_for === null) return null;
  const missed = Math.min(due, Math.floor(one.silent_for / one.interval));
  const said = missed ? `${missed} of ${due} beats in a row are missing` : "its newest beat is in time";
  return make("div", {}, make("h3", {}, "Beats"),
    make("div", { class: "strip", role: "img", "aria-label": said }, Array.from({ length: due }, (_, place) =>
      make("i", { class: place < missed ? "missed" : "due" }))),
    make("div", { class: "soft" }, `${said}; last one ${seconds(one.silent_for)} of listening ago, one each ${seconds(one.interval)}, down after ${seconds(one.down_after)}`));
}

// What each shard heard of it, and whether it could have heard more.
function evidence(one) {
  if (!one.evidence?.length) return null;
  return make("div", {}, make("h3", {}, "Evidence, by shard"), table(["Shard", "#Last new beat", "#Listened since", "#Proven"], one.evidence.map((each) =>
    make("tr", {}, make("th", { scope: "row" }, each.shard),
      cell(each.silent_for == null ? "none" : `${seconds(each.silent_for)} ago`, "number"),
      cell(each.listening_time == null ? "–" : seconds(each.listening_time), "number"),
      cell(each.staleness == null ? "never" : `${seconds(each.staleness)} ago`, "number")))));
}

const facts = (one) => make("dl", { class: "facts" }, [
  ["Group", one.group], ["Zone", one.zone], ["Owner", one.owner],
  ["Since", [when(one.since), ` (${ago(one.since)})`]],
  ["Its beats say", one.observed === one.state ? "" : one.observed],
  ["Last new beat", `${seconds(one.silent_for)} of listening ago`],
  ["Beats every", seconds(one.interval)], ["Run", one.incarnation ?? "none seen"],
  ["Disabled", one.disabled ? one.disabled_reason || "yes" : ""],
  ["Forced down", one.forced_down ? one.forced_down_reason || "yes" : ""],
  ["Conflict", one.conflict ? one.conflict_reason || "yes" : ""],
  ...Object.entries(one.metadata),
].filter(([, value]) => value !== "").map(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]));

function changes(lines) {
  if (lines.length === 0) return empty("No change is on record.");
  return make("ul", { class: "changes" }, lines.map((line) => make("li", {},
    make("div", {}, when(line.at), " ", line.old === line.new ? badge(line.new, line.new)
      : [badge(line.old, line.old), " → ", badge(line.new, line.new)]),
    make("div", { class: "why" }, line.reason),
    line.actor ? make("div", { class: "soft" }, "by ", apart(line.actor), line.address ? ` from ${line.address}` : "") : null)));
}

at("close").addEventListener("click", () => go({ m: "" }));
