// The interfaces of the IAB: Transparency and Consent Framework, Global Privacy Platform.
//
// Their strings go to the collector as they are, which decides by them; the categories
// beside them are for k.js, which must know whether it may store something.
import { lower } from './categories.js'

// k.js cuts what has a `trim` at 500 characters. A string of a framework that lacks its
// end cannot be read.
const whole = (text) => Object.assign(new String(text), { trim: 0 })

const both = (...states) => states.reduce(lower)

// Purposes as the collector reads them: pipeline/signals/tcf_string.py.
const purposes = (has, precise, notAsked) => {
  // Where purpose 1 is not asked for, its "no" is none; and no yes to store either.
  const store = has(1) || (notAsked ? 'unknown' : false)
  return {
    preference: both(store, has(6) || has(11)),
    statistics: both(store, has(8), has(9)),
    marketing: both(store, has(3), has(4), has(7)),
    precise_location: precise,
  }
}

let listensTcf
let tcf
let tcfChoice

let listensGpp
let gpp

export const frameworks = {
  tcf: {
    tells: true,
    read(changed) {
      if (!window.__tcfapi) return undefined
      if (!listensTcf) {
        listensTcf = true
        window.__tcfapi('addEventListener', 2, (data, success) => {
          if (!success) return
          tcf = data
          changed(data.eventStatus == 'useractioncomplete')
        })
      }
      if (!tcf) return undefined
      if (tcf.gdprApplies === false) return { states: {}, strings: { gdpr: 0 } }
      const strings = tcf.gdprApplies ? { gdpr: 1 } : {}
      // The banner may be opened again: until it is answered the last answer holds.
      if (tcf.eventStatus == 'cmpuishown' || !tcf.tcString)
        return tcfChoice ?? { waiting: 'requested', strings }
      const { consents = {} } = tcf.purpose ?? {}
      return (tcfChoice = {
        states: purposes(
          (number) => !!consents[number],
          !!tcf.specialFeatureOptins?.[1],
          tcf.purposeOneTreatment,
        ),
        strings: { ...strings, gdpr_consent: whole(tcf.tcString) },
      })
    },
  },

  gpp: {
    read(changed) {
      if (!window.__gpp) return undefined
      if (!listensGpp) {
        listensGpp = true
        window.__gpp('addEventListener', (event) => {
          gpp = event?.pingData
          changed()
        })
      }
      // Version 1.0 has no signalStatus.
      if ((gpp?.signalStatus ?? gpp?.cmpStatus) !== (gpp?.signalStatus ? 'ready' : 'loaded'))
        return undefined
      const parts = Object.values(gpp.parsedSections ?? {}).flat()
      const european = parts.find((part) => part.PurposeConsents)
      const states = european
        ? purposes(
            (number) => !!european.PurposeConsents[number - 1],
            !!european.SpecialFeatureOptins?.[0],
            european.PurposeOneTreatment,
          )
        : {}
      if (
        parts.some(
          (part) =>
            part.SaleOptOut == 1 ||
            part.SharingOptOut == 1 ||
            part.TargetedAdvertisingOptOut == 1 ||
            part.OptOutSale == 'Y',
        )
      )
        states.marketing = false
      const sections = (gpp.applicableSections ?? []).filter((number) => number > 0)
      return {
        states,
        strings: {
          gpp: gpp.gppString ? whole(gpp.gppString) : undefined,
          gpp_sid: sections[0] ? sections : undefined,
        },
      }
    },
  },
}
