// Pages of errors follow the theme that was chosen in the admin. Without a choice they follow the system.
try {
    const chosen = JSON.parse(localStorage.getItem("adminTheme"));
    if (chosen === "dark" || chosen === "light") document.documentElement.classList.add(`er-${chosen}`);
} catch { /* No storage, or an unknown value: the system's theme. */ }
