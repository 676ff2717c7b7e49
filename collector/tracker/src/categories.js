// A consent manager's ids, and our categories.
import { options } from './options.js'

export const ASKED = ['preference', 'statistics', 'marketing', 'precise_location']

// From the least to the most restrictive, as the collector has them.
const RANK = [true, 'requested', 'unknown', false]

// The more restrictive of two states, where `undefined` says nothing.
export const lower = (one, other) =>
  RANK[Math.max(RANK.indexOf(one), RANK.indexOf(other))]

// Names that many managers share, and OneTrust's numbers.
const KINDS = {
  preference: /^(preferences?|functional(ity)?|personali[sz]ation|experience|c0003)$/,
  statistics: /^(statistics?|analytics?|performance|measurement|c0002)$/,
  marketing: /^(marketing|advertis(ement|ing)|ads|targeting|social|c000[45])$/,
  precise_location: /^(precise_location|geolocation_data)$/,
}

const kind = (id) =>
  ASKED.find((category) => KINDS[category].test(id.toLowerCase().replace(/^.*_cat_/, '')))

const map = JSON.parse(options.consentMap || '{}')
const mapped = Object.values(map)
for (const category of mapped)
  if (category && category != 'essential' && !ASKED.includes(category))
    throw Error(`kastana: data-consent-map: ${category} is no category`)

// `ids` are the manager's categories, `names` its services: true, false, or anything else
// for not yet chosen. A service counts only if the site maps it. A category that the site
// maps to is what it maps, and no default adds to it. Of several ids in one category all
// must be true. `closed` tells that what is not named is refused.
export const categories = ({ ids, names, closed }) => {
  const states = {}
  const add = (category, state) => {
    states[category] = lower(
      states[category],
      typeof state == 'boolean' ? state : 'unknown',
    )
  }
  const said = { ...names, ...ids }
  for (const id in map)
    if (ASKED.includes(map[id])) add(map[id], id in said ? said[id] : false)
  for (const id in ids) {
    const category = kind(id)
    if (category && !(id in map) && !mapped.includes(category)) add(category, ids[id])
  }
  if (closed) for (const category of ASKED.slice(0, 3)) states[category] ??= false
  return states
}
