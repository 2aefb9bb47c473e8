// What pages are made of: elements, numbers, times and states.

// el makes an element. Properties whose names have a dash, and role, are attributes.
export function el(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value == null) continue;
    if (name.includes("-") || name == "role") made.setAttribute(name, value); else made[name] = value;
  }
  made.append(...children.flat().filter(child => child != null));
  return made;
}

// refill gives an element other children, and changes only what differs: what is clicked or has the focus stays. A link that has the focus
// keeps it where it now stands elsewhere.
export function refill(element, ...children) {
  const focused = element.contains(document.activeElement) && document.activeElement.href;
  const fresh = el(element.tagName, {}, ...children);
  fillFrom(element, fresh);
  if (focused && document.activeElement?.href != focused) [...element.querySelectorAll("a")].find(link => link.href == focused)?.focus();
}

function fillFrom(old, fresh) {
  const wanted = [...fresh.childNodes];
  while (old.childNodes.length > wanted.length) old.lastChild.remove();
  wanted.forEach((node, i) => {
    const there = old.childNodes[i];
    if (!there) old.append(node);
    else if (there.isEqualNode(node)) return;
    else if (there.nodeName != node.nodeName) there.replaceWith(node);
    else if (node.nodeType == Node.TEXT_NODE) there.data = node.data;
    else become(there, node);
  });
}

function become(old, fresh) {
  for (const {name} of [...old.attributes]) if (!fresh.hasAttribute(name)) old.removeAttribute(name);
  for (const {name, value} of fresh.attributes) if (name != "style" && old.getAttribute(name) != value) old.setAttribute(name, value);
  old.style.cssText = fresh.style.cssText;
  fillFrom(old, fresh);
}

const grouped = new Intl.NumberFormat("en");

// count is a number as people read it.
export const count = n => n == null ? "" : grouped.format(n);

// noLimit is what remains where nothing limits it.
export const noLimit = 2147483647;

export const room = n => n == noLimit ? "no limit" : count(n);

// The time of the fleet, in milliseconds. The server says it, and it goes on from there.
let told = Date.now(), toldAt = performance.now();

export const now = () => told + performance.now() - toldAt;

export function setNow(milliseconds) {
  told = milliseconds;
  toldAt = performance.now();
}

const sameDay = new Intl.DateTimeFormat("en-GB", {timeZone: "UTC", hour: "2-digit", minute: "2-digit"});
const otherDay = new Intl.DateTimeFormat("en-GB", {timeZone: "UTC", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit"});
const day = time => Math.floor(time / 86400e3);

// clock is an instant in UTC, without the day where that is today.
export function clock(iso) {
  const time = Date.parse(iso);
  return (day(time) == day(now()) ? sameDay : otherDay).format(time).replace(",", "");
}

// span is how far away an instant is: in 3 h, 5 min ago.
export function span(iso) {
  const seconds = Math.round((Date.parse(iso) - now()) / 1000), far = Math.abs(seconds);
  const [n, unit] = far < 60 ? [far, "s"] : far < 3600 ? [Math.round(far / 60), "min"] : far < 48 * 3600 ? [Math.round(far / 3600), "h"] : [Math.round(far / 86400), "d"];
  return seconds > 0 ? `in ${n} ${unit}` : `${n} ${unit} ago`;
}

// at is an instant, for a sentence.
export const at = iso => el("time", {dateTime: iso, title: iso}, `${clock(iso)} UTC`);

// States that a kind can have, the worst first, with the shape that each is drawn with beside its colour.
export const shapes = {
  Blocked: "✕", Disabled: "✕", Rejected: "✕", Pending: "○", Offline: "◇", Paused: "■", Restricted: "■", Flagged: "▲", Low: "▼", Medium: "◆",
  Connected: "●", Approved: "●", High: "●", Unknown: "○",
};

// mark is a word with its shape and colour.
export const mark = (word, shown = word) => word ? el("span", {className: `mark ${word}`}, el("span", {"aria-hidden": "true", className: "shape"}, shapes[word] ?? "○"), el("span", {className: "word"}, shown)) : "";

// unlimited says whether the tier is known, and has no limit.
export const unlimited = row => row.limit == null && Boolean(row.tier);

// level is how near the limit is.
export const level = row => !row.sendable ? "full" : share(row) >= .8 ? "high" : "low";

// bar is how much of a limit is used: by the object itself, by others that share the limit, and held. What it shows stands beside it as text.
export function bar(row) {
  const made = el("span", {className: `bar ${level(row)}`, "aria-hidden": "true"});
  if (unlimited(row)) made.classList.add("unlimited");
  const used = row.used ?? 0, own = Math.min(row.ownUsed ?? used, used);
  for (const [name, n] of row.limit ? [["own", own], ["others", used - own], ["held", row.reserved]] : []) {
    const part = el("i", {className: name});
    part.style.width = `${Math.min(100, 100 * n / row.limit)}%`;
    made.append(part);
  }
  return made;
}

// share is how much of the limit is used or held, from 0 to 1; -1 where nobody knows, and where there is none.
export const share = row => row.limit && row.used != null ? (row.used + row.reserved) / row.limit : -1;

// Where an object's own page is.
export const views = {PhoneNumber: "numbers", BusinessPortfolio: "portfolios", NumberPool: "pools", MessageTemplate: "templates"};
export const path = o => `#/${views[o.kind]}/` + [o.namespace, o.name].filter(part => part).map(encodeURIComponent).join("/");
export const keyOf = o => `${o.kind}/${o.namespace ?? ""}/${o.name}`;

// words are a reason as people read it: TierUpgraded is Tier upgraded.
export const words = reason => reason.replace(/(?<=[a-z])[A-Z]/g, letter => ` ${letter.toLowerCase()}`);
