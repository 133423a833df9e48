// The upload page. Pictures are sent one request each, a few at a time: the server groups them into batches itself, and
// each answer shows as soon as it is there. Nothing is loaded from anywhere else.

import { copy } from "./answers.js";
import { $ } from "./dom.js";
import { openHistory, release, remember } from "./history.js";
import { takeIn } from "./intake.js";
import { takeKeys } from "./key.js";
import { classifyPath, loadModels } from "./models.js";
import { onPlates } from "./plates.js";
import { offerCamera } from "./webcam.js";

onPlates(remember, release);
takeIn();
takeKeys();
offerCamera();
openHistory();

loadModels(() => {
  $("curl").textContent = `curl -F image=@photo.jpg ${location.protocol === "https:" ? "https://" : ""}${location.host}${classifyPath()}`;
});
$("copy").addEventListener("click", () => copy($("curl").textContent, $("copy")));
