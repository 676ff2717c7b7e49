// The comparison as a page: pick an event, see it under every choice.

import { frame, key, matrix } from './matrix.js'

const page = (path) => new URL(path, location.href).href

const SAMPLES = {
  letter: {
    event: 'page_view',
    url: page(
      'catalogue.html?utm_source=newsletter&utm_medium=email&utm_campaign=harvest' +
        '&gclid=demo-click&email=ada@example.org',
    ),
    title: 'Catalogue: Castanea',
    referrer: 'https://search.example.com/results?q=chestnut+flour',
  },
  reading: {
    event: 'page_ping',
    url: page('article.html'),
    title: 'The bread tree: Castanea',
    engaged_ms: 84200,
    scroll_depth: 92,
  },
  order: {
    event: 'custom',
    name: 'add_to_basket',
    url: page('catalogue.html'),
    title: 'Catalogue: Castanea',
    properties: { product: 'flour', price: 9.8, note: 'for ada@example.org' },
  },
  subscribe: {
    event: 'custom',
    name: 'subscribe',
    category: 'marketing',
    url: page('index.html'),
    title: 'Castanea',
    properties: { list: 'harvest' },
  },
  link: {
    event: 'link_click',
    url: page('visit.html'),
    title: 'Visit: Castanea',
    target_url: 'https://mill.example.org/tours/book?guest=ada@example.org',
  },
  fault: {
    event: 'exception',
    url: page('index.html'),
    title: 'Castanea',
    exception_type: 'RangeError',
    exception_message: 'Cannot roast the order of ada@example.org at 900 °C',
  },
  position: {
    event: 'location',
    url: page('visit.html'),
    title: 'Visit: Castanea',
    latitude: 52.5386421,
    longitude: 13.4105173,
    accuracy: 12,
  },
}

const place = frame()
const select = document.querySelector('#sample')
const sent = document.querySelector('#sent')

const show = () => {
  const sample = SAMPLES[select.value]
  sent.textContent = JSON.stringify(sample, null, 2)
  matrix(place, sample)
}

document.querySelector('#comparison').replaceChildren(key(), place)
select.addEventListener('change', show)
show()
