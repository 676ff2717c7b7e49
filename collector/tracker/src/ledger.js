// A visitor's choice, told to the collector once, for its record of consent.
import { ASKED } from './categories.js'
import { digits } from './ids.js'
import { options } from './options.js'

const endpoint = new URL(options.endpoint || new URL('/e', import.meta.url), location)
const ledger = new URL('consent', endpoint)

const given = (state) => state === true || state === 'given'
const denied = (state) => /^(false|refused|withdrawn)$/.test(state)

// `before` is what held until then, and `visitor` the id that was stored.
export const record = (choice, before, visitor) => {
  const consent = { ...before, method: 'explicit', ...choice }
  // Who has an id has once consented to it, whatever the page still knows of that.
  const had = (category) =>
    given(before[category]) ||
    choice[category] == 'withdrawn' ||
    (category == 'statistics' && visitor)
  const refused = ASKED.filter((category) => denied(consent[category]))
  const withdrawn = refused.filter(had)
  const gives = ASKED.some((category) => given(consent[category]))
  // A banner that is opened, or a choice that is reset, is no choice yet.
  if (!gives && !refused[0]) return
  const again =
    before.method != 'implied' &&
    ASKED.some((category) => given(before[category]) || denied(before[category]))
  const action = withdrawn[0]
    ? 'withdraw'
    : gives
      ? again
        ? 'change'
        : 'give'
      : 'refuse'
  const now = Date.now()
  post({
    site: options.site,
    action,
    categories: withdrawn[0] ? withdrawn : undefined,
    consent,
    visitor: given(consent.statistics)
      ? document.cookie.match(/\b_kastana=(\d{39})/)?.[1]
      : withdrawn.includes('statistics')
        ? visitor
        : undefined,
    // The same in each retry, so that the choice is recorded once.
    event_id: digits(
      now.toString(16).replace(/.{7}/, '0$&-') + '-7xxx-8xxx-xxxxxxxxxxxx',
    ),
    occurred_at: now,
    language: navigator.language,
    notice: options.notice,
    gpc: navigator.globalPrivacyControl,
    dnt: navigator.doNotTrack == 1,
  })
}

const post = async (choice, tries = 1) => {
  const answer = await fetch(ledger, {
    method: 'POST',
    credentials: 'omit',
    // Many consent managers load the page anew as soon as they know the choice.
    keepalive: true,
    body: JSON.stringify({ ...choice, sent_at: Date.now() }),
  }).catch(() => ({ status: 503 }))
  if ((answer.status == 429 || answer.status > 499) && tries < 8)
    setTimeout(
      post,
      1e3 *
        Math.max(
          answer.headers?.get('retry-after') || 0,
          tries * tries + Math.random(),
        ),
      choice,
      tries + 1,
    )
}
