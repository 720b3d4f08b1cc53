// Airflow's own choice of light or dark, which may differ from the system's: a class of its document's root.

/** Follow Airflow's theme; outside of Airflow, the system's. */
export function followTheme() {
  let root;
  try {
    root = window.parent === window ? null : window.parent.document.documentElement;
  } catch {
    root = null; // a frame of somebody else
  }
  if (!root) return;
  const apply = () => {
    const theme = ["dark", "light"].find((name) => root.classList.contains(name));
    document.documentElement.style.colorScheme = theme ?? "";
  };
  apply();
  new MutationObserver(apply).observe(root, { attributes: true, attributeFilter: ["class"] });
}
