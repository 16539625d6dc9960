// Tabs: one panel is visible; arrow keys go from one tab to the next.

import { byId } from "./common.js"

const STEPS = { ArrowLeft: -1, ArrowRight: 1 }
const tabs = [...document.querySelectorAll("[role=tab]")]

// Show a tab's panel, which gets the event "show".
function select(tab) {
  for (const each of tabs) {
    each.setAttribute("aria-selected", each === tab)
    each.tabIndex = each === tab ? 0 : -1
    byId(each.getAttribute("aria-controls")).hidden = each !== tab
  }
  byId(tab.getAttribute("aria-controls")).dispatchEvent(new Event("show"))
}

for (const [place, tab] of tabs.entries()) {
  tab.addEventListener("click", () => select(tab))
  tab.addEventListener("keydown", ({ key }) => {
    if (!STEPS[key]) return
    const next = tabs[(place + STEPS[key] + tabs.length) % tabs.length]
    select(next)
    next.focus()
  })
}
