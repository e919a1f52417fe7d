// Keeps the page fresh while somebody looks at it. Without it the page is the same, as of its time.
//
// lagmon says on a stream that there is something new; the page is then fetched again by its own
// address, and only those parts of it are exchanged that changed: what is typed, opened, selected or
// focused stays. A hidden page holds no stream: browsers allow few of them to one server.
"use strict";

const POLL_MS = 15000; // where no stream can be had
const LATE_MS = 60000; // without a word from lagmon it is asked whether it is there
const ANSWER_MS = 10000; // for which an answer is waited: one that hangs is not called live

const said = document.getElementById("live");
let source = null;
let timer = null;
let heard = Date.now();
let asking = false;
let again = false;

function say(words, isBad) {
  if (said.textContent !== words) said.textContent = words;
  said.className = isBad ? "lost" : "";
}

function isSelecting() {
  const selection = document.getSelection();
  return selection !== null && !selection.isCollapsed;
}

// Gives what has the focus a name by which it is found again in the new page.
function nameOf(element) {
  if (element === null || element === document.body) return null;
  if (element.id) return `#${CSS.escape(element.id)}`;
  const href = element.getAttribute("href");
  return href === null ? null : `a[href="${CSS.escape(href)}"]`;
}

function exchange(page) {
  const focused = document.activeElement;
  const name = nameOf(focused);
  for (const old of document.querySelectorAll("[data-live]")) {
    const fresh = page.getElementById(old.id);
    if (fresh === null || fresh.isEqualNode(strip(old))) continue;
    const had = old.contains(focused);
    const left = old.querySelector(".scroll")?.scrollLeft ?? 0;
    const taken = document.importNode(fresh, true);
    old.replaceWith(taken);
    const scroll = taken.querySelector(".scroll");
    if (scroll !== null) scroll.scrollLeft = left;
    if (had && name !== null) taken.querySelector(name)?.focus({ preventScroll: true });
    addButtons(taken);
  }
  document.title = page.title;
  document.getElementById("at").textContent = page.getElementById("at").textContent;
}

// What was added here is no part of what lagmon sent.
function strip(element) {
  const plain = element.cloneNode(true);
  for (const button of plain.querySelectorAll("button.copy")) button.remove();
  return plain;
}

async function refresh() {
  if (asking) {
    again = true;
    return;
  }
  if (document.hidden) return;
  asking = true;
  try {
    const signal = AbortSignal.timeout(ANSWER_MS);
    const answer = await fetch(location.href, { headers: { Accept: "text/html" }, signal });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    heard = Date.now();
    if (answer.status === 404) {
      say("what is shown is not there any more", true);
    } else if (!answer.ok) {
      say("lagmon answers with an error", true);
    } else if (!isSelecting()) {
      exchange(page);
      say(hasStream() ? "live" : "every 15 s", false);
    }
  } catch {
    say("lagmon does not answer", true);
  } finally {
    asking = false;
    if (again) {
      again = false;
      setTimeout(refresh, 0);
    }
  }
}

// A stream that ended is opened again by the browser; one that was refused is closed.
function hasStream() {
  return source !== null && source.readyState !== EventSource.CLOSED;
}

function listen() {
  source = new EventSource("events");
  source.onopen = refresh;
  source.onmessage = refresh;
  source.onerror = refresh; // streams end by themselves, too: the answer tells whether lagmon is there
}

function check() {
  if (document.hidden) return;
  if (!hasStream()) {
    source = null;
    refresh();
    if (Date.now() - heard < LATE_MS) listen();
  } else if (Date.now() - heard > LATE_MS) {
    refresh();
  }
}

function show() {
  if (document.hidden) {
    source?.close();
    source = null;
    clearInterval(timer);
    timer = null;
  } else if (timer === null) {
    timer = setInterval(check, POLL_MS);
    listen();
  }
}

function addButtons(below) {
  if (!navigator.clipboard) return;
  for (const line of below.querySelectorAll(".command pre")) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "copy";
    button.textContent = "Copy";
    button.setAttribute("aria-label", `Copy: ${line.getAttribute("aria-label")}`);
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(line.textContent);
      button.textContent = "Copied";
    });
    line.after(button);
  }
}

// A choice is made by choosing; the button is for those without scripts, and for the text.
for (const select of document.querySelectorAll(".choice select")) {
  select.addEventListener("change", () => select.form.requestSubmit());
}
document.addEventListener("keydown", (event) => {
  const search = document.getElementById("q");
  const isTyping = event.target.closest?.("input, select, textarea");
  if (event.key === "/" && search !== null && !isTyping && !event.ctrlKey && !event.metaKey) {
    event.preventDefault();
    search.select();
  }
});
document.addEventListener("visibilitychange", show);
addButtons(document);
show();
