// Asks for the privacy choices. Nothing is switched on beforehand, and no button is
// made to look like the better one.

import { CATEGORIES, allows, choose, current } from './choice.js'
import { h } from './dom.js'

const TEXTS = {
  preference: ['Preferences', 'Which look you picked for the shop'],
  statistics: ['Statistics', 'Pages, reading time and clicks, under a random name'],
  marketing: ['Marketing', 'Which letter or advert brought you here'],
  precise_location: ['Precise location', 'Your coordinates, if you press that button'],
}

let banner
let opener

const toggle = (name, label, text, attributes) =>
  h(
    'label',
    { class: 'switch' },
    h('input', { type: 'checkbox', role: 'switch', name, ...attributes }),
    h('span'),
    h('div', {}, h('b', {}, label), h('small', {}, text)),
  )

const close = () => {
  banner.remove()
  banner = null
  opener?.focus()
  opener = null
}

const answer = (granted) => {
  choose(granted)
  close()
}

const chosen = () =>
  [...banner.querySelectorAll('input:checked')]
    .map((input) => input.name)
    .filter((name) => name !== 'essential')

const button = (text, action) =>
  h('button', { type: 'button', class: 'button', onclick: action }, text)

const build = () =>
  h(
    'section',
    { class: 'banner', 'aria-labelledby': 'banner-title' },
    h('h2', { id: 'banner-title', tabindex: '-1' }, 'What may this shop remember?'),
    h(
      'p',
      {},
      'Choose what you like and watch what the collector keeps. ',
      'You can change your mind at any time, at the foot of every page.',
    ),
    navigator.globalPrivacyControl &&
      h(
        'p',
        { class: 'gpc' },
        'Your browser sends Global Privacy Control: marketing and precise location ',
        'stay closed, and statistics stay anonymous, whatever you choose here.',
      ),
    h(
      'fieldset',
      { class: 'switches' },
      h('legend', { class: 'hidden' }, 'Categories'),
      toggle('essential', 'Essential', 'This choice itself; faults of the page', {
        checked: true,
        disabled: true,
      }),
      CATEGORIES.map((name) => toggle(name, ...TEXTS[name], { checked: allows(name) })),
    ),
    h(
      'div',
      { class: 'choices' },
      button('Only essential', () => answer([])),
      button('Save choice', () => answer(chosen())),
      button('Accept all', () => answer(CATEGORIES)),
    ),
  )

// First in the document, so that the keyboard meets it first; fixed, so that nothing
// moves.
const show = () => {
  if (banner) return
  banner = build()
  document.querySelector('.skip').after(banner)
}

export const reopen = (from) => {
  opener = from
  show()
  banner.querySelector('h2').focus()
}

export const start = () => {
  if (!current()) show()
}
