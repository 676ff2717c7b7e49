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
// measure web vitals; data-consent, ask the page's consent manager and keep a record of
// choices (see consent.js); data-automated, track automated browsers too; data-debug,
// dispatch `kastana:sent` on window for each event sent.
//
// Calls: kastana('event', name, {…}, {category: 'marketing'}), with a flat object of
// properties and, if it is not statistics, the category of consent that the event needs;
// kastana('consent', {…}), what the visitor has chosen; kastana('choose', {…}), what the
// visitor chooses now, which with data-consent goes on record; kastana('forget'), which
// withdraws the statistics consent; kastana('page'), a view that no change of path
// shows. 'send' is for k-vitals.js.
//
// A page that calls kastana() before this file has run defines the queue first:
//   window.kastana=window.kastana||function(){(kastana.q=kastana.q||[]).push(arguments)}
//
// Everything but web vitals and consent managers fits in 2 KB of gzip, which explains
// the terse parts, and the order of properties and functions: it packs best.

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

// Shorter than `undefined`.
let nothing

let consent = {}

// What the visitor has chosen, from now on.
const apply = (choice) => {
  consent = { ...consent, ...choice }
  // A cookie that exists is left alone, since writing it would extend its life.
  // 339e5 seconds are 392 days: no 13 months are shorter than 393.
  if (given(consent.statistics))
    stored() || store(digits('xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx'), 339e5)
  // false, withdrawn, expired, refused; but not unknown or requested.
  else if (/^(f|w|ref|expi)/.test(consent.statistics)) store('', 0)
  // Ends the wait for the choice, but not the collector's.
  tries || flushIn(100)
}

// true, given.
const given = (state) => /^(t|gi)/.test(state)

// ---- transport ----

const endpoint = options.endpoint || new URL('/e', tag.src)
let timer
let tries = 0
let queue = []

const flushIn = (milliseconds) => {
  clearTimeout(timer)
  timer = setTimeout(flush, milliseconds)
}

const flush = () => {
  clearTimeout(timer)
  timer = 0
  const events = queue
  if (!events[0]) return
  queue = []
  events.map((event) => {
    // An event has the consent of the moment it is first sent: what was refused since
    // is taken from a retry, what was given since is not added; nor is a newer string of
    // a framework, time or version, any of which may allow more.
    event.consent ??= { ...consent }
    for (const key in consent)
      if (/^(f|w|ref|expi)/.test(consent[key])) event.consent[key] = consent[key]
    event.visitor = given(event.consent.statistics) ? stored() : nothing
    // Applications set the title after they have changed the address.
    event.title ??= page.title ??= document.title
  })
  const body = JSON.stringify(
    {
      automated: navigator.webdriver,
      dnt: navigator.doNotTrack == 1,
      viewport: innerWidth + 'x' + innerHeight,
      screen: screen.width + 'x' + screen.height,
      site: options.site,
      language: navigator.language,
      gpc: navigator.globalPrivacyControl,
      time_zone: Intl.DateTimeFormat().resolvedOptions().timeZone,
      sent_at: Date.now(),
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
    // Above 64 KiB a browser refuses keepalive, however often it is tried.
    keepalive: body.length < 2e4,
    credentials: 'omit',
    body,
    method: 'post',
  })
    .catch(given)
    .then(({ status, headers }) => {
      if (status < 429) tries = 0
      else {
        queue = events.concat(queue)
        flushIn(
          1e3 *
            Math.max(headers?.get('retry-after') | 0, ++tries * tries + Math.random()),
        )
      }
    })
}

const send = (event, fields) => {
  if (queue.length < 50)
    queue.push({
      occurred_at: Date.now(),
      event,
      // UUIDv7, so that events sort by time in the store.
      event_id: digits(
        Date.now().toString(16).replace(/.{7}/, '0$&-') + '-7xxx-8xxx-xxxxxxxxxxxx',
      ),
      ...page,
      ...fields,
    })
  // What happens together travels together. A running timer may also be the wait for
  // consent, or for the collector to recover.
  timer || flushIn(100)
}

// ---- the page: views, engaged time, scroll depth ----

let failures
let page
let since
let path
let bottom
let engaged

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

const route = () => location.pathname + ('hash' in options ? location.hash : '')

const move = () => {
  ping()
  view(page.url)
}

const moved = () => path != route() && move()

const view = (referrer) => {
  clock()
  engaged = bottom = 0
  failures = []
  path = route()
  page = { referrer, url: location.href }
  send('page_view')
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
    /\.(dmg|tar|msi|od[pst]|pkg|gz|pdf|exe|zip|iso|rtf|csv|txt|7z|rar|mp[34]|(doc|xls|ppt)x?)$/i.test(
      link.pathname,
    )
  if (file || location.host != link.host)
    send(file ? 'file_download' : 'link_click', { target_url: target })
}

const fail = ({ error, reason = error, message = reason + '' }) => {
  if (failures[4] || failures.includes(message)) return
  failures.push(message)
  send('exception', {
    exception_message: reason?.message || message,
    exception_stacktrace: reason?.stack,
    exception_type: reason?.name || 'Error',
  })
}

// ---- start ----

const commands = {
  send,
  consent: apply,
  // For the record, which k-consent.js keeps once it has loaded: what held before, and
  // the id, which is gone when the consent to it is.
  choose(choice) {
    kastana.q = [choice, consent, stored()]
    apply(choice)
  },
  page: move,
  forget: () => commands.choose({ statistics: 'withdrawn' }),
  event: (name, properties, extra) =>
    send('custom', { properties, name: (name + '').slice(0, 64), ...extra }),
}

// Capturing, since a page may stop the event, or change itself in answer to it.
const on = (type, listener) => addEventListener(type, listener, true)

const start = () => {
  const calls = window.kastana?.q
  window.kastana = (command, ...rest) => commands[command]?.(...rest)
  // Imported, a file may load wherever this one may, under a nonce or an allow-list.
  ;['vitals', 'consent'].map(
    (name) => name in options && import(new URL('k-' + name + '.js', tag.src)),
  )
  // The first events wait for the consent call, the end of data-wait or the page being
  // hidden, whichever comes first. By default they hardly wait: most pages know the
  // choice while they load or have nothing to ask. A consent manager that answers later
  // is a reason for, say, data-wait="500".
  flushIn(options.wait ?? 100)
  view(document.referrer)
  ;['pushState', 'replaceState'].map((name) => {
    const original = history[name]
    history[name] = (...rest) => moved(original.call(history, ...rest))
  })

  on('blur', clock)
  on('scroll', clock)
  // Not target.id: a field with the name "id" would stand in its place.
  on('submit', ({ target }) =>
    send('form_submit', {
      form_id: (target.attributes.id ?? target.attributes.name)?.value.slice(0, 128),
    }),
  )
  on('unhandledrejection', fail)
  on('focus', clock)
  on('click', click)
  // Not capturing: images that fail to load are no exceptions.
  addEventListener('error', fail)
  on('pageshow', ({ persisted }) => persisted && view(page.referrer))
  on('popstate', moved)
  on('auxclick', click)
  // A page that is left for good is hidden first; no later event is certain. Not
  // capturing: web-vitals reports in that phase, and its events go out with ours.
  addEventListener('visibilitychange', () => {
    ping()
    flush()
  })
  calls?.map((call) => kastana(...call))
}

if (!options.site) console.warn('kastana: no data-site')
// A second copy of the tag would count everything twice.
else if (!window.kastana?.length) {
  if (navigator.webdriver && !('automated' in options)) window.kastana = given
  // A prerendered page is not visited before it is shown.
  else if (document.prerendering) on('prerenderingchange', start)
  else start()
}
