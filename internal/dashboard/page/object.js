// The page of one object: where it stands, its limit over time, what happens next and what happened.
import { draw } from "/chart/chart.js";
import { at, bar, clock, count, el, level, mark, noLimit, path, refill, room, span, unlimited, words } from "./dom.js";
import { kinds } from "./columns.js";

const ranges = [[24, "24 hours"], [7 * 24, "7 days"], [30 * 24, "30 days"]];

export class ObjectPage {
  constructor(place) {
    this.place = place;
    this.hours = 7 * 24;
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.redraw());
    let waiting;
    addEventListener("resize", () => { clearTimeout(waiting); waiting = setTimeout(() => this.redraw(), 150); });
  }

  // open shows an object; its heading gets the focus.
  async open(name) {
    this.close();
    this.name = name;
    this.heading = el("h1", {tabIndex: -1}, name.name);
    const section = (title, ...children) => el("section", {hidden: true}, el("h2", {}, title), ...children);
    this.parts = {
      state: el("p", {className: "state"}), of: el("p", {className: "faint"}), room: el("div", {className: "stands"}), problems: el("ul", {className: "problems"}),
      upcoming: el("ol", {className: "news"}), tier: el("div"), quality: el("div"), budgets: el("table"), members: el("table"), why: el("ul", {className: "why"}), history: el("ol", {className: "news"}),
      since: el("p", {className: "faint"}), plot: el("div", {className: "plot", role: "img"}),
    };
    const p = this.parts;
    this.ranges = ranges.map(([hours, title]) => el("button", {type: "button", onclick: () => { this.hours = hours; this.press(); this.load(); }}, title));
    this.chart = section("Over time", el("div", {className: "ranges", role: "group", "aria-label": "How far back"}, this.ranges), p.plot, p.since);
    this.sections = {upcoming: section("What happens next", p.upcoming), tier: section("The next tier", p.tier), quality: section("Quality", p.quality), budgets: section("Budgets", p.budgets),
      members: section("Numbers", p.members), why: section("Why it stands there", p.why), history: section("What happened", p.history)};
    const s = this.sections;
    this.place.replaceChildren(
      el("p", {className: "back"}, el("a", {href: `#/${kinds[name.kind].view}`}, `← ${kinds[name.kind].title}`)),
      el("div", {className: "head"}, this.heading, p.state), p.of, p.room, p.problems,
      el("div", {className: "grid"}, el("div", {}, this.chart, s.budgets, s.members, s.why), el("div", {}, s.upcoming, s.tier, s.quality, s.history)));
    this.press();
    await this.load();
    if (this.name == name) this.heading.focus();
  }

  close() {
    this.plot?.destroy();
    this.plot = this.data = this.name = null;
  }

  press() {
    this.ranges.forEach((button, i) => button.setAttribute("aria-pressed", ranges[i][0] == this.hours));
  }

  // load asks for what there is to say now; what was asked for meanwhile is asked for once, afterwards.
  async load() {
    if (this.loading) return void (this.again = true);
    const name = this.name;
    if (!name) return;
    this.loading = true;
    try {
      const query = new URLSearchParams({kind: name.kind, namespace: name.namespace ?? "", name: name.name, hours: this.hours});
      const answer = await fetch(`/api/object?${query}`);
      if (this.name != name) return;
      if (answer.ok) this.show(await answer.json());
      else this.lose(answer.status == 404 ? "It is not there, or you may not read it." : "It cannot be shown now.");
    } catch {
      // The command has ended: the line above says so.
    } finally {
      this.loading = false;
      if (this.again) { this.again = false; await this.load(); }
    }
  }

  show(data) {
    this.data = data;
    const {row, object} = data, {spec, status} = object, p = this.parts;
    document.title = `${row.name} · numberfleet`;
    refill(p.state, mark(row.state), row.live ? el("span", {className: "faint"}, "live") : null);
    refill(p.of, [row.namespace && `namespace ${row.namespace}`, row.number, row.title, row.business, row.policy && `policy ${row.policy}`].filter(part => part).join(" · "),
      row.portfolio ? [" · limit of ", el("a", {href: path({kind: "BusinessPortfolio", name: row.portfolio})}, row.portfolio)] : []);
    this.showRoom(row);
    refill(p.problems, (data.problems ?? []).map(problem => el("li", {}, el("strong", {}, words(problem.reason)), ` ${problem.message}`)));
    this.fill("upcoming", (data.upcoming ?? []).map(e => el("li", {}, el("time", {dateTime: e.time, title: `${clock(e.time)} UTC`}, span(e.time)), ` ${e.what} `, el("span", {className: "faint"}, at(e.time)))));
    this.fill("tier", nextTier(status));
    this.fill("quality", quality(status));
    this.fill("budgets", budgets(data.budgets));
    this.fill("members", members(status, row));
    this.fill("why", (status.explanation ?? []).map(sentence => el("li", {}, sentence)));
    this.fill("history", [...status.history ?? []].reverse().map(t => el("li", {}, el("time", {dateTime: t.time, title: `${clock(t.time)} UTC`}, span(t.time)),
      el("strong", {}, words(t.reason)), t.from && t.to ? ` ${t.from} → ${t.to}` : "", el("span", {className: "why"}, t.message))));
    this.showChart(data);
  }

  // lose says why there is nothing to show, and leaves nothing of what was shown: what may be sent is not that any more.
  lose(why) {
    this.data = null;
    const p = this.parts;
    for (const part of [p.state, p.room, p.problems]) refill(part);
    for (const section of [this.chart, ...Object.values(this.sections)]) section.hidden = true;
    refill(p.of, why);
  }

  fill(name, children) {
    this.sections[name].hidden = !children.length;
    refill(this.parts[name], children);
  }

  showRoom(row) {
    if (row.kind == "MessageTemplate") return refill(this.parts.room, el("p", {className: "sentence"}, row.sendable ? "It may be sent now." : `It may not be sent: ${words(row.reason ?? "")}.`));
    const until = row.until ? [", until ", at(row.until)] : [];
    const sentence = row.sendable ? [el("strong", {}, room(row.remaining)), row.remaining == noLimit ? ": nothing limits who may be messaged" : " further users may be messaged now"]
      : [el("strong", {}, "0"), ` further users may be messaged: ${words(row.reason ?? "").toLowerCase()}`, ...until];
    const own = row.ownUsed, parts = [
      row.used == null ? null : own == null ? ["own", "used", row.used] : ["own", "used by this number", own],
      row.used == null || own == null ? null : ["others", "by others that share the limit", Math.max(0, row.used - own)],
      row.reserved ? ["held", "held", row.reserved] : null,
    ].filter(part => part);
    refill(this.parts.room, el("p", {className: "sentence"}, sentence), row.kind == "NumberPool" ? null : bar(row),
      el("ul", {className: `legend ${level(row)}`}, parts.map(([key, title, n]) => el("li", {}, el("i", {className: key}), `${count(n)} ${title}`)),
        unlimited(row) ? el("li", {}, "no limit") : row.limit == null ? null : el("li", {}, `limit ${count(row.limit)}`), row.tier ? el("li", {}, `tier ${row.tier}`) : null));
  }

  showChart({chart, since, measure, summary}) {
    this.chart.hidden = !chart;
    if (!chart) return;
    this.parts.plot.setAttribute("aria-label", summary);
    refill(this.parts.since, "What was used is known here from ", at(since), " on, when this page was first served. Limit, quality and states are those of the history, of the last 20 changes.");
    const said = JSON.stringify([chart.start, chart.times, chart.used, chart.happened]);
    if (this.plot && (this.said == said || this.drawn == this.hours && zoomed(this.plot))) return;
    this.said = said;
    this.drawn = this.hours;
    this.redraw();
  }

  redraw() {
    if (!this.data?.chart || this.place.hidden) return;
    this.plot?.destroy();
    const limits = this.data.chart.limits.filter(l => l), used = this.data.chart.used.filter(n => n != null);
    this.plot = draw(this.parts.plot, this.data.chart, {
      measure: this.data.measure == "Conversations" ? "conversations" : "unique users", logarithmic: Math.max(...limits, ...used) > 20 * Math.min(...limits),
    });
  }
}

// zoomed says whether the user looks closer at a part of a chart.
const zoomed = ({scales: {x}, data: [times]}) => x.min > times[0] || x.max < times.at(-1);

function nextTier({upgrade, tier}) {
  if (!upgrade) return [];
  const achieved = upgrade.achieved ?? 0;
  const progress = el("progress", {max: upgrade.required, value: Math.min(achieved, upgrade.required), "aria-label": `towards tier ${upgrade.nextTier}`});
  const rises = upgrade.effectiveTime ? el("p", {}, "It rises at ", at(upgrade.effectiveTime), ".") : null;
  return [el("p", {}, `${tier.name} → ${upgrade.nextTier}: ${upgrade.achieved == null ? "not known" : count(achieved)} of ${count(upgrade.required)}`), progress, rises,
    el("ul", {}, (upgrade.missing ?? []).map(sentence => el("li", {}, sentence)))].filter(part => part);
}

function quality({quality, flag}) {
  if (!quality?.rating) return [];
  return [el("p", {}, mark(quality.rating), quality.sinceTime ? [" since ", at(quality.sinceTime)] : [], quality.reason ? `: ${quality.reason}` : ""),
    flag?.sinceTime ? el("p", {}, "Flagged since ", at(flag.sinceTime), flag.deadlineTime ? [": the tier falls at ", at(flag.deadlineTime), " unless the rating rises"] : [], ".") : null].filter(part => part);
}

const head = (...titles) => el("thead", {}, el("tr", {}, titles.map(title => el("th", {scope: "col"}, title))));
const cells = (first, ...rest) => el("tr", {}, el("th", {scope: "row"}, first), rest.map(text => el("td", {}, text)));

function budgets(all) {
  if (!all?.length) return [];
  return [head("Budget", "Used", "Held", "Guaranteed", "Maximum", "Remaining"),
    el("tbody", {}, all.map(b => cells(b.name, count(b.used), count(b.reserved), count(b.guaranteed), b.maximum == null ? "none" : count(b.maximum), room(b.remaining))))];
}

function members({members}, row) {
  if (!members?.length) return [];
  return [head("Number", "State", "Remaining"), el("tbody", {}, members.map(m => cells(el("a", {href: path({kind: "PhoneNumber", namespace: row.namespace, name: m.name})}, m.name),
    mark(m.state), m.remaining == null ? "no limit" : count(m.remaining))))];
}
