"use strict";

// Swagger UI has a dark mode, but only its own top bar, which we don't show, would switch it.
const dark = window.matchMedia("(prefers-color-scheme: dark)");
const follow = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", follow);
follow();

SwaggerUIBundle({
  dom_id: "#docs",
  url: document.getElementById("docs").dataset.schema,
  deepLinking: true,
  docExpansion: "list",
  displayRequestDuration: true,
  tryItOutEnabled: true,
  // No tokens in the browser's storage, no calls to anybody else's validator.
  persistAuthorization: false,
  validatorUrl: null,
});
