// Every page works without this file; it only makes some of them nicer.
"use strict";

const units = [
  ["year", 31536000], ["month", 2592000], ["day", 86400], ["hour", 3600], ["minute", 60],
];
const format = new Intl.RelativeTimeFormat(document.documentElement.lang, { numeric: "auto" });

// "3 minutes ago" for the eye; the exact moment stays in the title.
function showAge(time) {
  time.title ||= time.textContent + " UTC";
  const age = (Date.parse(time.dateTime) - Date.now()) / 1000;
  const [unit, seconds] = units.find(([, s]) => Math.abs(age) >= s) ?? ["second", Infinity];
  time.textContent = format.format(Math.trunc(age / seconds), unit);
}

function showAges(root) {
  root.querySelectorAll("time[datetime]").forEach(showAge);
}

// A region must be there before its text changes, or nothing is announced.
function liveRegion() {
  const region = document.createElement("p");
  region.className = "unseen";
  region.setAttribute("role", "status");
  document.body.append(region);
  return region;
}

// The link to older messages becomes a button that brings them here.
function loadMore(link, list) {
  const region = liveRegion();
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = "Load more";
  let next = link.href;
  link.replaceWith(button);

  button.addEventListener("click", async () => {
    if (button.ariaBusy === "true") return;
    button.ariaBusy = "true";
    try {
      const { items, older } = await fetchPage(next);
      list.append(...items);
      showAges(list);
      history.replaceState(null, "", next);
      items[0].tabIndex = -1;
      items[0].focus();
      region.textContent = items.length + (items.length === 1 ? " more message" : " more messages");
      next = older;
      if (!next) removeButton(button);
    } catch {
      location.assign(next); // whatever went wrong, the plain page can tell
    } finally {
      button.ariaBusy = null;
    }
  });
}

function removeButton(button) {
  const pager = button.parentElement;
  button.remove();
  if (!pager.children.length) pager.remove(); // no landmark around nothing
}

async function fetchPage(url) {
  const response = await fetch(url);
  // A redirect means that the session is over: it is another list.
  if (!response.ok || response.redirected) throw new Error(response.status);
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  const items = [...page.querySelectorAll("ul.messages > li")];
  if (!items.length) throw new Error("an empty page");
  return { items, older: page.querySelector(".pager a[rel=next]")?.getAttribute("href") };
}

// By then the server has answered, or has hung up.
const patience = 15000;

// A second click must not store a message twice. Whoever has stopped the page from loading,
// or comes back to it, may send again.
function sendOnce(form) {
  let sent = -Infinity;
  form.addEventListener("submit", (event) => {
    if (event.timeStamp - sent < patience) event.preventDefault();
    else sent = event.timeStamp;
  });
  addEventListener("pageshow", (event) => {
    if (event.persisted) sent = -Infinity;
  });
}

showAges(document);
setInterval(() => showAges(document), 60000);

const older = document.querySelector(".pager a[rel=next]");
const list = document.querySelector("ul.messages");
if (older && list) loadMore(older, list);

const composer = document.querySelector("form.composer");
if (composer) sendOnce(composer);

document.getElementById("text")?.addEventListener("keydown", (event) => {
  if (event.repeat) return; // held down
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) event.target.form.requestSubmit();
});
