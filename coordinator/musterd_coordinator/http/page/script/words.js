"use strict";

const at = (id) => document.getElementById(id);
let clockSkew = 0; // milliseconds that the coordinator's clock is ahead of this browser's
let pressed = null; // where the pointer is down: it is a click only if it goes up on the same

// Every text goes in as a text node: names and reasons come from hosts and are never markup.
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null));
  return element;
}

function fill(element, ...children) {
  // Neither a click, a selection being copied nor the focus of the keyboard is taken away by a refresh.
  if (pressed !== null && element.contains(pressed)) return false;
  const selection = getSelection();
  if (!selection.isCollapsed && element.contains(selection.anchorNode)) return false;
  const focused = element.contains(document.activeElement) ? document.activeElement.dataset.key : null;
  const { scrollTop } = element;
  element.replaceChildren(...children.flat(Infinity).filter((child) => child !== null));
  element.scrollTop = scrollTop;
  if (focused) element.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
  return true;
}

// In the middle of a sentence, whose order it leaves alone, in whatever direction it is written.
const apart = (text) => make("bdi", {}, text);
const badge = (text, kind) => make("span", { class: `badge ${kind}` }, text);
const cell = (value, kind = "") => make("td", { class: kind || null }, value);
const empty = (text) => make("p", { class: "empty" }, text);
const number = (value) => value.toLocaleString("en");
const many = (value, one, more = `${one}s`) => `${number(value)} ${value === 1 ? one : more}`;
const sum = (values) => values.reduce((total, one) => total + one, 0);

function table(heads, rows, caption = null) {
  const titles = heads.map((head) =>
    make("th", { scope: "col", class: head.startsWith("#") ? "number" : null }, head.replace("#", "")));
  return make("table", {}, caption && make("caption", {}, caption),
    make("thead", {}, make("tr", {}, titles)), make("tbody", {}, rows));
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
const now = () => Date.now() + clockSkew;
const age = (instant) => Math.max(0, (now() - Date.parse(instant)) / 1000);
const ago = (instant) => seconds(age(instant));
const clock = (instant) => new Date(instant).toLocaleString("sv");
const when = (instant) => make("time", { datetime: instant, title: instant }, clock(instant));

// What is looked at lives in the address, so that it can be sent to a colleague and gone back from.
const wanted = () => Object.fromEntries(new URLSearchParams(location.hash.slice(1)));

function address(changes) {
  const kept = Object.entries({ ...wanted(), ...changes }).filter(([, value]) => value);
  return `#${new URLSearchParams(kept)}`;
}

const go = (changes) => { location.hash = address(changes); };
