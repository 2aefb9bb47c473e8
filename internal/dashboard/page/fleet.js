// The page of the whole fleet: a table of each kind, with filters and search, and the news.
import { kinds, stands } from "./columns.js";
import { clock, count, el, keyOf, mark, path, refill, span, words } from "./dom.js";
import { Table } from "./table.js";

const element = id => document.getElementById(id);
const search = element("search");

export class Fleet {
  constructor() {
    this.rows = new Map();   // by key
    this.texts = new Map();  // what is searched, by key
    this.tables = new Map(); // by kind
    this.filter = "all";
    this.show("PhoneNumber");
    let typing;
    search.oninput = () => { clearTimeout(typing); typing = setTimeout(() => this.choose(), 120); };
    document.addEventListener("keydown", event => {
      if (event.key == "/" && !element("fleet").hidden && !(event.target instanceof HTMLInputElement)) {
        event.preventDefault();
        search.focus();
      }
    });
  }

  put(row) {
    const key = keyOf(row);
    this.rows.set(key, row);
    this.texts.set(key, [row.namespace, row.name, row.number, row.title, row.business, row.portfolio, row.policy].join(" ").toLowerCase());
  }

  remove(name) {
    this.rows.delete(keyOf(name));
    this.texts.delete(keyOf(name));
  }

  clear() {
    this.rows.clear();
    this.texts.clear();
  }

  // show shows the table of a kind.
  show(kind) {
    if (kind == this.kind) return;
    this.kind = kind;
    this.filter = "all";
    search.value = "";
    const {title, columns, sort} = kinds[kind];
    element("heading").textContent = title;
    const place = element("rows");
    if (!this.tables.has(kind)) this.tables.set(kind, new Table(el("div", {className: "scroll"}), title, columns, sort));
    this.table = this.tables.get(kind);
    place.replaceWith(this.table.place);
    place.id = "";
    this.table.place.id = "rows";
    this.update();
  }

  // update shows what rows there are now.
  update() {
    const rows = [...this.rows.values()].filter(row => row.kind == this.kind);
    const filters = stands(rows), chosen = filters.find(filter => filter.name == this.filter) ?? filters[0];
    this.fillFilters(filters, chosen);
    const words = search.value.trim().toLowerCase().split(/\s+/);
    const found = rows.filter(row => chosen.has(row) && words.every(word => this.texts.get(keyOf(row)).includes(word)));
    this.found = found.length;
    this.table.set(found);
    this.table.empty.hidden = found.length > 0;
    this.table.empty.textContent = rows.length ? "Nothing is found." : this.why?.[this.kind] ?? `There are no ${kinds[this.kind].title.toLowerCase()}.`;
  }

  fillFilters(filters, chosen) {
    const place = element("filters"), focused = place.contains(document.activeElement) && document.activeElement.name;
    refill(place, filters.filter(filter => filter.count > 0 || filter == chosen || filter.name == "all").map(filter => el("button", {
      type: "button", name: filter.name, className: filter.name, "aria-pressed": String(filter == chosen),
    }, filter.shape ? mark(filter.name) : filter.title, el("span", {className: "count"}, ` ${count(filter.count)}`))));
    for (const button of place.children) {
      button.onclick = () => { this.filter = button.name; this.choose(); };
      if (button.name == focused && document.activeElement != button) button.focus();
    }
  }

  // choose shows what the user has chosen, and says how much that is.
  choose() {
    this.table.active = null;
    this.table.place.scrollTop = 0;
    this.update();
    element("shown").textContent = `${count(this.found)} shown`;
  }

  // news fills in what happened lately, and what happens next.
  news({lately, next}) {
    this.told = {lately, next};
    const nothing = text => el("li", {className: "faint"}, text);
    refill(element("next"), next?.length ? next.map(n => el("li", {}, this.when(n.time), el("a", {href: path(n)}, n.name), ` ${n.what}`)) : nothing("Nothing is due."));
    refill(element("lately"), lately?.length ? lately.map(n => el("li", {}, this.when(n.time), el("a", {href: path(n)}, n.name), " ",
      el("strong", {}, words(n.reason)), n.from && n.to ? ` ${n.from} → ${n.to}` : "", el("span", {className: "why"}, n.what))) : nothing("Nothing happened yet."));
  }

  when(time) {
    return el("time", {dateTime: time, title: `${clock(time)} UTC`}, span(time));
  }

  // refresh brings up to date what depends on the time.
  refresh() {
    this.table.refresh();
    if (this.told) this.news(this.told);
  }
}
