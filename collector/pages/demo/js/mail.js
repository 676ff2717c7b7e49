// Shows in the panel what the mail's picture told, and opens the mail as other readers.

import { openMail, sawPicture } from './wire.js'

const picture = document.querySelector('.pixel')

sawPicture(picture)

for (const button of document.querySelectorAll('[data-reader]'))
  button.addEventListener('click', () => openMail(picture, button.dataset.reader))
