// The dashboard: it follows the server's stream, and shows the page that the URL names.
import { kinds } from "./columns.js";
import { keyOf, setNow } from "./dom.js";
import { Fleet } from "./fleet.js";
import { ObjectPage } from "./object.js";

const element = id => document.getElementById(id);
const fleet = new Fleet(), object = new ObjectPage(element("object"));

// The token is in a cookie now, and need not be in the history of the browser.
if (location.search) history.replaceState(null, "", location.pathname + location.hash);

// What came is shown a little later, with what comes meanwhile: 10,000 rows come in twenty parts.
let waiting = false;
function changed() {
  if (waiting) return;
  waiting = true;
  setTimeout(() => {
    waiting = false;
    fleet.update();
  }, 200);
}

function say(connection, state) {
  const place = element("connection");
  if (place.textContent != connection) place.textContent = connection;
  place.dataset.state = state;
}

const stream = new EventSource("/api/stream");
let begun = false, seen;
const on = (event, take) => stream.addEventListener(event, message => take(JSON.parse(message.data)));
stream.onopen = () => { begun = true; seen = new Set(); };
stream.onerror = () => say("Not connected: is the command still running?", "lost");
on("notes", notes => {
  fleet.why = notes.kinds;
  element("where").textContent = [notes.cluster, notes.namespace || "all namespaces"].join(" · ");
  say(notes.standing ? "From statuses" : "Live", notes.standing ? "statuses" : "live");
  const lines = [notes.standing && `Counts are those of the statuses, which may be a minute old: ${notes.standing}.`, ...Object.entries(notes.kinds ?? {}).map(([kind, why]) => `${kinds[kind].title}: ${why}.`)].filter(line => line);
  element("notice").hidden = !lines.length;
  element("notice").textContent = lines.join(" ");
});
on("rows", rows => {
  for (const row of rows) {
    fleet.put(row);
    if (begun) seen.add(keyOf(row));
    if (object.name && keyOf(object.name) == keyOf(row)) object.load();
  }
  changed();
});
function gone(name) {
  fleet.remove(name);
  if (object.name && keyOf(object.name) == keyOf(name)) object.load();
  changed();
}
on("gone", gone);
on("news", news => fleet.news(news));
on("now", milliseconds => {
  setNow(milliseconds);
  if (begun) {
    // A stream begins with all that there is: what is not among it has gone meanwhile.
    for (const [key, row] of fleet.rows) if (!seen.has(key)) gone(row);
    begun = false;
  }
  fleet.refresh();
});

// route shows what the URL names: #/numbers, or #/numbers/NAMESPACE/NAME.
function route() {
  const [, view, ...names] = location.hash.split("/").map(decodeURIComponent);
  const [kind, {title}] = Object.entries(kinds).find(([, of]) => of.view == view) ?? ["PhoneNumber", kinds.PhoneNumber];
  const name = names.pop(), was = object.name;
  for (const link of document.querySelectorAll("nav a")) {
    if (link.hash == `#/${view || "numbers"}`) link.setAttribute("aria-current", "page"); else link.removeAttribute("aria-current");
  }
  document.body.dataset.view = name ? "object" : view == "news" ? "news" : "fleet";
  element("fleet").hidden = Boolean(name);
  element("object").hidden = !name;
  if (name) {
    object.open({kind, namespace: names[0], name});
    scrollTo(0, 0);
    return;
  }
  object.close();
  document.title = `${title} · numberfleet`;
  fleet.show(kind);
  if (was) { fleet.update(); fleet.table.focus(); }
}
addEventListener("hashchange", route);
element("skip").onclick = () => element("main").focus();
route();
