// Every step from what a request said to what was decided, as the collector tells it.

import { h } from './dom.js'
import { CATEGORY } from './words.js'

const list = (words) => (words.length ? words.join(', ') : 'none')

const states = (said) =>
  Object.entries(said)
    .map(([name, state]) => `${CATEGORY[name]}: ${state}`)
    .join(', ') || 'of no category'

const STEPS = {
  signals: ({ read }) => [
    'Read',
    read.length
      ? read.map(
          ({ source, states: said, flags, problems }) =>
            `${source}: ${[
              Object.keys(said).length && states(said),
              flags.length && `restricts by ${list(flags)}`,
              problems.length && `problem: ${list(problems)}`,
            ]
              .filter(Boolean)
              .join('; ')}`,
        )
      : ['nothing: no choice and no signal came with it'],
  ],
  merged: ({ states: said, flags, problems }) => [
    'Taken together, the most restrictive wins',
    [
      states(said),
      `Restrictive signals: ${list(flags)}`,
      problems.length && `Did not count: ${list(problems)}`,
    ].filter(Boolean),
  ],
  rules: ({ place, regime, regime_version, policy_version }) => [
    'Rules in force',
    [
      `Place, from the address and then forgotten: ${place || 'unknown'}`,
      `Rule packs: ${regime.replaceAll('+', ', ')} (${regime_version.replaceAll('+', ', ')})`,
      `Policy of ${policy_version}`,
    ],
  ],
  decision: ({ category, matched }) => [
    `Decided for ${CATEGORY[category]}, the lowest counts`,
    matched
      .filter((one) => one.category === category)
      .map(
        ({ pack, row, level, because }) => `${pack}, row ${row}: ${level} (${because})`,
      ),
  ],
  kept: ({ table, fields }) => [
    table === 'events' ? 'Kept in the row' : 'Kept in a counter',
    [list(fields)],
  ],
}

export const whySteps = (steps) =>
  h(
    'ol',
    { class: 'why' },
    steps.map((one) => {
      const [title, lines] = STEPS[one.step](one)
      return h(
        'li',
        {},
        h('b', {}, title),
        h(
          'ul',
          {},
          lines.map((line) => h('li', {}, line)),
        ),
      )
    }),
  )
