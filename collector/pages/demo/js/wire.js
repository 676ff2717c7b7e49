// What goes from this page to the collector. The panel must show what was really sent,
// so the page's own fetch and sendBeacon are watched, not guessed at.

import { allows, claim, pseudonym } from './choice.js'

const tag = document.querySelector('script[data-site]')

export const site = tag.dataset.site
export const collector = new URL(tag.src).origin
const endpoint = `${collector}/e`

let report = () => {}

// `listener` gets {method, target, body, how, answer} of every request with events;
// answer is a promise of the HTTP status, 0 when the collector cannot be reached.
export const watch = (listener) => {
  report = listener
}

const fetchUnwatched = window.fetch.bind(window)
const beaconUnwatched = navigator.sendBeacon.bind(navigator)

window.fetch = (url, init) => {
  const answered = fetchUnwatched(url, init)
  if (String(url) === endpoint)
    report({
      method: 'POST',
      target: '/e',
      body: init.body,
      how: 'fetch',
      answer: answered.then(
        ({ status }) => status,
        () => 0,
      ),
    })
  return answered
}

navigator.sendBeacon = (url, body) => {
  if (String(url) === endpoint)
    report({ method: 'POST', target: '/e', body, how: 'beacon', answer: null })
  return beaconUnwatched(url, body)
}

export const uuid7 = () => {
  const bytes = crypto.getRandomValues(new Uint8Array(16))
  bytes[6] = 0x70 | (bytes[6] & 0x0f)
  bytes[8] = 0x80 | (bytes[8] & 0x3f)
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('')
  const id = Date.now().toString(16).padStart(12, '0') + hex.slice(12)
  return id.replace(/(.{8})(.{4})(.{4})(.{4})(.{12})/, '$1-$2-$3-$4-$5')
}

// The pseudonym that the tracker made, if there is one and it may be used.
const visitor = () => (allows('statistics') ? pseudonym() : undefined)

// What the tracker puts beside every event.
export const common = () => ({
  site,
  sent_at: Date.now(),
  language: navigator.language,
  time_zone: Intl.DateTimeFormat().resolvedOptions().timeZone,
  viewport: `${innerWidth}x${innerHeight}`,
  screen: `${screen.width}x${screen.height}`,
  gpc: navigator.globalPrivacyControl,
  dnt: navigator.doNotTrack === '1',
  automated: navigator.webdriver,
})

export const eventNow = (fields) => ({
  event_id: uuid7(),
  occurred_at: Date.now(),
  url: location.href,
  title: document.title,
  ...fields,
  consent: claim(),
  visitor: visitor(),
})

// Sends an event that the tracker has no command for.
export const send = (fields) =>
  fetch(endpoint, {
    method: 'POST',
    body: JSON.stringify({ ...common(), events: [eventNow(fields)] }),
    credentials: 'omit',
  }).catch(() => {
    // The panel says that the collector could not be reached; nothing else to do.
  })

// Loads the mail's picture again, as another reader would.
export const openMail = (image, consent) => {
  const query = new URLSearchParams({
    site,
    event: 'email_open',
    mailing: 'demo',
    event_id: uuid7(),
    ...(consent && { consent }),
  })
  const target = `/p.gif?${query}`
  const answer = new Promise((done) => {
    image.onload = () => done(200)
    image.onerror = () => done(0)
  })
  image.src = collector + target
  report({ method: 'GET', target, body: '', how: 'picture', answer })
}

export const sawPicture = (image) => {
  const target = image.src.slice(collector.length)
  const status = () => (image.naturalWidth ? 200 : 0)
  const answer = image.complete
    ? Promise.resolve(status())
    : new Promise((done) => {
        image.onload = image.onerror = () => done(status())
      })
  report({ method: 'GET', target, body: '', how: 'picture', answer })
}
