// Kastana's tracker: tells the collector what happens on a page, together with the
// consent it happened under.
//
//   <script defer src="https://collector.example/k.js" data-site="example.com"></script>
//
// 1. Without statistics consent nothing is stored on the device, and no id that was
//    stored before is read. With it, one first-party cookie holds a random pseudonym,
//    for at most 13 months from the consent, however often the visitor comes back.
// 2. The page asks for consent, not this file. It tells the choice on every load with
//    kastana('consent', {…}); until then the consent is unknown, and sent as unknown.
// 3. A retry may narrow the consent of an event, and never widens it.
// 4. What people type into forms is never read.
//
// Attributes of the tag: data-site (required); data-endpoint, where to send instead of
// /e on this file's origin; data-wait, how many milliseconds the first events wait for
// the consent call (see `start`); data-hash, a new #fragment is a new page; data-vitals,
// measure web vitals; data-automated, track automated browsers too; data-debug,
// dispatch `kastana:sent` on window for each event sent.
//
// Calls: kastana('event', name, {…}, {category: 'marketing'}), with a flat object of
// properties and, if it is not statistics, the category of consent that the event needs;
// kastana('consent', {…}); kastana('forget'), which withdraws the statistics consent;
// kastana('page'), a view that no change of path shows. 'send' is for k-vitals.js.
//
// A page that calls kastana() before this file has run defines the queue first:
//   window.kastana=window.kastana||function(){(kastana.q=kastana.q||[]).push(arguments)}
//
// Everything but web vitals fits in 2 KB of gzip, which explains the terse parts.

import { digits } from './ids.js'

const tag = document.currentScript
const options = tag.dataset

// ---- the cookie ----

// The cookie is read for each request: when another tab has removed it, this one stops
// sending the id as well.
const stored = () => document.cookie.match(/\b_kastana=(\d{39})/)?.[1]

const store = (value, seconds) =>
  (document.cookie =
    `_kastana=${value}; Max-Age=${seconds}; Path=/; SameSite=Lax` +
    (location.protocol == 'https:' ? '; Secure' : ''))

// ---- consent ----

let consent = {}

const given = (state) => state === true || state === 'given'

const choose = (choice) => {
  consent = { ...consent, ...choice }
  // A cookie that exists is left alone, since writing it would extend its life.
  // 339e5 seconds are 392 days: no 13 months are shorter than 393.
  if (given(consent.statistics))
    stored() || store(digits('xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx'), 339e5)
  // false, withdrawn, expired, refused; but not unknown or requested.
  else if (/^[fwe]|ref/.test(consent.statistics)) store('', 0)
  // Ends the wait for the choice, but not the collector's.
  if (!tries) {
    clearTimeout(timer)
    timer = setTimeout(flush, 100)
  }
}

// ---- transport ----

const endpoint = options.endpoint || new URL('/e', tag.src)
let queue = []
let timer
let tries = 0

const send = (event, fields) => {
  if (queue.length < 50)
    queue.push({
      event,
      // UUIDv7, so that events sort by time in the store.
      event_id: digits(
        Date.now().toString(16).replace(/.{7}/, '0$&-') + '-7xxx-8xxx-xxxxxxxxxxxx',
      ),
      occurred_at: Date.now(),
      ...page,
      ...fields,
    })
  // What happens together travels together. A running timer may also be the wait for
  // consent, or for the collector to recover.
  timer ||= setTimeout(flush, 100)
}

const flush = () => {
  clearTimeout(timer)
  timer = 0
  const events = queue
  if (!events[0]) return
  queue = []
  events.map((event) => {
    // An event has the consent of the moment it is first sent: what was refused since
    // is taken from a retry, what was given since is not added.
    event.consent ??= { ...consent }
    for (const key in consent)
      if (!given(consent[key])) event.consent[key] = consent[key]
    event.visitor = given(event.consent.statistics) ? stored() : undefined
    // Applications set the title after they have changed the address.
    event.title ??= page.title ??= document.title
  })
  const body = JSON.stringify(
    {
      site: options.site,
      sent_at: Date.now(),
      language: navigator.language,
      time_zone: Intl.DateTimeFormat().resolvedOptions().timeZone,
      viewport: innerWidth + 'x' + innerHeight,
      screen: screen.width + 'x' + screen.height,
      gpc: navigator.globalPrivacyControl,
      dnt: navigator.doNotTrack == 1,
      automated: navigator.webdriver,
      events,
    },
    // The collector refuses longer values, and halves of surrogate pairs. Only strings
    // have `trim`; only events, not their properties, have the longer fields.
    function (key, value) {
      return value?.trim
        ? ((value = value.slice(
            0,
            this.event && /url|ref|stack/.test(key) ? 4096 : 500,
          )).toWellFormed?.() ?? value)
        : value
    },
  )
  if ('debug' in options)
    events.map((detail) => dispatchEvent(new CustomEvent('kastana:sent', { detail })))
  // A string goes as text/plain, which needs no preflight. sendBeacon outlives the page
  // and keeps it eligible for the back/forward cache, but does not tell whether the
  // collector took the events. fetch does, so it sends whatever a visible page has to
  // send, and whatever has failed before.
  if (document.hidden && !tries && navigator.sendBeacon?.(endpoint, body)) return
  fetch(endpoint, {
    method: 'POST',
    credentials: 'omit',
    body,
    // Above 64 KiB a browser refuses keepalive, however often it is tried.
    keepalive: body.length < 2e4,
  })
    .catch((error) => error)
    .then(({ status, headers }) => {
      if (status < 429) tries = 0
      else {
        queue = events.concat(queue)
        clearTimeout(timer)
        timer = setTimeout(
          flush,
          1e3 *
            Math.max(headers?.get('retry-after') || 0, ++tries * tries + Math.random()),
        )
      }
    })
}

// ---- the page: views, engaged time, scroll depth ----

let page
let path
let failures
let since
let engaged
let bottom

const route = () => location.pathname + ('hash' in options ? location.hash : '')

const view = (referrer) => {
  clock()
  engaged = bottom = 0
  failures = new Set()
  path = route()
  page = { url: location.href, referrer }
  send('page_view')
}

const move = () => {
  ping()
  view(page.url)
}

const moved = () => route() != path && move()

// Counts time while the page is visible and focused, and how far down it was seen.
const clock = () => {
  const now = performance.now()
  if (since) {
    engaged += now - since
    bottom = Math.max(bottom, scrollY + innerHeight)
  }
  since = document.hasFocus() && !document.hidden && now
}

// What was not told yet about the page that is being left.
const ping = () => {
  clock()
  if (engaged > 99) {
    send('page_ping', {
      engaged_ms: engaged | 0,
      scroll_depth:
        Math.min((100 * bottom) / document.documentElement.scrollHeight + 0.5, 100) | 0,
    })
    engaged = 0
  }
}

// ---- what people do, and what fails ----

const click = (event) => {
  // The composed path sees links inside shadow trees. Of an address or a number that
  // belongs to a person only the scheme is kept.
  const link = event.composedPath().find((node) => node.protocol && node.href)
  const target = link?.href.match(/^(mailto:|tel:|http.+)/)?.[0]
  // The left and the middle button open links; the others do not.
  if (!target || event.button > 1) return
  const file =
    link.attributes.download ||
    /\.(dmg|gz|msi|pkg|zip|(doc|ppt|xls)x?|iso|od[pst]|rar|exe|pdf|tar|csv|7z|mp[34]|rtf|txt)$/i.test(
      link.pathname,
    )
  if (file || link.host != location.host)
    send(file ? 'file_download' : 'link_click', { target_url: target })
}

const fail = ({ error, reason = error, message = reason }) => {
  message += ''
  if (failures.size > 4 || failures.has(message)) return
  failures.add(message)
  send('exception', {
    exception_type: reason?.name || 'Error',
    exception_message: reason?.message || message,
    exception_stacktrace: reason?.stack,
  })
}

// ---- start ----

const commands = {
  consent: choose,
  event: (name, properties, extra) =>
    send('custom', { name: (name + '').slice(0, 64), properties, ...extra }),
  forget: () => choose({ statistics: 'withdrawn' }),
  page: move,
  send,
}

// Capturing, since a page may stop the event, or change itself in answer to it.
const on = (type, listener) => addEventListener(type, listener, true)

const start = () => {
  const calls = window.kastana?.q
  window.kastana = (command, ...rest) => commands[command]?.(...rest)
  // The first events wait for the consent call, the end of data-wait or the page being
  // hidden, whichever comes first. By default they hardly wait: most pages know the
  // choice while they load or have nothing to ask. A consent manager that answers later
  // is a reason for, say, data-wait="500".
  timer = setTimeout(flush, options.wait ?? 100)
  view(document.referrer)

  ;['pushState', 'replaceState'].map((name) => {
    const original = history[name]
    history[name] = (...rest) => {
      original.apply(history, rest)
      moved()
    }
  })
  on('popstate', moved)
  on('pageshow', ({ persisted }) => persisted && view(page.referrer))
  // A page that is left for good is hidden first; no later event is certain. Not
  // capturing: web-vitals reports in that phase, and its events go out with ours.
  addEventListener('visibilitychange', () => {
    ping()
    flush()
  })
  on('focus', clock)
  on('blur', clock)
  on('scroll', clock)
  on('click', click)
  on('auxclick', click)
  // Not target.id: a field with the name "id" would stand in its place.
  on('submit', ({ target }) =>
    send('form_submit', {
      form_id: (target.attributes.id ?? target.attributes.name)?.value.slice(0, 128),
    }),
  )
  // Not capturing: images that fail to load are no exceptions.
  addEventListener('error', fail)
  on('unhandledrejection', fail)

  calls?.map((call) => kastana(...call))
  // Imported, a file may load wherever this one may, under a nonce or an allow-list.
  if ('vitals' in options) import(new URL('k-vitals.js', tag.src))
}

if (!options.site) console.warn('kastana: no data-site')
// A second copy of the tag would count everything twice.
else if (!window.kastana?.length) {
  if (navigator.webdriver && !('automated' in options)) window.kastana = () => {}
  // A prerendered page is not visited before it is shown.
  else if (document.prerendering) on('prerenderingchange', start)
  else start()
}
