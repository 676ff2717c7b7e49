// One event from end to end: what was sent, what was decided, what is left.

import { badge, h, hidden } from './dom.js'
import { fates } from './fate.js'
import { before } from './log.js'
import {
  FIELDS,
  eventHint,
  eventTitle,
  isEmpty,
  outcomeText,
  reasonText,
  show,
} from './words.js'
import { whySteps } from './why.js'

const FATES = {
  kept: 'kept',
  coarser: 'made coarser',
  replaced: 'replaced',
  derived: 'worked out',
  gone: 'gone',
  unsent: 'never sent',
}

// Sections stay as the visitor left them from one event to the next.
const open = new Map([['json', matchMedia('(min-height: 64rem)').matches]])

const fold = (key, summary, ...content) =>
  h(
    'details',
    {
      open: open.get(key) ?? false,
      ontoggle: ({ target }) => open.set(key, target.open),
    },
    h('summary', { 'data-key': key }, summary),
    content,
  )

const step = (number, title, ...content) =>
  h('section', { class: 'step' }, h('h4', {}, `${number}. ${title}`), content)

// ---- 1. sent ----

const coloured = (value) => {
  const pre = h('pre', {
    tabindex: '0',
    role: 'region',
    'aria-label': 'The JSON that was sent',
  })
  const text = JSON.stringify(value, null, 2)
  let at = 0
  for (const found of text.matchAll(/"(?:[^"\\]|\\.)*"(?=:)/g)) {
    pre.append(text.slice(at, found.index), h('b', {}, found[0]))
    at = found.index + found[0].length
  }
  pre.append(text.slice(at))
  return pre
}

const sentJson = ({ request, index }) => {
  if (request.method === 'GET')
    return h(
      'pre',
      { tabindex: '0', role: 'region', 'aria-label': 'The request' },
      `GET ${request.target.replaceAll('&', '\n    &')}`,
    )
  const { events, ...shared } = JSON.parse(request.body)
  return coloured({ ...shared, events: [events[index]] })
}

const carried = ({ request }) => {
  const brands = navigator.userAgentData?.brands
  return [
    ['Address', 'yours, in full: no request goes without'],
    ['User-Agent', navigator.userAgent],
    ['Sec-CH-UA', brands?.map(({ brand, version }) => `${brand} ${version}`).join(', ')],
    ['Accept-Language', navigator.languages.join(', ')],
    ['Sec-GPC', navigator.globalPrivacyControl ? '1' : 'not sent'],
    ['DNT', navigator.doNotTrack === '1' ? '1' : 'not sent'],
    request.method === 'POST' && ['Origin', location.origin],
    ['Referer', `${location.origin}/`],
    request.method === 'POST' && ['Cookie', 'none: the tracker lets no cookie travel'],
  ].filter((pair) => pair && pair[1])
}

const answered = ({ status, request }) => {
  if (request.how === 'beacon') return 'Sent while the page was being left.'
  if (status === 0) return 'The collector could not be reached.'
  if (status == null) return 'No answer yet.'
  if (status > 299) return `The collector answered ${status}.`
  return `Answered ${status}, whatever was decided.`
}

const sent = (entry) => {
  const { request, others } = entry
  const size = new Blob([request.body || request.target]).size
  const company = others ? `, with ${others} other event${others > 1 ? 's' : ''}` : ''
  return step(
    1,
    'What your browser sent',
    h(
      'p',
      {},
      `${request.method} ${request.target.split('?')[0]}, ${size} bytes${company}. `,
      answered(entry),
    ),
    h(
      'div',
      { class: 'folds' },
      fold(
        'json',
        request.method === 'GET' ? 'The request' : 'The JSON',
        sentJson(entry),
      ),
      fold(
        'carried',
        'What comes with any request',
        h(
          'dl',
          { class: 'pairs' },
          carried(entry).map(([name, value]) => [h('dt', {}, name), h('dd', {}, value)]),
        ),
      ),
    ),
  )
}

// ---- 2. decided ----

const decided = (entry) => {
  const { event, told, problem } = entry
  if (problem)
    return step(2, 'What was decided, and why', h('p', {}, `Unknown: ${problem}.`))
  if (!told) return step(2, 'What was decided, and why', h('p', {}, 'Asking…'))
  const [title, text] = outcomeText(told)
  const last = before(entry)
  return step(
    2,
    'What was decided, and why',
    h('p', { class: 'verdict' }, badge(told.outcome), h('strong', {}, title)),
    h('p', {}, text),
    last &&
      h('p', { class: 'before' }, 'The same event was ', badge(last), ' the last time.'),
    told.code
      ? h('p', {}, `${told.code}: ${told.message} ${told.field}`)
      : h(
          'ul',
          { class: 'reasons' },
          told.reasons.map((reason) => h('li', {}, reasonText(reason, event))),
        ),
    told.why &&
      h('div', { class: 'folds' }, fold('why', 'Every step of it', whySteps(told.why))),
  )
}

// ---- 3. kept ----

const fateLine = ({ name, sent: from, kept, fate }) =>
  h(
    'li',
    { class: `fate ${fate}` },
    h('span', { class: 'fate-name' }, name),
    h('span', { class: 'fate-word' }, FATES[fate]),
    h('span', { class: 'fate-from' }, hidden('Sent: '), from),
    kept && fate !== 'kept'
      ? h('span', { class: 'fate-to' }, hidden('Left of it: '), kept)
      : null,
  )

const labels = Object.assign({}, ...FIELDS.map(([, columns]) => columns))

const wholeRow = (row) => {
  const names = Object.keys(row)
  const full = names.filter((name) => !isEmpty(row[name]))
  const bare = names.filter((name) => isEmpty(row[name]))
  return fold(
    'row',
    `The row: ${full.length} of ${names.length} columns hold something`,
    h(
      'dl',
      { class: 'pairs' },
      full.map((name) => [
        h('dt', { title: labels[name] }, name),
        h('dd', {}, show(row[name])),
      ]),
    ),
    fold(
      'bare',
      `${bare.length} empty columns`,
      h('p', { class: 'bare' }, bare.join(', ')),
    ),
  )
}

const ticket = ({ told: { row, outcome } }) =>
  h(
    'div',
    { class: 'ticket' },
    h('b', {}, '+1'),
    h(
      'span',
      {},
      [
        row.event_name.replace('_', ' '),
        `${row.occurred_at.slice(0, 13)} h`,
        row.url_path,
        row.geo_country_iso_code,
        row.device_type,
        outcome === 'dropped' && row.outcome_reasons.join(', ').replaceAll('_', ' '),
      ]
        .filter((part) => part)
        .join(' · '),
    ),
  )

const STORED = {
  waiting: 'Waiting for the store…',
  stored: 'This row was read back from the store.',
  late: 'Not in the store after eight seconds. What follows is what will be there.',
}

const kept = (entry) => {
  const { told } = entry
  if (!told?.row) return null
  const counter = told.outcome === 'counted' || told.outcome === 'dropped'
  const row = entry.row ?? told.row
  return step(
    3,
    'What is left of it',
    counter
      ? ticket(entry)
      : h(
          'p',
          { class: `stored ${entry.stored ?? ''}` },
          STORED[entry.stored] ??
            'A picture in a mail does not know the number of its row: this is what it holds.',
        ),
    h('ul', { class: 'fates' }, fates(entry.event, row).map(fateLine)),
    counter ? null : wholeRow(row),
  )
}

const empty = () =>
  h(
    'div',
    { class: 'nothing' },
    h('p', {}, 'Nothing was sent yet. Click something in the shop.'),
  )

// Puts the event in the place, and leaves the keyboard where it was.
export const render = (place, entry) => {
  const key = place.contains(document.activeElement) && document.activeElement.dataset.key
  const heading =
    entry &&
    h('h3', {}, eventTitle(entry.event), ' ', h('small', {}, eventHint(entry.event)))
  place.replaceChildren(
    ...(entry
      ? [heading, sent(entry), decided(entry), kept(entry)].filter(Boolean)
      : [empty()]),
  )
  if (key) place.querySelector(`[data-key="${key}"]`)?.focus()
}
