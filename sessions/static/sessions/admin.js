"use strict";

/*
 * The theme without evaluated scripts.
 *
 * The content security policy forbids to evaluate text as a script. Alpine.js evaluates the expressions in the theme's
 * attributes. So we use Alpine's build without evaluation: ../unfold/js/alpine/alpine.js. It understands only simple
 * expressions and no global names. This file provides the rest that the theme uses.
 */

// HTMX inserts these rules as an inline style, which the policy forbids. They are in admin.css.
htmx.config.includeIndicatorStyles = false;
htmx.config.allowEval = false;

const sidebar = {
  isOpen: () => localStorage.getItem("sidebarDesktopOpen") !== "0",
  remember: (open) => localStorage.setItem("sidebarDesktopOpen", open ? "1" : "0"),
};

// The theme's expression as a pattern, and the same in words that the build understands.
const REWORDED = [
  [/^\{ (activeTab: '[\w-]*', )?sidebarMobileOpen: false, sidebarDesktopOpen: .* \}$/, "{ $1sidebarMobileOpen: false, sidebarDesktopOpen: sidebarIsOpen() }"],
  [/^activeTab = ([^;]*); \$watch\(.*\);$/, "activeTab = $1"],
  [/^sidebarDesktopOpen = !sidebarDesktopOpen; localStorage\.setItem\(.*\);$/, "rememberSidebar(sidebarDesktopOpen = !sidebarDesktopOpen)"],
  [/^activeTab && activeTab !== 'general' \? window\.location.*$/, "pathWithTab(activeTab)"],
  // Enter opens the first page that was found, unless another one is chosen. The theme's own expression fails then.
  [/^if \((.*)\) (selectItem\(.*\))$/, "$1 && hasResults && (currentIndex = currentIndex || 1) && $2"],
  [/^selectItem\(.*\)$/, "hasResults && (currentIndex = currentIndex || 1) && $&"],
  [/^'width: ' \+ changeListWidth \+ 'px'$/, "{ width: changeListWidth + 'px' }"],
];

function reworded(expression) {
  const plain = expression.replace(/\s+/g, " ").trim();
  const [theirs, ours] = REWORDED.find(([pattern]) => pattern.test(plain)) ?? [];
  return theirs ? plain.replace(theirs, ours) : null;
}

document.addEventListener("alpine:init", () => {
  Alpine.data("theme", (chosen) => ({
    ...theme(chosen),
    sidebarIsOpen: sidebar.isOpen,
    rememberSidebar: sidebar.remember,
    getCurrentTab: () => getCurrentTab(),
    pathWithTab: (tab) => location.pathname + location.search + (tab && tab !== "general" ? `#${tab}` : ""),
  }));
  for (const component of [searchForm, searchDropdown, searchCommand]) Alpine.data(component.name, component);
  Alpine.interceptInit((element) => {
    for (const attribute of [...element.attributes]) {
      const expression = attribute.name.startsWith("x-") && reworded(attribute.value);
      if (expression) Alpine.mutateDom(() => { attribute.value = expression; });
    }
  });
});

// Screen readers would read the name of an icon, such as "dock_to_right".
function hideIcons(root) {
  for (const icon of root.querySelectorAll(".material-symbols-outlined:not([aria-hidden])")) icon.setAttribute("aria-hidden", "true");
}
document.addEventListener("DOMContentLoaded", () => hideIcons(document));
document.addEventListener("htmx:afterSwap", (event) => hideIcons(event.target));

// Django's script makes the icons with a hint beside a form's lists when all is loaded. An icon without a role has no name.
window.addEventListener("load", () => setTimeout(() => {
  for (const hint of document.querySelectorAll(".help-tooltip[aria-label]:not([role])")) hint.setAttribute("role", "img");
}));

// Buttons that need JavaScript are hidden without it.
document.addEventListener("DOMContentLoaded", () => {
  for (const button of document.querySelectorAll("[data-print]")) {
    button.hidden = false;
    button.addEventListener("click", () => print());
  }
  for (const button of document.querySelectorAll("[data-copy]")) {
    button.hidden = !navigator.clipboard; // browsers have it over HTTPS and on this machine only
    button.addEventListener("click", async () => {
      const lines = [...document.querySelectorAll(button.dataset.copy)].map((line) => line.textContent);
      await navigator.clipboard.writeText(lines.join("\n"));
      const told = button.querySelector("[data-done]");
      told.textContent = told.dataset.done;
    });
  }
});

// The panel of a list's filters takes the focus when it opens, and gives it back when Escape closes it.
document.addEventListener("DOMContentLoaded", () => {
  const panel = document.querySelector("details.za-filters");
  if (!panel) return;
  const summary = panel.querySelector("summary");
  summary.addEventListener("click", () => setTimeout(() => {
    if (panel.open) panel.querySelector("select, input:not([type=hidden])").focus();
  }));
  panel.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !panel.open) return;
    panel.open = false;
    summary.focus();
  });
});

// A button with `data-menu` opens the menu that `aria-controls` names. Escape closes the innermost one and gives the focus
// back. A menu also closes when the focus leaves it. The button of an inner menu comes first in the document.
const menuOf = (button) => document.getElementById(button.getAttribute("aria-controls"));
const isIn = (button, element) => button === element || menuOf(button).contains(element);
const openMenus = () => [...document.querySelectorAll("[data-menu][aria-expanded=true]")];

document.addEventListener("keydown", (event) => {
  const button = event.key === "Escape" && openMenus().find((each) => isIn(each, event.target));
  if (!button) return;
  button.focus();
  button.click();
});
document.addEventListener("focusin", (event) => {
  for (const button of openMenus()) if (!isIn(button, event.target)) button.click();
});
document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-menu=takes-focus]");
  if (opener) setTimeout(() => opener.ariaExpanded === "true" && menuOf(opener).querySelector("[data-closes]").focus());
  const closer = event.target.closest("[data-closes]");
  if (closer) document.querySelector(`[data-menu][aria-controls="${closer.dataset.closes}"]`).focus();
});

// The theme focuses the field of its search for pages 20 ms after Ctrl+K. On a busy machine the search is not shown yet,
// and then nothing would have the focus.
document.addEventListener("DOMContentLoaded", () => {
  const field = document.getElementById("search-input-command");
  const search = field?.closest("[role=dialog]");
  if (!search) return;
  new MutationObserver(() => search.style.display || field.focus()).observe(search, { attributeFilter: ["style"] });
});
