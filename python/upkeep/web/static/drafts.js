// Keeps what is written in a form, in this tab only, until it has arrived: it survives a lost session and a refusal.
"use strict";
(() => {
  const { user, refused } = document.body.dataset;
  const drafts = () => Object.keys(sessionStorage).filter((key) => key.startsWith("draft "));
  const read = (key) => {
    try {
      return JSON.parse(sessionStorage.getItem(key));
    } catch {
      return null;
    }
  };
  const keep = (key, draft) => sessionStorage.setItem(key, JSON.stringify(draft));

  // What was sent has arrived if the next page is one of ours that refuses nothing.
  for (const key of drafts()) {
    const draft = read(key);
    if (!draft || (draft.sent && user && refused === undefined)) sessionStorage.removeItem(key);
    else keep(key, { ...draft, sent: false });
  }
  if (!user) return;

  const written = (form) =>
    [...form.elements].filter((one) => one.name && !["hidden", "password", "file", "submit"].includes(one.type));
  const chosen = (one) => one.type === "radio" || one.type === "checkbox";

  for (const form of document.querySelectorAll("form.one[method=post]")) {
    const key = `draft ${user} ${form.getAttribute("action")}`;
    const draft = read(key);
    if (draft) {
      for (const one of written(form)) {
        const there = draft.values.find(([name, value]) => name === one.name && (!chosen(one) || value === one.value));
        if (chosen(one)) one.checked = Boolean(there);
        else if (there) one.value = there[1];
        const empty = !one.value || one.type === "select-one";
        if (there && !empty) one.closest("details")?.setAttribute("open", "");
      }
      const said = document.createElement("p");
      said.className = "soft";
      said.setAttribute("role", "status");
      said.textContent = "What you typed here before was restored.";
      if (refused === undefined) form.prepend(said);
    }
    const save = (sent) => {
      const filled = written(form).filter((one) => !chosen(one) || one.checked);
      keep(key, { sent, values: filled.map((one) => [one.name, one.value]) });
    };
    form.addEventListener("input", () => save(false));
    form.addEventListener("submit", () => save(true));
  }
})();
