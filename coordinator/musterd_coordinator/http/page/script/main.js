const LOOK = 10000; // what is not in the stream is asked for so often, and when something changed
let stop = null;
let lastId = null;
let due = new Set();
let askedAt = 0;
let trying = false; // a token that was just given

// Draw once a frame, whatever came within it.
function draw(...what) {
  if (!due.size) requestAnimationFrame(drawDue);
  for (const one of what) due.add(one);
}

function drawDue() {
  const now_due = due;
  due = new Set();
  if (now_due.has("map")) {
    arrange();
    repaint();
    at("map-note").textContent = map.cut ? `${many(map.cut, "zone")} more have no room here: choose a group.` : "";
    const zones = shownZones(wanted());
    at("map-title").textContent = `Fleet: ${many(sum(zones.map((zone) => zone.members)), "member")} in ${many(zones.length, "zone")}`;
  }
  if (now_due.has("map") || now_due.has("counts")) { drawLegend(); drawGroups(); }
  if (now_due.has("status")) { drawIncidents(); drawHearing(); drawGroups(); }
  drawVerdict();
  drawBanner();
  drawer.style.top = `${document.querySelector("header").offsetHeight}px`; // the verdict stays in sight
}

function take(event, data, id) {
  page.heardAt = performance.now();
  page.error = null;
  if (id) lastId = id;
  if ("listening" in data) [page.listening, page.staleness] = [data.listening, data.staleness];
  if (event === "columns") {
    takeColumns(data);
    draw("map", "counts");
    refreshDetails();
  } else if (event === "cells") {
    if (data.layout === fleet.layout) repaintChanged(takeCells(data.cells));
    draw("counts");
    refreshDetails();
  } else if (event === "status") {
    Object.assign(page, { status: data.status, groups: data.groups, incidents: data.incidents });
    draw("status");
  } else draw("verdict");
}

// A member, a list or the timeline, of which the stream does not tell: once a second at most.
async function refreshDetails() {
  if (askedAt) return;
  askedAt = performance.now();
  try {
    await Promise.all([refreshList(), refreshMember(), refreshTimeline()]);
  } catch (error) {
    if (error.status === 401) askForToken(error.message);
  } finally {
    setTimeout(() => { askedAt = 0; }, 1000);
  }
}

function askForToken(reason) {
  const asks = reason !== null;
  if (asks) {
    at("login-note").textContent = token === null ? "" : `${reason[0].toUpperCase()}${reason.slice(1)}.`;
    remember(null);
    stop?.abort();
    Object.assign(page, { status: null, groups: [], incidents: [], heardAt: null, error: null });
    lastId = null;
    takeColumns({ layout: null, groups: [] });
    for (const id of ["groups", "incidents", "shards", "peers", "members", "timeline", "list-title", "zones", "drawer-title"]) fill(at(id));
    closeDrawer();
    map.blocks = [];
    paint.clearRect(0, 0, map.width, map.height);
    document.title = "musterd";
    fill(at("verdict"), "A token is asked for");
    at("health").textContent = at("about").textContent = at("tip").textContent = "";
  }
  at("login").hidden = !asks;
  document.querySelector("main").hidden = asks;
  at("leave").hidden = token === null;
}

// A token of several groups follows one of them.
async function streamPath() {
  const query = new URLSearchParams({ form: "columns", ...(lastId ? { since: lastId } : {}) });
  if (page.only) query.set("group", wanted().g || page.only);
  return `/v1/events?${query}`;
}

async function listen() {
  stop = new AbortController();
  const mine = stop;
  let heard = false;
  try {
    const path = await streamPath();
    await follow(path, mine.signal, (event, data, id) => {
      if (mine.signal.aborted) return;
      heard = true;
      if (!at("login").hidden || token !== null) askForToken(null);
      take(event, data, id);
    });
  } catch (error) {
    if (mine.signal.aborted) return;
    if (error.status === 401) askForToken(error.message);
    else if (error.status === 403 && !page.only) page.only = (await ask("/v1/groups").catch(() => ({ groups: [] }))).groups[0]?.group;
    else if (!error.ended || !heard) { // else it is asked once more at first
      page.error = error.message;
      draw("away");
    }
  }
}

async function run() {
  for (;;) {
    if (!document.hidden && (at("login").hidden || trying)) {
      trying = false;
      await listen();
    }
    await new Promise((resolve) => setTimeout(resolve, document.hidden || page.error ? RETRY : 100));
  }
}

at("login").addEventListener("submit", (event) => {
  event.preventDefault();
  const field = at("login").elements.token;
  const text = field.value.trim();
  field.value = "";
  at("login-note").textContent = TOKEN.test(text) ? "" : "That is no token: it begins with mt_ and has 55 characters.";
  if (!TOKEN.test(text)) return;
  remember(text);
  trying = true;
});
at("leave").addEventListener("click", () => { remember(null); stop.abort(); askForToken(""); });
addEventListener("pointerdown", (event) => { pressed = event.target; });
for (const name of ["pointerup", "pointercancel"]) addEventListener(name, () => { pressed = null; });
addEventListener("hashchange", () => {
  if (page.only) stop?.abort();
  timeline.drawn = -Infinity; askedAt = 0; draw("map", "counts", "status"); refreshDetails();
});
// Who does not look at it costs nothing.
document.addEventListener("visibilitychange", () => { if (document.hidden) stop?.abort(); else draw("map"); });
addEventListener("resize", () => draw("map"));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => draw("map"));
map.canvas.addEventListener("pointermove", hover);
map.canvas.addEventListener("pointerleave", () => { hovered = null; at("tip").hidden = true; });
map.canvas.addEventListener("click", pick);
setInterval(() => { if (!document.hidden && at("login").hidden) { draw("status"); refreshDetails(); } }, LOOK);
setInterval(() => { if (!document.hidden && page.error) draw("away"); }, 1000);
addEventListener("keydown", (event) => {
  if (event.target.matches?.("input, textarea, select") || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "j") walk(1);
  else if (event.key === "k") walk(-1);
  else if (event.key === "Escape") go({ m: "" });
});
run();
