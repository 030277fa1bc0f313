const PAGE = 50;
const list = { key: null, data: null, at: 0 };
const MARKS = {
  forced_down: ["forced down", "down"], disabled: ["disabled", "disabled"], draining: ["draining", "disabled"],
  check_failing: ["check failing", "bad"], conflict: ["conflict", "conflict"],
};
// What the legend's kinds are for the API; conflicts, orders and checks are marks, the rest states.
const FILTER = { conflict: { mark: "conflict" }, disabled: { mark: "disabled" } };

const badges = (one) => [badge(`${SYMBOL[one.state]} ${one.state}`, one.state),
  one.marks.map((mark) => [" ", badge(...(MARKS[mark] ?? [mark, "warn"]))])];

function listPath({ g, zone, kind, match, after, mark }) {
  const filter = mark ? { mark } : kind ? FILTER[kind] ?? { state: kind } : {};
  const query = { ...filter, zone, match, after, limit: PAGE };
  const kept = Object.entries(query).filter(([, value]) => value);
  return `/v1/groups/${encodeURIComponent(g)}/members?${new URLSearchParams(kept)}`;
}

async function refreshList() {
  const want = wanted();
  at("list").hidden = !want.g;
  if (!want.g || page.heardAt === null) return;
  const path = listPath(want);
  const got = await askOrMissing(path);
  if (path === (wanted().g && listPath(wanted()))) drawList(got, want);
}

function drawList(got, want) {
  const chosen = [want.zone && `zone ${want.zone}`, want.kind && (SAID[want.kind] ?? want.kind), want.mark && MARKS[want.mark]?.[0], want.match && `named …${want.match}…`].filter(Boolean);
  fill(at("list-title"), "Members of ", apart(want.g), chosen.length ? `: ${chosen.join(", ")}` : "");
  at("everything").hidden = !chosen.length && !want.g;
  if (got.missing) {
    fill(at("members"), empty(got.missing));
    at("next").hidden = at("first").hidden = true;
    return;
  }
  const rows = got.members.map((one) => make("tr", { class: one.member === want.m ? "chosen" : null },
    make("th", { scope: "row", class: "name" }, make("a", { href: address({ m: one.member }), "data-key": `m ${one.member}` }, one.member)),
    cell(badges(one).flat(Infinity)[0] && make("span", {}, badges(one))), cell(one.zone), cell(`for ${ago(one.since)}`),
    cell(`${seconds(one.silent_for)} ago`, "number"), make("td", { class: "why one", title: one.reason }, one.reason)));
  fill(at("members"), rows.length === 0 ? empty("No member is like that.")
    : table(["Member", "State", "Zone", "Since", "#Last new beat", "Why"], rows));
  list.next = got.next;
  at("first").hidden = !want.after;
  at("next").hidden = got.next === null;
}

at("first").addEventListener("click", () => go({ after: "" }));
at("next").addEventListener("click", () => go({ after: list.next }));
at("everything").addEventListener("click", () => go({ g: "", zone: "", kind: "", match: "", mark: "", after: "" }));

function drawLegend() {
  const want = wanted();
  const zones = shownZones(want);
  fill(at("legend"), KINDS.toReversed().map((kind) => {
    const count = total(zones, kind);
    return make("button", { type: "button", class: `key ${kind}${count ? "" : " none"}`, "data-kind": kind, "data-key": `k ${kind}`, "aria-pressed": String(want.kind === kind) },
      make("span", { class: "sign", "aria-hidden": "true" }, SYMBOL[kind]), ` ${number(count)} ${SAID[kind] ?? kind}`);
  }));
}

function drawGroups() {
  const want = wanted();
  const link = (group, text, title) => make("a", { href: address({ g: group, m: "", zone: "", after: "", kind: "", match: "", mark: "" }), "data-key": `g ${group}`, title, "aria-current": (want.g ?? "") === group ? "true" : null }, text);
  const marked = (one) => Object.entries(MARKS).filter(([mark]) => one.marks[mark]).map(([mark, [text, kind]]) =>
    [" ", make("a", { href: address({ g: one.group, m: "", zone: "", after: "", kind: "", match: "", mark }), "data-key": `${one.group} ${mark}`, class: `badge ${kind}` }, `${number(one.marks[mark])} ${text}`)]);
  fill(at("groups"), page.groups.length === 0
    ? empty(page.heardAt === null ? "" : "No group yet. It appears when an agent announces its first member.")
    : [page.groups.length > 1 ? make("span", { class: "group" }, link("", "All groups", "the whole fleet")) : null,
      page.groups.map((one) => make("span", { class: "group" }, link(one.group, one.group, one.group),
        ` ${number(one.members)}, ${number(one.verdicts.schedulable ?? 0)} schedulable`, marked(one)))]);
  const zones = shownZones(want).filter((zone) => zone.zone || troubled(zone)).sort((one, other) => troubled(other) - troubled(one)).slice(0, 200);
  if (at("zones-holder").open) fill(at("zones"), zonesTable(zones));
}

const zonesTable = (zones) => table(["Zone", "Group", ...KINDS.map((kind) => `#${SAID[kind] ?? kind}`)], zones.map((zone) => make("tr", {},
  make("th", { scope: "row", class: "name" }, zone.zone ? make("a", { href: address({ g: zone.group, zone: zone.zone, m: "", after: "" }), "data-key": `z ${zone.group} ${zone.zone}` }, zone.zone) : "no zone"),
  cell(zone.group), KINDS.map((kind, index) => cell(number(zone.counts[index]), `number${zone.counts[index] && index < 4 ? ` ${kind}` : ""}`)))));

at("zones-holder").addEventListener("toggle", drawGroups);
at("legend").addEventListener("click", (event) => {
  const { kind } = event.target.closest("button")?.dataset ?? {};
  if (kind) go({ kind: wanted().kind === kind ? "" : kind, after: "" });
});
