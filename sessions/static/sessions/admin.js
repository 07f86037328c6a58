"use strict";

/*
 * The theme without evaluated scripts.
 *
 * The content security policy lets no text be evaluated as a script. Alpine.js does that with the expressions in the
 * theme's attributes, so its place is taken by Alpine's own build without evaluation: ../unfold/js/alpine/alpine.js.
 * That build reads simple expressions only, and knows no global name. This file gives it what else the theme uses.
 */

// The theme inserts these rules as an inline style, which the policy forbids. They stand in admin.css.
htmx.config.includeIndicatorStyles = false;
htmx.config.allowEval = false;

const sidebar = {
  isOpen: () => localStorage.getItem("sidebarDesktopOpen") !== "0",
  remember: (open) => localStorage.setItem("sidebarDesktopOpen", open ? "1" : "0"),
};

// What the theme says on the left, the build understands on the right.
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
