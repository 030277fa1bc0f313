"use strict";

const PERIOD = 2000;
const TIMEOUT = 5000;
const PAGE = 50;
const STATES = ["up", "suspect", "down", "left", "unknown"];
const TOKEN = /^mt_[0-9a-f]{8}_[\w-]{43}$/;
const SHOWN = ["about", "banners", "groups", "shards", "members", "member", "zones"];
const FILTERS = ["state", "zone", "up", "mark", "after"];
// By kind of badge; these are said in words wherever somebody bears them.
const MARKS = {
  forced_down: ["forced down", "down"], disabled: ["disabled", "warn"], draining: ["draining", "warn"],
  check_failing: ["check failing", "bad"], conflict: ["conflict", "bad"],
};

// What fetch says where there is no answer.
const WHY = {
  TypeError: "Nobody is there, or the network does not lead there.",
  TimeoutError: `It takes more than ${TIMEOUT / 1000} s.`,
};

const at = (id) => document.getElementById(id);
const filters = at("filters");
let clockSkew = 0; // milliseconds that the coordinator's clock is ahead of this browser's
let heardAt = null;
let token = remembered();
let nextAfter = null;
let generation = 0;
let pressed = null; // where the pointer is down: it is a click only if it goes up on the same

// Every text goes in as a text node: names and reasons come from hosts and are never markup.
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null));
  return element;
}

function fill(element, ...children) {
  // Neither a click, a selection being copied nor the focus of the keyboard is taken away by a refresh.
  if (pressed !== null && element.contains(pressed)) return;
  const selection = getSelection();
  if (!selection.isCollapsed && element.contains(selection.anchorNode)) return;
  const focused = element.contains(document.activeElement) ? document.activeElement.dataset.key : null;
  const top = element.scrollTop;
  element.replaceChildren(...children.flat().filter((child) => child !== null));
  element.scrollTop = top;
  if (focused) element.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus();
}

// In the middle of a sentence, whose order it leaves alone, in whatever direction it is written.
const apart = (text) => make("bdi", {}, text);
const badge = (text, kind) => make("span", { class: `badge ${kind}` }, text);
const cell = (value, kind = "") => make("td", { class: kind }, value);
const count = (number, kind) =>
  cell(number.toLocaleString("en"), `number ${number ? kind : "zero"}`);
const empty = (text) => make("p", { class: "empty" }, text);

function table(heads, rows) {
  const titles = heads.map((head) =>
    make("th", { scope: "col", class: head.startsWith("#") ? "number" : "" }, head.replace("#", "")));
  return make("table", {}, make("thead", {}, make("tr", {}, titles)), make("tbody", {}, rows));
}

function seconds(value) {
  if (value === null || !Number.isFinite(value)) return "never";
  if (value < 9.95) return `${value.toFixed(1)} s`;
  if (value < 120) return `${Math.round(value)} s`;
  if (value < 7200) return `${Math.round(value / 60)} min`;
  if (value < 172800) return `${Math.round(value / 3600)} h`;
  return `${Math.round(value / 86400)} days`;
}

const milliseconds = (value) => (value === null ? "–" : `${(value * 1000).toFixed(1)} ms`);
const ago = (instant) => seconds(Math.max(0, (Date.now() + clockSkew - Date.parse(instant)) / 1000));
const instant = (text) =>
  make("time", { datetime: text, title: text }, new Date(text).toLocaleString("sv"));

// What is looked at lives in the address, so that it can be sent to a colleague and gone back from.
const wanted = () => Object.fromEntries(new URLSearchParams(location.hash.slice(1)));

function address(changes) {
  const next = { ...wanted(), ...changes };
  const kept = Object.entries(next).filter(([, value]) => value);
  return `#${new URLSearchParams(kept)}`;
}

// The token is in this tab alone, and goes with it: no cookie takes it to a request of another page.
function remembered() {
  try { return sessionStorage.getItem("token"); } catch { return null; }
}

function remember(text) {
  token = text;
  try {
    if (text === null) sessionStorage.removeItem("token");
    else sessionStorage.setItem("token", text);
  } catch { /* then it is asked for again when the page is loaded again */ }
}

async function ask(path) {
  const headers = token === null ? {} : { authorization: `Bearer ${token}` };
  const answer = await fetch(path, { headers, signal: AbortSignal.timeout(TIMEOUT) }).catch((error) => {
    throw new Error(WHY[error.name] ?? error.message);
  });
  const date = Date.parse(answer.headers.get("date"));
  if (Math.abs(date - Date.now()) > 2000) clockSkew = date - Date.now();
  if (answer.ok) return answer.json();
  const problem = await answer.json().catch(() => ({}));
  throw Object.assign(new Error(problem.detail ?? `status ${answer.status}`), { status: answer.status });
}

const orNull = (promise) =>
  promise.catch((error) => {
    if (error.status === 403) return null; // a token of groups is not told what is of all of them
    throw error;
  });

const orMissing = (promise) =>
  promise.catch((error) => {
    if (error.status === 404) return { missing: error.message };
    throw error;
  });

function paths(want) {
  const group = want.g && `/v1/groups/${encodeURIComponent(want.g)}`;
  const member = group && want.m && `${group}/members/${encodeURIComponent(want.m)}`;
  const chosen = FILTERS.filter((name) => want[name]).map((name) => [name, want[name]]);
  const page = new URLSearchParams([...chosen, ["limit", PAGE]]);
  return { group, member, members: group && `${group}/members?${page}` };
}

async function refresh() {
  const mine = ++generation;
  const want = wanted();
  const path = paths(want);
  const get = (one) => (one ? orMissing(ask(one)) : null);
  try {
    const [status, groups, group, members, member, history] = await Promise.all([
      orNull(ask("/v1/status")), ask("/v1/groups"), get(path.group), get(path.members),
      get(path.member), get(path.member && `${path.member}/history?limit=20`),
    ]);
    if (mine !== generation) return; // something else was chosen meanwhile
    heardAt = performance.now();
    drawLogin(null);
    drawStatus(status ?? groups);
    drawGroups(groups.groups, want);
    drawGroup(group, members, want);
    drawMember(member, history);
    drawBanners(status, null);
  } catch (error) {
    if (mine !== generation) return;
    if (error.status === 401) drawLogin(error.message);
    else drawBanners(null, error);
  }
}

function drawLogin(reason) {
  const asks = reason !== null;
  if (asks && token !== null) at("login-note").textContent = `${reason[0].toUpperCase()}${reason.slice(1)}.`;
  if (asks) {
    remember(null);
    document.title = "musterd";
    document.body.classList.remove("away");
    fill(at("health"), badge("asks for a token", "warn"));
    for (const id of SHOWN) fill(at(id));
  }
  at("login").hidden = !asks;
  document.querySelector("main").hidden = asks;
  at("leave").hidden = token === null;
}

function drawStatus(status) {
  const [text, kind] = !status.listening ? ["not listening", "bad"]
    : status.redundancy_lost?.length ? ["redundancy lost", "warn"] : ["listening", "good"];
  fill(at("health"),
    badge(text, kind),
    status.ready === false ? badge("not ready yet", "warn") : null,
    " ", make("span", { class: "soft" },
      status.staleness === null ? "no proven sweep yet" : `last proven sweep ${seconds(status.staleness)} ago`));
  if (!status.shards) { // to a token of groups
    document.title = "musterd";
    fill(at("about"), `version ${status.version}`);
    fill(at("shards"), empty("Your token is for some groups: shards are shown to those of all groups."));
    return;
  }
  fill(at("about"),
    `${status.coordinator} · musterd ${status.musterd} · up for ${ago(status.started)}`, make("br"),
    `${status.store} · down after ${seconds(status.service_down_time)} · version ${status.version}`);
  const verdicts = status.verdicts;
  document.title = `musterd: ${verdicts.down} down, ${verdicts.schedulable} schedulable of ${status.members}`;
  const rows = status.shards.flatMap(shardRows);
  fill(at("shards"), rows.length === 0 ? empty("No shard yet.") : table(
    ["Shard", "", "#Staleness", "#Canary", "#Sweep", "#Beats", "#Unproven", "#Rejected"], rows));
}

function shardRows(shard) {
  const reason = shard.listening ? "" : shard.reason;
  const numbers = make("tr", { class: reason ? "joined" : "" },
    cell(shard.shard, "name nowrap"),
    make("td", { class: "nowrap" },
      badge(shard.listening ? "listening" : "not listening", shard.listening ? "good" : "bad"),
      ` for ${ago(shard.since)}`),
    cell(seconds(shard.staleness), "number"),
    cell(milliseconds(shard.canary_seconds), "number"),
    cell(milliseconds(shard.sweep_seconds), "number"),
    cell(`${shard.beats.toLocaleString("en")} of ${shard.members.toLocaleString("en")}`, "number"),
    count(shard.unproven_sweeps, "warn"),
    count(Object.values(shard.rejected).reduce((sum, one) => sum + one, 0), "warn"));
  return reason ? [numbers, make("tr", {}, make("td", { class: "why", colspan: 8 }, reason))] : [numbers];
}

function bar(states) {
  const parts = STATES.filter((state) => states[state]).map((state) => {
    const part = make("i", { class: state, title: `${states[state]} ${state}` });
    part.style.flexGrow = states[state];
    part.style.flexBasis = 0;
    return part;
  });
  return make("div", { class: "bar", "aria-hidden": true }, parts);
}

function drawGroups(groups, want) {
  const rows = groups.map((one) => make("tr", { class: one.group === want.g ? "chosen" : "" },
    cell(make("a", { href: address({ g: one.group, m: "", zone: "", after: "" }), "data-key": one.group, class: "name nowrap" }, one.group)),
    count(one.members, ""),
    STATES.map((state) => count(one.states[state] ?? 0, state)),
    cell(one.verdicts.schedulable.toLocaleString("en"), "number"),
    make("td", { class: "nowrap" }, marked(one)),
    cell(bar(one.states))));
  fill(at("groups"), rows.length === 0
    ? empty("No group yet. It appears when an agent announces its first member.")
    : table(["Group", "#Members", ...STATES.map((state) => `#${state}`), "#schedulable", "Marked", ""], rows));
}

function marked(one) {
  return Object.entries(MARKS).filter(([mark]) => one.marks[mark]).map(([mark, [text, kind]]) =>
    make("a", { href: address({ g: one.group, m: "", zone: "", state: "", up: "", after: "", mark }),
      "data-key": `${one.group} ${mark}`, class: `badge ${kind}` }, `${one.marks[mark].toLocaleString("en")} ${text}`));
}

function drawGroup(group, members, want) {
  at("group-section").hidden = group === null;
  if (group === null) return;
  fill(at("group-title"), `Members of ${want.g}`);
  drawZones(group.missing ? {} : group.zones, want);
  if (members.missing) {
    nextAfter = null;
    fill(at("members"), empty(members.missing));
    drawPager(want, "");
    return;
  }
  const rows = members.members.map((one) => memberRow(one, want));
  fill(at("members"), rows.length === 0 ? empty("No member is like that.") : table(
    ["Member", "State", "Zone", "For", "#Last new beat", "Why"], rows));
  nextAfter = members.next;
  drawPager(want, `${rows.length} of ${group.members?.toLocaleString("en") ?? "?"}`);
}

function memberRow(one, want) {
  return make("tr", { class: one.member === want.m ? "chosen" : "" },
    cell(make("a", { href: address({ m: one.member }), "data-key": one.member, class: "name nowrap" }, one.member)),
    make("td", {}, badges(one)),
    cell(one.zone, "nowrap"),
    cell(ago(one.since), "nowrap"),
    cell(`${seconds(one.silent_for)} ago`, "number"),
    cell(one.reason, "why"));
}

const badges = (one) => [
  badge(one.state, one.state),
  ...one.marks.map((mark) => badge(...(MARKS[mark] ?? [mark, "warn"]))),
];

function drawPager(want, note) {
  at("first").disabled = !want.after;
  at("next").disabled = nextAfter === null;
  at("page-note").textContent = want.after ? `${note}, after ${want.after}` : note;
}

function drawZones(zones, want) {
  const names = Object.keys(zones).sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
  const rows = names.map((zone) => make("tr", { class: zone === want.zone ? "chosen" : "" },
    cell(zone === "" ? make("span", { class: "soft" }, "no zone")
      : make("a", { href: address({ zone, after: "" }), "data-key": zone }, zone)),
    STATES.map((state) => count(zones[zone][state] ?? 0, state))));
  fill(at("zones"), rows.length === 0 ? empty("None.")
    : table(["Zone", ...STATES.map((state) => `#${state}`)], rows));
  drawZoneChoice(names.filter(Boolean), want);
}

function drawZoneChoice(names, want) {
  const choice = filters.elements.zone;
  if (choice === document.activeElement) return;
  const options = want.zone && !names.includes(want.zone) ? [...names, want.zone] : names;
  choice.replaceChildren(make("option", { value: "" }, "any"), ...options.map((name) => make("option", {}, name)));
  choice.value = want.zone ?? "";
}

function drawMember(member, history) {
  at("member").hidden = member === null;
  if (member === null) return;
  const close = make("a", { href: address({ m: "" }), "data-key": "close", "aria-label": "close" }, "close");
  if (member.missing) {
    fill(at("member"), make("div", { class: "title" }, make("h3", {}, "Not a member"), close), empty(member.missing));
    return;
  }
  const facts = [
    ["Why", member.reason], ["Since", [instant(member.since), ` (${ago(member.since)})`]],
    ["May I talk to it?", member.up ? "yes" : "no"],
    ["May I place work on it?", member.schedulable ? "yes" : "no"],
    ["May I evacuate it?", member.down ? "yes" : "no"],
    ["Its beats say", member.observed === member.state ? "" : member.observed],
    ["Last new beat", `${seconds(member.silent_for)} of listening ago`],
    ["Beats every", seconds(member.interval)], ["Run", member.incarnation ?? "none seen"],
    ["Zone", member.zone], ["Owner", member.owner],
    ["Disabled", member.disabled ? member.disabled_reason || "yes" : ""],
    ["Forced down", member.forced_down ? member.forced_down_reason || "yes" : ""],
    ["Conflict", member.conflict ? member.conflict_reason || "yes" : ""],
    ...Object.entries(member.metadata),
  ].filter(([, value]) => value !== "");
  fill(at("member"),
    make("div", { class: "title" }, make("h3", {}, member.member), close),
    make("div", {}, badges(member)),
    make("dl", {}, facts.map(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]).flat()),
    make("h3", {}, "History"), drawHistory(history.changes ?? []));
}

function drawHistory(changes) {
  if (changes.length === 0) return empty("No change is on record.");
  const rows = changes.map((change) => make("tr", {},
    cell(instant(change.at), "nowrap"),
    make("td", {}, change.old === change.new ? badge(change.new, change.new)
      : [badge(change.old, change.old), " → ", badge(change.new, change.new)],
      make("div", { class: "why" }, change.reason),
      change.actor ? make("div", { class: "soft" }, "by ", apart(change.actor),
        change.address ? ` from ${change.address}` : "") : null)));
  return make("div", { class: "scroll" }, table(["When", "Change"], rows));
}

const banner = (kind, title, text) =>
  make("div", { class: `banner ${kind}` }, title, " ", make("span", {}, text));

function drawBanners(status, error) {
  document.body.classList.toggle("away", error !== null); // what was good then may not be so now
  if (error) {
    const age = heardAt === null ? "" : `What you see is ${seconds((performance.now() - heardAt) / 1000)} old. `;
    document.title = "musterd: no answer";
    fill(at("health"), badge("no answer", "bad"));
    fill(at("banners"), banner("bad", "The coordinator does not answer.", `${age}${error.message}`));
    return;
  }
  if (status === null) {
    fill(at("banners"));
    return;
  }
  const lost = new Set(status.redundancy_lost);
  const deaf = status.shards.filter((shard) => !shard.listening).map((shard) =>
    status.listening && lost.has(shard.shard)
      ? banner("warn", `Redundancy lost on ${shard.shard}:`,
        `${shard.reason.replace(/[.\s]+$/, "")}. Its members are heard on other shards.`)
      : banner("bad", `Not listening to ${shard.shard}:`,
        `${shard.reason.replace(/[.\s]+$/, "")}. ${status.uncovered || "No"} members are heard nowhere now; `
        + "nobody is declared down for silence there meanwhile."));
  const storms = status.storms.map((storm) =>
    banner("warn", ["Mass silence in ", storm.group, storm.zone && [", zone ", apart(storm.zone)], ":"].flat(),
      `${storm.silent} of ${storm.living} members fell silent together ${ago(storm.since)} ago;`
      + ` they are suspect, and down in ${seconds(storm.ends_in)} of listening unless they beat.`));
  fill(at("banners"), deaf, storms);
}

function showFilters() {
  const want = wanted();
  for (const name of FILTERS) filters.elements[name].value = want[name] ?? "";
}

filters.addEventListener("change", (event) => {
  const { name, value } = event.target;
  location.hash = address(name === "after" ? { after: value } : { [name]: value, after: "" });
});
filters.addEventListener("submit", (event) => event.preventDefault());
filters.addEventListener("reset", (event) => {
  event.preventDefault();
  location.hash = address(Object.fromEntries(FILTERS.map((name) => [name, ""])));
});
at("first").addEventListener("click", () => { location.hash = address({ after: "" }); });
at("next").addEventListener("click", () => { location.hash = address({ after: nextAfter }); });
at("login").addEventListener("submit", (event) => {
  event.preventDefault();
  const field = at("login").elements.token;
  const text = field.value.trim();
  field.value = "";
  at("login-note").textContent = TOKEN.test(text) ? "" : "That is no token: it begins with mt_ and has 55 characters.";
  if (!TOKEN.test(text)) return;
  remember(text);
  refresh();
});
at("leave").addEventListener("click", () => { remember(null); refresh(); });
addEventListener("pointerdown", (event) => { pressed = event.target; });
for (const name of ["pointerup", "pointercancel"]) addEventListener(name, () => { pressed = null; });
addEventListener("hashchange", () => { showFilters(); look(); });
document.addEventListener("visibilitychange", look);

// Nothing is asked without a token, once one was asked for.
async function look() {
  if (!document.hidden && at("login").hidden) await refresh();
}

async function run() {
  for (;;) {
    await look();
    await new Promise((resolve) => setTimeout(resolve, PERIOD));
  }
}

showFilters();
run();
