// The chart of a messaging limit over time: what is used against the limit, and below it what happened, the quality and the states.
// It is drawn with uPlot, which is a global.

const color = name => getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
const whole = n => n == null ? "unlimited" : n.toLocaleString("en");
const utc = at => new Date(at * 1000).toISOString().slice(0, 19).replace("T", " ");
const font = "12px system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif";
const lanes = ["Events", "Quality", "State"];
const laneHeight = 20, axisHeight = 44;

const at = (spans, time) => spans.filter(s => s.from <= time && time < s.to);

// The three lanes below the axis of time: what happened, the quality, and flags, restrictions and connection.
function drawLanes(u, subject) {
  const ctx = u.ctx, ratio = devicePixelRatio, {left, top, width, height} = u.bbox;
  const laneTop = i => top + height + (axisHeight + 6 + i * (laneHeight + 4)) * ratio;
  const x = time => u.valToPos(time, "x", true);
  ctx.save();
  ctx.setLineDash([]);
  ctx.font = font.replace("12px", 12 * ratio + "px");
  ctx.textBaseline = "middle";
  lanes.forEach((name, i) => {
    ctx.textAlign = "right";
    ctx.fillStyle = color("faint");
    ctx.fillText(name, left - 8 * ratio, laneTop(i) + laneHeight * ratio / 2);
    ctx.strokeStyle = color("grid");
    ctx.lineWidth = ratio;
    ctx.strokeRect(left, laneTop(i), width, laneHeight * ratio);
  });
  ctx.beginPath();
  ctx.rect(left, 0, width, 1e5);
  ctx.clip();
  const spans = (all, i) => {
    // Spans that overlap, as a flag and a restriction do, share the lane.
    const ends = [];
    const rows = all.map(s => {
      let row = ends.findIndex(end => end <= s.from);
      if (row < 0) row = ends.length;
      ends[row] = s.to;
      return row;
    });
    const high = laneHeight * ratio / Math.max(1, ends.length);
    all.forEach((s, n) => {
      const from = x(s.from), to = Math.max(x(s.to), from + ratio), y = laneTop(i) + rows[n] * high;
      ctx.fillStyle = color(s.what) || color("Unknown");
      ctx.fillRect(from, y, to - from, high);
      const seen = Math.max(from, left), room = Math.min(to, left + width) - seen;
      if (high >= 10 * ratio && ctx.measureText(s.what).width + 8 * ratio < room) {
        ctx.fillStyle = color("on");
        ctx.textAlign = "left";
        ctx.fillText(s.what, seen + 4 * ratio, y + high / 2);
      }
    });
  };
  spans(subject.quality || [], 1);
  spans(subject.states || [], 2);
  const y = laneTop(0) + laneHeight * ratio / 2, r = 5 * ratio;
  // Tiers are drawn last, on top of what else happened at their instant.
  const order = "●△▼▲";
  for (const h of [...subject.happened || []].sort((a, b) => order.indexOf(mark(a)) - order.indexOf(mark(b)))) {
    const cx = x(h.at), kind = mark(h);
    ctx.strokeStyle = ctx.fillStyle = kind == "▼" ? color("limit") : kind == "●" ? color("faint") : color("used");
    ctx.lineWidth = 1.5 * ratio;
    ctx.beginPath();
    if (kind == "●") ctx.arc(cx, y, r * .6, 0, 7);
    else {
      const d = kind == "▼" ? -1 : 1;
      ctx.moveTo(cx - r, y + d * r * .8);
      ctx.lineTo(cx + r, y + d * r * .8);
      ctx.lineTo(cx, y - d * r);
      ctx.closePath();
    }
    if (kind == "△") ctx.stroke(); else ctx.fill();
  }
  ctx.restore();
}

function mark(h) {
  switch (h.reason) {
  case "TierUpgraded": return "▲";
  case "TierDowngraded": return "▼";
  case "UpgradePending": return "△";
  }
  return "●";
}

// Where a tier begins there is a line, with its name in one of two rows unless others are in the way.
function drawTiers(u, subject) {
  const ctx = u.ctx, ratio = devicePixelRatio, {left, top, width, height} = u.bbox;
  ctx.save();
  ctx.font = font.replace("12px", "bold " + 12 * ratio + "px");
  ctx.textBaseline = "bottom";
  ctx.textAlign = "left";
  const free = [left, left];
  (subject.tiers || []).forEach((tier, i) => {
    const from = Math.max(left, u.valToPos(tier.from, "x", true)), to = u.valToPos(tier.to, "x", true);
    if (to <= left || from > left + width) return;
    if (i > 0 && from > left) {
      ctx.strokeStyle = color("limit");
      ctx.lineWidth = ratio;
      ctx.setLineDash([2 * ratio, 3 * ratio]);
      ctx.beginPath();
      ctx.moveTo(from, top);
      ctx.lineTo(from, top + height);
      ctx.stroke();
    }
    const text = "tier " + tier.what, wide = ctx.measureText(text).width;
    const start = Math.min(from, left + width - wide), row = free.findIndex(f => f <= start);
    if (row >= 0) {
      ctx.fillStyle = color("limit");
      ctx.fillText(text, start, top - (4 + row * 16) * ratio);
      free[row] = start + wide + 10 * ratio;
    }
  });
  ctx.restore();
}

const tip = document.createElement("div");
tip.className = "chart-tip";
tip.hidden = true;
document.addEventListener("mouseleave", () => tip.hidden = true);

function showTip(u, subject) {
  const {left, top, idx} = u.cursor;
  if (idx == null || left < 0) { tip.hidden = true; return; }
  const time = Math.round(u.posToVal(left, "x"));
  // The points are steps: what holds now is the last one before.
  let i = idx;
  while (i > 0 && subject.times[i] > time) i--;
  const used = subject.used[i], limit = subject.limits[i];
  const near = Math.max(1, u.posToVal(left + 5, "x") - time);
  const close = (subject.happened || []).filter(h => Math.abs(h.at - time) <= near);
  const tier = at(subject.tiers || [], time).map(s => s.what).join();
  tip.textContent = "";
  const line = text => tip.appendChild(document.createElement("div")).textContent = text;
  line(utc(time));
  line((used == null ? "used: not known" : `used ${whole(used)}`) + (limit == null ? "" : ` of ${whole(limit)}`) + (limit && used != null ? ` (${Math.floor(100 * used / limit)} %)` : "") + (tier && `, tier ${tier}`));
  line(["quality " + at(subject.quality || [], time).map(s => s.what).join(), ...at(subject.states || [], time).map(s => s.what)].join(", "));
  if (close.length) {
    const list = tip.appendChild(document.createElement("ul"));
    for (const h of close.slice(0, 5)) list.appendChild(document.createElement("li")).textContent = `${utc(h.at)} ${h.reason}: ${h.message}`;
    if (close.length > 5) list.appendChild(document.createElement("li")).textContent = `and ${close.length - 5} more`;
  }
  tip.hidden = false;
  const box = u.over.getBoundingClientRect();
  const x = Math.min(box.left + left + 14, innerWidth - tip.offsetWidth - 8);
  tip.style.left = Math.max(4, x) + scrollX + "px";
  tip.style.top = box.top + top + 14 + scrollY + "px";
}

// dates are the labels of the axis of time: the day where it is new, else the time of the day.
function dates(splits, step) {
  const name = (at, form) => new Date(at * 1000).toLocaleString("en-GB", {timeZone: "UTC", ...form});
  const day = at => name(at, {day: "numeric", month: "short"});
  const year = at => name(at, {year: "numeric"});
  return splits.map((at, i) => {
    const before = i > 0 ? splits[i - 1] : null, lines = [];
    if (step < 86400) lines.push(name(at, {hour: "2-digit", minute: "2-digit", ...(step < 60 && {second: "2-digit"})}));
    if (step >= 86400 || before == null || day(before) != day(at)) lines.push(day(at));
    if (lines.length < 2 && (before == null || year(before) != year(at))) lines.push(year(at));
    return lines.join("\n");
  });
}

// draw draws a subject in a place, and returns the plot. The measure is what the limit counts.
export function draw(place, subject, {measure, logarithmic = false}) {
  place.replaceChildren();
  document.body.append(tip);
  const axis = {stroke: color("ink"), font, grid: {stroke: color("grid"), width: 1}, ticks: {stroke: color("grid"), width: 1}, labelFont: font};
  const top = Math.max(1, ...subject.used, ...subject.limits.map(l => l ?? 0));
  return new uPlot({
    width: place.clientWidth, height: 340 + axisHeight + 3 * (laneHeight + 4),
    tzDate: time => uPlot.tzDate(new Date(time * 1000), "Etc/UTC"),
    padding: [42, 18, 3 * (laneHeight + 4) + 10, 8],
    cursor: {y: false, points: {size: 7}, drag: {x: true, y: false}},
    scales: {
      x: {time: true},
      y: logarithmic ? {distr: 4, asinh: 10, range: [0, top * 1.3]} : {range: [0, top * 1.06]},
    },
    axes: [
      {...axis, size: axisHeight, space: 70, values: (u, splits, i, space, step) => dates(splits, step)},
      {...axis, size: 78, label: measure, labelSize: 22, values: (u, splits) => splits.map(v => v == null ? "" : whole(v)),
        ...(logarithmic && {splits: () => [0, ...[...Array(10).keys()].map(n => 10 ** (n + 1)).filter(n => n <= top * 1.3)], filter: (u, splits) => splits})},
    ],
    series: [
      {},
      {label: "used", stroke: color("used"), fill: color("area"), width: 2, paths: uPlot.paths.stepped({align: 1}), points: {show: false}},
      {label: "limit", stroke: color("limit"), dash: [7, 4], width: 2, paths: uPlot.paths.stepped({align: 1}), points: {show: false}, spanGaps: false},
    ],
    hooks: {
      draw: [u => { drawTiers(u, subject); drawLanes(u, subject); }],
      setCursor: [u => showTip(u, subject)],
    },
  }, [subject.times, subject.used, subject.limits], place);
}
