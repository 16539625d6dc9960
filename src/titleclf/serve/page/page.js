// The page of `titleclf serve`: its first content and the watched guides.

import { about, attempt, byId, element, fetchJson, number, percent } from "./common.js"
import { listCorrections } from "./corrections.js"
import { showFields } from "./fields.js"
import { uploadLimit } from "./guides.js"
import { predict } from "./titles.js"

const POLL_MS = 5000

function watchedRow({ url }) {
  const address = new URL(url, location).href  // to be entered in a player
  return element("li", {}, element("div", { class: "name" }, element("a", { href: url, download: "" }, address)),
    element("div", { class: "facts" }))
}

function watchedFacts({ whole, problem }) {
  const counts = whole ? `${number(whole.programmes)} programmes, ${number(whole.filled)} filled` : "Not filled yet"
  return problem ? `${counts}. ${whole ? "This is the last good copy: " : ""}${problem}` : counts
}

// Rows are updated in index, so that they keep the focus.
async function listWatched() {
  const { watched } = await fetchJson("/health")
  const list = byId("watched-guides")
  byId("watched").hidden = !watched.length
  if (!list.children.length) list.append(...watched.map(watchedRow))
  for (const [index, guide] of watched.entries()) {
    const facts = list.children[index].querySelector(".facts")
    facts.textContent = watchedFacts(guide)
    facts.classList.toggle("problem", Boolean(guide.problem))
  }
  if (watched.length) setTimeout(poll, POLL_MS)
}

// Ignore errors: an idle page need not report that the service has stopped.
const poll = () => listWatched().catch(() => setTimeout(poll, POLL_MS))

attempt(async () => {
  Object.assign(about, await fetchJson("/api/about"))
  byId("upload-limit").textContent = `, up to ${uploadLimit()}`
  byId("precision").textContent = percent(about.precision)
  showFields()
  byId("about").textContent = `titleclf ${about.version}, model ${about.model}`
  for (const profile of about.profiles) byId("profile").append(element("option", { value: profile }, profile))
  byId("profile-choice").hidden = !about.profiles.length
  byId("profile").value = about.options.profile ?? ""
  byId("mark").checked = about.options.mark
  await listWatched()
  await listCorrections()
  await predict()
})
