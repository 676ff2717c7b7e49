// What happened to each thing that was sent: the sent value beside what is left of it.

import { CATEGORIES } from './choice.js'

const CLICK_IDS = /^(gclid|dclid|gbraid|wbraid|fbclid|msclkid|ttclid|twclid|li_fat_id)$/

const list = (...parts) => parts.filter(Boolean).join(' · ')

// fate: kept | coarser | replaced | derived | gone | unsent
const thing = (name, sent, kept, fate) => {
  if (!sent && !kept) return null
  if (!kept) return { name, sent, kept: '', fate: 'gone' }
  return { name, sent, kept, fate: fate || (sent === kept ? 'kept' : 'coarser') }
}

const who = (event, row) => [
  row.visitor_id && row.visitor_id !== '0'
    ? thing(
        'Who you are',
        event.visitor ?? event.recipient ?? 'no name',
        `${row.visitor_id}, ${row.visitor_scope === 'day' ? 'for a day' : 'for this site'}`,
        'replaced',
      )
    : event.visitor || event.recipient
      ? thing('Who you are', event.visitor ?? event.recipient)
      : { name: 'Who you are', sent: 'nothing', kept: '', fate: 'unsent' },
  thing(
    'Network address',
    'your full address',
    row.client_address && `${row.client_address} (only the network)`,
    'coarser',
  ),
  thing(
    'Number of the event',
    event.event_id,
    row.event_id && event.event_id ? row.event_id : '',
    row.event_id === event.event_id ? 'kept' : 'replaced',
  ),
]

const when = (event, row) => {
  const sent = new Date(event.occurred_at ?? Date.now())
    .toISOString()
    .replace(/[TZ]/g, ' ')
  const kept = row.occurred_at ?? ''
  const hour = /:00:00(\.000)?$/.test(kept)
  return [
    thing(
      'Time',
      sent.trim(),
      hour ? `${kept.slice(0, 13)} h` : kept,
      hour ? 'coarser' : 'kept',
    ),
    thing('Time zone', event.time_zone, row.time_zone),
  ]
}

const where = (event, row) => {
  const place = list(
    row.geo_locality_name,
    row.geo_region_iso_code,
    row.geo_country_iso_code,
  )
  const from = { address: 'the address', time_zone: 'the time zone' }[row.geo_source]
  const exact = row.geo_latitude != null
  return [
    event.latitude != null &&
      thing(
        'Position',
        `${event.latitude}, ${event.longitude}`,
        exact && `${row.geo_latitude}, ${row.geo_longitude}`,
      ),
    place &&
      thing('Place', 'not sent', from ? `${place}, from ${from}` : place, 'derived'),
  ]
}

const withWhat = (event, row) => [
  thing(
    'Browser and device',
    navigator.userAgent,
    list(
      `${row.user_agent_name ?? ''} ${row.user_agent_version ?? ''}`.trim(),
      `${row.os_name ?? ''} ${row.os_version ?? ''}`.trim(),
      row.device_type,
    ),
    'coarser',
  ),
  thing('Language', event.language, row.browser_language),
  thing('Window', event.viewport, row.viewport_class && `size ${row.viewport_class}`),
  thing('Screen', event.screen, row.screen_class && `size ${row.screen_class}`),
]

const page = (event, row) => {
  if (!URL.canParse(event.url)) return []
  const { hostname, pathname, search, hash, searchParams } = new URL(event.url)
  const asked = [...searchParams]
  const joined = (pairs) => pairs.map(([key, value]) => `${key}=${value}`).join(' ')
  const campaign = asked.filter(([key]) => key.startsWith('utm_'))
  const clicks = asked.filter(([key]) => CLICK_IDS.test(key))
  const rest = asked.filter((pair) => !campaign.includes(pair) && !clicks.includes(pair))
  const kept = `${row.url_domain ?? ''}${row.url_path ?? ''}`
  return [
    thing(
      'Page',
      event.url,
      kept,
      hostname + pathname + search + hash === kept && 'kept',
    ),
    thing(
      'Campaign',
      joined(campaign),
      campaign.length &&
        (list(row.utm_source, row.utm_medium, row.utm_campaign) ||
          list(row.traffic_source, row.traffic_medium)),
      row.utm_source ? 'kept' : 'coarser',
    ),
    thing(
      'Advert click',
      joined(clicks),
      row.ad_click && `only that it was a ${row.ad_click}`,
    ),
    thing('Rest of the query', joined(rest)),
    thing('Title', event.title, row.page_title),
    thing(
      'Page before',
      event.referrer,
      `${row.referrer_domain ?? ''}${row.referrer_path ?? ''}`,
    ),
  ]
}

const target = (event, row) => {
  if (!event.target_url) return []
  const kept = `${row.target_url_domain ?? ''}${row.target_url_path ?? ''}`
  const whole = event.target_url.endsWith(`//${kept}`)
  return [thing('Where it leads', event.target_url, kept, whole ? 'kept' : 'coarser')]
}

const own = (event, row) => [
  thing('Name of the event', event.name, row.custom_name),
  Object.entries(event.properties ?? {}).map(([key, value]) =>
    thing(`Property “${key}”`, String(value), row.properties?.[key]),
  ),
  event.event === 'form_submit' && [
    thing('Name of the form', event.form_id, row.form_id),
    { name: 'What you typed', sent: 'nothing', kept: '', fate: 'unsent' },
  ],
  event.event === 'page_ping' && [
    thing(
      'Time read',
      `${event.engaged_ms} ms`,
      row.engaged_ms && `${row.engaged_ms} ms`,
    ),
    thing(
      'Part seen',
      `${event.scroll_depth} %`,
      row.scroll_depth && `${row.scroll_depth} %`,
    ),
  ],
  thing('Fault', event.exception_type, row.exception_type),
  thing('Message', event.exception_message, row.exception_message),
  thing('Where in the code', event.exception_stacktrace, row.exception_stacktrace),
  event.web_vital_name &&
    thing(
      event.web_vital_name,
      String(event.web_vital_value),
      row.web_vital_name && String(row.web_vital_value),
    ),
  thing('Mailing', event.mailing, row.mailing),
]

const choice = (event, row) => {
  const said = Object.entries(event.consent ?? {})
    .filter(([name]) => CATEGORIES.includes(name))
    .map(([name, state]) => `${name.replace('_', ' ')}: ${state}`)
    .join(', ')
  return [
    thing('Your choice', said, row.consent_statistics && said, 'kept'),
    event.gpc &&
      thing('Global Privacy Control', 'on', row.consent_signals?.includes('gpc') && 'on'),
  ]
}

export const fates = (event, row) =>
  [who, when, where, withWhat, page, target, own, choice]
    .flatMap((part) => part(event, row))
    .flat()
    .filter(Boolean)
