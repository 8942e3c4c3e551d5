// Recorded strokes as InkML, which every command of the suite reads. Strokes are lists of points {x, y, t}: pixels, y
// growing downwards, milliseconds.

function escapeXml(text) {
  // First what XML cannot hold at all.
  return text.replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g, "")
    .replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
}

function number(value) {
  return String(Math.round(value * 100) / 100);
}

// lines: [{text, strokes}]; lines without strokes are left out. Returns InkML 1.0: a group for each line, with its text.
export function toInkML(lines) {
  const parts = [
    '<?xml version="1.0" encoding="UTF-8"?>\n<ink xmlns="http://www.w3.org/2003/InkML">\n<traceFormat>\n',
    '<channel name="X" type="decimal"/>\n<channel name="Y" type="decimal"/>\n',
    '<channel name="T" type="integer" units="ms"/>\n</traceFormat>\n',
  ];
  for (const { text, strokes } of lines) {
    if (!strokes.length) continue;
    parts.push(`<traceGroup>\n<annotation type="truth">${escapeXml(text.trim())}</annotation>\n`);
    for (const stroke of strokes) {
      const points = stroke.map((p) => `${number(p.x)} ${number(p.y)} ${Math.round(p.t)}`);
      parts.push(`<trace>${points.join(", ")}</trace>\n`);
    }
    parts.push("</traceGroup>\n");
  }
  return parts.join("") + "</ink>\n";
}

// What is missing before the recording is of use; "" if nothing is.
export function problem(lines) {
  const written = lines.filter((line) => line.strokes.length);
  if (!written.length) return "Nothing is written yet.";
  if (written.some((line) => !line.text.trim())) return "A line has no text: say above its box what is written there.";
  const count = written.reduce((sum, line) => sum + line.text.trim().length + 1, -1);
  if (count < 10) return `Only ${count} characters: write 10 or more, best 30 to 50.`;
  return "";
}

// Most of the alphabet, in the order of a person's first sheet; and the same in shorter lines, for a narrow screen.
export const TEXTS = ["we quickly moved the big", "jars of fine black pepper", "Next Sunday at 7:30 we go", "to Zurich, said lazy Hugo."];
export const SHORT_TEXTS = ["we quickly", "moved the big", "jars of fine", "black pepper", "Next Sunday", "at 7:30 we go", "to Zurich, said", "lazy Hugo."];
