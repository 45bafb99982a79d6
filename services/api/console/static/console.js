// Keys, dialogs, theme, the state of the connection, and notifications. Pages work for reading without it.
"use strict";

const dialog = document.getElementById("dialog");
const keys = document.getElementById("keys");
const live = document.getElementById("live");
const connection = document.getElementById("connection");

document.addEventListener("click", (event) => {
  const target = event.target.closest("[data-action], [data-copy]");
  if (!target) return;
  if (target.dataset.copy) {
    navigator.clipboard.writeText(target.dataset.copy);
    target.textContent = "copied";
  } else if (target.dataset.action === "theme") {
    const root = document.documentElement;
    const isDark = root.dataset.theme === "dark"
      || (root.dataset.theme === "auto" && matchMedia("(prefers-color-scheme: dark)").matches);
    root.dataset.theme = isDark ? "light" : "dark";
    localStorage.setItem("theme", root.dataset.theme);
  } else if (target.dataset.action === "keys") {
    keys.showModal();
  } else if (target.dataset.action === "notify") {
    Notification.requestPermission().then((answer) => {
      target.textContent = answer === "granted" ? "Notifications are on" : "The browser does not allow it";
    });
  } else if (target.dataset.action === "close" && dialog.open) {
    event.preventDefault();
    dialog.close();
  }
});

// A form in a dialog: links with data-dialog open it there. Without this script they open a page.
document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-dialog]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  htmx.ajax("GET", link.href, { target: "#dialog", swap: "innerHTML" }).then(() => {
    if (!dialog.open) dialog.showModal();
    const field = dialog.querySelector("input:not([type=hidden]), select, textarea, button");
    if (field) field.focus();
  });
});

// One form is sent once: a second click would only wait for the first one's answer.
document.addEventListener("submit", (event) => {
  if (event.target.method !== "post") return;
  for (const button of event.target.querySelectorAll("button")) button.setAttribute("aria-busy", "true");
  if (event.target.dataset.sent) event.preventDefault();
  event.target.dataset.sent = "yes";
});
window.addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
});

let prefix = "";
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest("input, select, textarea, dialog[open]")) return;
  if (prefix === "g") {
    prefix = "";
    const link = document.querySelector(`nav a[data-key="${CSS.escape(event.key)}"]`);
    if (link) link.click();
  } else if (event.key === "g") {
    prefix = "g";
  } else if (event.key === "/") {
    const search = document.getElementById("search");
    if (search) { event.preventDefault(); search.focus(); }
  } else if (event.key === "?") {
    keys.showModal();
  } else if (event.key === "j" || event.key === "k") {
    const rows = [...document.querySelectorAll("[data-row]")];
    const at = rows.findIndex((row) => row.contains(document.activeElement));
    const next = rows[Math.max(0, Math.min(rows.length - 1, at + (event.key === "j" ? 1 : -1)))];
    const link = next && next.querySelector("a, button");
    if (link) { link.focus(); next.scrollIntoView({ block: "nearest" }); }
  }
});

// Mark a row that changed, for two seconds. Rows have ids, so that old and new ones are compared.
let before = new Map();
let focused = "";
const textOf = (row) => {
  const copy = row.cloneNode(true);
  // Ages change by themselves: instants are compared.
  for (const time of copy.querySelectorAll("time")) time.textContent = time.dateTime;
  return copy.textContent.replace(/\s+/g, " ");
};
document.body.addEventListener("htmx:beforeSwap", (event) => {
  const row = document.activeElement && document.activeElement.closest("[data-row][id]");
  focused = row && event.detail.target.contains(row) ? row.id : "";
  before = new Map([...event.detail.target.querySelectorAll("[data-row][id]")].map((row) => [row.id, textOf(row)]));
});
document.body.addEventListener("htmx:afterSwap", (event) => {
  if (!event.detail.target) return; // the age of the data, which comes in the stream itself
  const root = document.getElementById(event.detail.target.id) || event.detail.target;
  for (const row of root.querySelectorAll("[data-row][id]")) {
    if (before.size && before.get(row.id) !== textOf(row)) row.classList.add("changed");
  }
  const row = focused && document.getElementById(focused);
  const link = row && row.querySelector("a, button");
  if (link) link.focus({ preventScroll: true }); // the row that had the focus was replaced
  notify(root);
});

// Tell the server up to which position the change is that a part is read for: pages of others may
// have read the same.
document.body.addEventListener("htmx:configRequest", (event) => {
  const cause = event.detail.triggeringEvent;
  const position = cause && cause.detail && String(cause.detail.data);
  if (/^[0-9]+$/.test(position)) event.detail.headers["X-Console-Position"] = position;
});

// A browser notification for what is new, to a person who does not look at the page.
function notify(root) {
  if (!document.hidden || !("Notification" in window) || Notification.permission !== "granted") return;
  for (const row of root.querySelectorAll("[data-notify][id]")) {
    if (!before.has(row.id)) new Notification(row.dataset.notify, { tag: row.id });
  }
}

document.body.addEventListener("htmx:sseOpen", () => {
  if (live) live.dataset.state = "on";
  connection.hidden = true;
});
document.body.addEventListener("htmx:sseError", () => {
  if (live) live.dataset.state = "off";
  connection.hidden = false;
});

// Name the zone of a time where it is not the reader's; the exact time stays on hover.
setInterval(() => {
  for (const time of document.querySelectorAll("time[title]")) {
    const seconds = (new Date(time.dateTime) - Date.now()) / 1000;
    const steps = [["day", 86400], ["hour", 3600], ["minute", 60]];
    const [unit, length] = steps.find(([, size]) => Math.abs(seconds) >= size) || [];
    if (!unit) continue;
    const count = Math.floor(Math.abs(seconds) / length);
    const span = `${count} ${unit}${count > 1 ? "s" : ""}`;
    time.textContent = seconds < 0 ? `${span} ago` : `in ${span}`;
  }
}, 30000);
