/* A form that makes something is sent once: a second click while the first one is on its way would be answered by a
   refusal of what the first had done. Never on what must get through, like the kill switch. */

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (event.defaultPrevented || !form.matches("[data-once]")) return;
  if (form.dataset.sent) event.preventDefault();
  form.dataset.sent = "yes";
});

window.addEventListener("pageshow", () => { // come back to: it may be sent again
  for (const form of document.querySelectorAll("[data-once][data-sent]")) delete form.dataset.sent;
});
