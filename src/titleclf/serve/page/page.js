// The page of `titleclf serve`: what is there from the beginning.

import { about, ask, attempt, byId, element, number, percent } from "./common.js"
import { listCorrections } from "./corrections.js"
import { most } from "./guides.js"
import { answer } from "./titles.js"

const LOOKING_MS = 5000

function watchedRow({ url }) {
  const whole = new URL(url, location).href  // for players to be given
  return element("li", {}, element("div", { class: "name" }, element("a", { href: url, download: "" }, whole)),
    element("div", { class: "facts" }))
}

function watchedFacts({ whole, problem }) {
  const filled = whole ? `${number(whole.programmes)} programmes, ${number(whole.filled)} filled` : "not filled yet"
  return problem ? `${filled}. ${whole ? "This is the last good one: " : ""}${problem}` : filled
}

// Rows stay, so that the focus does.
async function listWatched() {
  const { watched } = await ask("/health")
  const list = byId("watched-guides")
  byId("watched").hidden = !watched.length
  if (!list.children.length) list.append(...watched.map(watchedRow))
  for (const [place, one] of watched.entries())
    list.children[place].querySelector(".facts").textContent = watchedFacts(one)
  if (watched.length) setTimeout(lookAgain, LOOKING_MS)
}

// Who doesn't ask for anything need not be told that the service has ended.
const lookAgain = () => listWatched().catch(() => setTimeout(lookAgain, LOOKING_MS))

attempt(async () => {
  Object.assign(about, await ask("/api/about"))
  byId("most").textContent = `, at most ${most()}`
  byId("share").textContent = percent(about.precision)
  byId("about").textContent = `titleclf ${about.version}, model ${about.model}`
  for (const profile of about.profiles) byId("profile").append(element("option", { value: profile }, profile))
  byId("profile-choice").hidden = !about.profiles.length
  byId("profile").value = about.options.profile ?? ""
  byId("mark").checked = about.options.mark
  await listWatched()
  await listCorrections()
  await answer()
})
