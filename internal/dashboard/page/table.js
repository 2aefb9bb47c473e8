// A table of any number of rows, of which the browser has those that can be seen. All of it can be read and walked through by keyboard.
import { el, keyOf } from "./dom.js";

const spare = 12; // rows beyond each edge

export class Table {
  // Columns have: name, title, value (to sort by), descending (at the first click), text (all that a cell says, which is made anew when that
  // changes) and cell (which makes what is shown, where that is not the text alone).
  constructor(place, label, columns, sorted) {
    Object.assign(this, {place, columns, sort: columns.find(c => c.name == sorted), direction: 1, rows: [], shown: new Map(), active: null});
    this.head = el("tr", {"aria-rowindex": "1"}, columns.map(column => el("th", {scope: "col", className: column.name},
      el("button", {type: "button", onclick: () => this.sortBy(column)}, column.title))));
    this.before = el("tr", {className: "space", role: "presentation"});
    this.after = el("tr", {className: "space", role: "presentation"});
    this.body = el("tbody", {}, this.before, this.after);
    this.table = el("table", {"aria-label": label}, el("thead", {}, this.head), this.body);
    this.empty = el("p", {className: "empty", hidden: true});
    place.replaceChildren(this.table, this.empty);
    place.onscroll = () => this.render();
    this.body.onkeydown = event => this.key(event);
    this.body.onfocusin = event => this.activate(event.target.closest("tr")?.row);
    this.mark();
  }

  sortBy(column) {
    this.direction = this.sort == column ? -this.direction : column.descending ? -1 : 1;
    this.sort = column;
    this.mark();
    this.set(this.rows);
    this.place.scrollTop = 0;
  }

  mark() {
    this.columns.forEach((column, i) => {
      const th = this.head.children[i];
      if (column == this.sort) th.setAttribute("aria-sort", this.direction > 0 ? "ascending" : "descending"); else th.removeAttribute("aria-sort");
    });
  }

  // set shows rows, in order. The row that has the focus stays where it is on the screen.
  set(rows) {
    const { value } = this.sort, focused = this.body.contains(document.activeElement) && this.active;
    const before = focused ? this.rows.findIndex(row => keyOf(row) == focused) : -1;
    const keyed = rows.map(row => [value(row), row]);
    keyed.sort(([a, x], [b, y]) => (a < b ? -1 : a > b ? 1 : 0) * this.direction || (x.name < y.name ? -1 : x.name > y.name ? 1 : x.namespace < y.namespace ? -1 : 1));
    this.rows = keyed.map(([, row]) => row);
    this.table.setAttribute("aria-rowcount", this.rows.length + 1);
    if (focused) {
      const after = this.rows.findIndex(row => keyOf(row) == focused);
      if (before >= 0 && after >= 0) this.place.scrollTop += (after - before) * this.height();
    }
    this.render();
  }

  height() {
    return this.rowHeight ??= parseFloat(getComputedStyle(this.place).getPropertyValue("--row"));
  }

  render() {
    const height = this.height(), first = Math.max(0, Math.floor(this.place.scrollTop / height) - spare);
    const end = Math.min(this.rows.length, Math.ceil((this.place.scrollTop + this.place.clientHeight) / height) + spare);
    const wanted = this.rows.slice(first, end), keep = new Map();
    if (!this.rows.some(row => keyOf(row) == this.active)) this.active = wanted.length ? keyOf(wanted[0]) : null;
    for (const row of wanted) {
      const key = keyOf(row), tr = this.shown.get(key) ?? this.make();
      if (tr.row != row || this.stale) this.fill(tr, row);
      keep.set(key, tr);
    }
    for (const [key, tr] of this.shown) if (!keep.has(key)) tr.remove();
    let previous = this.before;
    wanted.forEach((row, i) => {
      const tr = keep.get(keyOf(row));
      tr.setAttribute("aria-rowindex", first + i + 2);
      tr.querySelector("a").tabIndex = keyOf(row) == this.active ? 0 : -1;
      if (previous.nextSibling != tr) this.move(tr, previous.nextSibling);
      previous = tr;
    });
    this.shown = keep;
    this.stale = false;
    this.before.style.height = `${first * height}px`;
    this.after.style.height = `${(this.rows.length - end) * height}px`;
  }

  // move moves a row without taking the focus from it.
  move(tr, before) {
    if (tr.isConnected && this.body.moveBefore) return this.body.moveBefore(tr, before);
    const focused = tr.contains(document.activeElement) && document.activeElement;
    this.body.insertBefore(tr, before);
    if (focused) focused.focus({preventScroll: true});
  }

  make() {
    return el("tr", {}, this.columns.map(({name}) => name == "name" ? el("th", {className: name, scope: "row"}) : el("td", {className: name})));
  }

  fill(tr, row) {
    tr.row = row;
    this.columns.forEach((column, i) => {
      const cell = tr.children[i], said = column.text(row);
      if (cell.said === said) return;
      cell.said = said;
      cell.replaceChildren(column.cell ? column.cell(row) : said);
    });
  }

  // refresh brings up to date what depends on the time.
  refresh() {
    this.stale = true;
    this.render();
  }

  activate(row) {
    if (!row) return;
    const old = this.shown.get(this.active)?.querySelector("a");
    if (old) old.tabIndex = -1;
    this.active = keyOf(row);
    this.shown.get(this.active).querySelector("a").tabIndex = 0;
  }

  // focus goes to the row that has it, or had it last.
  focus() {
    const index = Math.max(0, this.rows.findIndex(row => keyOf(row) == this.active));
    if (this.rows.length) this.goTo(index);
  }

  goTo(index) {
    const height = this.height(), top = index * height, head = this.head.offsetHeight;
    const row = this.rows[index], page = this.place.clientHeight - head;
    if (top < this.place.scrollTop) this.place.scrollTop = top;
    else if (top + height > this.place.scrollTop + page) this.place.scrollTop = top + height - page;
    this.active = keyOf(row);
    this.render();
    this.shown.get(this.active).querySelector("a").focus({preventScroll: true});
  }

  key(event) {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const index = this.rows.findIndex(row => keyOf(row) == this.active);
    const page = Math.max(1, Math.floor(this.place.clientHeight / this.height()) - 2);
    const to = {ArrowDown: index + 1, ArrowUp: index - 1, PageDown: index + page, PageUp: index - page, Home: 0, End: this.rows.length - 1}[event.key];
    if (to == null || index < 0) return;
    event.preventDefault();
    this.goTo(Math.min(this.rows.length - 1, Math.max(0, to)));
  }
}
