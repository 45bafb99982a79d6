// The widget of a property: chat, contact form and tour booking.
// <script src="https://crm.example.com/widget.js" data-key="lk_…" defer></script>
(() => {
"use strict";

const script = document.currentScript;
const key = script && script.dataset.key;
if (!key) return;
const api = new URL("/api/lumaleasing/", script.src).href;

const STYLE = `
:host { all: initial; }
* { box-sizing: border-box; font: 16px/24px system-ui, sans-serif; }
[hidden] { display: none !important; }
button { border: 1px solid #566072; border-radius: 6px; padding: 8px 12px; background: #fff; color: #1b2330; cursor: pointer; }
.main { background: var(--brand); color: var(--on-brand); border-color: var(--brand); }
:focus-visible { outline: 3px solid #1f5fbf; outline-offset: 2px; }
.open { position: fixed; right: 16px; bottom: 16px; z-index: 2147483000; border-radius: 24px; padding: 12px 20px; box-shadow: 0 2px 8px rgb(0 0 0 / 30%); }
.panel { position: fixed; right: 16px; bottom: 80px; z-index: 2147483000; width: min(380px, calc(100vw - 32px)); height: min(600px, calc(100vh - 96px)); background: #fff; color: #1b2330; border: 1px solid #566072; border-radius: 8px; box-shadow: 0 4px 24px rgb(0 0 0 / 30%); }
header { display: flex; align-items: center; gap: 8px; padding: 8px 12px; border-bottom: 1px solid #d5d9e0; }
h2 { margin: 0; flex: 1; font-weight: 600; }
header img { height: 32px; max-width: 96px; }
nav { display: flex; gap: 4px; padding: 8px 12px 0; }
nav button[aria-current] { border-width: 2px; border-color: var(--brand); font-weight: 600; }
section { flex: 1; min-height: 0; overflow: auto; padding: 12px; }
.log { flex: 1; overflow: auto; }
.log p { padding: 8px 12px; border-radius: 8px; background: #eef1f5; max-width: 85%; white-space: pre-wrap; overflow-wrap: anywhere; }
.log .user { align-self: flex-end; background: var(--brand); color: var(--on-brand); }
.log .system { align-self: center; background: none; color: #566072; }
.log small { display: block; font-size: 13px; }
form, label, .panel, section, .log { display: flex; flex-direction: column; }
form, section, .log { gap: 8px; }
.chat { flex-direction: row; }
.chat input { flex: 1; min-width: 0; }
input, select, textarea { padding: 8px; border: 1px solid #566072; border-radius: 6px; background: #fff; color: #1b2330; width: 100%; }
p { margin: 0; } .failed { color: #b3261e; } a { color: #1f5fbf; }
`;

// The browser keeps the visitor for good, the session for this window. Both may be forbidden.
const memory = {};
const HUMAN = "A person of the leasing team answers here.";
function keep(store, name, value) {
  const full = `crm-widget-${key.slice(-12)}-${name}`;
  try {
    const storage = window[store];
    if (value !== undefined) storage.setItem(full, value);
    return storage.getItem(full);
  } catch {
    if (value !== undefined) memory[full] = value;
    return memory[full] || null;
  }
}
function newId() {
  const hex = [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4}).(.{3}).(.{3})(.{12})$/, "$1-$2-4$3-a$4-$5");
}
const visitor = keep("localStorage", "visitor") || keep("localStorage", "visitor", `v_${newId()}`);
let session = keep("sessionStorage", "session") || undefined;
let conversation = keep("sessionStorage", "conversation") || undefined;

let token;  // with it, the next request sees what this one wrote
async function call(method, path, body, commandId) {
  const headers = { "X-API-Key": key, "X-Visitor-ID": visitor };
  if (body) headers["Content-Type"] = "application/json";
  if (token) headers["X-CRM-Token"] = token;
  if (commandId) headers["Idempotency-Key"] = commandId;
  let response;
  try {
    response = await fetch(api + path, { method, headers, credentials: "omit", body: body && JSON.stringify(body) });
  } catch {
    throw new Error("There is no connection. Please try again.");
  }
  token = response.headers.get("X-CRM-Token") || token;
  const found = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(response.status === 429 ? "Please wait a minute." : found.error || "Please try again.");
  return found;
}

// Texts become text nodes, never markup.
function make(tag, properties, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties || {})) {
    if (name in element && typeof value !== "string") element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child));
  return element;
}
const field = (label, name, properties, tag = "input") => make("label", {}, label, make(tag, { name, ...properties }));

function start({ config, isOnline }) {
  const host = make("div");
  const root = host.attachShadow({ mode: "open" });
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(STYLE);
  root.adoptedStyleSheets = [sheet];
  const brand = /^#([0-9a-f]{3}|[0-9a-f]{6})$/i.test(config.primaryColor || "") ? config.primaryColor : "#1f5fbf";
  host.style.setProperty("--brand", brand);
  host.style.setProperty("--on-brand", isLight(brand) ? "#000" : "#fff");

  const name = config.widgetName || config.propertyName;
  const log = make("div", { class: "log", role: "log", "aria-label": "Messages", tabindex: "0" });
  const text = make("input", { "aria-label": "Your message", autocomplete: "off", maxlength: "5000", required: true });
  const chatForm = make("form", { class: "chat" }, text, make("button", { class: "main" }, "Send"));
  const chatNote = make("div", { role: "status" });
  const views = {
    Chat: make("section", { "aria-label": "Chat" }, log, chatNote, chatForm),
    Tour: config.toursEnabled && make("section", { "aria-label": "Book a tour" }),
    Contact: make("section", { "aria-label": "Leave your contact details" }),
  };
  const names = { Chat: "Chat", Tour: "Book a tour", Contact: "Contact us" };
  const tabs = make("nav", { "aria-label": name });
  for (const view of Object.keys(views)) {
    if (views[view]) tabs.append(make("button", { type: "button", "data-view": view, onclick: () => show(view) }, names[view]));
  }
  const close = make("button", { type: "button", "aria-label": "Close", onclick: () => toggle(false) }, "×");
  const panel = make("div", { class: "panel", id: "panel", role: "dialog", "aria-label": name, hidden: true },
    make("header", {}, config.logoUrl && make("img", { src: config.logoUrl, alt: "" }), make("h2", {}, name), close), tabs, ...Object.values(views).filter(Boolean));
  const open = make("button", { class: "open main", type: "button", "aria-expanded": "false", "aria-controls": "panel", onclick: () => toggle(panel.hidden) }, name);
  root.append(open, panel);
  panel.addEventListener("keydown", (event) => { if (event.key === "Escape") toggle(false); });

  const seen = new Set();
  function add(role, content, author, id) {
    if (id && seen.has(id)) return;
    if (id) seen.add(id);
    const label = author === "agent" ? "Leasing team" : role === "user" ? "You" : "";
    log.append(make("p", { class: role }, label && make("small", {}, label), content));
    log.scrollTop = log.scrollHeight;
  }
  function suggest(message, label, view) {
    chatNote.replaceChildren(make("p", {}, message),
      make("button", { type: "button", onclick: () => show(view) }, label));
  }

  function show(view) {
    for (const [other, section] of Object.entries(views)) if (section) section.hidden = other !== view;
    for (const tab of tabs.children) {
      if (tab.dataset.view === view) tab.setAttribute("aria-current", "true");
      else tab.removeAttribute("aria-current");
    }
    if (view === "Tour") showTour();
    if (view === "Contact" && !views.Contact.firstChild) showContact();
    const first = views[view].querySelector("form input, form select");
    if (first) first.focus();
  }
  let isBegun, last;
  async function toggle(isOpen) {
    panel.hidden = !isOpen;
    open.setAttribute("aria-expanded", String(isOpen));
    if (!isOpen) { open.focus(); return; }
    show(config.requireEmailBeforeChat && !keep("sessionStorage", "known") ? "Contact" : "Chat");
    if (isBegun) return;
    isBegun = true;
    const greeting = !isOnline && config.offlineMessage || config.welcomeMessage;
    if (greeting) add("assistant", greeting);
    if (session) {
      const { messages, after } = await call("GET", `chat?sessionId=${session}`).catch(() => ({ messages: [] }));
      for (const each of messages) add(each.role, each.content, each.author, each.id);
      last = after;
      follow();
    }
  }

  // Messages of agents arrive in a stream; each stream needs a new ticket. Replies of the bot are in its answers.
  let isFollowing, pause = 1000;
  async function follow() {
    if (!session || isFollowing) return;
    isFollowing = true;
    try {
      const { ticket } = await call("POST", "chat/stream-tickets", { sessionId: session });
      const after = last ? `&after=${encodeURIComponent(last)}` : "";
      const stream = new EventSource(`${api}chat/stream?sessionId=${session}&ticket=${encodeURIComponent(ticket)}${after}`);
      stream.onmessage = (event) => {
        const message = JSON.parse(event.data);
        last = message.id;
        pause = 1000;
        if (message.author === "agent" || message.role === "system") add(message.role, message.content, message.author, last);
      };
      stream.addEventListener("state", (event) => {
        if (JSON.parse(event.data).waitingForHuman) chatNote.textContent = HUMAN;
      });
      stream.onerror = () => { stream.close(); again(); };
    } catch {
      again();
    }
  }
  function again() {
    isFollowing = false;
    pause = Math.min(pause * 2, 60000);
    setTimeout(follow, pause);
  }

  chatForm.addEventListener("submit", async (event) => {
    event.preventDefault();
    const message = text.value.trim();
    const messageId = newId();
    const button = chatForm.querySelector("button");
    if (!message || button.disabled) return;
    button.disabled = true;
    chatNote.textContent = "";
    try {
      const turn = await call("POST", "chat", { message, messageId, sessionId: session, conversationId: conversation }, messageId);
      add("user", message, "", messageId);
      text.value = "";
      session = keep("sessionStorage", "session", turn.sessionId);
      conversation = keep("sessionStorage", "conversation", turn.conversationId);
      if (turn.content) add("assistant", turn.content);
      if (turn.waitingForHuman) chatNote.textContent = HUMAN;
      if (turn.shouldPromptLeadCapture) suggest(turn.leadCapturePrompt || "May we contact you?", "Leave contact details", "Contact");
      else if (turn.wantsTour && config.toursEnabled) suggest("Would you like to see it?", "Book a tour", "Tour");
      follow();
    } catch (error) {
      fail(chatNote, error);
    }
    button.disabled = false;
    text.focus();
  });

  const fail = (note, error) => note.replaceChildren(make("p", { class: "failed", role: "alert" }, error.message));
  const person = (needsEmail) => [
    config.collectName && field("First name", "firstName", { autocomplete: "given-name", maxlength: "100" }),
    config.collectName && field("Last name", "lastName", { autocomplete: "family-name", maxlength: "100" }),
    (config.collectEmail || needsEmail) && field("E-mail", "email", { type: "email", autocomplete: "email", required: Boolean(needsEmail) }),
    (config.collectPhone || !config.collectEmail) && field("Phone", "phone", { type: "tel", autocomplete: "tel" }),
  ];
  // An unchanged form is sent under one id, so that a repetition does nothing twice.
  function prepare(section, path, form, done) {
    const note = make("div");
    let commandId = newId();
    form.addEventListener("input", () => { commandId = newId(); });
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const button = form.querySelector("button");
      if (button.disabled) return;
      button.disabled = true;
      const body = { sessionId: session, conversationId: conversation };
      for (const [name, value] of new FormData(form)) if (value && name !== "day") body[name] = value;
      try {
        done(await call("POST", path, body, commandId));
        keep("sessionStorage", "known", "yes");
      } catch (error) {
        fail(note, error);
      }
      button.disabled = false;
    });
    section.replaceChildren(form, note);
  }
  function thank(section, ...content) {
    const thanks = make("div", { tabindex: "-1" }, ...content);
    section.replaceChildren(thanks);
    thanks.focus();
  }

  function showContact() {
    const form = make("form", {}, ...person(false),
      field("Move-in date", "moveInDate", { type: "date" }),
      field("Bedrooms", "bedroomPreference", { inputmode: "numeric", maxlength: "20" }),
      field("What are you looking for?", "notes", { rows: 3, maxlength: "2000" }, "textarea"),
      make("button", { class: "main" }, "Send"));
    prepare(views.Contact, "lead", form, (answer) => thank(views.Contact, answer.message));
  }

  async function showTour() {
    const section = views.Tour;
    if (section.firstChild) return;
    section.append(make("p", { role: "status" }, "Loading free times …"));
    let found;
    try {
      found = await call("GET", "tours");
    } catch (error) {
      return fail(section, error);
    }
    const free = Object.entries(found.slots).map(([day, slots]) => [day, slots.filter((slot) => slot.available)]).filter(([, slots]) => slots.length);
    if (!free.length) return fail(section, new Error("No time is free in the next two weeks. Please write to us."));
    const day = make("select", { name: "day" }, ...free.map(([date]) => make("option", { value: date },
      new Date(`${date}T12:00`).toLocaleDateString("en-US", { weekday: "long", month: "long", day: "numeric" }))));
    const slot = make("select", { name: "slotId" });
    const list = () => slot.replaceChildren(...free.find(([date]) => date === day.value)[1].map((each) => make("option", { value: each.id }, `${each.startTime} – ${each.endTime}`)));
    day.addEventListener("change", list);
    list();
    const form = make("form", {}, make("label", {}, "Day", day), make("label", {}, "Time", slot), ...person(true),
      field("Anything we should know?", "specialRequests", { maxlength: "2000" }), make("button", { class: "main" }, "Book the tour"));
    prepare(section, "tours", form, ({ message, calendar }) => thank(section, make("p", {}, message),
      make("p", {}, make("a", { href: calendar.ics, download: "tour.ics" }, "Add it to your calendar"))));
    day.focus();
  }

  document.body.append(host);
  if (config.autoPopupDelay > 0 && !keep("sessionStorage", "popped")) {
    setTimeout(() => { if (panel.hidden) { keep("sessionStorage", "popped", "yes"); toggle(true); } }, config.autoPopupDelay * 1000);
  }
}

function isLight(color) {
  const digits = color.length === 4 ? [...color.slice(1)].map((digit) => digit + digit) : color.slice(1).match(/../g);
  const [red, green, blue] = digits.map((pair) => (parseInt(pair, 16) / 255) ** 2.2);
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.179;
}

// A widget that is unknown or switched off leaves the page as it is.
call("GET", "config").then(start, () => {});
})();
