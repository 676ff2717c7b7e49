// One event under every choice: what each would leave of it. Asks the keeper only;
// nothing is sent to the collector and nothing is stored.

import { CATEGORIES } from './choice.js'
import { badge, h, hidden } from './dom.js'
import { explain } from './keeper.js'
import { FIELDS, isEmpty, reasonText, show } from './words.js'
import { common, uuid7 } from './wire.js'

const STAND_IN = 'a-visitor-of-the-demo'

const states = (granted, otherwise) =>
  Object.fromEntries(
    CATEGORIES.map((name) => [name, granted.includes(name) ? 'given' : otherwise]),
  )

const CHOICES = [
  { title: 'Only essential', consent: states([], 'refused') },
  { title: 'No answer yet', consent: states([], 'requested') },
  { title: 'Accept all, with GPC', consent: states(CATEGORIES), gpc: true },
  { title: 'Statistics only', consent: states(['statistics'], 'refused') },
  { title: 'Accept all', consent: states(CATEGORIES) },
]

const bodyUnder = (event, { consent, gpc }) =>
  JSON.stringify({
    ...event,
    consent,
    gpc: gpc || navigator.globalPrivacyControl,
    visitor: consent.statistics === 'given' ? STAND_IN : undefined,
  })

const tell = async (event) => {
  const full = { ...common(), event_id: uuid7(), occurred_at: Date.now(), ...event }
  return Promise.all(
    CHOICES.map(async (choice) => {
      const body = bodyUnder(full, choice)
      const { events, error } = await explain({ method: 'POST', target: '/e', body })
      if (!events[0]?.row) throw new Error(error?.message ?? 'it gave no row')
      return { ...choice, ...events[0] }
    }),
  )
}

const filled = ({ row }) => Object.values(row).filter((value) => !isEmpty(value)).length

const head = (results, event) =>
  h(
    'thead',
    {},
    h(
      'tr',
      {},
      h('td'),
      results.map(({ title }) => h('th', { scope: 'col' }, title)),
    ),
    h(
      'tr',
      {},
      h('th', { scope: 'row' }, 'Outcome'),
      results.map(({ outcome }) => h('td', {}, badge(outcome))),
    ),
    h(
      'tr',
      { class: 'sum' },
      h('th', { scope: 'row' }, 'What is kept'),
      results.map((result) =>
        h(
          'td',
          {},
          result.row.events
            ? [h('b', {}, '+1'), ' on a counter']
            : [
                h('b', {}, filled(result)),
                ` of ${Object.keys(result.row).length} columns`,
              ],
        ),
      ),
    ),
    h(
      'tr',
      { class: 'why' },
      h('th', { scope: 'row' }, 'Because'),
      results.map(({ reasons }) =>
        h('td', {}, reasons.map((reason) => reasonText(reason, event)).join(' ')),
      ),
    ),
  )

// Less than the last choice, the widest, would leave. Consent itself is not less.
const isLess = (name, value, widest) =>
  name.endsWith('_at')
    ? value.endsWith(':00:00.000')
    : show(value) !== show(widest) && !/^(consent|outcome)_|^(outcome|events)$/.test(name)

const cell = (name, value, widest) => {
  if (isEmpty(value)) return h('td', { class: 'no' }, hidden('nothing'))
  const less = !isEmpty(widest) && isLess(name, value, widest)
  return h(
    'td',
    { class: less ? 'less' : 'yes' },
    show(value),
    less ? hidden(', less') : null,
  )
}

const group = (results, [title, columns]) => {
  const lines = Object.entries(columns)
    .filter(([name]) => !name.startsWith('outcome'))
    .filter(([name]) => results.some(({ row }) => !isEmpty(row[name])))
    .map(([name, label]) =>
      h(
        'tr',
        {},
        h('th', { scope: 'row', title: name }, label),
        results.map(({ row }) => cell(name, row[name], results.at(-1).row[name])),
      ),
    )
  if (!lines.length) return null
  const heading = h(
    'th',
    { scope: 'rowgroup', colspan: results.length + 1 },
    h('span', {}, title),
  )
  return h('tbody', {}, h('tr', { class: 'group' }, heading), lines)
}

export const key = () =>
  h(
    'p',
    { class: 'key' },
    h('span', {}, 'kept'),
    h('span', { class: 'cut' }, 'kept in part'),
    h('span', { class: 'none' }, 'nothing kept'),
  )

const asked = new WeakMap()

// Fills the place with the comparison for an event.
export const matrix = async (place, event) => {
  asked.set(place, event)
  const table = await tell(event).then(
    (results) =>
      h(
        'table',
        { class: 'matrix' },
        h('caption', { class: 'hidden' }, 'What each choice leaves of the event'),
        head(results, event),
        FIELDS.map((one) => group(results, one)),
      ),
    (error) => h('p', {}, `The keeper could not say: ${error.message}.`),
  )
  // Another event may have been picked meanwhile.
  if (asked.get(place) === event) place.replaceChildren(table)
}

export const frame = () =>
  h('div', {
    class: 'matrix-frame',
    tabindex: '0',
    role: 'region',
    'aria-label': 'Comparison of all choices',
  })

// Shows the comparison above the page.
export const compare = (event, title, opener) => {
  const place = frame()
  const close = h(
    'button',
    { type: 'button', class: 'button small', onclick: () => dialog.close() },
    'Close',
  )
  const dialog = h(
    'dialog',
    { class: 'over', 'aria-labelledby': 'over-title' },
    h('header', {}, h('h2', { id: 'over-title' }, `${title} under every choice`), close),
    h('p', {}, 'Nothing of this is stored: the keeper only says what it would do.'),
    key(),
    place,
  )
  dialog.addEventListener('close', () => {
    dialog.remove()
    opener.focus()
  })
  document.body.append(dialog)
  dialog.showModal()
  matrix(place, event)
}
