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

const changed = () => {
  kastana('consent', claim())
  document.dispatchEvent(new CustomEvent('castanea:choice'))
}

const keep = (states) => {
  choice = { ...states, policy_version: POLICY_VERSION, updated_at: Date.now() }
  storage?.setItem(KEY, JSON.stringify(choice))
  changed()
}

// `granted` lists the categories that were switched on. Switching off what was on is a
// withdrawal, and is told as one.
export const choose = (granted) => {
  const before = claim()
  const states = CATEGORIES.map((name) => {
    if (granted.includes(name)) return [name, 'given']
    const was = before[name] === 'given' || before[name] === 'withdrawn'
    return [name, was ? 'withdrawn' : 'refused']
  })
  keep(Object.fromEntries(states))
}

export const withdraw = () => {
  kastana('forget')
  choose([])
}

// As if never been here: the next page load is a first one.
export const startOver = () => {
  kastana('forget')
  storage?.removeItem(KEY)
  sessionStorage.clear()
  location.reload()
}

kastana('consent', claim())
