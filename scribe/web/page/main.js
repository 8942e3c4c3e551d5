// The page: what the visitor asks for, the stream that answers it, and what can be done with it.

import { Gallery, forgetHand } from "./hands.js";
import { Pad } from "./pad.js";
import { Sheet } from "./sheet.js";
import { problemOf, save, streamEvents } from "./stream.js";

const $ = (id) => document.getElementById(id);
const TYPING_MS = 30, SLIDING_MS = 90; // of silence before the server is asked
const SPEEDS = [0.5, 1, 3, 6, 12, Infinity], SPEED_NAMES = ["½×", "1×", "3×", "6×", "12×", "at once"];
const INKS = { "royal blue": "#10204d", black: "#1b1b1b", blue: "#1c4fb4", violet: "#5b2a86", green: "#1d5b3a", sepia: "#6b3f1d", red: "#a8201a", chalk: "#f4f1e6" };
const PAPERS = { white: "#ffffff", ivory: "#fbf5e2", blue: "#eaf1f8", rose: "#f9ecec", kraft: "#d9bd93", slate: "#27323c" };
const narrow = () => window.innerWidth < 700;
const reduced = matchMedia("(prefers-reduced-motion: reduce)");

const DEFAULTS = {
  text: "Hello World", hand: "7", bias: 1, seed: 1, ink: INKS["royal blue"], paper: PAPERS.white, page: "tight", ruling: "",
  align: "left", x_height: 2.5, pen_width: 0.4, line_width: 120, slant: 0, joined: 0, size: 0, width: 0,
  letters: "", // "latin": Greek, Cyrillic, Armenian and Georgian in Latin letters
  tries: 0, // of a word that fails; 0: the server decides, by how much it has to do
};
const NUMBERS = Object.keys(DEFAULTS).filter((name) => typeof DEFAULTS[name] === "number");
const state = {};
let running = null, timer = null, complete = false, failed = false;

const sheet = new Sheet($("sheets"), {
  character: showCharacter,
  idle: (paused) => {
    if (!complete || failed || paused) return;
    said(doneSentence());
    busy(false);
  },
  ink: () => performance.mark("scribe-ink"),
});
const gallery = new Gallery($("gallery"), (hand) => choose({ hand: hand.id }));
const pad = new Pad($("pad"), {
  sampleOf: handPicture,
  learned: (hand) => {
    gallery.add(hand);
    choose({ hand: hand.id }, true);
  },
});

// ---- the address, which tells everything but a visitor's own hand

function readAddress() {
  Object.assign(state, DEFAULTS, { line_width: narrow() ? 70 : 100 });
  const told = new URLSearchParams(location.hash.slice(1));
  for (const [name, value] of told) {
    if (!(name in DEFAULTS)) continue;
    if (!NUMBERS.includes(name)) state[name] = value;
    else if (value.trim() !== "" && Number.isFinite(Number(value))) state[name] = Number(value);
  }
}

function writeAddress() {
  try {
    history.replaceState(null, "", `#${addressOf()}`);
  } catch { /* Safari refuses more than 100 in 30 seconds; the next one does it */ }
}

function addressOf() {
  const told = new URLSearchParams();
  for (const [name, value] of Object.entries(state)) {
    const always = ["text", "hand", "bias", "seed", "line_width"].includes(name);
    if (always || value !== DEFAULTS[name]) told.set(name, value);
  }
  return told.toString();
}

// ---- what is asked

function request(format) {
  const { text, hand, bias, seed, ink, paper, page, ruling, align, x_height, pen_width, line_width, slant, joined, size, width, tries, letters } = state;
  return {
    text, hand, bias, seed, ink, paper, page, align, x_height, pen_width, slant, joined, size, width, format,
    ruling: ruling || null, line_width: page === "tight" ? line_width : null, tries: tries || null,
    transliterate: letters === "latin",
    ...(format === "stream" ? { density: true } : {}),
  };
}

// The options of fetch; withFile sends a visitor's hand along, which the server may not have any more.
function options(asked, signal, withFile) {
  const body = { ...asked }, own = gallery.find(asked.hand);
  if (withFile && own?.file) {
    delete body.hand;
    body.hand_file = own.file;
  }
  return { method: "POST", headers: { "Content-Type": "application/json", Accept: "*/*" }, body: JSON.stringify(body), signal };
}

function busy(is) {
  $("sheets").setAttribute("aria-busy", is);
}

// Asks for what the visitor has changed.
function changed(delay) {
  state.tries = DEFAULTS.tries;
  askSoon(delay);
}

function askSoon(delay) {
  busy(true);
  if (sheet.paused) setPaused(false);
  clearTimeout(timer);
  timer = setTimeout(ask, delay);
}

async function ask() {
  running?.abort();
  const own = running = new AbortController();
  writeAddress();
  if (!state.text.trim()) {
    sheet.clear();
    said("Type something.");
    busy(false);
    return;
  }
  complete = failed = false;
  busy(true);
  const asked = request("stream"), take = (name, told) => own === running && receive(name, told);
  try {
    await streamEvents("api/handwriting", options(asked, own.signal, false), take).catch((error) => {
      if (error.status !== 409 || !gallery.find(asked.hand)?.file) throw error;
      return streamEvents("api/handwriting", options(asked, own.signal, true), take);
    });
    if (own === running && !complete && !failed) throw new Error("the answer has no end");
  } catch (error) {
    if (own !== running) return;
    failed = true;
    busy(false);
    if (error.status === 409) said("This hand lives in another browser. Choose one here.", true);
    else said(error.status ? error.message : "The server cannot be reached. Is serve.py still running?", true);
    if (error.status === 503 || error.status === 429) askSoon(1000 * (error.retryAfter || 3));
  }
}

function receive(name, told) {
  if (name === "begin") {
    sheet.look.penWidth = told.page.pen_width;
    sheet.begin(told);
    state.tries = told.tries; // what is taken along has to be the same ink
    writeAddress();
    $("log").replaceChildren();
    said(told.remarks.join(" ") || "Writing…");
    $("sheets").setAttribute("aria-label", `Handwriting: ${told.lines.map((line) => line.text).join(" / ")}`);
    handName(told.hand);
  } else if (name === "failed") {
    sheet.failed(told);
    const { text } = sheet.lines[told.line], again = text.slice(told.character, told.until);
    logged(told.until === undefined ? `Written again from “${again.split(" ")[0]}” on` : `Written again: “${again.trim()}”`, told.reasons);
  } else if (name === "ended") {
    sheet.ended(told);
    if (told.failures.length) logged(`Look at “${sheet.lines[told.line].text}”, another variation may be better`, told.failures, true);
  } else if (name === "ink" || name === "layout") sheet[name](told);
  else if (name === "done") {
    complete = true;
    sheet.wake();
  } else if (name === "error") {
    failed = true;
    busy(false);
    said(told.message, true);
  }
}

// ---- what is said

let lastSaid = "";
function said(text, wrong = false) {
  if (text === lastSaid) return;
  lastSaid = text;
  $("status").textContent = text;
  $("status").classList.toggle("wrong", wrong);
}

function doneSentence() {
  const rows = sheet.rows(), again = sheet.lines.some((line) => line.tries > 1), remarks = sheet.begun.remarks.join(" ");
  const pale = contrast(state.ink, state.paper) < 1.6 ? "Ink and paper have nearly the same colour." : "";
  return `${rows} line${rows === 1 ? "" : "s"} written${again ? ", some words more than once" : ""}. ${pale} ${remarks}`.trim();
}

// The ratio of the luminances of two colours such as "#10204d", from 1 to 21.
function contrast(...colours) {
  const [dark, light] = colours.map((colour) => {
    const [r, g, b] = [1, 3, 5].map((k) => (parseInt(colour.slice(k, k + 2), 16) / 255) ** 2.2);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b + 0.05;
  }).sort((a, b) => a - b);
  return light / dark;
}

function logged(text, reasons, wrong = false) {
  const item = document.createElement("li"), more = reasons.length > 3 ? "; …" : "";
  item.textContent = `${text} (${reasons.slice(0, 3).join("; ").replace(/"(\S+)"/g, "“$1”")}${more}).`;
  item.classList.toggle("wrong", wrong);
  $("log").append(item);
  while ($("log").children.length > 6) $("log").firstChild.remove();
}

function handName({ id, label }) {
  const hand = gallery.find(state.hand);
  $("hand-name").textContent = hand?.own ? `yours: ${hand.name}` : /^\d+$/.test(state.hand) ? `${state.hand}: ${label}` : id;
}

let litLine = null;
function showCharacter(line, index) {
  const ribbon = $("ribbon");
  $("attention").hidden = !sheet.watching;
  if (!sheet.watching) litLine = null;
  else if (line && litLine !== line) {
    ribbon.replaceChildren(...[...line.text].map((c) => Object.assign(document.createElement("span"), { textContent: c })));
    litLine = line;
  }
  [...ribbon.children].forEach((span, k) => span.classList.toggle("lit", k === index));
}

// ---- the controls

function choose(changes, reveal = false) {
  Object.assign(state, changes);
  show(reveal);
  changed(0);
}

function show(reveal = false) {
  for (const name of ["text", "bias", "seed", "page", "ruling", "align", "letters", "x_height", "pen_width"]) {
    if ($(name).value !== String(state[name])) $(name).value = state[name];
  }
  const neat = state.bias < 0.3 ? "as varied as people" : state.bias < 0.8 ? "free" : state.bias < 1.6 ? "natural" : state.bias < 2.6 ? "neat" : "very neat";
  $("bias-value").textContent = neat;
  $("bias").setAttribute("aria-valuetext", neat);
  $("x_height-value").textContent = `${state.x_height} mm`;
  $("pen_width-value").textContent = `${state.pen_width} mm`;
  for (const name of ["slant", "joined", "size", "width"]) {
    const input = $(`turn-${name}`);
    if (input) input.value = state[name];
  }
  for (const input of document.querySelectorAll(".swatches input[type=radio]")) input.checked = input.value === state[input.name];
  for (const name of ["ink", "paper"]) $(`${name}-own`).value = state[name];
  sheet.look = { ...sheet.look, ink: state.ink, paper: state.paper };
  sheet.dirty = true;
  sheet.wake();
  gallery.mark(state.hand, reveal);
  $("forget").hidden = !gallery.find(state.hand)?.own;
}

function swatches(box, name, colours) {
  for (const [label, colour] of Object.entries(colours)) {
    const swatch = document.createElement("label"), input = document.createElement("input"), dot = document.createElement("span");
    Object.assign(input, { type: "radio", name, value: colour });
    input.setAttribute("aria-label", `${name}: ${label}`);
    swatch.title = label;
    dot.style.setProperty("--colour", colour);
    swatch.append(input, dot);
    box.append(swatch);
  }
  const own = document.createElement("label"), input = document.createElement("input"), dot = document.createElement("span");
  own.className = "own-colour";
  own.title = "another colour";
  Object.assign(input, { type: "color", id: `${name}-own` });
  input.setAttribute("aria-label", `${name}: another colour`);
  own.append(input, dot);
  box.append(own);
  box.addEventListener("input", (event) => {
    state[name] = event.target.value;
    show();
    writeAddress();
  });
}

function directions(names) {
  const told = { slant: ["Slant", "upright", "slanted"], joined: ["Joins", "printed", "joined"], size: ["Letters", "small", "large"], width: ["Width", "narrow", "wide"] };
  for (const name of names) {
    const [title, less, more] = told[name] ?? [name, "less", "more"];
    const label = document.createElement("label"), input = document.createElement("input"), ends = document.createElement("span");
    label.className = "wide";
    Object.assign(input, { type: "range", id: `turn-${name}`, min: -2, max: 2, step: 0.25, value: state[name] });
    ends.className = "ends";
    ends.textContent = `${less} – ${more}`;
    label.append(`${title} `, ends, input);
    input.addEventListener("input", () => {
      state[name] = Number(input.value);
      changed(SLIDING_MS);
    });
    $("directions").append(label);
  }
}

$("controls").addEventListener("submit", (event) => event.preventDefault());
$("text").addEventListener("input", () => {
  performance.mark("scribe-key");
  state.text = $("text").value;
  changed(TYPING_MS);
});
for (const name of ["bias", "x_height", "pen_width"]) {
  $(name).addEventListener("input", () => {
    state[name] = Number($(name).value);
    show();
    changed(SLIDING_MS);
  });
}
for (const name of ["page", "ruling", "align", "letters"]) $(name).addEventListener("change", () => choose({ [name]: $(name).value }));
$("seed").addEventListener("input", () => {
  if ($("seed").validity.valid) choose({ seed: Number($("seed").value) });
});
$("dice").addEventListener("click", () => choose({ seed: Math.floor(Math.random() * 2 ** 24) }));
$("any-hand").addEventListener("click", () => {
  if (gallery.hands.length) choose({ hand: gallery.hands[Math.floor(Math.random() * gallery.hands.length)].id }, true);
});
$("own-hand").addEventListener("click", () => pad.open());
$("gallery").addEventListener("keydown", (event) => {
  if (event.key === "Delete") forget(gallery.find(event.target.value));
});
$("forget").addEventListener("click", () => forget(gallery.find(state.hand)));
async function forget(hand) {
  if (!hand?.own || !confirm(`Forget the hand “${hand.name}”? Without its file it is gone.`)) return;
  await forgetHand(hand.id);
  gallery.remove(hand.id);
  choose({ hand: DEFAULTS.hand }, true);
  $("own-hand").focus();
}

$("pause").addEventListener("click", () => setPaused(!sheet.paused));
function setPaused(paused) {
  sheet.paused = paused;
  $("pause").setAttribute("aria-pressed", paused);
  $("pause").querySelector(".word").textContent = paused ? "Go on" : "Pause";
  $("pause").querySelector("[aria-hidden]").textContent = paused ? "▶" : "❙❙";
  sheet.wake();
}
$("replay").addEventListener("click", () => replay(2));
// Writes again, with speed number k where it is written at once.
function replay(k) {
  busy(true);
  setPaused(false);
  if (!Number.isFinite(sheet.speed)) setSpeed(k);
  sheet.replay();
}
$("speed").addEventListener("input", () => setSpeed(Number($("speed").value)));
function setSpeed(k) {
  $("speed").value = k;
  sheet.speed = SPEEDS[k];
  $("speed-value").textContent = SPEED_NAMES[k];
  $("speed").setAttribute("aria-valuetext", SPEED_NAMES[k]);
  sheet.wake();
}
$("watch").addEventListener("click", () => {
  sheet.watching = !sheet.watching;
  $("watch").setAttribute("aria-pressed", sheet.watching);
  if (sheet.watching && !sheet.current && complete) replay(1);
  showCharacter(null, -1);
  sheet.wake();
});

// ---- taking it along

async function fetchFile(asked) {
  let response = await fetch("api/handwriting", options(asked, undefined, false));
  if (response.status === 409) response = await fetch("api/handwriting", options(asked, undefined, true));
  if (!response.ok) throw await problemOf(response);
  return response;
}

// The files of what is on the page, one for each page where a format holds one.
async function fetchFiles(format) {
  const asked = request(format), files = [];
  for (let number = 1, pages = 1; number <= pages; number++) {
    const response = await fetchFile({ ...asked, number });
    if (PAGEWISE.includes(format)) pages = Number(response.headers.get("X-Pages")) || 1;
    files.push(await response.blob());
  }
  return files;
}

// Does something that takes a while at the click of a button.
function onClick(id, work) {
  $(id).addEventListener("click", async () => {
    $(id).disabled = true;
    try {
      await work();
    } catch (error) {
      said(error.status ? error.message : "The server cannot be reached. Is serve.py still running?", true);
    } finally {
      $(id).disabled = false;
    }
  });
}

const PAGEWISE = ["svg", "animated-svg", "png"], ENDINGS = { "animated-svg": "animated.svg" };
onClick("download", async () => {
  const format = $("format").value, ending = ENDINGS[format] ?? format;
  const words = state.text.toLowerCase().replace(/[^a-z0-9]+/g, "_").slice(0, 40).replace(/^_+|_+$/g, "") || "handwriting";
  const files = await fetchFiles(format);
  files.forEach((file, k) => save(file, `${words}${files.length > 1 ? `-${k + 1}` : ""}.${ending}`));
  said(files.length > 1 ? `Saved as ${files.length} files, one for each page.` : `Saved as ${words}.${ending}.`);
});

$("link").addEventListener("click", async () => {
  writeAddress();
  const own = gallery.find(state.hand)?.own ? " It has everything but your own hand, which stays in this browser." : "";
  try {
    await navigator.clipboard.writeText(new URL(`#${addressOf()}`, location.href).href);
    said(`The link is copied.${own}`);
  } catch {
    said(`Copy the address of this page: it is the link.${own}`);
  }
});

// Printed are drawings, in their real size, on pages of the size that is asked for.
function setPrintedPage(size) {
  const style = document.styleSheets[0]; // Chromium heeds no @page of a style sheet that was adopted
  if (style.cssRules[0] instanceof CSSPageRule) style.deleteRule(0);
  if (size) style.insertRule(`@page { size: ${size[0]}mm ${size[1]}mm; margin: 0 }`, 0);
}
onClick("print", async () => {
  const size = sheet.begun?.page.size, addresses = (await fetchFiles("svg")).map((file) => URL.createObjectURL(file));
  const pictures = addresses.map((address) => Object.assign(new Image(), { src: address, alt: "" }));
  await Promise.all(pictures.map((picture) => picture.decode()));
  setPrintedPage(size);
  $("print-pages").replaceChildren(...pictures);
  window.print();
  addresses.forEach((address) => URL.revokeObjectURL(address));
});
addEventListener("afterprint", () => $("print-pages").replaceChildren());

// The picture of a visitor's hand for the gallery: the words that the others are shown with.
async function handPicture(hand) {
  const asked = { text: "Dearly", hand_file: hand.file, bias: 1.2, seed: 11, x_height: 4, format: "json" };
  const response = await fetch("api/handwriting", options(asked));
  if (!response.ok) throw await problemOf(response);
  const { pages: [{ lines: [line] }] } = await response.json();
  const scale = 10, baseline = line.baseline, box = [Infinity, Infinity, -Infinity, -Infinity], parts = [];
  line.points.forEach(([px, py], k) => {
    const x = Math.round(px * scale), y = Math.round((py - baseline) * scale);
    parts.push(`${k === 0 || line.points[k - 1][3] ? "M" : "L"}${x} ${y}`);
    box[0] = Math.min(box[0], x); box[1] = Math.min(box[1], y); box[2] = Math.max(box[2], x); box[3] = Math.max(box[3], y);
  });
  return { id: response.headers.get("X-Hand"), path: parts.join(""), box };
}

// ---- the beginning

function motion() {
  sheet.still = reduced.matches;
  setSpeed(reduced.matches ? 5 : 2);
}

swatches($("inks"), "ink", INKS);
swatches($("papers"), "paper", PAPERS);
readAddress();
motion();
reduced.addEventListener("change", motion);
addEventListener("hashchange", () => { readAddress(); show(true); askSoon(0); });
show();
fetch("api/limits").then((response) => response.json()).then((limits) => { $("text").maxLength = limits.characters; }).catch(() => {});
const loaded = gallery.load();
loaded.then((names) => { directions(names); show(true); }).catch((error) => said(error.message, true));
if (/^sha256:/.test(state.hand)) loaded.finally(ask); // it is in this browser, or it is not
else ask();
