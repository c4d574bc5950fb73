// Looks again at a page on which something goes on, and replaces what has changed. Without it the page is reloaded.
"use strict";
(() => {
  const parts = () => [...document.querySelectorAll("[data-live]")];
  const pause = () => Math.min(...parts().map((part) => Number(part.dataset.live) || 2)) * 1000;
  const say = (text) => {
    const line = document.getElementById("live-trouble");
    if (line) line.textContent = text;
  };

  function replace(part, other) {
    const focus = part.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
    const open = [...part.querySelectorAll("details[open] > summary")].map((one) => one.textContent);
    part.replaceWith(document.adoptNode(other));
    for (const one of other.querySelectorAll("details > summary"))
      if (open.includes(one.textContent)) one.parentElement.open = true;
    if (focus) other.querySelector(`[href="${CSS.escape(focus)}"]`)?.focus({ preventScroll: true });
  }

  async function again() {
    if (!parts().length) return;
    if (!document.hidden) {
      try {
        const answer = await fetch(location.href, { headers: { "Upkeep-Again": "1" }, redirect: "error" });
        if (answer.status === 401) return say("You are signed out; this page is no longer updated.");
        if (!answer.ok) throw new Error(String(answer.status));
        const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
        for (const part of parts()) {
          const other = fresh.getElementById(part.id);
          if (!other) part.remove();
          else if (other.outerHTML !== part.outerHTML) replace(part, other);
        }
        document.title = fresh.title;
        say("");
      } catch {
        say("The server cannot be reached; trying again.");
      }
    }
    if (parts().length) setTimeout(again, pause());
  }
  if (parts().length) setTimeout(again, pause());
})();
