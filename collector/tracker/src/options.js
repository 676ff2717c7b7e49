// The attributes of the tag. A module has no document.currentScript; the tag that has
// loaded it is the first one, as k.js runs only once.
export const options = document.querySelector('[data-site][data-consent]').dataset
