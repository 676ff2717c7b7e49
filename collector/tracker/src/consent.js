// The optional third file: what the page's consent manager knows, told to k.js as one
// object, and on record at the collector as soon as the visitor chooses (ledger.js).
//
//   <script defer src="…/k.js" data-site="example.com" data-consent data-wait="500">
//
// Attributes of the tag: data-consent, empty to ask whichever manager is there, or the
// names of those to ask ("klaro" or "onetrust,tcf"; see managers.js and frameworks.js);
// data-consent-map, which category an id of the manager belongs to, as JSON:
// {"matomo": "statistics"}, where "" makes an id count for nothing; data-policy-version,
// the version of the policy that the banner asks about; data-notice, a name or hash of
// the banner's text, for the record.
//
// 1. As long as nobody has chosen, all is "unknown", or "requested" while the banner is
//    shown. A default of the manager is never a yes, and a yes that came from mere use
//    is told as method "implied" and as "unknown".
// 2. Where several managers are there each category is the most restrictive of them.
// 3. What a manager says when it is first heard is a choice made earlier; it goes on
//    record only when the visitor makes one on this page.
// 4. Without a manager nothing is said. After five seconds nobody asks any more; a
//    manager that comes later is heard if it tells the page that it is there.

import { ASKED, categories, lower } from './categories.js'
import { frameworks } from './frameworks.js'
import { record } from './ledger.js'
import { managers } from './managers.js'
import { options } from './options.js'

const all = { ...managers, ...frameworks }
const names = options.consent ? options.consent.split(/[\s,]+/) : Object.keys(all)

// ---- the record ----

// kastana('choose') and kastana('forget') leave what they changed in `q`, also before
// this file has loaded.
const recordChoice = () => {
  const { q } = window.kastana
  window.kastana.q = 0
  if (q) record(...q)
}

const inner = window.kastana
window.kastana = (command, ...rest) => {
  inner(command, ...rest)
  recordChoice()
}
window.kastana.q = inner.q
recordChoice()

// ---- what the managers say ----

const heard = {}
let last = {}
let told
let toldStates

const sum = () => {
  const consent = { method: 'explicit', source: names.find((name) => heard[name]) }
  for (const said of Object.values(heard)) {
    const states = said.waiting
      ? Object.fromEntries(ASKED.slice(0, 3).map((name) => [name, said.waiting]))
      : (said.states ?? categories(said))
    for (const category in states) {
      const state =
        said.implied && states[category] === true ? 'unknown' : states[category]
      consent[category] = lower(consent[category], state)
    }
    if (said.implied) consent.method = 'implied'
    Object.assign(consent, said.strings)
    if (said.time) consent.updated_at = said.time
  }
  if (options.policyVersion) consent.policy_version = options.policyVersion
  return consent
}

const hear = (name, said, acted) => {
  const first = !heard[name]
  heard[name] = said
  const consent = sum()
  const states = JSON.stringify(ASKED.map((category) => consent[category]))
  const text = JSON.stringify(consent)
  if (text == told) return
  // What is no longer said must not stay in k.js.
  const cleared = Object.fromEntries(Object.keys(last).map((key) => [key, undefined]))
  const chosen = (acted || !(first || all[name].tells)) && states != toldStates
  told = text
  toldStates = states
  last = consent
  window.kastana(chosen ? 'choose' : 'consent', { ...cleared, ...consent })
}

// ---- asking ----

// A manager tells of one choice in several events, and of some before it has stored it.
const pending = {}

const ask = async (name, event) => {
  const acted = pending[name]
  delete pending[name]
  const said = await all[name].read((...flags) => later(name, ...flags), event)
  if (said) hear(name, said, acted)
}

const later = (name, acted, event) => {
  if (!(name in pending)) setTimeout(ask, all[name].delay, name, event)
  pending[name] ||= acted
}

const poll = (wait) => {
  for (const name of names) if (!heard[name]) ask(name)
  // 40 + 80 + … + 2560 ms are five seconds.
  if (wait < 4e3) setTimeout(poll, wait, 2 * wait)
}

for (const name of names) {
  const { events = [], actions = [] } = all[name]
  // Capturing on the window sees the events of the document, too.
  for (const type of events)
    addEventListener(type, (event) => later(name, false, event), true)
  for (const type of actions)
    addEventListener(type, (event) => later(name, true, event), true)
}
poll(40)
