// Makes GPP strings with the official library, as NDJSON: {s, sections}.
// Usage: node gpp.mjs COUNT SEED
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);
const { GppModel, Sections } = require("@iabgpp/cmpapi");

const [count, seed] = process.argv.slice(2).map(Number);

// Mulberry32: small, and the same everywhere.
let state = seed >>> 0;
function random() {
  state = (state + 0x6d2b79f5) >>> 0;
  let t = Math.imul(state ^ (state >>> 15), 1 | state);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
}
const below = (n) => Math.floor(random() * n);

const ids = (most, many) => {
  const found = new Set();
  while (found.size < many) found.add(1 + below(most));
  return [...found].sort((a, b) => a - b);
};

// Fields that are not two bits or lists of two bits.
const own = {
  Version: (name) => (name === "usnat" ? 1 + below(2) : 1),
  MspaVersion: () => below(64),
  MspaCoveredTransaction: () => 1 + below(2),
  Gpc: () => random() < 0.5,
};
const fixed = new Set(["GpcSegmentType"]);

function fill(model, name) {
  if (name === "uspv1") {
    for (const field of ["Notice", "OptOutSale", "LspaCovered"]) {
      model.setFieldValue(name, field, "YN-"[below(3)]);
    }
    return;
  }
  if (name === "tcfeuv2") {
    model.setFieldValue(name, "CmpId", 1 + below(4095));
    model.setFieldValue(name, "VendorListVersion", below(4096));
    const purposes = Array.from({ length: 24 }, () => random() < 0.3);
    model.setFieldValue(name, "PurposeConsents", purposes);
    model.setFieldValue(name, "VendorConsents", ids(900, below(20)));
    model.setFieldValue(name, "VendorsDisclosed", ids(900, below(20)));
    return;
  }
  // Any field brings the section into being; then it tells what it has.
  model.setFieldValue(name, firstField(name), 1);
  for (const [field, value] of Object.entries(model.getSection(name))) {
    if (fixed.has(field)) continue;
    if (own[field]) model.setFieldValue(name, field, own[field](name));
    else if (Array.isArray(value))
      model.setFieldValue(
        name,
        field,
        value.map(() => below(3)),
      );
    else model.setFieldValue(name, field, below(3));
  }
}
const recent = new Set(["usmd", "usin", "usky", "usri"]);
const firstField = (name) => (recent.has(name) ? "MspaVersion" : "Version");

// Its layout is found by trial only; see decode_section.
const names = Sections.SECTION_ORDER.filter((name) => name !== "tcfcav1");
const optional = new Map([
  ["usin", "SensitiveDataConsentSegmentIncluded"],
  ["usky", "SensitiveDataConsentSegmentIncluded"],
  ["usri", "SensitiveDataConsentSegmentIncluded"],
]);

for (let n = 0; n < count; n++) {
  const model = new GppModel();
  const chosen = new Set([names[n % names.length]]);
  while (random() < 0.6) chosen.add(names[below(names.length)]);
  for (const name of chosen) {
    fill(model, name);
    const included = optional.get(name) ?? "GpcSegmentIncluded";
    if (name.startsWith("us") && model.hasField(name, included) && random() < 0.3)
      model.setFieldValue(name, included, false);
  }
  const s = model.encode();
  // What the library itself reads from the finished string, not what was put in.
  const again = new GppModel(s);
  const sections = {};
  for (const name of chosen) sections[name] = again.getSection(name);
  process.stdout.write(JSON.stringify({ s, ids: again.getSectionIds(), sections }) + "\n");
}
