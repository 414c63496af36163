// Chooses light or dark before the first paint; the rest of the console is modules, which come later.
(() => {
  try {
    const chosen = localStorage.getItem("circus.theme");
    if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
  } catch {
    /* storage is forbidden: the system's preference holds */
  }
})();
