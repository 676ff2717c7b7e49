// The record of a choice. The collector is told each choice once, and answers with a
// receipt, which waits at the foot of the page to be downloaded.

import { CATEGORIES, current } from './choice.js'
import { h } from './dom.js'
import { collector, site, uuid7 } from './wire.js'

const KEY = 'castanea_receipt'

const line = h('p', { class: 'record', role: 'status', tabindex: '-1' })

// The choice that is being told; an answer to an older one comes too late.
let latest = null
let file = ''

// A browser may refuse storage to a page. The receipt is then gone with the page.
const storage = (() => {
  try {
    return window.sessionStorage
  } catch {
    return null
  }
})()

const download = (receipt) => {
  URL.revokeObjectURL(file)
  const text = `${JSON.stringify(receipt, null, 2)}\n`
  file = URL.createObjectURL(new Blob([text], { type: 'application/json' }))
  return file
}

const show = ({ record_id, receipt }) =>
  line.replaceChildren(
    'Recorded as ',
    h('code', { title: record_id }, `${record_id.slice(0, 8)}…`),
    ' · ',
    h(
      'a',
      { href: download(receipt), download: `kastana-receipt-${record_id}.json` },
      'Download receipt',
    ),
  )

const again = (choice) => {
  // The button goes; who pressed it by keyboard stays here.
  line.focus()
  tell(choice)
}

const showFault = (choice, words) =>
  line.replaceChildren(
    `This choice holds, but it is not on record: ${words}. `,
    h(
      'button',
      { type: 'button', class: 'text-button', onclick: () => again(choice) },
      'Try again',
    ),
  )

const post = async (choice) => {
  const [status, told] = await fetch(`${collector}/consent`, {
    method: 'POST',
    // A string goes as text/plain, which needs no preflight.
    body: JSON.stringify({ ...choice, sent_at: Date.now() }),
    credentials: 'omit',
    keepalive: true,
  }).then(
    async (answer) => [answer.status, await answer.json().catch(() => null)],
    () => [0, null],
  )
  if (status === 0) throw new Error('the collector could not be reached')
  if (status === 202 && told?.receipt) return told
  const why = told?.error?.message ? `, ${told.error.message}` : ''
  throw new Error(`the collector answered ${status}${why}`)
}

// Told again, a choice has the same number, so that it is recorded once.
const tell = async (choice) => {
  latest = choice
  // Of another choice; and the button to try again must not be pressed twice.
  storage?.removeItem(KEY)
  line.replaceChildren()
  let told
  try {
    told = await post(choice)
  } catch (fault) {
    if (latest === choice) showFault(choice, fault.message)
    return
  }
  if (latest !== choice) return
  show(told)
  const { record_id, receipt } = told
  const kept = { record_id, receipt, chosen_at: choice.occurred_at }
  storage?.setItem(KEY, JSON.stringify(kept))
}

// What was given before and is not now was taken back. What was taken back earlier is
// so again only where nothing is given.
const actionOf = (states, before) => {
  const gives = CATEGORIES.some((name) => states[name] === 'given')
  const categories = CATEGORIES.filter(
    (name) => states[name] === 'withdrawn' && (before[name] === 'given' || !gives),
  )
  if (categories.length) return { action: 'withdraw', categories }
  if (!gives) return { action: 'refuse' }
  return { action: before.updated_at ? 'change' : 'give' }
}

const onChoice = ({ detail: { before, visitor } }) => {
  const consent = current()
  tell({
    site,
    ...actionOf(consent, before),
    consent: { ...consent, method: 'explicit' },
    visitor,
    event_id: uuid7(),
    occurred_at: consent.updated_at,
    language: navigator.language,
    gpc: navigator.globalPrivacyControl,
    dnt: navigator.doNotTrack === '1',
    notice: 'castanea banner',
    receipt: 'iso27560',
  })
}

// The receipt of an earlier page, if it is of the choice that holds: another tab may
// have made a newer one.
const remembered = () => {
  try {
    const kept = JSON.parse(storage?.getItem(KEY) ?? 'null')
    return kept?.chosen_at === current()?.updated_at ? kept : null
  } catch {
    return null
  }
}

export const start = () => {
  document.querySelector('.footer .wrap').append(line)
  const kept = remembered()
  if (kept) show(kept)
  document.addEventListener('castanea:choice', onChoice)
}
