"use strict";
(() => {
  const page = JSON.parse(document.getElementById("data").textContent);
  const { patients, classes, shared } = page;
  const STORE = `skrobust-review:${page.fingerprint}`;
  const OPTIONS = "skrobust-review-options";
  const COLUMNS = ["patient", "label", "decision", "new_label", "note", "rows", "probability",
    "suggested", "reviewer", "time", "data"];
  const SHOWN_COLUMNS = 12;

  // ------------------------------------------------------------------ elements
  const at = (id) => document.getElementById(id);

  function fill(element, attributes, children) {
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children); // texts become text nodes, never markup
    return element;
  }
  const make = (tag, attributes = {}, ...children) =>
    fill(document.createElement(tag), attributes, children);
  const draw = (tag, attributes = {}, ...children) =>
    fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
  function button(attributes, onClick, ...children) {
    const element = make("button", { type: "button", ...attributes }, ...children);
    element.addEventListener("click", onClick);
    return element;
  }
  const key = (name) => make("kbd", {}, name);

  const percent = (p) => {
    if (p === null || p === undefined) return "unknown";
    if (p < 0.001) return "< 0.1%";
    if (p > 0.999 && p < 1) return "> 99.9%";
    return `${(100 * p).toFixed(p < 0.1 ? 1 : 0)}%`;
  };
  const short = (v) => {
    if (Math.abs(v) >= 1e6 || (v !== 0 && Math.abs(v) < 1e-3)) return v.toExponential(1);
    return String(Number(v.toPrecision(4)));
  };

  let hideStatus = 0;
  function say(text) {
    at("status").textContent = text;
    clearTimeout(hideStatus);
    hideStatus = setTimeout(() => { at("status").textContent = ""; }, 4000);
  }
  function warn(text) {
    at("warning").textContent = text;
    at("warning").hidden = !text;
    if (text) at("warning").scrollIntoView({ block: "nearest" });
  }

  // ------------------------------------------------------------------ decisions
  // by patient: what a line of the CSV file says, all texts
  let records = new Map();
  let undone = [];
  let stored = true;
  let changed = false;
  let current = 0;
  let options = { advance: true, blind: false, scaled: false, reviewer: "" };

  const record = (patient) => records.get(patient.id);
  const decisionOf = (patient) => record(patient)?.decision ?? "";

  function keep(name, value) {
    try {
      localStorage.setItem(name, JSON.stringify(value));
      return true;
    } catch {
      return false;
    }
  }
  function recall(name) {
    try {
      return JSON.parse(localStorage.getItem(name));
    } catch {
      return null;
    }
  }
  function load() {
    const found = recall(STORE);
    records = new Map((found?.records ?? []).map((r) => [r.patient, r]));
    const place = patients.findIndex((p) => p.id === found?.current);
    return place < 0 ? 0 : place;
  }
  function save() {
    changed = true;
    stored = keep(STORE, {
      records: [...records.values()], current: patients[current]?.id ?? null,
    });
    if (!stored) {
      warn("This browser does not keep the decisions. Export them before you close the page.");
    }
  }

  function write(patient, change) {
    const before = record(patient);
    const line = {
      patient: patient.id,
      label: patient.several ? Object.keys(patient.several).join(" / ") : patient.label,
      decision: "", new_label: "", note: "",
      rows: String(patient.rows),
      probability: patient.probability === null ? "" : patient.probability.toPrecision(3),
      suggested: patient.suggested ?? "",
      ...before,
      ...change,
      reviewer: options.reviewer,
      time: new Date().toISOString().slice(0, 19) + "Z",
      data: patient.key,
    };
    if (line.decision || line.note) records.set(patient.id, line);
    else records.delete(patient.id);
    save();
    return before;
  }

  function decide(decision, label = "") {
    const patient = patients[current];
    if (!patient) return;
    const before = write(patient, { decision, new_label: label });
    undone.push([patient.id, before]);
    const name = { right: "label right", unsure: "unsure", "": "no decision" };
    say(`${patient.id}: ${decision === "wrong" ? `wrong, is ${label}` : name[decision]}`);
    const place = current;
    showAll();
    if (decision && options.advance) step(1, place);
  }

  function undo() {
    const last = undone.pop();
    if (!last) return say("Nothing to undo.");
    const [id, before] = last;
    if (before) records.set(id, before);
    else records.delete(id);
    const place = patients.findIndex((p) => p.id === id);
    if (place >= 0) current = place;
    save();
    showAll();
    return say(`${id}: undone`);
  }

  const labelsOf = (patient) => (patient.several ? Object.keys(patient.several) : [patient.label]);
  const isChoice = (patient, label) => patient.several || label !== patient.label;

  // ------------------------------------------------------------------ CSV
  // a spreadsheet program would run these as formulas; the first apostrophe is removed on reading
  const guarded = (text) => (/^[=+\-@＝＋－＠\t\r\n']/.test(text) ? `'${text}` : text);
  const unguarded = (text) => (text.startsWith("'") ? text.slice(1) : text);
  const cell = (text) => `"${guarded(text).replaceAll('"', '""')}"`;

  function exported() {
    const place = new Map(patients.map((p, i) => [p.id, i]));
    const lines = [...records.values()].sort(
      (a, b) => (place.get(a.patient) ?? Infinity) - (place.get(b.patient) ?? Infinity) || 0);
    const texts = lines.map((line) => COLUMNS.map((name) => cell(line[name] ?? "")).join(","));
    return "\uFEFF" + [COLUMNS.join(","), ...texts].join("\r\n") + "\r\n";
  }
  function exportCsv() {
    const address = URL.createObjectURL(new Blob([exported()], { type: "text/csv;charset=utf-8" }));
    const link = make("a", { href: address, download: `review-${page.fingerprint}.csv` });
    link.click();
    setTimeout(() => URL.revokeObjectURL(address), 10000);
    changed = false;
    say(`Exported ${records.size} ${records.size === 1 ? "patient" : "patients"}.`);
  }

  function parsed(text) {
    const source = text.replace(/^\uFEFF/, "");
    const head = source.split("\n", 1)[0];
    const separator = [",", ";", "\t"].reduce(
      (a, b) => (head.split(b).length > head.split(a).length ? b : a));
    const lines = [];
    let line = [], value = "", quoted = false;
    for (let i = 0; i < source.length; i++) {
      const c = source[i];
      if (quoted) {
        if (c === '"' && source[i + 1] === '"') { value += '"'; i++; }
        else if (c === '"') quoted = false;
        else value += c;
      } else if (c === '"' && value === "") quoted = true;
      else if (c === separator) { line.push(value); value = ""; }
      else if (c === "\n" || c === "\r") {
        if (c === "\r" && source[i + 1] === "\n") i++;
        line.push(value); value = "";
        lines.push(line); line = [];
      } else value += c;
    }
    if (quoted) throw new Error("a quotation mark is not closed");
    if (value || line.length) lines.push([...line, value]);
    return lines.filter((cells) => cells.some((text) => text));
  }

  function readCsv(text) {
    const [head = [], ...lines] = parsed(text);
    const columns = head.map((name) => name.trim());
    const missing = ["patient", "decision", "new_label", "data"].filter((c) => !columns.includes(c));
    if (missing.length) throw new Error(`it lacks the columns ${missing.join(", ")}`);
    const found = new Map();
    const place = new Map(patients.map((p) => [p.id, p]));
    lines.forEach((cells, number) => {
      const where = `patient ${number + 1} of the file: `;
      if (cells.length !== columns.length) {
        throw new Error(`${where}${cells.length} cells, but ${columns.length} columns`);
      }
      const line = Object.fromEntries(columns.map((name, i) => [name, unguarded(cells[i])]));
      const decision = line.decision.trim().toLowerCase();
      const [fingerprint] = line.data.trim().split(/-(?=\d+$)/);
      if (fingerprint !== page.fingerprint) {
        throw new Error(`${where}it belongs to other data, ${fingerprint || "unknown"} instead of `
          + page.fingerprint);
      }
      const patient = place.get(line.patient);
      const owner = patients.find((p) => p.key === line.data.trim());
      if (owner !== patient) {
        throw new Error(`${where}"${line.patient}" was "${(owner ?? patient).id}" when the file `
          + "was written; a spreadsheet program may have changed it");
      }
      if (!["", "right", "wrong", "unsure"].includes(decision)) {
        throw new Error(`${where}the decision is "${line.decision}"`);
      }
      if ((decision === "wrong") !== (line.new_label !== "")
          || (line.new_label && !classes.includes(line.new_label))
          || (decision === "wrong" && patient && !isChoice(patient, line.new_label))) {
        throw new Error(`${where}"${decision}" does not go with the new label "${line.new_label}"`);
      }
      if (found.has(line.patient)) throw new Error(`${where}"${line.patient}" is there twice`);
      const known = Object.fromEntries(COLUMNS.map((name) => [name, line[name] ?? ""]));
      found.set(line.patient, { ...known, decision, data: line.data.trim() });
    });
    return found;
  }

  function importCsv(text) {
    let found;
    try {
      found = readCsv(text);
    } catch (error) {
      return warn(`The file was not imported: ${error.message}.`);
    }
    warn("");
    const same = (a, b) => ["decision", "new_label", "note"].every((name) => a[name] === b[name]);
    const other = [...found.values()].filter(
      (line) => records.has(line.patient) && !same(line, records.get(line.patient)));
    if (other.length && !confirm(`${other.length} of the decisions here differ from those in the `
        + "file, and would be replaced. Go on?")) return say("Nothing was imported.");
    for (const [id, line] of found) {
      if (line.decision || line.note) records.set(id, line);
      else records.delete(id);
    }
    undone = [];
    save();
    showAll();
    return say(`Imported ${found.size} ${found.size === 1 ? "patient" : "patients"}.`);
  }

  // ------------------------------------------------------------------ list
  function isDoubtedPatient(p) {
    return p.suggested !== null && p.suggested !== p.label;
  }
  const FILTERS = {
    all: () => true,
    todo: (p) => !decisionOf(p),
    doubted: isDoubtedPatient,
    right: (p) => decisionOf(p) === "right",
    wrong: (p) => decisionOf(p) === "wrong",
    unsure: (p) => decisionOf(p) === "unsure",
    note: (p) => Boolean(record(p)?.note),
  };
  let visible = [];

  function findVisible() {
    const wanted = at("search").value.trim().toLowerCase();
    const fits = (p) => !wanted || [p.id, ...labelsOf(p), record(p)?.new_label, record(p)?.note]
      .some((text) => text?.toLowerCase().includes(wanted));
    const chosen = FILTERS[at("filter").value];
    visible = patients.flatMap((p, i) => (chosen(p) && fits(p) ? [i] : []));
  }

  function showList() {
    findVisible();
    const items = visible.map((i) => {
      const p = patients[i];
      const line = record(p);
      const marks = { right: "right", wrong: `is ${line?.new_label}`, unsure: "unsure" };
      const mark = `${line?.note ? "✎ " : ""}${marks[line?.decision] ?? ""}`;
      const opinion = isDoubtedPatient(p) ? ` → ${p.suggested}` : "";
      const labels = labelsOf(p).join(" / ");
      const brief = options.blind ? labels : `${percent(p.probability)} · ${labels}${opinion}`;
      return make("li", {}, button(
        { "aria-current": String(i === current) }, () => go(i, true),
        make("span", { class: "rank" }, String(i + 1)),
        make("span", { class: "id" }, p.id),
        make("span", { class: `mark ${line?.decision ?? ""}` }, mark),
        make("span", { class: "brief", title: brief }, brief)));
    });
    at("patients").replaceChildren(...items);
    at("found").textContent = visible.length === patients.length
      ? "" : `${visible.length} of ${patients.length} patients`;
    at("patients").querySelector("[aria-current=true]")?.scrollIntoView({ block: "nearest" });
  }

  function showProgress() {
    const count = (decision) => patients.filter((p) => decisionOf(p) === decision).length;
    const [right, wrong, unsure] = ["right", "wrong", "unsure"].map(count);
    const done = right + wrong + unsure;
    at("bar").max = patients.length || 1;
    at("bar").value = done;
    const here = new Set(patients.map((p) => p.id));
    const hidden = [...records.keys()].filter((id) => !here.has(id)).length;
    at("progress").textContent = `${done} of ${patients.length} decided: ${right} right, ${wrong} `
      + `wrong, ${unsure} unsure${hidden ? `; ${hidden} more of other pages` : ""}`;
  }

  function go(place, byHand = false) {
    if (place < 0 || place >= patients.length) return;
    current = place;
    stored = keep(STORE, { records: [...records.values()], current: patients[current].id });
    if (byHand) {
      at("list").classList.remove("open");
      at("list-button").setAttribute("aria-expanded", "false");
    }
    showAll();
    const top = at("patient").getBoundingClientRect().top;
    if (top < 0) window.scrollBy(0, top - 8);
  }
  function step(direction, from = current) {
    const next = direction > 0
      ? visible.find((i) => i > from) : visible.findLast((i) => i < from);
    if (next === undefined) {
      return say(direction > 0 ? "No further patient in the list." : "This is the first patient.");
    }
    return go(next);
  }
  function stepTodo() {
    const order = [...patients.keys()];
    const next = [...order.slice(current + 1), ...order.slice(0, current + 1)]
      .find((i) => !decisionOf(patients[i]));
    return next === undefined ? say("All patients are decided.") : go(next);
  }

  // ------------------------------------------------------------------ one patient
  function showPatient() {
    const p = patients[current];
    at("patient").hidden = !p;
    if (!p) return;
    at("name").textContent = p.id;
    at("several").hidden = !p.several;
    if (p.several) {
      const counts = Object.entries(p.several).map(([label, n]) => `${label} in ${n} ${n === 1 ? "row" : "rows"}`);
      at("several").textContent = `This patient has several labels: ${counts.join(", ")}. "Right" `
        + "keeps them all. \"Wrong, is …\" gives all rows one label.";
    }
    const fact = (name, value, kind = "") =>
      make("div", {}, make("dt", {}, name), make("dd", { class: kind }, value));
    const facts = [
      fact(p.several ? "Labels" : "Label", labelsOf(p).join(" / "), "label"),
      fact("Rows", String(p.rows)),
      fact("Place in the list", `${current + 1} of ${patients.length}`),
    ];
    if (!options.blind) {
      facts.splice(1, 0, fact("Probability of the label", percent(p.probability)),
        fact("Most probable", p.suggested ?? "unknown", isDoubtedPatient(p) ? "other" : "label"));
    }
    at("facts").replaceChildren(...facts);
    at("reasons").hidden = options.blind;
    at("reasons").replaceChildren(...p.reasons.map((reason) => make("li", {}, reason)));
    showChoices(p);
    const note = record(p)?.note ?? "";
    if (at("note").value !== note) at("note").value = note;
  }

  function showChoices(p) {
    const line = record(p);
    const choice = (kind, name, text, onClick, pressed) => button(
      { class: kind, "aria-pressed": String(pressed) }, onClick, text, " ", ...name);
    const wrong = classes.flatMap((label, i) => (isChoice(p, label) ? [choice(
      "wrong", i < 9 ? [key(String(i + 1))] : [],
      p.several ? `All rows are ${label}` : `Wrong, is ${label}`, () => decide("wrong", label),
      line?.decision === "wrong" && line.new_label === label)] : []));
    at("choices").replaceChildren(
      choice("right", [key("R")], p.several ? "Labels right" : "Label right",
        () => decide("right"), line?.decision === "right"),
      ...wrong,
      choice("unsure", [key("U")], "Unsure", () => decide("unsure"), line?.decision === "unsure"),
      button({ class: "clear" }, () => decide(""), "Clear ", key("C")));
  }

  // ------------------------------------------------------------------ pictures
  // the classes drawn: that of the label, the suggested one, and with few classes the others
  function drawnClasses(p) {
    const codes = classes.length <= 3 ? [...classes.keys()] : [];
    const own = classes.indexOf(p.label);
    const suggested = options.blind || !isDoubtedPatient(p) ? [] : [classes.indexOf(p.suggested)];
    return [...new Set([own, ...suggested, ...codes])];
  }
  let chosenRow = null;

  const caption = (row) => {
    const parts = [`row ${row.name}`];
    if (row.label !== undefined) parts.push(row.label);
    if (!options.blind && row.probability !== undefined) parts.push(percent(row.probability));
    return parts.join(" · ");
  };
  const isDoubted = (row, p) => !options.blind && (row.suggested === undefined
    ? row.probability < 0.5 : row.suggested !== (row.label ?? p.label));

  function showPictures() {
    const p = patients[current];
    const parts = [];
    if (p && page.kind !== "none") {
      const left = p.rows - p.drawn.length;
      parts.push(make("h3", {}, left
        ? `${p.drawn.length} of ${p.rows} rows` : `${p.rows} ${p.rows === 1 ? "row" : "rows"}`));
      const kinds = { curves: showCurves, images: showImages, volumes: showImages, table: showTable };
      parts.push(...kinds[page.kind](p));
    }
    at("pictures").replaceChildren(...parts);
    if (p && page.kind === "curves") drawCurves(p);
  }

  function sample(style, text) {
    const line = style === "curve"
      ? draw("line", { x1: 0, x2: 22, y1: 6, y2: 6, class: "curve chosen" })
      : draw("g", {}, draw("rect", { width: 22, height: 12, class: `range ${style}` }),
        draw("line", { x1: 0, x2: 22, y1: 6, y2: 6, class: `middle ${style}` }));
    return make("span", {}, draw("svg", { width: 22, height: 12 }, line), text);
  }

  function showCurves(p) {
    const legend = make("div", { class: "legend" }, sample("curve", "rows of the patient"),
      ...drawnClasses(p).map((code, i) => sample(`class-${i}`,
        `rows labelled ${classes[code]}: median, 10 to 90%`)),
      button({ id: "scale", "aria-pressed": String(options.scaled) }, toggleScale,
        `heights: ${options.scaled ? "equal" : "as measured"} `, key("S")));
    const plots = make("div", { id: "plots" });
    const rows = make("ul", { class: "rows" }, ...p.drawn.map((row, i) => {
      const cut = row.picture.some((curve) => curve.cut) ? ", peaks cut" : "";
      return make("li", {}, button(
        { "aria-pressed": String(i === chosenRow) },
        () => { chosenRow = chosenRow === i ? null : i; showPictures(); },
        make("span", isDoubted(row, p) ? { class: "doubt" } : {}, caption(row) + cut)));
    }));
    const parts = [legend, plots, rows];
    if (shared.hidden_channels) {
      parts.push(make("p", { class: "legend" }, `${shared.hidden_channels} channels are not drawn.`));
    }
    return parts;
  }
  function toggleScale() {
    if (page.kind !== "curves") return;
    setOption("scaled", !options.scaled);
    showPictures();
  }

  function ticks(low, high, about) {
    const rough = (high - low) / about;
    const power = 10 ** Math.floor(Math.log10(rough));
    const size = [1, 2, 5, 10].find((m) => m * power >= rough) * power;
    const found = [];
    for (let t = Math.ceil(low / size) * size; t <= high + size * 1e-9; t += size) found.push(t);
    return found;
  }

  function drawCurves(p) {
    for (let channel = 0; channel < shared.channels; channel++) {
      at("plots").append(onePlot(p, channel, channel === shared.channels - 1));
    }
  }
  function onePlot(p, channel, isLast) {
    const width = Math.max(260, at("plots").clientWidth);
    const height = shared.channels > 1 ? 190 : Math.min(380, Math.max(230, width * 0.45));
    const box = { left: 58, right: width - 10, top: 8, bottom: height - (isLast ? 40 : 22) };
    const span = (c) => (c.high > c.low ? c.high - c.low : 1);
    const curves = p.drawn.map(({ picture }) => {
      const c = picture[channel];
      const value = (i) => c.start + (i / 999) * (c.end - c.start);
      const shown = options.scaled ? (v) => (v - c.low) / span(c) : (v) => v;
      return c.y.map((i) => (i === null ? null : shown(value(i))));
    });
    const ranges = drawnClasses(p).map(
      (code) => shared.ranges[code][channel][options.scaled ? "scaled" : "given"]);
    const all = [...curves, ...ranges.flat()].flat().filter((v) => v !== null);
    let low = all.reduce((a, b) => Math.min(a, b), Infinity);
    let high = all.reduce((a, b) => Math.max(a, b), -Infinity);
    if (!(high > low)) { low = (Number.isFinite(low) ? low : 0) - 0.5; high = low + 1; }
    const pad = 0.03 * (high - low);
    low -= pad; high += pad;
    const { axis } = shared;
    const [first, last] = [axis[0], axis.at(-1)];
    const x = (v) => box.left + (last === first ? 0.5 : (v - first) / (last - first))
      * (box.right - box.left);
    const y = (v) => box.bottom - ((v - low) / (high - low)) * (box.bottom - box.top);
    const path = (values) => {
      let text = "", open = false;
      values.forEach((v, i) => {
        if (v !== null) text += `${open ? "L" : "M"}${x(axis[i]).toFixed(1)} ${y(v).toFixed(1)}`;
        open = v !== null;
      });
      return text;
    };
    const svg = draw("svg", {
      class: `plot${chosenRow === null ? "" : " faded"}`, viewBox: `0 0 ${width} ${height}`,
      width, height, role: "img",
      "aria-label": `${p.drawn.length} curves of patient ${p.id} in front of the range of `
        + drawnClasses(p).map((code) => classes[code]).join(" and "),
    });
    for (const t of ticks(low, high, 5)) {
      svg.append(
        draw("line", { x1: box.left, x2: box.right, y1: y(t), y2: y(t), class: "grid-line" }),
        draw("text", { x: box.left - 6, y: y(t) + 4, "text-anchor": "end" }, short(t)));
    }
    const [lowest, highest] = [Math.min(first, last), Math.max(first, last)];
    if (highest > lowest) {
      for (const t of ticks(lowest, highest, Math.max(2, width / 110))) {
        svg.append(
          draw("line", { x1: x(t), x2: x(t), y1: box.bottom, y2: box.bottom + 4, class: "axis-line" }),
          draw("text", { x: x(t), y: box.bottom + 17, "text-anchor": "middle" }, short(t)));
      }
    }
    if (isLast) {
      svg.append(draw("text", { x: (box.left + box.right) / 2, y: height - 5, "text-anchor": "middle" },
        shared.axis_label));
    }
    svg.append(draw("path", {
      class: "axis-line", d: `M${box.left} ${box.top}V${box.bottom}H${box.right}` }));
    ranges.forEach(([lower, , upper], i) => {
      const known = axis.map((_, j) => j).filter((j) => lower[j] !== null && upper[j] !== null);
      const edge = [...known.map((j) => [axis[j], upper[j]]),
        ...known.reverse().map((j) => [axis[j], lower[j]])];
      const d = edge.map(([a, b], j) => `${j ? "L" : "M"}${x(a).toFixed(1)} ${y(b).toFixed(1)}`);
      svg.append(draw("path", { class: `range class-${i}`, d: `${d.join("")}Z` }));
    });
    curves.forEach((values, i) => {
      svg.append(draw("path", { class: `curve${i === chosenRow ? " chosen" : ""}`, d: path(values) }));
    });
    ranges.forEach(([, middle], i) => {
      svg.append(draw("path", { class: `middle class-${i}`, d: path(middle) }));
    });
    return svg;
  }

  function showImages(p) {
    const list = make("ul", { class: "images" }, ...p.drawn.map((row) => make("li", {}, button(
      { "aria-label": `Enlarge ${caption(row)}` }, () => enlarge(row, p),
      make("img", { src: row.picture, alt: `Picture of row ${row.name} of patient ${p.id}` }),
      make("span", isDoubted(row, p) ? { class: "doubt" } : {}, caption(row))))));
    list.style.setProperty("--tile", `${shared.tiles > 1 ? 7 + 5 * Math.min(shared.tiles, 4) : 9}rem`);
    const parts = [list];
    if (page.kind === "volumes") {
      parts.unshift(make("p", { class: "legend" }, "The middle slice along each of the three axes."));
    }
    if (shared.hidden_channels) {
      parts.push(make("p", { class: "legend" }, `${shared.hidden_channels} channels are not drawn.`));
    }
    return parts;
  }
  function enlarge(row, p) {
    at("large-picture").src = row.picture;
    at("large-picture").alt = `Picture of row ${row.name} of patient ${p.id}`;
    at("large-name").textContent = caption(row);
    at("large").showModal();
  }

  let allColumns = false;
  function showTable(p) {
    const drawn = drawnClasses(p);
    const order = allColumns ? p.order : p.order.slice(0, SHOWN_COLUMNS);
    const lines = order.map((place) => {
      const column = shared.columns[place];
      const values = p.drawn.map((row) => row.picture[place]);
      const text = (v) => {
        if (v === null) return "missing";
        return column.number ? (typeof v === "number" ? short(v) : v) : p.texts[place][v][0];
      };
      const texts = values.map(text);
      const shown = new Set(texts).size === 1 ? texts.slice(0, 1) : texts;
      return make("tr", {}, make("th", { scope: "row" }, column.name),
        make("td", {}, shown.join(", ")),
        make("td", {}, ...(column.number ? [strip(column, values, drawn)] : shares(p, place, drawn))));
    });
    const legend = make("div", { class: "legend" },
      ...drawn.map((code, i) => sample(`class-${i}`, `rows labelled ${classes[code]}`)),
      "bars: 5 to 95%, 25 to 75% and median; dots: the patient");
    const table = make("table", { class: "values" }, make("tbody", {}, ...lines));
    const parts = [legend, table];
    if (p.order.length > SHOWN_COLUMNS) {
      parts.push(make("p", { class: "legend" }, allColumns ? "" : "The columns that differ most. ",
        button({}, () => { allColumns = !allColumns; showPictures(); },
          allColumns ? "Show fewer columns" : `Show all ${p.order.length} columns`)));
    }
    return parts;
  }
  function strip(column, values, drawn) {
    const numbers = values.filter((v) => typeof v === "number");
    const ranges = drawn.map((code) => column.classes[code].range);
    const all = [...numbers, ...ranges.flatMap((r) => (r ? [r[0], r[4]] : []))];
    let [low, high] = [Math.min(...all), Math.max(...all)];
    if (!all.length) return "";
    if (high === low) { low -= 0.5; high += 0.5; }
    const width = 300, height = 14 * ranges.length + 16;
    const x = (v) => 8 + ((v - low) / (high - low)) * (width - 16);
    const inWords = ranges.map((r, i) => (r ? `${classes[drawn[i]]}: median ${short(r[2])}, 5 to 95% `
      + `${short(r[0])} to ${short(r[4])}` : `${classes[drawn[i]]}: no values`)).join("; ");
    const svg = draw("svg", { class: "strip", viewBox: `0 0 ${width} ${height}`, role: "img",
      "aria-label": inWords }, draw("title", {}, inWords));
    ranges.forEach((r, i) => {
      if (!r) return;
      const y = 14 * i + 7;
      const bar = (a, b, h, opacity) => draw("rect", { x: x(a), y: y - h / 2, height: h,
        width: Math.max(1, x(b) - x(a)), class: `class-${i}`, "stroke-width": 0,
        "fill-opacity": opacity });
      svg.append(bar(r[0], r[4], 4, 0.3), bar(r[1], r[3], 9, 0.45));
      svg.append(draw("line", { x1: x(r[2]), x2: x(r[2]), y1: y - 6, y2: y + 6, class: `class-${i}`,
        "stroke-width": 2 }));
    });
    for (const v of numbers) {
      svg.append(draw("circle", { cx: x(v), cy: height - 7, r: 4, class: "dot" }));
    }
    return svg;
  }
  function shares(p, place, drawn) {
    return p.texts[place].map(([text, ofClass]) => make("div", { class: "share" },
      make("span", {}, `${text}: ${drawn.map(
        (code) => `${percent(ofClass[code])} of ${classes[code]}`).join(", ")}`)));
  }

  // ------------------------------------------------------------------ everything
  let drawnPatient = -1;
  function showAll() {
    showList();
    showProgress();
    showPatient();
    if (drawnPatient !== current) {
      drawnPatient = current;
      chosenRow = null;
      showPictures();
    }
  }
  function setOption(name, value) {
    options[name] = value;
    keep(OPTIONS, options);
  }
  function setBlind(value) {
    setOption("blind", value);
    at("blind").checked = value;
    drawnPatient = -1;
    showAll();
  }
  function refilter() {
    findVisible();
    if (visible.length && !visible.includes(current)) go(visible[0]);
    else showAll();
  }
  function nextFilter() {
    const select = at("filter");
    select.selectedIndex = (select.selectedIndex + 1) % select.options.length;
    refilter();
    say(`Showing: ${select.selectedOptions[0].textContent}`);
  }
  function openList(open) {
    at("list").classList.toggle("open", open);
    at("list-button").setAttribute("aria-expanded", String(at("list").classList.contains("open")));
  }

  const KEYS = {
    r: () => decide("right"),
    u: () => decide("unsure"),
    c: () => decide(""),
    z: undo,
    j: () => step(1),
    arrowright: () => step(1),
    k: () => step(-1),
    arrowleft: () => step(-1),
    t: stepTodo,
    n: () => at("note").focus(),
    "/": () => { openList(true); at("search").focus(); },
    f: nextFilter,
    h: () => setBlind(!options.blind),
    s: toggleScale,
    e: exportCsv,
    i: () => at("file").click(),
    "?": () => at("help").showModal(),
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    const field = event.target.closest("input:not([type=checkbox]), textarea, select");
    if (field) {
      if (event.key === "Escape") field.blur();
      return;
    }
    const name = event.key.toLowerCase();
    if (/^[1-9]$/.test(name)) {
      const label = classes[Number(name) - 1];
      const p = patients[current];
      if (label === undefined || !p) return;
      if (isChoice(p, label)) decide("wrong", label);
      else say(`${label} is the label it has. R says that it is right.`);
    } else if (Object.hasOwn(KEYS, name)) KEYS[name]();
    else return;
    event.preventDefault();
  });

  at("previous").addEventListener("click", () => step(-1));
  at("next").addEventListener("click", () => step(1));
  at("export").addEventListener("click", exportCsv);
  at("import").addEventListener("click", () => at("file").click());
  at("help-button").addEventListener("click", () => at("help").showModal());
  at("list-button").addEventListener("click", () => openList());
  at("file").addEventListener("change", async () => {
    const [file] = at("file").files;
    if (!file) return;
    try {
      importCsv(new TextDecoder("utf-8", { fatal: true }).decode(await file.arrayBuffer()));
    } catch {
      warn('The file was not imported: it is not UTF-8. Save it as "CSV UTF-8".');
    }
    at("file").value = "";
  });
  at("search").addEventListener("input", refilter);
  at("filter").addEventListener("change", refilter);
  at("note").addEventListener("input", () => {
    write(patients[current], { note: at("note").value });
    showList();
  });
  at("advance").addEventListener("change", () => setOption("advance", at("advance").checked));
  at("blind").addEventListener("change", () => setBlind(at("blind").checked));
  at("reviewer").addEventListener("input", () => setOption("reviewer", at("reviewer").value));
  window.addEventListener("storage", (event) => {
    if (event.key === STORE) { load(); showAll(); }
    // another page cleared the store, which all pages opened from files share
    else if (event.key === null && records.size) save();
  });
  window.addEventListener("beforeunload", (event) => {
    if (!stored && changed && records.size) event.preventDefault();
  });
  let resized = 0;
  window.addEventListener("resize", () => {
    clearTimeout(resized);
    resized = setTimeout(() => { if (page.kind === "curves") showPictures(); }, 100);
  });

  // Scripts that run while a page is loaded from a file may see, in Chromium, none of what the page
  // stored before: what is stored is read in a task of its own after that.
  function start() {
    options = { ...options, ...recall(OPTIONS) };
    at("advance").checked = options.advance;
    at("blind").checked = options.blind;
    at("reviewer").value = options.reviewer;
    const rows = `${page.all_rows} rows`;
    const of = page.all_patients === patients.length
      ? `${patients.length} patients` : `${patients.length} of ${page.all_patients} patients`;
    at("about").textContent = `${of}, ${rows}; classes: ${classes.join(", ")}`;
    at("about").title = page.fingerprint;
    stored = keep(`${STORE}:test`, 1);
    if (stored) localStorage.removeItem(`${STORE}:test`);
    else warn("This browser does not keep the decisions. Export them before you close the page.");
    current = load();
    showAll();
  }
  window.addEventListener("load", () => setTimeout(start));
})();
