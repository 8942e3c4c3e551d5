// Shows openapi.json: each operation with what it takes and what it answers.

const make = (tag, content, ...children) => {
  const element = document.createElement(tag);
  if (content) element.textContent = content;
  element.append(...children);
  return element;
};

function resolved(schema, all) {
  return schema?.$ref ? all.components.schemas[schema.$ref.split("/").pop()] : schema ?? {};
}

function typeOf(schema) {
  if (schema.anyOf) return schema.anyOf.map(typeOf).filter((type) => type !== "null").join(" or ");
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(", ");
  const { minimum, maximum, exclusiveMaximum } = schema;
  const range = [minimum, maximum ?? exclusiveMaximum].some((v) => v !== undefined) ? `, ${minimum ?? ""} to ${maximum ?? exclusiveMaximum ?? ""}` : "";
  return `${schema.type ?? "any"}${range}`;
}

function fields(schema) {
  const rows = Object.entries(schema.properties ?? {}).map(([name, field]) => make("tr", "",
    make("th", name), make("td", typeOf(field)),
    make("td", (schema.required ?? []).includes(name) ? "required" : JSON.stringify(field.default ?? null)),
    make("td", field.description ?? "")));
  const head = make("tr", "", ...["field", "type", "default", "meaning"].map((title) => make("th", title)));
  return make("table", "", make("thead", "", head), make("tbody", "", ...rows));
}

const all = await (await fetch("openapi.json")).json();
const parts = [make("p", `${all.info.summary}. `, Object.assign(make("a", "openapi.json"), { href: "openapi.json" }))];
parts.push(make("pre", `curl ${location.origin}/api/handwriting --json '{"text": "Hello World", "hand": "7", "format": "svg"}' -o hello.svg`));
for (const [path, operations] of Object.entries(all.paths)) {
  for (const [method, operation] of Object.entries(operations)) {
    parts.push(make("h2", `${method.toUpperCase()} ${path}`), make("p", operation.description ?? operation.summary));
    for (const [media, { schema }] of Object.entries(operation.requestBody?.content ?? {})) {
      parts.push(make("p", `Takes ${media}:`), fields(resolved(schema, all)));
    }
    const answers = Object.entries(operation.responses).map(([status, { description, content }]) =>
      make("li", `${status}: ${description}${content ? ` (${Object.keys(content).join(", ")})` : ""}`));
    parts.push(make("ul", "", ...answers));
  }
}
document.getElementById("api").replaceChildren(...parts);
