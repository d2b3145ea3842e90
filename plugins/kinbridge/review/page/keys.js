// Keys for what is on the page already: s, d, u choose, n goes on, f g h lead elsewhere. The page works without them.
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || event.target.matches("input:not([type=radio]), textarea")) return;
  const target = document.querySelector(`[data-key="${CSS.escape(event.key.toLowerCase())}"]`);
  if (!target) return;
  event.preventDefault();
  target.click();
  if (target.matches("input")) document.getElementById("reason").focus();
});
