// Starts what every page of the shop has. It runs before the tracker does, so that
// nothing is sent unseen.

import * as banner from './banner.js'
import * as ledger from './ledger.js'
import * as panel from './panel.js'
import * as shop from './shop.js'

panel.start()
ledger.start()
banner.start()
shop.start()
