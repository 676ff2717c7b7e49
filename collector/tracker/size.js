// Prints what the built files weigh on the wire and fails when the core outgrows
// its budget: the size is part of the tracker's promise to every page.
import { readFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'

const budgets = { 'k.js': 2048, 'k-consent.js': 4608, 'k-vitals.js': Infinity }

for (const [name, budget] of Object.entries(budgets)) {
  const raw = readFileSync(new URL(`dist/${name}`, import.meta.url))
  const size = gzipSync(raw, { level: 9 }).length
  console.log(`${name}: ${raw.length} bytes, ${size} gzip -9`)
  if (size > budget) {
    console.error(`${name} is over its budget of ${budget} bytes`)
    process.exitCode = 1
  }
}
