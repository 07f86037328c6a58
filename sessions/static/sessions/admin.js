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
  [/^if \((.*)\) (selectItem\(.*\))$/, "$1 && $2"],
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

// On a phone the menu lies over the page. It takes the focus when it opens, and gives it back when it closes. Escape
// closes it; if the user's own menu is open within it, that one closes first.
document.addEventListener("DOMContentLoaded", () => {
  const [opener, closer] = ["open", "close"].map((act) => document.querySelector(`[data-menu="${act}"]`));
  if (!opener || !closer) return;
  opener.addEventListener("click", () => setTimeout(() => closer.focus()));
  closer.addEventListener("click", () => setTimeout(() => opener.focus()));
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || event.defaultPrevented) return;
    const own = document.querySelector('.za-own-menu[aria-expanded="true"]');
    if (own?.checkVisibility()) {
      own.click();
      own.focus();
    } else if (closer.checkVisibility()) {
      closer.click();
    }
  });
});
