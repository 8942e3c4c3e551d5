// The paper: keeps the lines of a text as they come from the server, and lets a pen draw them, stroke after stroke.

const POINT_SECONDS = 0.0164; // of real handwriting, as scribe/pages/page.py has it
const LIFT_SECONDS = 0.1, LIFT_MM_PER_SECOND = 20, LONGEST_LIFT = 0.8;
const RAW_STEPS = 1000, MM_STEPS = 100; // as scribe/web/stream.py tells numbers
const SETTLE_MS = 260; // in which ink moves to its place on the page
const CROSSED_MS = 900; // for which a line that failed is seen before it is rewritten
const LEAST_HEIGHT_MM = 46, USUAL_SHAPE = 0.56; // of paper that is as large as the writing: height, and height for width
const WIDENING = 0.28; // how much wider the pen draws where it is slow
const TRAIL = 90, SIGMAS = 5; // points whose density is seen behind the pen, and how far out, in deviations
const GLOW = 0.6, LEAST_GLOW_MM = 0.12; // of a density: how opaque in its middle; added to deviations, which can be tiny
const TALL = /[A-Zbdfhklt0-9!?"'([&%#]/;

function emptyLine(told) {
  return {
    text: told.text, paragraph: told.paragraph, indent: told.indent, attempt: 0, ended: false, tries: 1, failures: [],
    x: [], y: [], lift: [], character: [], page: [], density: [], raw: [],
    target: null, // {x, y, page} where the ink is to move
    drawn: 0, // points that the pen has drawn
    baseline: null, placed: false,
    before: null, // the line that stood here, seen until the ink of this one is another
    same: 0, // points of it that are those of this one
    again: null, // from which point on it is written again
    againTo: Infinity, // up to which
    crossed: null, // what failed and is seen for a moment: {line, from, to, until}, its points [from, to)
    mayStay: Infinity, // from which point on what has failed may stay
    rest: null, // that: {line, from, to}, seen until it is known
    skip: null, // points {from, to} that have stood there before: the pen jumps over them
  };
}

export class Sheet {
  // box: the element that takes the pages. on: {character(line, index), idle(), ink()} are told what the pen does.
  constructor(box, on) {
    this.box = box;
    this.on = on;
    this.lines = [];
    this.pages = [];
    this.begun = null;
    this.look = { ink: "#10204d", paper: "#ffffff", penWidth: 0.4 };
    this.speed = 3;
    this.paused = false;
    this.watching = false;
    this.still = false; // no motion: ink appears where it belongs
    this.views = [];
    this.budget = 0;
    this.settled = 0;
    this.dirty = true;
    this.current = null;
    this.frame = null;
    this.last = 0;
    new ResizeObserver(() => this.resize()).observe(box);
  }

  // ---- what the server tells

  begin(told) {
    const old = this.lines;
    this.begun = told;
    this.lines = told.lines.map((line, k) => {
      const before = old[k], whole = before?.before && before.same === before.raw.length ? before.before : before;
      if (whole) whole.drawn = Math.max(whole.drawn, before.drawn);
      return { ...emptyLine(line), before: whole ?? null };
    });
    if (!this.pages.length) this.setPages([this.emptyPage()]);
    this.wake();
  }

  ink(told) {
    const line = this.lines[told.line];
    if (!line) return;
    if (told.start < line.raw.length) this.goBack(line, told.start);
    line.attempt = told.attempt;
    if (told.rest !== undefined) this.settleRest(line, told);
    const steps = told.points, { unit } = this.begun;
    for (let k = 0; k < steps.length; k += 4) {
      const n = line.raw.length;
      line.raw.push([steps[k], steps[k + 1], steps[k + 2]]);
      line.lift.push(steps[k + 2]);
      line.character.push(steps[k + 3]);
      const d = told.density, j = (k / 4) * 3;
      line.density.push(d ? [d[j] * unit / RAW_STEPS, d[j + 1] * unit / RAW_STEPS, d[j + 2] / RAW_STEPS] : null);
      if (n === 0) {
        const [x, y] = this.start(told.line);
        line.x.push(x);
        line.y.push(y);
      } else {
        line.x.push(line.x[n - 1] + steps[k] * unit / RAW_STEPS);
        line.y.push(line.y[n - 1] + steps[k + 1] * unit / RAW_STEPS);
      }
      line.page.push(this.pageOf(told.line));
    }
    if (line.before) this.goOnFrom(line, line.before);
    this.wake();
  }

  failed(told) {
    const line = this.lines[told.line];
    if (!line) return;
    const again = Math.min(line.again ?? Infinity, told.start);
    Object.assign(line, { tries: told.attempt + 2, again, againTo: Infinity, mayStay: told.rest ?? Infinity });
  }

  ended(told) {
    const line = this.lines[told.line];
    if (line) Object.assign(line, { ended: true, tries: told.attempts, failures: told.failures, before: null, rest: null });
    this.dirty = true;
    this.wake();
  }

  layout(told) {
    // Paper as large as the writing begins where the first line was expected, unless that reaches higher.
    const down = this.tight() && told.pages[0].baselines.length ? Math.max(this.begun.page.baseline - told.pages[0].baselines[0], 0) : 0;
    const pages = told.pages.map((page) => this.tight()
      ? { ...this.tightSize(page.width, page.height + down + 4), rules: this.shifted(page, down),
          baselines: page.baselines.map((y) => y + down), tight: true }
      : page);
    const kept = told.complete || pages.length > this.pages.length ? pages : this.pages.map((old, k) => pages[k] ?? old);
    if (!told.complete && this.tight() && this.pages[0]) kept[0].height = Math.max(kept[0].height, this.pages[0].height);
    this.setPages(kept);
    for (const placed of told.lines) this.place(this.lines[placed.line], placed, down);
    this.settled = performance.now();
    this.dirty = true;
    this.wake();
  }

  // ---- where things are

  tight() {
    return !this.begun.page.size;
  }

  emptyPage() {
    const { page } = this.begun, [top, right, bottom, left] = page.margins;
    if (page.size) return { width: page.size[0], height: page.size[1], rules: [], baselines: [] };
    return { ...this.tightSize((page.width ?? 120) + left + right, page.baseline + bottom + top), rules: [], baselines: [], tight: true };
  }

  // The size of paper that is as large as the writing: no narrower than a line may be, and of a usual shape where the
  // window has room for that.
  tightSize(width, height) {
    const { page } = this.begun, [, right, , left] = page.margins;
    width = Math.max(width, (page.width ?? 120) + left + right);
    const room = parseFloat(getComputedStyle(this.box).maxHeight) - 24, seen = room / Math.max(this.box.clientWidth, 1) * width;
    const least = Math.max(LEAST_HEIGHT_MM, Math.min(USUAL_SHAPE * width, seen || 0));
    return { width, height: Math.max(height, least) };
  }

  // How many lines stand on the pages.
  rows() {
    return this.pages.reduce((sum, page) => sum + page.baselines.length, 0);
  }

  // The rules of a page that is larger here than the writing is: they go over all of it.
  shifted(page, down) {
    const { width, height } = this.tightSize(page.width, page.height + down + 4);
    return page.rules.map(([x1, y1, x2, y2, w, colour]) => [
      x1, x1 === x2 && y1 !== y2 ? y1 : y1 + down, Math.abs(x2 - page.width) < 0.1 ? width : x2,
      x1 === x2 && Math.abs(y2 - page.height) < 0.1 ? height : y2 + down, w, colour]);
  }

  pageOf(k) {
    const before = this.lines[k].before ?? this.lines[k - 1];
    return before?.page.length ? before.page[before.page.length - 1] : 0;
  }

  // Where a line begins that has no place on the page yet.
  start(k) {
    const { page, unit } = this.begun, line = this.lines[k], before = this.lines[k - 1];
    const left = page.margins[3] + line.indent;
    let baseline = page.baseline, x = left;
    if (before) {
      const rows = line.paragraph - before.paragraph;
      baseline = (before.baseline ?? page.baseline) + page.pitch * rows;
      if (!rows) {
        x = (before.x.length ? Math.max(...before.x) : left) + 2 * page.x_height;
        if (page.width && x > page.margins[3] + page.width * 0.85) [x, baseline] = [left, baseline + page.pitch];
      }
    }
    line.baseline = baseline;
    const rise = TALL.test(line.text[0] ?? "") ? 1.9 : 0.75;
    return [x + unit * 0.3, baseline - rise * page.x_height];
  }

  // Takes the points from number `start` on back. What the pen has drawn of them is seen for a moment, crossed out.
  goBack(line, start) {
    this.move(line, 1);
    const seen = { ...line, crossed: null, before: null }, to = Math.min(line.drawn, line.mayStay);
    if (to > start + 2) this.crossOut(line, { line: seen, from: start, to });
    const from = Math.max(line.mayStay, line.skip?.from ?? 0), end = line.skip?.to ?? line.drawn;
    line.rest = end > from ? { line: seen, from, to: end } : null;
    Object.assign(line, { mayStay: Infinity, skip: null });
    for (const name of ["x", "y", "lift", "character", "page", "density", "raw"]) line[name] = line[name].slice(0, start);
    Object.assign(line, { drawn: Math.min(line.drawn, start), placed: false, before: null });
    this.dirty = true;
  }

  crossOut(line, part) {
    if (!this.still && Number.isFinite(this.speed)) line.crossed = { ...part, until: performance.now() + CROSSED_MS };
  }

  // It is known whether what may stay does: then the points that are told are these, where they belong.
  settleRest(line, { rest, start }) {
    if (rest) line.againTo = start;
    if (line.rest && rest) line.skip = { from: start, to: start + line.rest.to - line.rest.from };
    else if (line.rest) this.crossOut(line, line.rest);
    line.rest = null;
    this.dirty = true;
  }

  // Ink that the new line has in common with the one before stays where it is.
  goOnFrom(line, before) {
    const { x, y, page, raw } = line, most = Math.min(raw.length, before.raw.length, before.x.length), known = line.same;
    let same = known;
    while (same < most && raw[same].every((v, j) => v === before.raw[same][j])) same++;
    this.dirty = true;
    if (same < raw.length || same === before.raw.length) line.before = null;
    if (!before.target && !before.placed && before.drawn === 0) {
      line.before = null;
      return;
    }
    const shift = same ? [before.x[same - 1] - x[same - 1], before.y[same - 1] - y[same - 1]] : [0, 0];
    for (let n = known; n < x.length; n++) {
      if (n < same) [x[n], y[n], page[n]] = [before.x[n], before.y[n], before.page[n]];
      else [x[n], y[n]] = [x[n] + shift[0], y[n] + shift[1]];
    }
    line.same = same;
    if (same) line.baseline = before.baseline;
    if (line.again < same) line.again = null; // it was written again before
    line.drawn = Math.max(line.drawn, Math.min(before.drawn, same));
  }

  place(line, placed, down) {
    if (!line) return;
    const n = placed.points.length / 4, x = [], y = [], lift = [], character = [], page = [];
    let px = 0, py = 0, at = 0;
    for (let k = 0; k < n; k++) {
      px += placed.points[4 * k];
      py += placed.points[4 * k + 1];
      while (at + 1 < placed.pages.length && placed.pages[at + 1][0] <= k) at++;
      x.push(px / MM_STEPS);
      y.push(py / MM_STEPS + down);
      lift.push(placed.points[4 * k + 2]);
      character.push(placed.points[4 * k + 3]);
      page.push(placed.pages[at]?.[1] ?? 0);
    }
    line.before = null;
    const baselines = this.pages[page[n - 1]]?.baselines ?? [], last = y[n - 1];
    if (baselines.length) line.baseline = baselines.reduce((best, b) => (Math.abs(b - last) < Math.abs(best - last) ? b : best));
    if (n === line.x.length) {
      line.from = { x: line.x.slice(), y: line.y.slice() };
      line.target = { x, y };
      Object.assign(line, { lift, character, page });
    } else { // marks and signs were added
      line.drawn = line.x.length ? Math.round(line.drawn * n / line.x.length) : 0;
      line.skip = null;
      Object.assign(line, { x, y, lift, character, page, target: null, density: [] });
    }
    if (this.still) this.move(line, 1);
    line.placed = true;
  }

  move(line, share) {
    if (!line.target) return;
    if (share >= 1) {
      Object.assign(line, { x: line.target.x, y: line.target.y, target: null, from: null });
      return;
    }
    const t = share * share * (3 - 2 * share), { from, target } = line;
    for (let n = 0; n < target.x.length; n++) {
      line.x[n] = from.x[n] + (target.x[n] - from.x[n]) * t;
      line.y[n] = from.y[n] + (target.y[n] - from.y[n]) * t;
    }
  }

  // ---- the pen

  replay() {
    for (const line of this.lines) Object.assign(line, { drawn: 0, crossed: null, before: null, again: null, rest: null, skip: null });
    this.budget = 0;
    this.dirty = true;
    this.paused = false;
    this.wake();
  }

  // Takes all lines away, and leaves the paper.
  clear() {
    this.lines = [];
    this.current = null;
    this.dirty = true;
    this.wake();
  }

  wake() {
    if (this.frame === null) {
      this.last = performance.now();
      this.frame = requestAnimationFrame((now) => this.step(now));
    }
  }

  step(now) {
    this.frame = null;
    const seconds = Math.min(Math.max(now - this.last, 0) / 1000, 0.1);
    this.last = now;
    const moving = this.lines.some((line) => line.target);
    if (moving) {
      for (const line of this.lines) this.move(line, this.still ? 1 : (now - this.settled) / SETTLE_MS);
      this.dirty = true;
    }
    for (const line of this.lines) {
      if (line.crossed) {
        this.dirty = true;
        if (now > line.crossed.until) line.crossed = null;
      }
    }
    if (this.dirty) this.drawAll(now);
    this.dirty = false;
    const writes = !this.paused && this.write(seconds * this.speed);
    if (writes || this.lines.some((line) => line.target || line.crossed)) this.wake();
    else {
      this.drawAll(now); // in one go: the end looks the same however the ink came
      this.on.idle(this.paused);
    }
    this.drawOver();
  }

  // Lets the pen write for so many seconds; returns whether there is more to do.
  write(seconds) {
    this.budget += seconds;
    for (const [k, line] of this.lines.entries()) {
      if (line.crossed && Number.isFinite(this.speed)) {
        this.budget = 0;
        return true;
      }
      const from = line.drawn;
      while (line.drawn < line.x.length) {
        if (line.skip && line.drawn >= line.skip.from) {
          line.drawn = Math.max(line.drawn, line.skip.to);
          line.skip = null;
          continue;
        }
        const cost = this.cost(k, line, line.drawn);
        if (this.budget < cost) break;
        if (Number.isFinite(this.speed)) this.budget -= cost;
        line.drawn++;
      }
      if (line.drawn > from) {
        this.drawPart(line, from, line.drawn);
        this.current = { line: k, point: line.drawn - 1 };
        this.on.character(line, line.character[line.drawn - 1]);
        this.on.ink();
      }
      if (line.drawn < line.x.length) return true;
      if (!line.ended) { // the pen has caught up with the network
        this.budget = 0;
        return false;
      }
    }
    this.budget = 0;
    this.current = null;
    this.on.character(null, -1);
    return false;
  }

  cost(k, line, n) {
    const before = n ? line : this.lines[k - 1], m = n ? n - 1 : (before?.x.length ?? 0) - 1;
    if (!before || m < 0) return 0;
    if (n && !line.lift[n - 1]) return POINT_SECONDS;
    const way = Math.hypot(line.x[n] - before.x[m], line.y[n] - before.y[m]);
    return Math.min(LIFT_SECONDS + way / LIFT_MM_PER_SECOND, LONGEST_LIFT);
  }

  // ---- drawing

  setPages(pages) {
    this.pages = pages;
    while (this.views.length > pages.length) this.views.pop().element.remove();
    while (this.views.length < pages.length) {
      const element = document.createElement("div"), ink = document.createElement("canvas"), over = document.createElement("canvas");
      element.className = "sheet";
      element.append(ink, over);
      this.box.append(element);
      this.views.push({ element, ink, over, scale: 1 });
    }
    this.resize();
  }

  resize() {
    if (!this.pages.length) return;
    const { paddingLeft, paddingRight } = getComputedStyle(this.box);
    const room = this.box.clientWidth - parseFloat(paddingLeft) - parseFloat(paddingRight), ratio = Math.min(window.devicePixelRatio || 1, 3);
    this.pages.forEach((page, k) => {
      const view = this.views[k], width = Math.min(room, page.tight ? Infinity : page.width * 5.2);
      view.scale = width / page.width * ratio;
      view.ratio = ratio;
      view.element.style.width = `${width}px`;
      view.element.style.height = `${width * page.height / page.width}px`;
      for (const canvas of [view.ink, view.over]) {
        const [w, h] = [Math.round(width * ratio), Math.round(width * ratio * page.height / page.width)];
        if (canvas.width !== w || canvas.height !== h) [canvas.width, canvas.height] = [w, h];
      }
    });
    this.dirty = true;
    this.wake();
  }

  drawAll(now = performance.now()) {
    this.views.forEach((view, k) => {
      const context = view.ink.getContext("2d"), page = this.pages[k];
      context.setTransform(view.scale, 0, 0, view.scale, 0, 0);
      context.fillStyle = this.look.paper;
      context.fillRect(0, 0, page.width, page.height);
      for (const [x1, y1, x2, y2, width, colour] of page.rules ?? []) {
        context.strokeStyle = colour;
        context.lineWidth = width;
        context.lineCap = "round";
        context.beginPath();
        context.moveTo(x1, y1);
        context.lineTo(x2 + (x1 === x2 && y1 === y2 ? 0.01 : 0), y2);
        context.stroke();
      }
    });
    for (const line of this.lines) {
      if (line.before) this.drawPart(line.before, line.drawn, line.before.drawn);
      if (line.crossed) this.drawCrossed(line.crossed, now);
      this.drawPart(line, 0, line.drawn);
      if (line.rest) this.drawPart(line.rest.line, line.rest.from, line.rest.to);
      if (line.skip) this.drawPart(line, line.skip.from, line.skip.to);
    }
  }

  // Draws points [from, to) of a line: from each point to the next one while the pen is down.
  drawPart(line, from, to, colour = this.look.ink, alpha = 1) {
    const { x, y, lift, page } = line, width = this.look.penWidth;
    for (let n = Math.max(from, 0); n < to; n++) {
      const view = this.views[page[n] ?? 0];
      if (!view) continue;
      const context = view.ink.getContext("2d"), starts = n === 0 || lift[n - 1];
      context.globalAlpha = alpha;
      context.strokeStyle = context.fillStyle = colour;
      context.lineCap = context.lineJoin = "round";
      if (starts) { // a dot, which the stroke then goes on from
        if (lift[n]) {
          context.beginPath();
          context.arc(x[n], y[n], 0.6 * width, 0, 7);
          context.fill();
        }
        continue;
      }
      const a = n > 1 && !lift[n - 2] ? n - 2 : n - 1, d = n + 1 < x.length && !lift[n] ? n + 1 : n;
      const way = Math.hypot(x[n] - x[n - 1], y[n] - y[n - 1]), usual = 0.22 * this.begun.page.x_height;
      context.lineWidth = width * (1 + WIDENING * Math.max(-1, Math.min(1, 1 - way / usual)));
      context.beginPath();
      context.moveTo(x[n - 1], y[n - 1]);
      context.bezierCurveTo(
        x[n - 1] + (x[n] - x[a]) / 6, y[n - 1] + (y[n] - y[a]) / 6,
        x[n] - (x[d] - x[n - 1]) / 6, y[n] - (y[d] - y[n - 1]) / 6, x[n], y[n]);
      context.stroke();
    }
    for (const view of this.views) view.ink.getContext("2d").globalAlpha = 1;
  }

  // What failed of a line, fading, with a stroke through it.
  drawCrossed({ line, from, to, until }, now) {
    const left = Math.max(0, (until - now) / CROSSED_MS);
    this.drawPart(line, from, to, "#b3261e", 0.75 * left);
    const view = this.views[line.page[from] ?? 0], context = view.ink.getContext("2d");
    const xs = line.x.slice(from, to), shown = 1 - Math.max(0, left - 0.5) * 2;
    const [low, high] = [Math.min(...xs), Math.max(...xs)], y = (line.baseline ?? line.y[0]) - 0.6 * this.begun.page.x_height;
    context.globalAlpha = Math.min(1, 2 * left);
    context.strokeStyle = "#b3261e";
    context.lineWidth = this.look.penWidth;
    context.beginPath();
    context.moveTo(low, y);
    context.lineTo(low + (high - low) * shown, y);
    context.stroke();
    context.globalAlpha = 1;
  }

  // A mark under what the pen writes again, until the line is done.
  underline(line) {
    if (line.again === null || line.drawn <= line.again || (line.ended && line.drawn === line.x.length)) return;
    const xs = line.x.slice(line.again, Math.min(line.drawn, line.againTo)), view = this.views[line.page[line.again] ?? 0], { x_height } = this.begun.page;
    if (!view) return;
    const context = view.over.getContext("2d"), y = (line.baseline ?? line.y[line.again]) + 0.9 * x_height;
    view.over.marked = true;
    context.setTransform(view.scale, 0, 0, view.scale, 0, 0);
    context.strokeStyle = "#b3261e";
    context.lineWidth = 0.3;
    context.lineCap = "round";
    context.setLineDash([0.5, 1]);
    context.beginPath();
    context.moveTo(Math.min(...xs), y);
    context.lineTo(Math.max(...xs), y);
    context.stroke();
    context.setLineDash([]);
  }

  // What is seen of the network: the density behind the pen, and the character that it writes.
  drawOver() {
    for (const view of this.views) {
      const context = view.over.getContext("2d");
      context.setTransform(1, 0, 0, 1, 0, 0);
      if (view.over.marked) context.clearRect(0, 0, view.over.width, view.over.height);
      view.over.marked = false;
    }
    for (const line of this.lines) this.underline(line);
    if (!this.current || !this.watching) return;
    const line = this.lines[this.current.line], tip = Math.min(this.current.point, (line?.x.length ?? 0) - 1);
    const view = this.views[line?.page[tip] ?? 0];
    if (!view || tip < 0) return; // the text has changed
    const context = view.over.getContext("2d");
    view.over.marked = true;
    context.save();
    for (let n = Math.max(0, tip - TRAIL); n <= tip; n++) {
      const density = line.density[n];
      if (!density) continue;
      const [s1, s2, rho] = density, age = 1 - (tip - n) / TRAIL;
      // The axes of the ellipse: the eigenvectors of the covariance.
      const a = s1 * s1, b = rho * s1 * s2, c = s2 * s2, middle = (a + c) / 2, half = Math.hypot((a - c) / 2, b);
      const wide = Math.sqrt(middle + half) + LEAST_GLOW_MM, high = Math.sqrt(Math.max(middle - half, 0)) + LEAST_GLOW_MM;
      context.setTransform(view.scale, 0, 0, view.scale, line.x[n] * view.scale, line.y[n] * view.scale);
      context.rotate(Math.atan2(2 * b, a - c) / 2);
      context.scale(SIGMAS * wide, SIGMAS * high);
      const glow = context.createRadialGradient(0, 0, 0, 0, 0, 1);
      for (const at of [0, 0.25, 0.5, 0.75, 1]) glow.addColorStop(at, `rgba(226, 88, 34, ${GLOW * age * Math.exp(-4.5 * at * at)})`);
      context.fillStyle = glow;
      context.fillRect(-1, -1, 2, 2);
    }
    context.setTransform(view.scale, 0, 0, view.scale, 0, 0);
    context.strokeStyle = "#e25822";
    context.lineWidth = 1.5 * this.look.penWidth;
    context.lineCap = "round";
    context.beginPath();
    for (let n = 1; n <= tip; n++) {
      if (line.character[n] !== line.character[tip] || line.lift[n - 1]) continue;
      context.moveTo(line.x[n - 1], line.y[n - 1]);
      context.lineTo(line.x[n], line.y[n]);
    }
    context.stroke();
    context.beginPath();
    context.fillStyle = "#e25822";
    context.arc(line.x[tip], line.y[tip], 0.7, 0, 7);
    context.fill();
    context.restore();
  }
}
