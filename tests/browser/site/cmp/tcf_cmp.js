// A small consent manager on the IAB's own libraries.
import { CmpApi } from '@iabtechlabtcf/cmpapi'
import { GVL, TCModel, TCString } from '@iabtechlabtcf/core'

const numbered = (count) =>
  Object.fromEntries(
    Array.from({ length: count }, (_, index) => [
      index + 1,
      { id: index + 1, name: 'n', description: 'd', illustrations: [] },
    ]),
  )

const list = new GVL({
  gvlSpecificationVersion: 3,
  vendorListVersion: 100,
  tcfPolicyVersion: 5,
  lastUpdated: '2026-11-01T00:00:00Z',
  purposes: numbered(11),
  specialPurposes: numbered(3),
  features: numbered(3),
  specialFeatures: numbered(2),
  dataCategories: numbered(11),
  stacks: {},
  vendors: {
    1: {
      id: 1,
      name: 'Kastana',
      purposes: [1, 3, 4, 6, 7, 8, 9, 11],
      legIntPurposes: [],
      flexiblePurposes: [],
      specialPurposes: [],
      features: [],
      specialFeatures: [1],
      policyUrl: '',
    },
  },
})

const encode = (purposes, features) => {
  const model = new TCModel(list)
  model.cmpId = 31
  model.cmpVersion = 1
  model.consentLanguage = 'EN'
  model.publisherCountryCode = 'DE'
  model.isServiceSpecific = true
  model.purposeConsents.set(purposes)
  model.publisherConsents.set(purposes)
  model.specialFeatureOptins.set(features)
  if (purposes.length) model.vendorConsents.set(1)
  model.vendorsDisclosed.set(1)
  return TCString.encode(model)
}

const choices = {
  accept: [[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11], [1]],
  refuse: [[], []],
  statistics: [[1, 8, 9], []],
}

const api = new CmpApi(31, 1, true)
const banner = document.getElementById('banner')
const stored = () => localStorage.getItem('tc') ?? ''

const ask = () => {
  banner.hidden = false
  api.update(stored(), true)
}

list.readyPromise.then(() => {
  for (const [id, choice] of Object.entries(choices))
    document.getElementById(id).onclick = () => {
      localStorage.setItem('tc', encode(...choice))
      banner.hidden = true
      api.update(stored(), false)
    }
  document.getElementById('again').onclick = ask
  if (location.search == '?outside') api.update(null)
  else if (stored()) api.update(stored(), false)
  else ask()
})
