"use strict";
(() => {
  const CHOICES = ["system", "kind", "result", "severity"];
  const FIELDS = ["q", ...CHOICES, "from", "to"];
  const DAY = 86400;
  const field = Object.fromEntries(FIELDS.map((name) => [name, document.getElementById(name)]));
  const rows = Array.from(document.querySelectorAll("#records > li"), (item) => ({
    item,
    systems: JSON.parse(item.dataset.systems),
    kind: item.dataset.kind,
    result: item.dataset.result,
    severity: item.dataset.severity,
    time: item.dataset.time === "" ? null : Number(item.dataset.time),
    text: item.textContent.toLowerCase(),
  }));
  const marks = Array.from(document.querySelectorAll("#marks svg"), (mark) => ({ mark, row: rows[Number(mark.dataset.row)] }));
  const timeline = document.querySelector(".timeline");
  const ticks = Array.from(document.querySelectorAll("#ticks span"));
  const count = document.getElementById("count");
  const none = document.getElementById("none");

  function wanted() {
    const value = Object.fromEntries(FIELDS.map((name) => [name, field[name].value]));
    const moment = (day, more) => (day ? Date.parse(`${day}T00:00:00Z`) / 1000 + more : null);
    return { ...value, words: value.q.toLowerCase().split(/\s+/).filter(Boolean),
      begin: moment(value.from, 0), end: moment(value.to, DAY) };
  }

  function fits(row, asked) {
    return asked.words.every((word) => row.text.includes(word))
      && (!asked.system || row.systems.includes(asked.system))
      && (!asked.kind || row.kind === asked.kind)
      && (!asked.result || row.result === asked.result)
      && (!asked.severity || row.severity === asked.severity)
      && (asked.begin === null || (row.time !== null && row.time >= asked.begin))
      && (asked.end === null || (row.time !== null && row.time < asked.end));
  }

  function label(time, span) {
    const said = new Date(time * 1000).toISOString();
    return span < 3 * DAY ? `${said.slice(5, 10)} ${said.slice(11, 16)}` : said.slice(0, 10);
  }

  function draw(asked, shown) {
    if (!timeline) return;
    const first = asked.begin ?? Number(timeline.dataset.first);
    const last = asked.end ?? Number(timeline.dataset.last);
    for (const { mark, row } of marks) {
      const visible = shown.has(row);
      mark.toggleAttribute("hidden", !visible);
      if (visible) mark.setAttribute("x", `${last > first ? (100 * (row.time - first)) / (last - first) : 50}%`);
    }
    ticks.forEach((tick, part) => {
      tick.textContent = label(first + ((last - first) * part) / (ticks.length - 1), last - first);
    });
  }

  function show() {
    const asked = wanted();
    const shown = new Set(rows.filter((row) => fits(row, asked)));
    for (const row of rows) row.item.hidden = !shown.has(row);
    const all = shown.size === rows.length;
    count.textContent = `${shown.size} ${shown.size === 1 ? "record" : "records"}${all ? "" : ` of ${rows.length}`}`;
    none.hidden = shown.size > 0 || rows.length === 0;
    draw(asked, shown);
    return asked;
  }

  function remember(asked) {
    const said = new URLSearchParams(FIELDS.filter((name) => asked[name]).map((name) => [name, asked[name]])).toString();
    history.replaceState(null, "", said ? `#${said}` : location.pathname);
  }

  function recall() {
    const said = new URLSearchParams(location.hash.slice(1));
    for (const name of FIELDS) field[name].value = said.get(name) ?? "";
    // A choice that there is not any more must not hide everything without a word.
    for (const name of CHOICES) if (field[name].selectedIndex < 0) field[name].value = "";
    show();
  }

  let due = 0;
  function soon() {
    cancelAnimationFrame(due);
    due = requestAnimationFrame(() => remember(show()));
  }

  for (const name of FIELDS) field[name].addEventListener("input", soon);
  for (const button of document.querySelectorAll(".again")) {
    button.addEventListener("click", () => {
      for (const name of FIELDS) field[name].value = "";
      soon();
      field.q.focus();
    });
  }
  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest("input, select, button");
    if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      field.q.focus();
    }
  });
  addEventListener("hashchange", recall);
  recall();
})();
