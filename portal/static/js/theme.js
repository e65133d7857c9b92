// Sets light or dark before anything is drawn, and whether the sidebar is folded. Loaded first, so it must stay small.
(() => {
  const root = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const kept = (key) => {
    try {
      return localStorage.getItem(key);
    } catch {
      return null;
    }
  };
  const draw = () => {
    const theme = kept("theme");
    root.dataset.theme = theme === "light" || theme === "dark" ? theme : "system";
    root.classList.toggle("dark", theme === "dark" || (theme !== "light" && dark.matches));
    root.toggleAttribute("data-folded", kept("sidebar") === "folded");
  };
  draw();
  dark.addEventListener("change", draw);
  addEventListener("storage", draw);
  document.addEventListener("appearance", draw);
})();
