// Ways in: chosen files and folders, dropped ones, and what is pasted.

import { $ } from "./dom.js";
import { take } from "./plates.js";

const most = 200; // pictures at a time; for more there is the command line

// A folder holds more than pictures: what does not look like one by its type or name is passed over. A file that was
// chosen by itself is sent whatever it is: the server knows best.
const looksLikePicture = (file) => file.type.startsWith("image/") || /\.(jpe?g|png|gif|webp|bmp)$/i.test(file.name);

function takeSome(files, passed = 0) {
  const notes = [];
  if (passed > 0) {
    notes.push(passed === 1 ? "One file is no picture and was passed over." : `${passed} files are no pictures and were passed over.`);
  }
  if (files.length > most) {
    notes.push(`Of ${files.length.toLocaleString("en")} pictures the first ${most} were taken. For whole folders there is the command torchlit predict.`);
  }
  if (files.length === 0 && passed === 0) {
    notes.push("The folder is empty.");
  }
  $("note").hidden = notes.length === 0;
  $("note").textContent = notes.join(" ");
  take(files.slice(0, most));
}

export function takeIn() {
  for (const id of ["files", "photo", "folder"]) {
    $(id).addEventListener("change", (event) => {
      const files = [...event.target.files];
      const pictures = id === "folder" ? files.filter(looksLikePicture) : files;
      event.target.value = ""; // so that the same file can be chosen again
      takeSome(pictures, files.length - pictures.length);
    });
  }
  document.addEventListener("paste", (event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    if (files.length > 0) {
      event.preventDefault();
      takeSome(files);
    }
  });
  takeDrops();
}

function takeDrops() {
  // dragleave fires for every element under the pointer; the page is left when nothing of it is entered instead. Not every
  // browser says what is, but all say every now and then that something is dragged over the page.
  const hasFiles = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
  const on = (type, react) => document.addEventListener(type, (event) => hasFiles(event) && react(event));
  const show = (dragging) => document.body.classList.toggle("dragging", dragging);
  on("dragleave", (event) => event.relatedTarget || show(false));
  on("dragover", (event) => {
    event.preventDefault();
    show(true);
  });
  on("drop", async (event) => {
    event.preventDefault();
    show(false);
    const { files, passed } = await dropped(event.dataTransfer);
    takeSome(files, passed);
  });
}

// dropped returns the files, and those in the folders, that were dropped, with how many were passed over. All of the
// transfer must be read at once: it is empty when the event is over.
async function dropped(transfer) {
  const plain = [...transfer.files];
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.());
  if (!entries.some((e) => e?.isDirectory)) {
    return { files: plain, passed: 0 };
  }
  const files = [];
  let passed = 0;
  for (const entry of entries.filter(Boolean)) {
    if (entry.isFile) {
      files.push(await new Promise((resolve, reject) => entry.file(resolve, reject)));
      continue;
    }
    for await (const file of within(entry)) {
      if (looksLikePicture(file)) {
        files.push(file);
      } else {
        passed++;
      }
    }
  }
  return { files, passed };
}

// within yields the files below a folder.
async function* within(folder) {
  const reader = folder.createReader();
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject)); // a hundred at a time
    if (some.length === 0) {
      return;
    }
    for (const entry of some) {
      if (entry.isDirectory) {
        yield* within(entry);
      } else {
        yield await new Promise((resolve, reject) => entry.file(resolve, reject));
      }
    }
  }
}
