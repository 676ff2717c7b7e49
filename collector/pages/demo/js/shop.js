// What the shop's own buttons do. They say what they are in data- attributes.

import { reopen } from './banner.js'
import { allows, startOver, withdraw } from './choice.js'
import { send } from './wire.js'

// Kastanienallee, Berlin, to more decimals than any device knows.
const DEMO_POSITION = { latitude: 52.5386421, longitude: 13.4105173, accuracy: 12 }

const say = (from, text) => {
  const place = from.closest('section, li, form, main')?.querySelector('output')
  if (place) place.textContent = text
}

// ---- events of the shop's own ----

const custom = ({ dataset }) =>
  kastana('event', dataset.event, JSON.parse(dataset.properties ?? '{}'), {
    category: dataset.category,
  })

const look = (button) => {
  const theme = button.dataset.look
  if (theme) document.documentElement.dataset.theme = theme
  else delete document.documentElement.dataset.theme
  if (theme && allows('preference')) localStorage.setItem('castanea_look', theme)
  else if (localStorage.getItem('castanea_look')) localStorage.removeItem('castanea_look')
  for (const other of document.querySelectorAll('[data-look]'))
    other.setAttribute('aria-pressed', String(other === button))
  kastana(
    'event',
    'look',
    { roast: theme || 'as the system' },
    { category: 'preference' },
  )
  say(
    button,
    allows('preference')
      ? 'Remembered in your browser.'
      : 'Only until you leave this page: Preferences are off.',
  )
}

// ---- faults ----

const faults = {
  throw: () => {
    throw new RangeError('Cannot roast the order of ada@example.org at 900 °C')
  },
  reject: () => {
    Promise.reject(new Error('The oven at +49 30 901820 does not answer'))
  },
}

// ---- position ----

const position = (button) => {
  if (button.dataset.position === 'demo') {
    send({ event: 'location', ...DEMO_POSITION })
    return say(button, 'Sent: Kastanienallee, Berlin.')
  }
  if (!allows('precise_location'))
    return say(
      button,
      'Allow precise location first: without it your browser is not even asked.',
    )
  navigator.geolocation.getCurrentPosition(
    ({ coords: { latitude, longitude, accuracy } }) => {
      send({ event: 'location', latitude, longitude, accuracy })
      say(button, 'Sent, for you to see in the panel.')
    },
    () => say(button, 'Your browser did not give a position. Nothing was sent.'),
    { timeout: 10000 },
  )
}

// ---- clicks ----

const handlers = {
  '[data-event]': custom,
  '[data-look]': look,
  '[data-fault]': (button) => faults[button.dataset.fault](),
  '[data-position]': position,
  '[data-choices]': reopen,
  '[data-withdraw]': (button) => {
    withdraw()
    say(button, 'Withdrawn, and the pseudonym is deleted from this browser.')
  },
  '[data-start-over]': startOver,
}

const onClick = (event) => {
  const link = event.target.closest('a[rel~=external]')
  if (link) {
    // The tracker has seen the click; the demo itself stays on this machine.
    event.preventDefault()
    return say(link, `You would now leave for ${link.host}. The demo stays here.`)
  }
  for (const [selector, handle] of Object.entries(handlers)) {
    const button = event.target.closest(selector)
    if (button) return handle(button)
  }
}

const onSubmit = (event) => {
  event.preventDefault()
  event.target.reset()
  say(event.target, 'Thank you. This form leads nowhere: what you typed is already gone.')
}

export const start = () => {
  const theme = document.documentElement.dataset.theme ?? ''
  for (const button of document.querySelectorAll('[data-look]'))
    button.setAttribute('aria-pressed', String(button.dataset.look === theme))
  document.addEventListener('click', onClick)
  document.addEventListener('auxclick', onClick)
  document.addEventListener('submit', onSubmit)
  document.addEventListener('castanea:choice', () => {
    if (!allows('preference')) localStorage.removeItem('castanea_look')
  })
}
