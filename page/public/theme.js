// Before anything is drawn: the theme that was chosen here last, if it is not the system's.
try {
  const theme = localStorage.getItem("mymonit.theme");
  if (theme === "light" || theme === "dark") {
    document.documentElement.dataset.theme = theme;
  }
} catch {
  // Nothing may be kept here; the system's theme it is.
}
