// Consent managers whose own scripts need an account, in the documented shape of their
// interfaces and with their documented events. choose() is what a click in the banner
// does. The last choice is there again after a reload.
const fire = (target, type, detail) => target.dispatchEvent(new CustomEvent(type, { detail }))

const shapes = {
  cookiebot: (choice) => ({
    set() {
      window.Cookiebot = {
        hasResponse: !!choice,
        consent: {
          necessary: true,
          preferences: !!choice?.p,
          statistics: !!choice?.s,
          marketing: !!choice?.m,
          method: choice ? (choice.implied ? 'implied' : 'explicit') : null,
        },
      }
      if (choice) fire(window, 'CookiebotOnConsentReady')
      else {
        document.documentElement.append(
          Object.assign(document.createElement('div'), { id: 'CybotCookiebotDialog' }),
        )
        fire(window, 'CookiebotOnDialogDisplay')
      }
    },
  }),
  onetrust: (choice) => ({
    set() {
      const groups = ['C0001']
      if (choice?.p) groups.push('C0003')
      if (choice?.s) groups.push('C0002')
      if (choice?.m) groups.push('C0004', 'C0005')
      window.OnetrustActiveGroups = `,${groups.join(',')},`
      const changed = window.OneTrust?.changed
      window.OneTrust = {
        changed,
        IsAlertBoxClosed: () => !!choice,
        OnConsentChanged(listener) {
          this.changed = listener
        },
        GetDomainData: () => ({
          Groups: ['C0001', 'C0002', 'C0003', 'C0004', 'C0005'].map((id) => ({
            OptanonGroupId: id,
          })),
        }),
      }
      changed?.()
      fire(window, 'OneTrustGroupsUpdated', groups)
    },
  }),
  didomi: (choice) => ({
    set() {
      const listeners = window.Didomi?.listeners ?? {}
      window.Didomi = {
        listeners,
        on: (type, listener) => (listeners[type] = listener),
        isConsentRequired: () => true,
        shouldUserStatusBeCollected: () => !current,
        getCurrentUserStatus: () => ({
          updated: '2026-11-20T10:00:00.000Z',
          purposes: {
            functional: { id: 'functional', enabled: !!current?.p },
            analytics: { id: 'analytics', enabled: !!current?.s },
            advertising: { id: 'advertising', enabled: !!current?.m },
          },
        }),
      }
      const waiting = window.didomiOnReady ?? []
      window.didomiOnReady = { push: (listener) => listener(window.Didomi) }
      waiting.forEach?.((listener) => listener(window.Didomi))
      listeners['consent.changed']?.()
    },
  }),
  usercentrics2: (choice) => ({
    set() {
      const service = (id, categorySlug, status) => ({
        id,
        name: id,
        categorySlug,
        consent: { status, history: [{ type: choice ? 'explicit' : 'implicit' }] },
      })
      window.UC_UI = {
        isInitialized: () => true,
        isConsentRequired: () => !choice,
        getServicesBaseInfo: () => [
          service('chat', 'functional', !!choice?.p),
          service('kastana', 'statistics', !!choice?.s),
          service('ads', 'marketing', !!choice?.m),
        ],
      }
      fire(window, choice ? 'UC_UI_CMP_EVENT' : 'UC_UI_INITIALIZED')
    },
  }),
  usercentrics3: (choice) => ({
    set() {
      const service = (name, category, given) => ({ name, category, consent: { given } })
      window.__ucCmp = {
        isInitialized: async () => true,
        isConsentRequired: async () => !choice,
        getConsentDetails: async () => ({
          consent: { type: choice ? 'EXPLICIT' : 'IMPLICIT' },
          services: {
            a1: service('Chat', 'functional', !!choice?.p),
            b2: service('Kastana', 'statistics', !!choice?.s),
            c3: service('Ads', 'marketing', !!choice?.m),
          },
        }),
      }
      fire(window, choice ? 'UC_CONSENT' : 'UC_UI_INITIALIZED')
    },
  }),
  cookieyes: (choice) => ({
    set() {
      window.getCkyConsent = () => ({
        activeLaw: 'gdpr',
        isUserActionCompleted: !!choice,
        categories: {
          necessary: true,
          functional: !!choice?.p,
          analytics: !!choice?.s,
          performance: !!choice?.s,
          advertisement: !!choice?.m,
        },
      })
      fire(document, choice ? 'cookieyes_consent_update' : 'cookieyes_banner_load')
    },
  }),
  complianz: (choice) => ({
    set() {
      window.complianz = { consenttype: 'optin', categories: {} }
      window.wp_consent_type = 'optin'
      window.cmplz_get_banner_status = () => (choice ? 'dismissed' : '')
      window.cmplz_has_consent = (id) => !!choice?.[id[0]]
      fire(document, 'cmplz_banner_status')
      fire(document, 'cmplz_fire_categories')
    },
  }),
  osano: (choice, loaded) => ({
    set() {
      const word = (yes) => (yes ? 'ACCEPT' : 'DENY')
      const listeners = window.Osano?.cm.listeners ?? {}
      window.Osano = {
        cm: {
          listeners,
          addEventListener(type, listener) {
            listeners[type] = listener
            // Who comes late is told what was saved.
            if (type == 'osano-cm-consent-saved' && current)
              requestAnimationFrame(() => listener())
          },
          getConsent: () => ({
            ESSENTIAL: 'ACCEPT',
            ANALYTICS: word(current?.s),
            MARKETING: word(current?.m),
            PERSONALIZATION: word(current?.p),
          }),
        },
      }
      if (choice && !loaded) {
        listeners['osano-cm-consent-saved']?.()
        listeners['osano-cm-consent-new']?.()
      }
    },
  }),
  iubenda: (choice) => ({
    set() {
      window._iub = {
        cs: {
          api: {},
          consent: choice && {
            timestamp: '2026-11-20T10:00:00.000Z',
            purposes: { 1: true, 2: !!choice.p, 3: !!choice.p, 4: !!choice.s, 5: !!choice.m },
          },
        },
      }
      document.documentElement.click()
    },
  }),
  tarteaucitron: (choice) => ({
    set() {
      const state = (yes) => (choice ? !!yes : 'wait')
      window.tarteaucitron = {
        job: ['chat', 'kastana', 'ads'],
        state: { chat: state(choice?.p), kastana: state(choice?.s), ads: state(choice?.m) },
        services: {
          chat: { type: 'support' },
          kastana: { type: 'analytic' },
          ads: { type: 'ads' },
        },
        parameters: { highPrivacy: true },
      }
      fire(document, 'tac.consent_updated')
    },
  }),
  borlabs: (choice) => ({
    set() {
      window.BorlabsCookie = { Consents: {} }
      const list = (yes, id) => (yes ? [id] : [])
      if (choice)
        document.cookie =
          'borlabs-cookie=' +
          encodeURIComponent(
            JSON.stringify({
              consents: {
                essential: ['borlabs-cookie'],
                functional: list(choice.p, 'chat'),
                statistics: list(choice.s, 'kastana'),
                marketing: list(choice.m, 'ads'),
              },
              v3: true,
              version: 1,
            }),
          )
      fire(window, choice ? 'borlabs-cookie-consent-saved' : 'borlabs-cookie-after-init')
    },
  }),
  cookie_information: (choice) => ({
    set() {
      const given = { functional: 'p', statistic: 's', marketing: 'm' }
      window.CookieInformation = {
        getConsentGivenFor: (id) => !!choice?.[given[id.replace('cookie_cat_', '')]],
      }
      if (choice) {
        document.cookie = 'CookieInformationConsent=%7B%7D'
        fire(window, 'CookieInformationConsentGiven')
      }
    },
  }),
}

let current

window.fake = (name) => {
  current = JSON.parse(sessionStorage.getItem(name))
  shapes[name](current, true).set()
  window.choose = (choice) => {
    current = choice
    sessionStorage.setItem(name, JSON.stringify(choice))
    shapes[name](choice, false).set()
  }
}
