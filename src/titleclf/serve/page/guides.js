// A guide: upload, progress, report, corrections and download.

import {
  about, attempt, byId, collapse, counted, element, fetchJson, hours, keepFocus, number, percent,
} from "./common.js"
import { categoryChooser } from "./corrections.js"
import { BASES, clearFilled, showFilled } from "./filled.js"

const POLL_MS = 400
const MEGABYTE = 1 << 20

let guide = null  // the current guide: { file, id, controller }; its id is null during the upload
export const uploadLimit = () => `${number(about.limits.upload_bytes / MEGABYTE)} MB`

const drop = byId("drop")
byId("upload").addEventListener("submit", event => event.preventDefault())
byId("file").addEventListener("change", event => start(event.target.files[0]))
for (const id of ["profile", "mark"]) byId(id).addEventListener("change", () => guide && start(guide.file))
for (const name of ["dragover", "drop"]) window.addEventListener(name, event => event.preventDefault())
for (const name of ["dragenter", "dragover"]) drop.addEventListener(name, () => drop.classList.add("over"))
for (const name of ["dragleave", "drop"]) drop.addEventListener(name, () => drop.classList.remove("over"))
window.addEventListener("drop", ({ dataTransfer: { files } }) => {
  if (files.length) byId("file").files = files  // the input shows the file's name
  start(files[0])
})
document.addEventListener("corrected", () => guide?.id && attempt(() => follow(guide)))

function start(file) {
  if (file) attempt(() => upload(file))
}

async function upload(file) {
  if (file.size > about.limits.upload_bytes) {
    const size = `${number(Math.ceil(file.size / MEGABYTE))} MB`
    throw new Error(`${file.name} must be at most ${uploadLimit()}. Got ${size}. Run titleclf epg fill instead.`)
  }
  discard()
  const current = guide = { file, id: null, controller: new AbortController() }
  const query = new URLSearchParams({
    name: file.name, profile: byId("profile").value, mark: byId("mark").checked ? "1" : "0",
  })
  showProgress(0, `Uploading ${file.name}…`)
  try {
    current.id = (await send(`/api/guides?${query}`, current)).id
    byId("doubts").replaceChildren()
    clearFilled()
    for (const list of ["doubts", "filled", "channels"]) delete byId(`${list}-all`).dataset.pressed
    await follow(current)
  } catch (error) {
    if (guide === current && !current.id) guide = null
    throw error
  } finally {
    if (guide === current || !guide) byId("work").hidden = true
  }
}

// Remove the current guide from the page and the service.
function discard() {
  byId("guide").hidden = true
  if (!guide) return
  guide.controller.abort()  // a request for its state after the deletion would fail
  if (guide.id) fetchJson(`/api/guides/${guide.id}`, { method: "DELETE" }).catch(() => null)
  guide = null
}

// Upload by XMLHttpRequest, since fetch reports no progress.
function send(url, { file, controller: { signal } }) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest()
    const fail = got => reject(new Error(`${file.name} could not be uploaded. Got ${got}. Try again.`))
    request.open("POST", url)
    request.responseType = "json"
    request.upload.addEventListener("progress", event => showProgress(event.loaded / event.total, `Uploading ${file.name}…`))
    request.addEventListener("load", () => {
      if (request.status === 202) resolve(request.response)
      else if (request.response?.error) reject(new Error(request.response.error))
      else fail(`status ${request.status}`)
    })
    request.addEventListener("error", () => fail("no response"))
    signal.addEventListener("abort", () => {
      request.abort()
      reject(signal.reason)
    })
    request.send(file)
  })
}

function showProgress(fraction, text) {
  byId("work").hidden = false
  byId("work-status").textContent = text
  if (fraction === null) byId("progress").removeAttribute("value")
  else byId("progress").value = fraction
}

// Wait until the guide is filled with the latest corrections, then show its report.
async function follow({ id, controller: { signal } }) {
  for (;;) {
    const status = await fetchJson(`/api/guides/${id}`, { signal })
    if (status.state === "filled") {
      byId("work").hidden = true
      showReport(status)
      return showFilled(`/api/guides/${id}/filled`, signal)
    }
    if (status.state === "broken") {
      byId("work").hidden = true
      discard()
      throw new Error(status.problem)
    }
    showProgress(null, `Filling: ${number(status.programmes)} programmes so far…`)
    await new Promise(resolve => setTimeout(resolve, POLL_MS))
    signal.throwIfAborted()
  }
}

function basesSentence(bases) {
  const parts = Object.entries(BASES).filter(([basis]) => bases[basis])
    .map(([basis, name]) => `${name} ${number(bases[basis])}`)
  return parts.length ? ` Decided by: ${parts.join(", ")}.` : ""
}

function showReport({ id, name, report }) {
  const { whole, channels, doubts } = report
  byId("guide").hidden = false
  byId("guide-name").textContent = name
  byId("summary").textContent =
    `${number(whole.programmes)} programmes, ${number(whole.missing)} without a category. ` +
    `Filled: ${number(whole.filled)}. Unsure: ${number(whole.unsure)} (${hours(whole.unsure_minutes)}).` +
    basesSentence(whole.bases)
  for (const tab of ["unsure", "filled"]) byId(`${tab}-count`).textContent = ` (${number(whole[tab])})`
  drawBar(byId("bar"), whole)
  byId("download").href = `/api/guides/${id}/file`
  byId("genres").hidden = byId("profile").value !== "kodi"
  keepFocus(() => drawDoubts(doubts))
  byId("doubts-more").textContent = report.doubts_left_out
    ? `${number(report.doubts_left_out)} more will appear after these.` : ""
  byId("channels").replaceChildren(...channels.map(channelRow))
  collapse("channels")
  byId("channels-more").textContent = report.channels_left_out
    ? `${counted(report.channels_left_out, "more channel")} not shown.` : ""
}

// Rows keep their positions, so that users do not lose theirs; settled ones are marked as done.
function drawDoubts(doubts) {
  const rows = new Map([...byId("doubts").children].map(row => [row.dataset.title, row]))
  const unsure = new Set(doubts.map(doubt => doubt.title))
  for (const doubt of doubts) {
    const row = rows.get(doubt.title)
    if (!row) byId("doubts").append(doubtRow(doubt))
    else if (row.classList.contains("done")) row.replaceWith(doubtRow(doubt))
  }
  for (const [title, row] of rows)
    if (!unsure.has(title) && !row.classList.contains("done")) markDone(row, "✓ follows a correction")
  collapse("doubts")
  const hasAny = byId("doubts").children.length > 0
  byId("doubts-none").hidden = hasAny
  byId("doubts-hint").hidden = !hasAny
}

function doubtRow({ title, showings, minutes, top1, probability }) {
  const facts = `${counted(showings, "showing")}, ${hours(minutes)} – maybe ${top1} (${percent(probability)})`
  const row = element("li", { "data-title": title },
    element("div", { class: "name" }, title), element("div", { class: "facts" }, facts))
  const onChanged = category => markDone(row, category === null ? "correction undone" : `✓ ${category || "left unchanged"}`)
  row.append(categoryChooser(title, `doubt-${title}`, top1, onChanged))
  return row
}

function markDone(row, text) {
  row.classList.add("done")
  row.querySelector(".facts").textContent = text
}

function channelRow(channel) {
  const cell = (content, names) => element("td", names ? { class: names } : {}, content)
  const bar = element("div", { class: "bar", role: "img" })
  drawBar(bar, channel)
  return element("tr", {}, cell(channel.name), cell(number(channel.missing), "n"), cell(number(channel.filled), "n"),
    cell(number(channel.unsure), "n"), cell(hours(channel.unsure_minutes), "n more"),
    cell(number(channel.programmes), "n more"), cell(bar, "more"))
}

function drawBar(bar, { programmes, filled, unsure }) {
  const counts = { kept: programmes - filled - unsure, filled, unsure }
  bar.setAttribute("aria-label", `${number(counts.kept)} kept, ${number(filled)} filled, ${number(unsure)} unsure`)
  bar.replaceChildren(...Object.entries(counts).filter(([, count]) => count).map(([name, count]) => {
    const span = element("span", { class: name })
    span.style.flex = count
    return span
  }))
}
