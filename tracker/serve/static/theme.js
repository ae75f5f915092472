/** Light and dark: as the system, or as chosen. */

import { byId, setText } from "./dom.js";

const KEY = "tracker-theme";
const TITLES = { system: "system", light: "light", dark: "dark" };
const NEXT = { system: "light", light: "dark", dark: "system" };

/** @param {function} onChange Called after each change of the colours. */
export function installTheme(onChange) {
  const button = byId("theme");
  const set = (theme) => {
    if (theme === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    setText(byId("theme-text"), `Theme: ${TITLES[theme]}`);
    button.title = `Change to ${TITLES[NEXT[theme]]}`;
    button.dataset.theme = theme;
    onChange();
  };
  button.addEventListener("click", () => {
    const theme = NEXT[button.dataset.theme];
    store(theme);
    set(theme);
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", onChange);
  set(stored());
}

function stored() {
  try {
    const theme = localStorage.getItem(KEY);
    return theme in TITLES ? theme : "system";
  } catch {
    return "system"; // storage is switched off
  }
}

function store(theme) {
  try {
    localStorage.setItem(KEY, theme);
  } catch {
    // Storage is switched off: the choice holds until the page is left.
  }
}
