// The consent managers that a page may have, each asked through its own interface.
//
// read() returns nothing while its manager is not there or not ready, and else either
// {waiting: 'requested' | 'unknown'}, as nobody has chosen yet, or what was chosen:
// {ids, names, closed}, see categories.js; `implied`, nobody clicked; `time`, when, in ms.
// `events` of the page are a reason to ask again, `actions` are choices just made.
// `tells`: this manager tells a choice from what it has loaded; of the others any change
// on the page is a choice. The names are those of pipeline/signals/cmp_ids.py.

const REQUESTED = { waiting: 'requested' }

const time = (text) => Date.parse(text) || undefined

// Once for each manager.
const heard = new Set()
const once = (name, listen) => {
  if (!heard.has(name)) listen(heard.add(name))
}

// Of several services in one category all must be allowed.
const every = (pairs) => {
  const ids = {}
  for (const [id, yes] of pairs) ids[id] = id in ids && ids[id] !== true ? ids[id] : yes
  return ids
}

const cookie = (name) =>
  document.cookie.split('; ').find((pair) => pair.startsWith(`${name}=`))

let didomi
let osano
let vanilla

export const managers = {
  // cookiebot.com/en/developer
  cookiebot: {
    events: [
      'CookiebotOnConsentReady',
      'CookiebotOnAccept',
      'CookiebotOnDecline',
      'CookiebotOnDialogDisplay',
    ],
    read() {
      const { consent, hasResponse } = window.Cookiebot ?? {}
      if (!consent) return undefined
      // What it says before it has read its cookie looks like a refusal.
      if (!hasResponse && !consent.method)
        return document.getElementById('CybotCookiebotDialog') ? REQUESTED : undefined
      const { preferences, statistics, marketing, method } = consent
      return {
        ids: { preferences, statistics, marketing },
        implied: method != 'explicit',
      }
    },
  },

  // developer.onetrust.com/onetrust/docs/javascript-events-guide
  onetrust: {
    events: ['OneTrustGroupsUpdated', 'OTConsentApplied'],
    read(changed) {
      const groups = window.OnetrustActiveGroups ?? window.OptanonActiveGroups
      const { OneTrust } = window
      if (!groups || !OneTrust?.IsAlertBoxClosed) return undefined
      once('onetrust', () => OneTrust.OnConsentChanged?.(() => changed(true)))
      if (!OneTrust.IsAlertBoxClosed()) return REQUESTED
      const active = `${groups}`.split(',').filter(Boolean)
      const offered = OneTrust.GetDomainData?.().Groups ?? []
      return {
        ids: Object.fromEntries(
          [...offered.map((group) => group.OptanonGroupId), ...active].map((id) => [
            id,
            active.includes(id),
          ]),
        ),
        closed: true,
      }
    },
  },

  // developers.didomi.io/cmp/web-sdk/reference/api
  didomi: {
    read(changed) {
      if (!window.Didomi && !window.didomiOnReady) return undefined
      once('didomi', () =>
        (window.didomiOnReady ??= []).push((ready) => {
          didomi = ready
          didomi.on('consent.changed', () => changed(true))
          changed()
        }),
      )
      if (!didomi) return undefined
      if (didomi.shouldUserStatusBeCollected?.() ?? didomi.shouldConsentBeCollected())
        return REQUESTED
      const { purposes, updated } = didomi.getCurrentUserStatus()
      return {
        ids: every(Object.entries(purposes).map(([id, { enabled }]) => [id, enabled])),
        implied: didomi.isConsentRequired?.() === false,
        time: time(updated),
      }
    },
  },

  // docs.usercentrics.com: version 3 answers with promises, version 2 does not.
  usercentrics: {
    events: ['UC_UI_INITIALIZED', 'UC_UI_CMP_EVENT', 'UC_CONSENT'],
    async read() {
      const { __ucCmp: third, UC_UI: second } = window
      const api = third ?? second
      if (!(await api?.isInitialized?.())) return undefined
      if (await api.isConsentRequired()) return REQUESTED
      const { consent, services } = third
        ? await third.getConsentDetails()
        : { services: second.getServicesBaseInfo() }
      const listed = Object.entries(services).map(([id, service]) => ({
        id: service.id ?? id,
        name: service.name,
        category: service.categorySlug ?? service.category,
        yes: service.consent?.given ?? service.consent?.status,
        type: consent?.type ?? service.consent?.history?.at(-1)?.type ?? '',
      }))
      return {
        ids: every(listed.map(({ category, yes }) => [category, yes])),
        names: every(
          listed.flatMap(({ id, name, yes }) => [
            [id, yes],
            [name, yes],
          ]),
        ),
        implied: !listed.every(({ type }) => type.toLowerCase() == 'explicit'),
      }
    },
  },

  // github.com/klaro-org/klaro-js: consent-manager.js
  klaro: {
    tells: true,
    read(changed) {
      if (!window.klaro?.getManager) return undefined
      // Without a configuration there is none.
      const script = document.querySelector('[data-klaro-config]')
      const { klaroConfig } = script?.dataset ?? {}
      const configured = window[klaroConfig ?? 'klaroConfig']
      if (!configured) return undefined
      const manager = window.klaro.getManager(configured)
      once('klaro', () =>
        manager.watch({ update: (_, name) => changed(name == 'saveConsents') }),
      )
      if (!manager.confirmed) return REQUESTED
      // `consents` are the switches as they stand, before they are saved.
      const { savedConsents } = manager
      const optional = manager.config.services.filter(({ required }) => !required)
      return {
        ids: every(
          optional.flatMap(({ name, purposes = [] }) =>
            purposes.map((purpose) => [purpose, !!savedConsents[name]]),
          ),
        ),
        names: savedConsents,
      }
    },
  },

  // cookieconsent.orestbida.com, version 3; bundled, it has no global and is only heard.
  cookieconsent: {
    tells: true,
    events: ['cc:onConsent', 'cc:onModalShow'],
    actions: ['cc:onFirstConsent', 'cc:onChange'],
    read(_, event) {
      const { CookieConsent: api } = window
      vanilla = event?.detail?.cookie ?? vanilla
      let stored = vanilla
      if (api?.validConsent) {
        // Before it runs it knows no category, and no choice either.
        if (!api.getConfig('categories')) return undefined
        if (!api.validConsent()) return REQUESTED
        stored = api.getCookie()
      }
      if (!stored?.categories) return event ? REQUESTED : undefined
      const rejected = api?.getUserPreferences?.() ?? {}
      const pairs = (list = [], yes) => list.map((id) => [id, yes])
      const services = (lists = {}, yes) => pairs(Object.values(lists).flat(), yes)
      return {
        ids: Object.fromEntries([
          ...pairs(rejected.rejectedCategories, false),
          ...pairs(stored.categories, true),
        ]),
        names: every([
          ...services(rejected.rejectedServices, false),
          ...services(stored.services, true),
        ]),
        closed: !api?.getUserPreferences,
        time: time(stored.lastConsentTimestamp),
      }
    },
  },

  // cookieyes.com/documentation: getCkyConsent
  cookieyes: {
    events: ['cookieyes_banner_load', 'cookieyes_consent_update'],
    read() {
      const said = window.getCkyConsent?.()
      if (!said?.categories) return undefined
      return said.isUserActionCompleted ? { ids: said.categories } : REQUESTED
    },
  },

  // github.com/Really-Simple-Plugins/complianz-gdpr: cookiebanner/js/complianz.js
  complianz: {
    events: ['cmplz_banner_status', 'cmplz_fire_categories', 'cmplz_status_change'],
    read() {
      const { complianz, cmplz_has_consent: has } = window
      // It knows the rules that apply only after it has asked for the place.
      if (!complianz || !has || !window.wp_consent_type) return undefined
      if (window.cmplz_get_banner_status() != 'dismissed') return REQUESTED
      return {
        // Its "functional" is what needs no consent.
        ids: Object.fromEntries(
          ['preferences', 'statistics', 'marketing'].map((id) => [id, !!has(id)]),
        ),
        implied: complianz.consenttype != 'optin',
      }
    },
  },

  // developers.osano.com/cmp/javascript-api
  osano: {
    tells: true,
    read(changed) {
      const { cm } = window.Osano ?? {}
      if (!cm?.getConsent) return undefined
      once('osano', () => {
        const saved = (acted) => () => changed(acted, (osano = true))
        cm.addEventListener('osano-cm-consent-saved', saved(false))
        cm.addEventListener('osano-cm-consent-new', saved(true))
        cm.addEventListener('osano-cm-consent-changed', saved(true))
      })
      // Until something is saved it tells defaults.
      if (!osano) return undefined
      const { ANALYTICS, MARKETING, PERSONALIZATION } = cm.getConsent()
      return {
        ids: {
          analytics: ANALYTICS == 'ACCEPT',
          marketing: MARKETING == 'ACCEPT',
          personalization: PERSONALIZATION == 'ACCEPT',
        },
      }
    },
  },

  // iubenda.com/help/1205; it has callbacks but no events, and answers a click.
  iubenda: {
    events: ['click'],
    delay: 100,
    read() {
      const { consent, api } = window._iub?.cs ?? {}
      if (!api) return undefined
      if (!consent?.timestamp) return REQUESTED
      const { purposes } = consent
      const kinds = { 2: 'functionality', 3: 'experience', 4: 'statistics', 5: 'marketing' }
      return {
        ids: Object.fromEntries(
          Object.keys(kinds)
            .filter((id) => !purposes || id in purposes)
            .map((id) => [kinds[id], purposes ? purposes[id] : consent.consent]),
        ),
        names: purposes,
        time: time(consent.timestamp),
      }
    },
  },

  // github.com/AmauriC/tarteaucitron.js
  tarteaucitron: {
    events: ['tac.root_available', 'tac.consent_updated'],
    read() {
      const { job, state, services, parameters } = window.tarteaucitron ?? {}
      if (!job?.length || !job.every((id) => id in state)) return undefined
      if (job.every((id) => state[id] == 'wait')) return REQUESTED
      return {
        ids: every(job.map((id) => [services[id]?.type ?? '', state[id]])),
        names: state,
        implied: parameters?.serviceDefaultState === true || parameters?.highPrivacy === false,
      }
    },
  },

  // borlabs.io, version 3: its interface asks for one service, its cookie has all.
  borlabs: {
    events: ['borlabs-cookie-after-init', 'borlabs-cookie-consent-saved'],
    read() {
      if (!window.BorlabsCookie) return undefined
      const stored = cookie('borlabs-cookie')
      if (!stored) return REQUESTED
      const { consents } = JSON.parse(decodeURIComponent(stored.slice(15)))
      return {
        ids: Object.fromEntries(
          Object.entries(consents).map(([group, list]) => [group, list.length > 0]),
        ),
        names: Object.fromEntries(Object.values(consents).flat().map((id) => [id, true])),
        closed: true,
      }
    },
  },

  // support.cookieinformation.com: getConsentGivenFor
  cookie_information: {
    events: ['CookieInformationConsentGiven'],
    read() {
      const api = window.CookieInformation
      if (!api?.getConsentGivenFor) return undefined
      if (!cookie('CookieInformationConsent')) return REQUESTED
      return {
        ids: Object.fromEntries(
          ['functional', 'statistic', 'marketing'].map((id) => [
            `cookie_cat_${id}`,
            api.getConsentGivenFor(`cookie_cat_${id}`),
          ]),
        ),
      }
    },
  },
}
