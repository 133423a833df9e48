// The light or dark theme: the system's, until the button chooses another. This is no module, so that it runs before
// the page is painted: a module waits until the page is read, and a dark room would see a white flash.
(() => {
  const key = "torchlit.theme";
  const names = { system: "Theme: system", light: "Theme: light", dark: "Theme: dark" };
  const root = document.documentElement;

  const remembered = () => {
    try {
      return localStorage.getItem(key) ?? "system";
    } catch { // storage may be forbidden
      return "system";
    }
  };

  function apply(theme) {
    if (theme === "light" || theme === "dark") {
      root.dataset.theme = theme;
    } else {
      theme = "system";
      delete root.dataset.theme;
    }
    for (const meta of document.querySelectorAll('meta[name="theme-color"]')) {
      meta.media = theme === "system" ? `(prefers-color-scheme: ${meta.dataset.of})` : meta.dataset.of === theme ? "all" : "not all";
    }
    for (const button of document.querySelectorAll(".theme")) {
      button.textContent = names[theme];
    }
    return theme;
  }

  // The first press always changes what is seen: to the opposite of what the system has.
  function next() {
    const dark = matchMedia("(prefers-color-scheme: dark)").matches;
    const order = dark ? ["system", "light", "dark"] : ["system", "dark", "light"];
    const theme = order[(order.indexOf(apply(remembered())) + 1) % order.length];
    try {
      localStorage.setItem(key, theme);
    } catch {}
    apply(theme);
  }

  apply(remembered());
  addEventListener("storage", (event) => event.key === key && apply(remembered())); // another page of ours
  document.addEventListener("DOMContentLoaded", () => {
    apply(remembered());
    for (const button of document.querySelectorAll(".theme")) {
      button.addEventListener("click", next);
    }
  });
})();
