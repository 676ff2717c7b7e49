// TC strings by IAB's own library, with what that library reads in them again.
//
// node tests/oracle/tcf.mjs COUNT SEED prints COUNT lines of JSON:
// {"s": the string, "expect": its fields under the names of the specification}.

import { PurposeRestriction, Segment, SegmentEncoder, TCModel, TCString } from '@iabtechlabtcf/core';

const [count, seed] = process.argv.slice(2).map(Number);
const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ';
const ALL_IDS = new Set(Array.from({ length: 3000 }, (_, at) => at + 1));
const GAPS = new Set([...ALL_IDS].filter((id) => id % 3));

// Mulberry32: the same strings for the same seed, on every machine.
let state = seed >>> 0;
function random() {
  state = (state + 0x6d2b79f5) >>> 0;
  let mixed = Math.imul(state ^ (state >>> 15), state | 1);
  mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
  return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
}
const below = (limit) => Math.floor(random() * limit);
const chance = (share) => random() < share;
const pick = (list) => list[below(list.length)];
const letters = () => pick(LETTERS) + pick(LETTERS);

function numbers(most) {
  const share = pick([0, 0.1, 0.5, 0.9, 1]);
  return Array.from({ length: most }, (_, at) => at + 1).filter(() => chance(share));
}

function vendors() {
  const most = pick([0, 1, 8, 40, 60, 90, 300, 1500]);
  const style = pick(['bits', 'sparse', 'runs', 'far']);
  if (style === 'bits') return numbers(most);
  if (style === 'far') return chance(0.05) ? [1 + below(20), 65535 - below(500)] : [];
  const ids = [];
  for (let id = 1 + below(90); id <= most; id += 1 + below(200)) {
    const run = style === 'runs' ? below(60) : 0;
    for (const last = Math.min(id + run, most); id <= last; id += 1) ids.push(id);
  }
  return ids;
}

function model() {
  const tc = new TCModel();
  tc.created = new Date(below(2 ** 36) * 100);
  tc.lastUpdated = chance(0.7) ? tc.created : new Date(below(2 ** 36) * 100);
  tc.cmpId = 2 + below(4094);
  tc.cmpVersion = below(4096);
  tc.consentScreen = below(64);
  tc.consentLanguage = letters();
  tc.vendorListVersion = below(4096);
  tc.policyVersion = chance(0.7) ? 4 + below(2) : below(64);
  tc.isServiceSpecific = chance(0.8);
  tc.useNonStandardTexts = chance(0.3);
  tc.purposeOneTreatment = chance(0.2);
  tc.publisherCountryCode = letters();
  tc.specialFeatureOptins.set(numbers(12));
  tc.purposeConsents.set(numbers(24));
  tc.purposeLegitimateInterests.set(numbers(24));
  tc.vendorConsents.set(vendors());
  tc.vendorLegitimateInterests.set(vendors());
  tc.vendorsDisclosed.set(vendors());
  tc.vendorsAllowed.set(vendors());
  tc.publisherConsents.set(numbers(24));
  tc.publisherLegitimateInterests.set(numbers(24));
  tc.numCustomPurposes = pick([0, 0, 1, 2, 7, 63]);
  tc.publisherCustomConsents.set(numbers(tc.numCustomPurposes));
  tc.publisherCustomLegitimateInterests.set(numbers(tc.numCustomPurposes));
  // Ranges of restrictions go over gaps in the list of vendors.
  tc.publisherRestrictions.gvl = { vendorIds: chance(0.5) ? ALL_IDS : GAPS };
  for (let left = pick([0, 0, 1, 3, 12]); left > 0; left -= 1) {
    const restriction = new PurposeRestriction(1 + below(63), below(3));
    vendors().slice(0, 40).forEach((id) => tc.publisherRestrictions.add(id, restriction));
  }
  return tc;
}

function segments() {
  const behind = [Segment.VENDORS_DISCLOSED, Segment.VENDORS_ALLOWED, Segment.PUBLISHER_TC];
  const chosen = behind.filter(() => chance(0.6));
  return chance(0.5) ? chosen.reverse() : chosen;
}

function ids(vector) {
  const found = [];
  vector.forEach((on, id) => on && found.push(id));
  return found;
}

function fields(tc, behind) {
  const disclosed = behind.includes(Segment.VENDORS_DISCLOSED);
  const allowed = behind.includes(Segment.VENDORS_ALLOWED);
  const publisher = behind.includes(Segment.PUBLISHER_TC);
  return {
    Version: tc.version,
    Created: tc.created.toISOString(),
    LastUpdated: tc.lastUpdated.toISOString(),
    CmpId: tc.cmpId,
    CmpVersion: tc.cmpVersion,
    ConsentScreen: tc.consentScreen,
    ConsentLanguage: tc.consentLanguage,
    VendorListVersion: tc.vendorListVersion,
    TcfPolicyVersion: tc.policyVersion,
    IsServiceSpecific: tc.isServiceSpecific,
    UseNonStandardTexts: tc.useNonStandardTexts,
    SpecialFeatureOptIns: ids(tc.specialFeatureOptins),
    PurposesConsent: ids(tc.purposeConsents),
    PurposesLITransparency: ids(tc.purposeLegitimateInterests),
    PurposeOneTreatment: tc.purposeOneTreatment,
    PublisherCC: tc.publisherCountryCode,
    VendorConsents: ids(tc.vendorConsents),
    VendorLegitimateInterests: ids(tc.vendorLegitimateInterests),
    PublisherRestrictions: tc.publisherRestrictions.getRestrictions().map((one) => ({
      purpose: one.purposeId,
      type: one.restrictionType,
      vendors: tc.publisherRestrictions.getVendors(one),
    })),
    DisclosedVendors: disclosed ? ids(tc.vendorsDisclosed) : null,
    AllowedVendors: allowed ? ids(tc.vendorsAllowed) : null,
    PubPurposesConsent: publisher ? ids(tc.publisherConsents) : null,
    PubPurposesLITransparency: publisher ? ids(tc.publisherLegitimateInterests) : null,
    NumCustomPurposes: publisher ? tc.numCustomPurposes : null,
    CustomPurposesConsent: publisher ? ids(tc.publisherCustomConsents) : null,
    CustomPurposesLITransparency: publisher ? ids(tc.publisherCustomLegitimateInterests) : null,
  };
}

let left = count;
while (left > 0) {
  const made = model();
  const behind = segments();
  // Segment by segment: TCString.encode first takes out what a real vendor list
  // would not allow.
  const s = [Segment.CORE, ...behind].map((one) => SegmentEncoder.encode(made, one)).join('.');
  if (s.length <= 8192) {
    process.stdout.write(`${JSON.stringify({ s, expect: fields(TCString.decode(s), behind) })}\n`);
    left -= 1;
  }
}
