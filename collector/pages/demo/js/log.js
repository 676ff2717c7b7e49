// Every event this page sent, what was decided of it, and its row once that is stored.

import { explain, row } from './keeper.js'
import { watch } from './wire.js'

const KEEP_KEY = 'castanea_list'
const MOST_KEPT = 40

const entries = []
let changed = () => {}

const kept = () => {
  try {
    return JSON.parse(sessionStorage.getItem(KEEP_KEY))
  } catch {
    return null
  }
}

export const isKept = () => kept() !== null

const save = () => {
  if (!isKept()) return
  sessionStorage.setItem(KEEP_KEY, JSON.stringify(entries.slice(-MOST_KEPT)))
}

// Carrying the list from page to page needs storage in this tab, so it is asked for.
export const keep = (on) => {
  if (!on) return sessionStorage.removeItem(KEEP_KEY)
  sessionStorage.setItem(KEEP_KEY, '[]')
  save()
}

export const clear = () => {
  entries.length = 0
  save()
}

// The events of a request, each with what all of them share.
const eventsOf = ({ target, body }) => {
  if (target.startsWith('/p.gif'))
    return [Object.fromEntries(new URLSearchParams(target.split('?')[1]))]
  const { events, ...shared } = JSON.parse(body)
  return events.map((event) => ({ ...shared, ...event }))
}

const follow = async (entry) => {
  if (!entry.event.event_id || !['identified', 'anonymous'].includes(entry.told?.outcome))
    return
  entry.stored = 'waiting'
  changed('entry', entry)
  const found = await row(entry.told.row.event_id)
  entry.row = found
  entry.stored = found ? 'stored' : 'late'
  save()
  changed('entry', entry)
}

const ask = async (request, group) => {
  try {
    const told = await explain(request)
    for (const entry of group)
      entry.told = told.events[entry.index] ?? { outcome: 'invalid', ...told.error }
  } catch (error) {
    for (const entry of group) entry.problem = error.message
  }
  save()
  changed('told', group)
  await Promise.all(group.map(follow))
}

const record = ({ answer, ...request }) => {
  const at = Date.now()
  const events = eventsOf(request)
  // A request that is tried again holds the same events.
  const group = events.map((event, index) => {
    const known =
      event.event_id && entries.find((one) => one.event?.event_id === event.event_id)
    const entry = known || { at, event }
    Object.assign(entry, {
      request,
      index,
      others: events.length - 1,
      status: null,
      event,
    })
    if (!known) entries.push(entry)
    return entry
  })
  save()
  changed('added', group)
  answer?.then((status) => {
    for (const entry of group) {
      entry.status = status
      changed('entry', entry)
    }
  })
  ask(request, group)
}

export const note = (text) => {
  const entry = { at: Date.now(), note: text }
  entries.push(entry)
  save()
  changed('added', [entry])
}

// Goes on where the last page of this tab ended: what was sent while it was being left
// has not been explained yet.
const resume = () => {
  entries.push(...(kept() ?? []))
  if (entries.length) changed('added', [...entries])
  for (const entry of entries) {
    if (entry.event && !entry.told) ask(entry.request, [entry])
    else if (entry.stored === 'waiting') follow(entry)
  }
  if (isKept()) note(document.title.split(':')[0])
}

// `listener(what, subject)`: 'added' and 'told' with entries, 'entry' with one.
export const start = (listener) => {
  changed = listener
  resume()
  watch(record)
}

// What became of the same thing the last time, if that was something else.
export const before = ({ event, told, at }) => {
  const same = (other) =>
    ['event', 'name', 'form_id', 'web_vital_name', 'url'].every(
      (name) => event[name] === other.event?.[name],
    )
  const last = entries.findLast((other) => other.at < at && other.told && same(other))
  return last && last.told.outcome !== told.outcome ? last.told.outcome : null
}
