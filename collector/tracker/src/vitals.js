// The optional second file: Core Web Vitals, measured by Google's web-vitals and sent
// through the tracker's queue, so that consent and transport stay in one place.
/*! web-vitals 6.2.3, Copyright 2020 Google LLC, Apache-2.0,
    https://www.apache.org/licenses/LICENSE-2.0 */
import { onCLS, onFCP, onINP, onLCP, onTTFB } from 'web-vitals'

import { digits } from './ids.js'

// A metric belongs to the page that was loaded, even when it is known only after the
// application has moved on to another route.
const { title, URL: url } = document

// A metric that grows after the page was hidden is reported again. Under the id of its
// first report the later one can replace it, and does not count twice.
const firsts = {}

const report = ({ id, name, value, rating, navigationType }) => {
  const now = Date.now()
  firsts[id] ??= {
    event_id: digits(
      now.toString(16).replace(/.{7}/, '0$&-') + '-7xxx-8xxx-xxxxxxxxxxxx',
    ),
    occurred_at: now,
  }
  window.kastana('send', 'web_vital', {
    ...firsts[id],
    title,
    url,
    web_vital_name: name,
    web_vital_value: Math.round(value * 1e4) / 1e4,
    web_vital_rating: rating,
    navigation_type: navigationType,
  })
}

for (const observe of [onCLS, onFCP, onINP, onLCP, onTTFB]) observe(report)
