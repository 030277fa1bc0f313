const MOST = 9; // lines at first
const FOLDED = ["forced_down", "redundancy_lost", "slow_sweeps"];
const SIGN = {
  unheard: "✕", mass_silence: "▲", deaths: "✕", conflict: "≠", failing_checks: "!", coordinators_disagree: "≁",
  registry_behind: "!", slow_sweeps: "!", redundancy_lost: "◐", forced_down: "⊘",
};
const opened = new Set();
let all = false;

// Where an incident is looked at.
function place(one) {
  const [group, ...name] = (one.members[0] ?? "").split("/");
  if (one.count === 1 && name.length) return { g: group, m: name.join("/"), zone: "", kind: "", after: "" };
  return { g: one.group, zone: one.zone ?? "", m: "", after: "", kind: kindOfIncident(one) };
}

const kindOfIncident = ({ kind, suspect }) =>
  ({ mass_silence: suspect ? "suspect" : "down", deaths: "down", conflict: "conflict", failing_checks: "down", forced_down: "down" })[kind] ?? "";

function incidentLine(one, inner = false) {
  const tone = FOLDED.includes(one.kind) ? "mild" : one.kind === "mass_silence" ? "warn" : "bad";
  const where = [one.group, one.zone === null ? "" : zoneName(one.zone)].filter((text) => text && !one.what.includes(text)).join(", ");
  const parts = one.parts.length > 0;
  const open = parts && opened.has(one.id);
  const title = make("a", { href: address(place(one)), class: "what", "data-key": `i ${one.id}` }, one.what);
  const line = make("li", { class: `${tone}${inner ? " inner" : ""}`, "data-id": one.id },
    make("span", { class: "sign", "aria-hidden": "true" }, SIGN[one.kind] ?? "!"),
    make("div", { class: "said" }, title, " ", make("span", { class: "soft" }, apart(where)),
      parts ? [" ", make("button", { type: "button", "data-open": one.id, "data-key": `o ${one.id}`, "aria-expanded": String(open) }, open ? "Fold" : `Show ${one.parts.length}`)] : null),
    make("div", { class: "next" }, one.next, one.command
      ? make("div", { class: "command" }, make("code", {}, one.command),
        make("button", { type: "button", "data-copy": one.command, "data-key": `c ${one.id}`, "aria-label": `Copy ${one.command}` }, "Copy")) : null),
    make("div", { class: "since" }, make("time", { datetime: one.since, title: clock(one.since) }, `for ${ago(one.since)}`),
      one.newest && age(one.newest) < age(one.since) - 5 ? make("div", { class: "soft" }, `newest ${ago(one.newest)} ago`) : null));
  return open ? [line, one.parts.map((part) => incidentLine(part, true))] : [line];
}

function drawIncidents() {
  const shown = all ? page.incidents : page.incidents.slice(0, MOST);
  const more = page.incidents.length - shown.length;
  at("attention-title").textContent = page.incidents.length ? `Needs attention (${number(page.incidents.length)})` : "Needs attention";
  fill(at("incidents"), page.incidents.length === 0
    ? empty(page.heardAt === null ? "Asking …" : "Nothing.")
    : [make("ol", {}, shown.map((one) => incidentLine(one))),
      more > 0 ? make("button", { type: "button", id: "all-incidents", "data-key": "all" }, `Show ${number(more)} more`) : null]);
}

at("incidents").addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  if (button.dataset.open && !opened.delete(button.dataset.open)) opened.add(button.dataset.open);
  if (button.id === "all-incidents") all = true;
  drawIncidents();
});

document.addEventListener("click", (event) => {
  const { copy } = event.target.dataset ?? {};
  if (copy === undefined) return;
  const done = (text) => { event.target.textContent = text; setTimeout(() => { event.target.textContent = "Copy"; }, 2000); };
  if (!navigator.clipboard) { getSelection().selectAllChildren(event.target.previousElementSibling); return; }
  navigator.clipboard.writeText(copy).then(() => done("Copied"), () => done("Select it"));
});

// j and k walk over the incidents, and Enter follows the one that has the focus.
function walk(step) {
  const links = [...document.querySelectorAll("#incidents .what")];
  const here = links.indexOf(document.activeElement);
  links[Math.max(0, Math.min(links.length - 1, here + step))]?.focus();
}
