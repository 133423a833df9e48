// The camera: pictures of it, and a live mode that classifies what it sees as fast as the server answers, with never more
// than one picture under way. The camera is let go when it is stopped, and when the page is not seen any more.

import { ask, bars, best } from "./answers.js";
import { $, element, millis, setText } from "./dom.js";
import { classifyPath } from "./models.js";
import { say, take } from "./plates.js";

const longestSide = 640; // of a picture that is sent: models look at less
const quality = 0.85;
const announceEvery = 4000; // ms between two words of a screen reader
const measuredOver = 3000;  // ms that the rate is the mean of

const video = $("video");
let stream = null;
let opening = 0; // counts, so that a camera that comes too late is let go
let live = null; // AbortController of the live mode

const troubles = {
  NotAllowedError: "The browser does not let this page use the camera. Allow it in the site's settings, beside the address, and try again.",
  SecurityError: "The browser does not let this page use the camera. Allow it in the site's settings, beside the address, and try again.",
  NotFoundError: "There is no camera on this device.",
  OverconstrainedError: "That camera is not there any more. Choose another one.",
  NotReadableError: "Another program uses the camera. Close it and try again.",
  AbortError: "The camera could not be started. Unplug it and try again.",
};

function trouble(sentence) {
  $("camera-trouble").hidden = !sentence;
  setText($("camera-trouble"), sentence ?? "");
}

async function open(deviceId) {
  $("camera").hidden = false;
  $("camera-open").setAttribute("aria-expanded", "true");
  trouble(null);
  if (!navigator.mediaDevices?.getUserMedia) {
    trouble(isSecureContext
      ? "This browser has no access to cameras."
      : "Browsers give a camera only to pages that came by HTTPS, or from this machine itself. Open this page by https://, or as localhost on the server itself.");
    showRunning(false);
    return;
  }
  const turn = ++opening;
  release();
  let got;
  try {
    got = await navigator.mediaDevices.getUserMedia({
      audio: false,
      video: { width: { ideal: 1280 }, ...(deviceId ? { deviceId: { exact: deviceId } } : { facingMode: "environment" }) },
    });
  } catch (error) {
    if (turn === opening) {
      trouble(troubles[error.name] ?? `The camera could not be started: ${error.message}`);
      showRunning(false);
    }
    return;
  }
  if (turn !== opening) {
    got.getTracks().forEach((t) => t.stop());
    return;
  }
  stream = got;
  stream.getVideoTracks()[0].addEventListener("ended", () => close("The camera was unplugged or taken away."));
  video.srcObject = stream;
  await video.play().catch(() => {}); // it was closed meanwhile
  if (turn === opening) {
    showRunning(true);
    fillCameras();
  }
}

async function fillCameras() {
  const cameras = (await navigator.mediaDevices.enumerateDevices()).filter((d) => d.kind === "videoinput");
  const now = stream?.getVideoTracks()[0]?.getSettings().deviceId;
  $("choose-camera").hidden = cameras.length < 2;
  $("cameras").replaceChildren(...cameras.map((c, i) => new Option(c.label || `Camera ${i + 1}`, c.deviceId, false, c.deviceId === now)));
}

function release() {
  stopLive();
  stream?.getTracks().forEach((t) => t.stop());
  stream = null;
  video.srcObject = null;
}

// close lets the camera go; with a sentence it says why.
function close(sentence) {
  opening++;
  release();
  showRunning(false);
  trouble(sentence);
  if (!sentence) {
    $("camera").hidden = true;
    $("camera-open").setAttribute("aria-expanded", "false");
    $("camera-open").focus();
  }
}

function showRunning(on) {
  $("live").disabled = $("snapshot").disabled = !on;
  $("camera").classList.toggle("running", on);
  setText($("camera-close"), on ? "Stop" : "Close");
}

// frame is what the camera sees now, as a JPEG.
function frame() {
  const scale = Math.min(1, longestSide / Math.max(video.videoWidth, video.videoHeight));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(video.videoWidth * scale));
  canvas.height = Math.max(1, Math.round(video.videoHeight * scale));
  canvas.getContext("2d").drawImage(video, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", quality));
}

async function snapshot() {
  const time = new Date().toTimeString().slice(0, 8).replaceAll(":", ".");
  take([new File([await frame()], `camera ${time}.jpg`, { type: "image/jpeg" })]);
}

// --- Live ---------------------------------------------------------------------------------------------------------------

function startLive() {
  live = new AbortController();
  $("live").setAttribute("aria-pressed", "true");
  setText($("live"), "Stop classifying");
  $("live-answer").hidden = false;
  setText($("live-label"), "Looking…");
  for (const id of ["live-sure", "live-bars", "live-time"]) {
    $(id).replaceChildren();
  }
  run(live.signal);
}

function stopLive() {
  live?.abort();
  live = null;
  $("live").setAttribute("aria-pressed", "false");
  setText($("live"), "Classify live");
  $("live-answer").hidden = true;
}

// run sends one picture after the other: the next one is taken when the answer to the last is there.
async function run(signal) {
  const taken = []; // { at, roundTrip } of the answers of late
  let said = { label: "", at: -Infinity };
  while (!signal.aborted) {
    try {
      const blob = await frame();
      if (signal.aborted || !blob) {
        return;
      }
      const answer = await ask(classifyPath(), blob, signal);
      trouble(null);
      showLive(answer, taken);
      said = announce(best(answer).words, said);
      await new Promise(requestAnimationFrame); // not more often than anybody can see
    } catch (error) {
      if (signal.aborted) {
        return;
      }
      trouble(error.message);
      await new Promise((resolve) => setTimeout(resolve, error.wait ?? 1000));
    }
  }
}

function showLive(answer, taken) {
  const now = performance.now();
  taken.push({ at: now, roundTrip: answer.roundTrip });
  while (now - taken[0].at > measuredOver) {
    taken.shift();
  }
  const top = best(answer);
  setText($("live-label"), top.words);
  setText($("live-sure"), top.sure);
  $("live-bars").replaceChildren(...bars(answer.predictions));
  const span = (now - taken[0].at) / 1000;
  const middle = taken.map((t) => t.roundTrip).sort((a, b) => a - b)[taken.length >> 1];
  const parts = [`${taken.length > 1 ? ((taken.length - 1) / span).toFixed(1) : "–"} pictures/s`, `${millis(middle)} there and back`, `inference ${millis(answer.timing_ms.inference)}`];
  $("live-time").replaceChildren(...parts.map((text) => element("span", "", text)));
}

function announce(label, said) {
  const now = performance.now();
  if (label === said.label || now - said.at < announceEvery) {
    return said;
  }
  say(label);
  return { label, at: now };
}

// --- Buttons -----------------------------------------------------------------------------------------------------------

export function offerCamera() {
  showRunning(false);
  $("camera-open").addEventListener("click", () => ($("camera").hidden || !stream ? open() : close()));
  $("camera-close").addEventListener("click", () => close());
  $("cameras").addEventListener("change", () => open($("cameras").value));
  $("snapshot").addEventListener("click", snapshot);
  $("live").addEventListener("click", () => (live ? stopLive() : startLive()));
  document.addEventListener("visibilitychange", () => {
    if (document.hidden && stream) {
      close("The camera was switched off because the page was out of sight. Use the camera again to go on.");
    }
  });
  addEventListener("pagehide", () => { // the browser may keep the page, and come back to it
    opening++;
    release();
    showRunning(false);
  });
}
