// The visitor's privacy choice. The page remembers it, the collector is told it, and
// before there is one nothing is stored.

const KEY = 'castanea_choice'
const POLICY_VERSION = '{{policy_version}}'

export const CATEGORIES = ['preference', 'statistics', 'marketing', 'precise_location']

const all = (state) => Object.fromEntries(CATEGORIES.map((name) => [name, state]))

// A browser may refuse storage to a page. The choice then holds for this page alone.
const storage = (() => {
  try {
    return window.localStorage
  } catch {
    return null
  }
})()

const remembered = () => {
  try {
    const found = JSON.parse(storage?.getItem(KEY) ?? 'null')
    return typeof found?.statistics === 'string' ? found : null
  } catch {
    return null
  }
}

let choice = remembered()

export const current = () => choice

// What the tracker is told: until somebody has answered, that they were asked.
export const claim = () => choice ?? all('requested')

export const allows = (category) =>
  category === 'essential' || choice?.[category] === 'given'

// The name that the tracker gave this browser, if there is one.
export const pseudonym = () =>
  document.cookie.match(/(?:^|; )_kastana=([\w-]{16,64})(?:;|$)/)?.[1]

// `had` is the pseudonym until now: with the consent to it, it goes from the browser.
const keep = (states, before, had) => {
  choice = { ...states, policy_version: POLICY_VERSION, updated_at: Date.now() }
  storage?.setItem(KEY, JSON.stringify(choice))
  kastana('consent', claim())
  const visitor = allows('statistics') ? pseudonym() : had
  document.dispatchEvent(
    new CustomEvent('castanea:choice', { detail: { before, visitor } }),
  )
}

// `granted` lists the categories that were switched on. Switching off what was on is a
// withdrawal, and is told as one.
export const choose = (granted, had = pseudonym()) => {
  const before = claim()
  const states = CATEGORIES.map((name) => {
    if (granted.includes(name)) return [name, 'given']
    const was = before[name] === 'given' || before[name] === 'withdrawn'
    return [name, was ? 'withdrawn' : 'refused']
  })
  keep(Object.fromEntries(states), before, had)
}

export const withdraw = () => {
  const had = pseudonym()
  kastana('forget')
  choose([], had)
}

// As if never been here: the next page load is a first one.
export const startOver = () => {
  kastana('forget')
  storage?.removeItem(KEY)
  sessionStorage.clear()
  location.reload()
}

kastana('consent', claim())
