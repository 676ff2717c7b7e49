// The live panel: docked beside the shop, or a sheet at its foot on a small screen.

import { reopen } from './banner.js'
import { CATEGORIES, current } from './choice.js'
import { render } from './detail.js'
import { asset, badge, h, hidden } from './dom.js'
import * as log from './log.js'
import { compare } from './matrix.js'
import { CATEGORY, eventHint, eventTitle } from './words.js'
import { send } from './wire.js'

const QUIET = ['page_ping', 'web_vital']
const SHORT = { ...CATEGORY, precise_location: 'Location' }

let selected = null
const items = new Map()

const bar = h(
  'button',
  {
    type: 'button',
    class: 'bar',
    'aria-expanded': 'false',
    'aria-controls': 'panel-body',
  },
  h('img', { src: asset('logo.svg'), alt: '', width: 28, height: 28 }),
  h('span', { class: 'bar-text' }, 'Kastana, live'),
)
const choiceLine = h('ul', { class: 'chips', 'aria-label': 'Your choice' })
const list = h('ol', { class: 'log', 'aria-label': 'Events sent, oldest first' })
const detail = h('div', {
  class: 'detail',
  tabindex: '0',
  role: 'region',
  'aria-label': 'The selected event',
})
const status = h('p', { class: 'hidden', role: 'status' })

// ---- the list ----

const time = (at) => new Date(at).toTimeString().slice(0, 8)

const fill = (entry) => {
  // The list may have been cleared meanwhile.
  items
    .get(entry)
    ?.replaceChildren(
      h('time', {}, time(entry.at)),
      h(
        'span',
        { class: 'log-name' },
        eventTitle(entry.event),
        ' ',
        h('small', {}, eventHint(entry.event)),
      ),
      badge(entry.told?.outcome ?? ''),
    )
}

const select = (entry) => {
  items.get(selected)?.removeAttribute('aria-current')
  selected = entry
  items.get(entry)?.setAttribute('aria-current', 'true')
  for (const button of actions.querySelectorAll('button'))
    button.disabled = !entry || (button.dataset.needs === 'post' && !sendable(entry))
  render(detail, entry)
  detail.scrollTop = 0
}

const add = (entry) => {
  if (entry.note) return list.append(h('li', { class: 'log-note' }, entry.note))
  const button = h('button', { type: 'button', onclick: () => select(entry) })
  items.set(entry, button)
  fill(entry)
  list.append(h('li', {}, button))
}

const announce = (group) => {
  const text = group
    .map(({ event, told }) => `${eventTitle(event)}: ${told?.outcome ?? 'unknown'}`)
    .join(', ')
  status.textContent = text
  const last = group.findLast(({ event }) => !QUIET.includes(event.event)) ?? group.at(-1)
  bar.replaceChildren(
    bar.firstChild,
    h(
      'span',
      { class: 'bar-text' },
      eventTitle(last.event),
      ' ',
      h('small', {}, eventHint(last.event)),
    ),
    badge(last.told?.outcome ?? ''),
  )
}

const on = {
  added: (group) => {
    for (const entry of group) if (!items.has(entry)) add(entry)
    list.scrollTop = list.scrollHeight
    const loud = group.findLast(({ event }) => event && !QUIET.includes(event.event))
    // The mail's own page view is not what one comes to that page for.
    const aside =
      loud?.event.event === 'page_view' && selected?.event.event === 'email_open'
    if (loud && !aside) select(loud)
    else if (!selected) select(group.findLast(({ event }) => event) ?? null)
  },
  told: (group) => {
    group.forEach(fill)
    announce(group)
    if (group.includes(selected)) render(detail, selected)
  },
  entry: (entry) => {
    if (entry === selected) render(detail, entry)
  },
}

// ---- what can be done with the selected event ----

const sendable = ({ request }) => request.method === 'POST'

// What a sender adds anew each time.
const ADDED = new Set([
  ...['site', 'event_id', 'occurred_at', 'sent_at', 'consent', 'visitor', 'automated'],
  ...['language', 'time_zone', 'viewport', 'screen', 'gpc', 'dnt'],
])

const bare = ({ event }) =>
  Object.fromEntries(Object.entries(event).filter(([name]) => !ADDED.has(name)))

const actions = h(
  'div',
  { class: 'panel-actions' },
  h(
    'button',
    {
      type: 'button',
      class: 'button small',
      'data-needs': 'post',
      onclick: () => send(bare(selected)),
    },
    'Send again',
  ),
  h(
    'button',
    {
      type: 'button',
      class: 'button small full',
      onclick: ({ currentTarget }) =>
        compare(bare(selected), eventTitle(selected.event), currentTarget),
    },
    'Compare choices',
  ),
)

// ---- the choice ----

const showChoice = () => {
  const choice = current()
  choiceLine.replaceChildren(
    ...CATEGORIES.map((name) => {
      const state = choice?.[name] === 'given' ? 'on' : choice ? 'off' : 'open'
      const [mark, word] = { on: ['✓', 'yes'], off: ['✕', 'no'], open: ['?', 'open'] }[
        state
      ]
      return h(
        'li',
        { class: `chip ${state}` },
        SHORT[name],
        ' ',
        h('span', { 'aria-hidden': 'true' }, mark),
        hidden(word),
      )
    }),
  )
}

const choiceNote = () => {
  const choice = current()
  const given = CATEGORIES.filter((name) => choice?.[name] === 'given')
  const some = given.map((name) => SHORT[name]).join(', ') || 'only essential'
  const text = given.length === CATEGORIES.length ? 'everything' : some
  log.note(`Your choice is now: ${text}`)
}

// ---- the frame ----

const keepSwitch = () => {
  const input = h('input', {
    type: 'checkbox',
    checked: log.isKept(),
    onchange: ({ target }) => log.keep(target.checked),
  })
  return h(
    'label',
    { title: 'Kept in this tab until you close it' },
    input,
    h('span', {}, 'Keep the list', h('span', { class: 'wide' }, ' from page to page')),
  )
}

const tool = (text, onclick) =>
  h('button', { type: 'button', class: 'text-button', onclick }, text)

const clear = () => {
  log.clear()
  items.clear()
  list.replaceChildren()
  select(null)
}

const toggle = (open) => {
  panel.toggleAttribute('data-open', open)
  bar.setAttribute('aria-expanded', String(open))
  list.scrollTop = list.scrollHeight
}

const panel = h(
  'aside',
  { class: 'panel', 'aria-labelledby': 'panel-title' },
  bar,
  h(
    'div',
    { class: 'panel-body', id: 'panel-body' },
    h(
      'header',
      { class: 'panel-head' },
      h('img', { src: asset('logo.svg'), alt: '', width: 40, height: 40 }),
      h(
        'div',
        {},
        h('h2', { id: 'panel-title' }, 'Kastana, live'),
        h('p', {}, 'What this page sends, and what is left of it'),
      ),
    ),
    choiceLine,
    h(
      'div',
      { class: 'log-tools' },
      tool('Change choice', ({ currentTarget }) => reopen(currentTarget)),
      keepSwitch(),
      tool('Clear', clear),
    ),
    list,
    detail,
    actions,
  ),
)

export const start = () => {
  bar.addEventListener('click', () => toggle(!panel.hasAttribute('data-open')))
  panel.addEventListener('keydown', ({ key }) => {
    if (key !== 'Escape' || !panel.hasAttribute('data-open')) return
    toggle(false)
    bar.focus()
  })
  document.addEventListener('castanea:choice', () => {
    showChoice()
    choiceNote()
  })
  showChoice()
  document.body.append(panel, status)
  select(null)
  log.start((what, subject) => on[what](subject))
}
