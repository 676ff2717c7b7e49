// The collector's words, said plainly.

export const CATEGORY = {
  essential: 'Essential',
  preference: 'Preferences',
  statistics: 'Statistics',
  marketing: 'Marketing',
  precise_location: 'Precise location',
}

const EVENTS = {
  page_view: 'Page view',
  page_ping: 'Reading time',
  link_click: 'Link followed',
  file_download: 'Download',
  form_submit: 'Form sent',
  exception: 'Fault in the page',
  app_crash: 'Crash',
  web_vital: 'Speed of the page',
  email_open: 'Mail opened',
  email_click: 'Link in a mail',
  location: 'Precise location',
}

export const eventTitle = (event) =>
  event.event === 'custom' ? `“${event.name}”` : (EVENTS[event.event] ?? event.event)

// What tells one event of a name from another.
export const eventHint = (event) =>
  ({
    page_view: () => pathOf(event.url),
    page_ping: () =>
      `${Math.round(event.engaged_ms / 100) / 10} s, ${event.scroll_depth} %`,
    link_click: () => hostOf(event.target_url),
    file_download: () => pathOf(event.target_url).split('/').pop(),
    form_submit: () => event.form_id,
    custom: () => 'an event of the shop',
    exception: () => event.exception_type,
    web_vital: () => event.web_vital_name,
    email_open: () => event.mailing,
  })[event.event]?.() ?? ''

const pathOf = (url) => (URL.canParse(url) ? new URL(url).pathname : '')

const hostOf = (url) => (URL.canParse(url) ? new URL(url).host : url)

// Which consent an event needs; a site may say so itself for events of its own.
export const categoryOf = (event) => {
  if (event.event === 'exception' || event.event === 'app_crash') return 'essential'
  if (event.event === 'location') return 'precise_location'
  return event.category ?? 'statistics'
}

const OUTCOME = {
  identified: ['Kept under a pseudonym', 'One row, cut down to what you allowed.'],
  anonymous: ['Kept without you in it', 'One row that leads back to nobody.'],
  counted: ['Only counted', 'A counter went up by one. There is no row.'],
  dropped: ['Not kept', 'Only the reason was counted.'],
  invalid: ['Not understood', 'The collector refused the event as it was sent.'],
}

export const outcomeText = ({ outcome, row }) =>
  // Consent alone makes nobody known: a mail without a token has no reader.
  outcome === 'identified' && isEmpty(row.visitor_id)
    ? ['Kept, with nobody named', OUTCOME.identified[1]]
    : (OUTCOME[outcome] ?? [outcome, ''])

export const reasonText = (reason, event) => {
  const needs = `Needs consent to ${CATEGORY[categoryOf(event)]}`
  return (
    {
      consent_given: `${needs}, and you allowed it.`,
      essential: 'Needs no consent: without it nobody could repair the page.',
      regime_opt_out: `${needs}, which this site may assume until you object.`,
      regime_exempt: `${needs}, without which this site may keep anonymous statistics.`,
      no_consent: `${needs}, and nothing is known of your choice.`,
      consent_requested: `${needs}: you were asked and have not answered yet.`,
      consent_refused: `${needs}, and you refused it.`,
      consent_withdrawn: `${needs}, and you took it back.`,
      consent_expired: `${needs}, and yours is too old to count.`,
      no_statistics_consent: 'Without Statistics there is no pseudonym.',
      signal_gpc: 'Your browser sent Global Privacy Control.',
      signal_dnt: 'Your browser sent Do Not Track.',
      objection: 'A signal of your browser counts as an objection here.',
      robot: 'The browser calls itself a robot: robots are only counted.',
      automated: 'A program drives the browser: that is only counted.',
      prefetch: 'The page was fetched ahead and perhaps never seen.',
      save_data: 'Your browser asks for as little traffic as possible.',
      child: 'What a child does is only counted.',
      erased: 'You had everything erased.',
      mail_unasked: 'Whether a mail was opened is nobody’s business unasked.',
      sale_opt_out: 'You opted out of the sale of your data.',
      share_opt_out: 'You opted out of the sharing of your data.',
      targeted_opt_out: 'You opted out of targeted advertising.',
      sensitive_limit: 'You limited the use of sensitive data.',
    }[reason] ?? reason.replaceAll('_', ' ')
  )
}

// The columns of a row, for people to read, in the order people ask.
export const FIELDS = [
  [
    'Who',
    {
      visitor_id: 'Pseudonym',
      visitor_scope: 'How far it reaches',
      client_address: 'Network',
      event_id: 'Event number',
    },
  ],
  ['When', { occurred_at: 'Time', received_at: 'Arrived', time_zone: 'Time zone' }],
  [
    'Where',
    {
      geo_country_iso_code: 'Country',
      geo_region_iso_code: 'Region',
      geo_locality_name: 'City',
      geo_latitude: 'Latitude',
      geo_longitude: 'Longitude',
      geo_source: 'Worked out from',
    },
  ],
  [
    'With what',
    {
      device_type: 'Device',
      user_agent_name: 'Browser',
      user_agent_version: 'Browser version',
      os_name: 'System',
      os_version: 'System version',
      screen_class: 'Screen',
      viewport_class: 'Window',
      browser_language: 'Language',
    },
  ],
  [
    'What',
    {
      event_name: 'Event',
      custom_name: 'Name',
      properties: 'Properties',
      url_domain: 'Site of the page',
      url_path: 'Page',
      page_title: 'Title',
      referrer_domain: 'Came from',
      referrer_path: 'Came from page',
      traffic_source: 'Source',
      traffic_medium: 'Kind of source',
      utm_source: 'Campaign source',
      utm_medium: 'Campaign medium',
      utm_campaign: 'Campaign',
      utm_term: 'Campaign term',
      utm_content: 'Campaign content',
      utm_id: 'Campaign id',
      ad_click: 'Advert click',
      target_url_domain: 'Link to',
      target_url_path: 'Link to page',
      engaged_ms: 'Milliseconds read',
      scroll_depth: 'Percent seen',
      form_id: 'Form',
      exception_type: 'Fault',
      exception_message: 'Message',
      exception_stacktrace: 'Where in the code',
      app_version: 'Version',
      web_vital_name: 'Measure',
      web_vital_value: 'Value',
      web_vital_rating: 'Rating',
      navigation_type: 'Way of loading',
      mailing: 'Mailing',
    },
  ],
  [
    'Under which choice',
    {
      outcome: 'Outcome',
      outcome_reasons: 'Reasons',
      consent_preference: 'Preferences',
      consent_statistics: 'Statistics',
      consent_marketing: 'Marketing',
      consent_precise_location: 'Precise location',
      consent_category: 'Needs consent to',
      consent_given_at: 'Given',
      consent_signals: 'Restrictive signals',
      consent_sources: 'Choice told by',
      consent_problems: 'Did not count',
      regime: 'Rule packs',
      regime_version: 'Versions of them',
      regime_switches: 'Turned on in them',
      decision_row: 'Row of the decision table',
      policy_version: 'Policy',
      door: 'Came through',
      site: 'Site',
      events: 'Counter',
    },
  ],
]

export const isEmpty = (value) =>
  value == null ||
  ['', '0', 0, 'none'].includes(value) ||
  (typeof value === 'object' && Object.keys(value).length === 0)

export const show = (value) => {
  if (Array.isArray(value)) return value.join(', ')
  if (typeof value === 'object')
    return Object.entries(value)
      .map(([key, one]) => `${key}: ${one}`)
      .join('\n')
  return String(value)
}
