// The gallery of hands: those of the server, and those of this visitor, which live in this browser.

import { problemOf } from "./stream.js";

const DATABASE = "scribe", STORE = "hands";
const SVG = "http://www.w3.org/2000/svg";

function openStore() {
  return new Promise((resolve, reject) => {
    const opening = indexedDB.open(DATABASE, 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore(STORE, { keyPath: "id" });
    opening.onsuccess = () => resolve(opening.result);
    opening.onerror = () => reject(opening.error);
  });
}

async function inStore(mode, work) {
  const store = await openStore();
  return new Promise((resolve, reject) => {
    const transaction = store.transaction(STORE, mode), asked = work(transaction.objectStore(STORE));
    transaction.oncomplete = () => { store.close(); resolve(asked?.result); };
    transaction.onabort = () => { store.close(); reject(transaction.error); }; // also after an error, such as a full disk
  });
}

// The visitor's hands: {id, name, file (base64), notice, path, box}. A browser that keeps nothing has none.
export const keptHands = () => inStore("readonly", (store) => store.getAll()).catch(() => []);
export const keepHand = (hand) => inStore("readwrite", (store) => store.put(hand)).catch(() => {});
export const forgetHand = (id) => inStore("readwrite", (store) => store.delete(id)).catch(() => {});

export class Gallery {
  // box: takes the hands. onChoose(hand) is called when the visitor chooses one.
  constructor(box, onChoose) {
    this.box = box;
    this.onChoose = onChoose;
    this.hands = [];
    this.own = [];
    box.addEventListener("change", (event) => {
      const hand = this.find(event.target.value);
      if (hand) this.onChoose(hand);
    });
  }

  async load() {
    this.own = (await keptHands()).map((hand) => ({ ...hand, own: true }));
    this.draw();
    const response = await fetch("api/hands");
    if (!response.ok) throw await problemOf(response);
    const { hands, directions } = await response.json();
    this.hands = hands;
    this.draw();
    return directions;
  }

  find(id) {
    return this.own.find((hand) => hand.id === id) ?? this.hands.find((hand) => hand.id === id);
  }

  add(hand) {
    this.own = [{ ...hand, own: true }, ...this.own.filter((other) => other.id !== hand.id)];
    this.draw();
  }

  remove(id) {
    this.own = this.own.filter((hand) => hand.id !== id);
    this.draw();
  }

  // Marks a hand as the chosen one; any other than these (a mixture) leaves none marked.
  mark(id, reveal = false) {
    this.chosen = id;
    for (const input of this.box.querySelectorAll("input")) {
      input.checked = input.value === id;
      if (input.checked && reveal) this.reveal(input.parentElement);
    }
  }

  // Scrolls the gallery alone, not the page, and only if it has to.
  reveal(tile) {
    const box = this.box.getBoundingClientRect(), own = tile.getBoundingClientRect();
    if (own.top >= box.top && own.bottom <= box.bottom && own.left >= box.left && own.right <= box.right) return;
    this.box.scrollTop += own.top - box.top - box.height / 2 + own.height / 2;
    this.box.scrollLeft += own.left - box.left - box.width / 2 + own.width / 2;
  }

  draw() {
    const tiles = [...this.own, ...this.hands].map((hand) => {
      const tile = document.createElement("label"), input = document.createElement("input");
      tile.className = hand.own ? "tile own" : "tile";
      Object.assign(input, { type: "radio", name: "hand", value: hand.id, checked: hand.id === this.chosen });
      const label = hand.own ? `Your hand: ${hand.name}` : `Hand ${hand.id}: ${hand.label}`;
      input.setAttribute("aria-label", label);
      tile.title = label;
      tile.append(input, picture(hand));
      if (hand.own) {
        const name = document.createElement("span");
        name.className = "name";
        name.textContent = hand.name;
        tile.append(name);
      }
      return tile;
    });
    this.box.replaceChildren(...tiles);
    if (!this.hands.length) {
      this.box.append(Object.assign(document.createElement("p"), { className: "wait", textContent: "The hands are being written…" }));
    }
  }
}

function picture(hand) {
  const svg = document.createElementNS(SVG, "svg"), path = document.createElementNS(SVG, "path");
  const [left, top, right, bottom] = hand.box ?? [0, -80, 300, 40], edge = 12;
  svg.setAttribute("viewBox", `${left - edge} ${top - edge} ${right - left + 2 * edge} ${bottom - top + 2 * edge}`);
  svg.setAttribute("aria-hidden", "true");
  path.setAttribute("d", hand.path ?? "");
  svg.append(path);
  return svg;
}
