// Tells a form in which time zone the browser is.
for (const field of document.querySelectorAll("[data-time-zone-field]"))
  field.value = Intl.DateTimeFormat().resolvedOptions().timeZone || field.value;
