const log = document.getElementById("log");
let charts = [];
function drawAll() {
  charts.forEach(c => c.destroy());
  charts = [...document.querySelectorAll(".chart")].map((place, i) => draw(place, subjects[i], {measure, logarithmic: log.checked}));
}

// Tiers are a factor of ten apart: on an even scale the first would lie on the ground.
log.checked = subjects.some(s => {
  const limits = s.limits.filter(l => l);
  return Math.max(...limits, ...s.used) > 20 * Math.min(...limits);
});
log.addEventListener("change", drawAll);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
let waiting;
addEventListener("resize", () => { clearTimeout(waiting); waiting = setTimeout(drawAll, 150); });
drawAll();
