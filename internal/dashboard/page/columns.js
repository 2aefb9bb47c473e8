// The columns of the tables, by kind.
import { bar, clock, count, el, mark, path, room, shapes, share, span, unlimited, words } from "./dom.js";

const severity = ["Blocked", "Disabled", "Rejected", "Offline", "Pending", "Restricted", "Paused", "Flagged"];
const ratings = ["Low", "Medium", "Unknown", "High"];
const rank = (order, word) => order.indexOf(word) < 0 ? order.length : order.indexOf(word);

const name = {
  name: "name", title: "Name", value: row => row.name, text: row => `${row.namespace ?? ""}/${row.name}`,
  cell: row => el("a", {href: path(row), title: [row.title, row.business].filter(part => part).join(", ")}, row.namespace ? el("span", {className: "faint"}, `${row.namespace}/`) : null, row.name),
};
const title = heading => ({name: "title", title: heading, value: row => (row.title ?? row.business ?? "~").toLowerCase(), text: row => row.title ?? row.business ?? ""});
const number = {name: "number", title: "Number", value: row => row.number, text: row => row.number ?? ""};
// What needs a person first, then what is worst, then what is fullest. A problem is named that the state does not tell.
const untold = row => ["Connected", "Approved", "", undefined].includes(row.state) && row.problem;
const state = {
  name: "state", title: "State", value: row => row.urgency * 1e4 + rank(severity, row.state) * 1e2 - share(row),
  text: row => `${row.state} ${row.problem ?? ""}`,
  cell: row => el("span", {title: words(row.problem ?? "")}, mark(row.state || "Pending", row.state || "not seen yet"), untold(row) ? el("span", {className: row.urgency == 0 ? "problem act" : "problem"}, words(row.problem)) : null),
};
const used = {
  name: "used", title: "Used", descending: true, value: share, text: row => `${row.used} ${row.limit} ${row.tier} ${row.reserved} ${row.sendable} ${row.ownUsed}`,
  cell: row => el("span", {className: "room"}, bar(row), el("span", {className: "figure"}, row.used == null ? "not known" : count(row.used),
    el("span", {className: "faint"}, unlimited(row) ? " no limit" : row.limit == null ? "" : ` of ${count(row.limit)}`))),
};
const figure = (name, title, of) => ({name, title, descending: true, value: row => of(row) ?? -1, text: row => count(of(row))});
const held = {...figure("held", "Held", row => row.reserved), text: row => row.reserved ? count(row.reserved) : ""};
const remaining = {
  name: "remaining", title: "Remaining", value: row => row.remaining, text: row => `${row.remaining} ${row.reason}`,
  cell: row => el("span", {title: row.reason ?? ""}, room(row.remaining)),
};
const quality = {name: "quality", title: "Quality", value: row => rank(ratings, row.quality), text: row => row.quality ?? "", cell: row => mark(row.quality)};
const tier = {name: "tier", title: "Tier", value: row => row.limit ?? (row.tier ? Infinity : -1), text: row => row.tier ?? ""};
const next = {
  name: "next", title: "Next", value: row => row.next ? Date.parse(row.next.time) : Infinity,
  text: row => row.next ? `${span(row.next.time)} ${row.next.what}` : "",
  cell: row => row.next ? el("span", {title: `${clock(row.next.time)} UTC: ${row.next.what}`}, el("time", {dateTime: row.next.time}, span(row.next.time)), el("span", {className: "faint"}, ` ${row.next.what}`)) : "",
};

export const kinds = {
  PhoneNumber: {view: "numbers", title: "Numbers", sort: "state", columns: [state, name, number, used, held, remaining, quality, tier, next]},
  BusinessPortfolio: {view: "portfolios", title: "Portfolios", sort: "used", columns: [name, title("Display name"), figure("numbers", "Numbers", row => row.numbers), used, held, remaining, quality, tier, next]},
  NumberPool: {view: "pools", title: "Pools", sort: "name", columns: [name, figure("numbers", "Numbers", row => row.numbers), figure("senders", "May send", row => row.senders), held, remaining, next]},
  MessageTemplate: {view: "templates", title: "Templates", sort: "state", columns: [state, name, title("Template"), {...title("Language"), name: "language", value: row => row.business, text: row => row.business ?? ""}, quality, next]},
};

// stands are what rows are filtered by: states, and what needs a person.
export function stands(rows) {
  const states = new Map();
  for (const row of rows) if (row.state) states.set(row.state, (states.get(row.state) ?? 0) + 1);
  const worst = [...states].sort(([a], [b]) => rank(severity, a) - rank(severity, b));
  const when = urgency => rows.reduce((n, row) => n + (row.urgency == urgency), 0);
  return [
    {name: "all", title: "All", count: rows.length, has: () => true},
    {name: "act", title: "Needs you", count: when(0), has: row => row.urgency == 0},
    {name: "watch", title: "To watch", count: when(1), has: row => row.urgency == 1},
    ...worst.map(([state, n]) => ({name: state, title: state, shape: shapes[state], count: n, has: row => row.state == state})),
  ];
}
