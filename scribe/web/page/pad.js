// The pad on which a visitor writes lines in the own hand, to be learned.

import { SHORT_TEXTS, TEXTS, problem, toInkML } from "./inkml.js";
import { keepHand } from "./hands.js";
import { save, streamEvents } from "./stream.js";

const BASELINE = 92; // pixels from the upper edge of a box
const NARROW = 600; // pixels of a window, below which lines are short

// Height of the band for small letters, in pixels: a line of so many characters fits into a box of this width.
const bandOf = (width, count) => Math.min(28, Math.max(9, width / (1.7 * Math.max(count, 10))));

let pens = false; // whether the visitor writes with a pen: then a touch is the palm

class Row {
  constructor(text, number) {
    this.strokes = [];
    this.element = document.createElement("div");
    this.element.className = "pad-row";
    this.input = Object.assign(document.createElement("input"), { value: text, type: "text", maxLength: 60 });
    this.input.setAttribute("aria-label", `Text of line ${number}`);
    this.canvas = document.createElement("canvas");
    this.canvas.setAttribute("aria-label", `Box for line ${number}: write here with a pen, a finger or a mouse`);
    this.canvas.setAttribute("role", "img");
    const undo = Object.assign(document.createElement("button"), { type: "button", textContent: "Undo" });
    const clear = Object.assign(document.createElement("button"), { type: "button", textContent: "Clear" });
    undo.setAttribute("aria-label", `Undo the last stroke of line ${number}`);
    clear.setAttribute("aria-label", `Clear line ${number}`);
    undo.addEventListener("click", () => {
      this.strokes.pop();
      this.draw();
    });
    clear.addEventListener("click", () => {
      this.strokes.length = 0;
      this.draw();
    });
    this.element.append(this.input, undo, clear, this.canvas);
    this.input.addEventListener("input", () => this.draw());
    this.listen();
    new ResizeObserver(() => this.draw()).observe(this.canvas);
  }

  listen() {
    let current = null, pen = null;
    const add = (event) => {
      const box = this.canvas.getBoundingClientRect();
      // A pen tells more often where it is than the page is drawn.
      const events = event.getCoalescedEvents ? event.getCoalescedEvents() : [];
      for (const e of events.length ? events : [event]) {
        const point = { x: e.clientX - box.left, y: e.clientY - box.top, t: e.timeStamp }, last = current[current.length - 1];
        if (!last || point.x !== last.x || point.y !== last.y) current.push(point);
      }
      this.draw();
    };
    this.canvas.addEventListener("pointerdown", (event) => {
      pens = pens || event.pointerType === "pen"; // one at a time
      if (current || event.button !== 0 || (pens && event.pointerType === "touch")) return;
      event.preventDefault();
      this.canvas.setPointerCapture(event.pointerId);
      pen = event.pointerId;
      current = [];
      this.strokes.push(current);
      add(event);
    });
    this.canvas.addEventListener("pointermove", (event) => {
      if (current && event.pointerId === pen) add(event);
    });
    for (const name of ["pointerup", "pointercancel"]) {
      this.canvas.addEventListener(name, (event) => { if (event.pointerId === pen) current = pen = null; });
    }
  }

  draw() {
    const box = this.canvas.getBoundingClientRect(), scale = window.devicePixelRatio || 1, context = this.canvas.getContext("2d");
    if (!box.width) return;
    const band = bandOf(box.width, this.input.value.length);
    if (this.canvas.width !== Math.round(box.width * scale)) {
      this.canvas.width = Math.round(box.width * scale);
      this.canvas.height = Math.round(box.height * scale);
    }
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.fillStyle = "#ffffff";
    context.fillRect(0, 0, box.width, box.height);
    context.fillStyle = "#e9edf4";
    context.fillRect(0, BASELINE - band, box.width, band);
    context.strokeStyle = "#10204d";
    context.lineWidth = 2.5;
    context.lineCap = context.lineJoin = "round";
    for (const stroke of this.strokes) {
      context.beginPath();
      context.moveTo(stroke[0].x, stroke[0].y);
      for (const p of stroke) context.lineTo(p.x, p.y);
      if (stroke.length === 1) context.lineTo(stroke[0].x, stroke[0].y + 0.1);
      context.stroke();
    }
  }

  recorded() {
    return { text: this.input.value, strokes: this.strokes };
  }
}

export class Pad {
  // dialog: the element. on.sampleOf(hand) makes the picture of a hand; on.learned(hand) takes it.
  constructor(dialog, on) {
    this.dialog = dialog;
    this.on = on;
    this.rows = [];
    const $ = this.$ = (name) => dialog.querySelector(`#pad-${name}`);
    $("learn").addEventListener("click", () => this.learn());
    $("show").addEventListener("click", () => dialog.close());
    dialog.addEventListener("close", () => this.running?.abort());
    $("save").addEventListener("click", () => this.saveRecording());
    $("saved").addEventListener("change", () => this.openSaved());
  }

  open() {
    if (!this.rows.some((row) => row.strokes.length)) {
      this.rows = (window.innerWidth < NARROW ? SHORT_TEXTS : TEXTS).map((text, k) => new Row(text, k + 1));
      this.$("rows").replaceChildren(...this.rows.map((row) => row.element));
    }
    this.say("");
    this.$("show").hidden = true;
    this.dialog.showModal();
    for (const row of this.rows) row.draw();
  }

  say(text) {
    this.$("state").textContent = text;
  }

  saveRecording() {
    const lines = this.rows.map((row) => row.recorded()), wrong = problem(lines);
    this.say(wrong || "Saved as handwriting.inkml: learn_hand.py and sample.py --style_file take it.");
    if (!wrong) save(new Blob([toInkML(lines)], { type: "application/inkml+xml" }), "handwriting.inkml");
  }

  async learn() {
    const file = this.$("file").files[0], lines = this.rows.map((row) => row.recorded());
    const wrong = file ? "" : problem(lines);
    if (wrong) return this.say(wrong);
    if (!this.$("consent").checked) {
      this.$("consent").focus();
      return this.say("Say first that it is your own hand, or that of a person who has agreed.");
    }
    const sent = new FormData();
    sent.set("file", file ?? new Blob([toInkML(lines)]), file?.name ?? "handwriting.inkml");
    sent.set("name", this.$("name").value.trim() || "me");
    sent.set("consent", "true");
    sent.set("practise", String(this.$("practise").checked));
    if (file && this.$("text").value.trim()) sent.set("text", this.$("text").value);
    this.$("learn").disabled = true;
    this.say("Reading…");
    this.running = new AbortController(); // closing the pad ends the learning
    const asked = { method: "POST", headers: { Accept: "text/event-stream" }, body: sent, signal: this.running.signal };
    try {
      await streamEvents("api/hands", asked, (name, told) => this.receive(name, told));
      if (this.taken) await this.take(this.taken);
    } catch (error) {
      this.say(error.status ? error.message : "The server cannot be reached.");
    } finally {
      this.$("learn").disabled = false;
      this.$("progress").hidden = true;
      this.taken = this.running = null;
    }
  }

  receive(name, told) {
    if (name === "read") {
      this.read = `Read: ${told.lines.map((line) => `“${line}”`).join(", ")}. ${told.remarks.join(" ")}`.trim();
      this.say(`${this.read} Learning…`);
    } else if (name === "step") {
      Object.assign(this.$("progress"), { hidden: false, max: told.steps, value: told.step });
    } else if (name === "learned") this.taken = told;
    else if (name === "error") throw Object.assign(new Error(told.message), { status: told.status });
  }

  async take({ hand: id, name, file, notice, characters }) {
    const hand = { id, name, file, notice }, saved = `${name.replace(/[^\p{L}\p{N}-]+/gu, "_")}.hand.npz`;
    Object.assign(hand, await this.on.sampleOf(hand));
    await keepHand(hand);
    save(new Blob([Uint8Array.from(atob(file), (c) => c.charCodeAt(0))]), saved);
    this.on.learned(hand);
    this.$("file").value = "";
    this.say(`${this.read} Learned “${name}”, with the letters ${characters.trim()}. It is kept in this browser, and saved as ${saved}.`);
    this.$("show").hidden = false;
    this.$("show").focus();
  }

  async openSaved() {
    const file = this.$("saved").files[0];
    if (!file) return;
    try {
      const bytes = new Uint8Array(await file.arrayBuffer());
      let binary = "";
      for (let k = 0; k < bytes.length; k += 8192) binary += String.fromCharCode(...bytes.subarray(k, k + 8192));
      const hand = { name: file.name.replace(/(\.hand)?\.npz$/, ""), file: btoa(binary), notice: "" };
      Object.assign(hand, await this.on.sampleOf(hand));
      await keepHand(hand);
      this.on.learned(hand);
      this.dialog.close();
    } catch (error) {
      this.say(error.status ? error.message : "This file cannot be read.");
    } finally {
      this.$("saved").value = ""; // so that the same file can be chosen again
    }
  }
}
