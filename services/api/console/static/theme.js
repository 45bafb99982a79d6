// Set the theme before the first paint, as the person chose it.
document.documentElement.dataset.theme = localStorage.getItem("theme") || "auto";
